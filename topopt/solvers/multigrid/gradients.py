"""Conjugate gradients in double precision around a multigrid cycle in single precision."""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np

from topopt.solvers.matrixfree.lattice import Vector
from topopt.solvers.matrixfree.operator import MatrixFree
from topopt.solvers.matrixfree.sweep import APPLY, RESIDUAL
from topopt.solvers.multigrid.hierarchy import Hierarchy
from topopt.solvers.multigrid.vectors import advance, direction

__all__ = ["Outcome", "Search", "conjugate_gradients"]

PATIENCE = 40
"""Iterations within which the residual, or its energy r.z, must halve."""
ROUNDING = 20 * float(np.finfo(np.float64).eps)
"""What rounding leaves of f - K x, over |x|, where the largest entry of K is one."""
REFINEMENTS = 4
"""How often the search starts again when the true residual is larger than the one it carries along."""


@dataclass(frozen=True)
class Outcome:
    """How a solve ended.

    Attributes
    ----------
    iterations : int
        Cycles.
    residual : float
        Norm of f - K u over that of f, computed from u itself.
    trouble : str
        Empty, or what was wrong.
    """

    iterations: int
    residual: float
    trouble: str = ""


@dataclass(frozen=True, eq=False)
class Search:
    """Vectors of conjugate gradients, made once and used again."""

    x: Vector
    r: Vector
    p: Vector
    q: Vector

    @staticmethod
    def on(operator: MatrixFree) -> Search:
        """Return vectors for an operator."""
        return Search(*(operator.lattice.vector(operator.moduli.dtype) for _ in range(4)))


def conjugate_gradients(operator: MatrixFree, cycles: Hierarchy, f: Vector, search: Search,
                        tolerance: float, limit: int) -> Outcome:  # fmt: skip
    """Solve K x = f, |f| = 1, from the guess in ``search.x``, which the solution replaces.

    The residual that is carried along drifts away from the true one, so that convergence is believed only of
    f - K x; if that is too large, the search starts again from x.

    The solve also ends where rounding alone leaves more than the tolerance, as with parts that hang on void.

    Source: Hestenes & Stiefel 1952, doi:10.6028/jres.049.044.
    """
    done, trouble = 0, ""
    for attempt in range(REFINEMENTS + 1):
        operator.run(RESIDUAL, search.x, search.r, f)
        norm = float(np.linalg.norm(search.r))
        if norm <= max(tolerance, ROUNDING * float(np.linalg.norm(search.x))):
            return Outcome(done, norm)
        if trouble or attempt == REFINEMENTS:
            break
        count, trouble = _descend(operator, cycles, search, 0.9 * tolerance, limit - done, norm)
        done += count
    return Outcome(done, norm, trouble or f"the true residual stays at {norm:.1e}")


def _descend(operator: MatrixFree, cycles: Hierarchy, search: Search, tolerance: float, limit: int,
             norm: float) -> tuple[int, str]:  # fmt: skip
    """Iterate from the residual in ``search.r``; return the number of cycles and what was wrong."""
    threads = numba.get_num_threads()
    x, r, p, q = search.x, search.r, search.p, search.q
    single = cycles.rooms[0].b
    single[:] = r
    z, rz = cycles.cycle()
    best, energy, since = norm, rz, 0
    p[:] = z
    for count in range(1, limit + 1):
        if not rz > 0.0:
            return count, f"the cycle is not positive (r.z = {rz:.1e})"
        curvature = operator.run(APPLY, p, q)
        if not curvature > 0.0:
            return count, f"the operator is not positive along a direction (p.Kp = {curvature:.1e})"
        norm = float(np.sqrt(advance(rz / curvature, p, q, x, r, single, threads)))
        if norm <= tolerance:
            return count, ""
        since += 1
        if norm < 0.5 * best or rz < 0.25 * energy:
            best, energy, since = min(norm, best), min(rz, energy), 0
        if since > PATIENCE:
            return count, f"the residual has stood at {norm:.1e} for {PATIENCE} iterations"
        before = rz
        z, rz = cycles.cycle()
        direction(rz / before, z, p, threads)
    return limit, f"no convergence within {limit} iterations"
