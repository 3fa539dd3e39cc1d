"""State solves that begin where those of the evaluation before ended."""

from __future__ import annotations

from topopt.parameters import Array
from topopt.solvers.protocol import Factor, IterativeFactor
from topopt.solves import current

__all__ = ["solved"]


def solved(factor: Factor, rhs: Array) -> Array:
    """Solve; what iterates begins with the state of the evaluation before, and leaves its own.

    Parameters
    ----------
    factor : Factor
        Of the operator.
    rhs : array, shape (n_dofs, k)
        Right-hand sides.
    """
    if not isinstance(factor, IterativeFactor):
        return factor.solve(rhs)
    solves = current()
    found = factor.solve(rhs, solves.guess(rhs.shape))
    solves.states.append(found)
    solves.iterations += factor.work.iterations
    solves.climbs += factor.work.climbs
    solves.tolerance = max(solves.tolerance, factor.work.tolerance)
    solves.error = max(solves.error, factor.work.error)
    return found
