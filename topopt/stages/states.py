"""What mechanics and heat share in solving for a state and its adjoint."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np

from topopt.errors import InputError
from topopt.kernels import twin
from topopt.parameters import Array
from topopt.solvers import Multigrid, Solver, choose
from topopt.solvers.protocol import Factor, IterativeFactor, System
from topopt.solves import current
from topopt.threads import each

__all__ = ["chosen", "multiple", "require_shapes", "solved"]

ROUNDING = 4 * float(np.finfo(np.float64).eps)


def require_shapes(owner: object, *expected: tuple[str, Array, Sequence[int]]) -> None:
    """Refuse inputs that do not fit.

    Parameters
    ----------
    owner : object
        The stage that reads them.
    *expected : tuple
        What each is, in the plural, the array, and the shape it should have.
    """
    for what, given, shape in expected:
        if given.shape != tuple(shape):
            raise InputError(
                f"{type(owner).__name__}: expected {what} of shape {tuple(shape)}, got {given.shape}"
            )


def chosen(system: System, request: str | Solver) -> Solver:
    """Return the solver of a system, as the run's last progress wants it."""
    solver = _choice(system, request)
    return solver.at(current().progress) if isinstance(solver, Multigrid) else solver


@functools.lru_cache(maxsize=8)
def _choice(system: System, request: str | Solver) -> Solver:
    """Choose once, so that the memory which a run itself takes is not held against its next iteration."""
    return choose(system, request).solver


def solved(factor: Factor, rhs: Array) -> Array:
    """Solve; what iterates begins with the states of the evaluations before, and leaves its own.

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
    found = factor.solve(rhs, solves.guesses(rhs.shape))
    solves.states.append(found)
    solves.iterations += factor.work.iterations
    solves.climbs += factor.work.climbs
    solves.tolerance = max(solves.tolerance, factor.work.tolerance)
    solves.error = max(solves.error, factor.work.error)
    return found


def multiple(vector: Array, of: Array, largest: int) -> float | None:
    """Return a with vector = a * of, to rounding, or None if there is no such number."""
    factor, same = float(vector[largest] / of[largest]), _multiple.of(len(vector))
    agreed = each(lambda at: same(vector[at], of[at], factor, ROUNDING), len(vector))
    return factor if all(agreed) else None


@twin("sizes.multiple")
def _multiple(vector: Array, of: Array, factor: float, slack: float) -> bool:
    """Tell whether a piece is a multiple of another."""
    return bool((np.abs(vector - factor * of) <= slack * np.abs(vector)).all())
