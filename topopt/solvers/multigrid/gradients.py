"""Conjugate gradients around a multigrid cycle: the solution is exact, all else as the cycle has it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import numpy as np
from scipy.linalg import eigvalsh_tridiagonal

from topopt.parameters import Array
from topopt.solvers.matrixfree.sweep import RESIDUAL

__all__ = [
    "LOST",
    "Cycles",
    "Exact",
    "Goal",
    "Outcome",
    "Space",
    "Sums",
    "begin",
    "begin_from_zero",
    "conjugate_gradients",
    "improved",
]

PATIENCE = 40
"""Iterations within which the residual must halve, or its energy r.z come to a quarter."""
ROUNDING = 20 * float(np.finfo(np.float64).eps)
"""What rounding leaves of f - K x, over |x|, where the largest entry of K is one."""
LOST = 1e-3
"""What rounding may leave of f: where it leaves more, nothing holds the body."""
REPLACED = 1e-3
"""Below this share of the largest residual since then, the residual is computed from the state again."""
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
    error : float
        An estimate of what is wrong with u, in the norm of the energy, as a share of u's.
    """

    iterations: int
    residual: float
    trouble: str = ""
    error: float = 0.0


@dataclass(frozen=True)
class Goal:
    """When a solve ends: `tolerance` and `error` as in `Outcome`, and a limit of cycles."""

    tolerance: float
    limit: int
    error: float = math.inf


class Sums(NamedTuple):
    """Scalar products of a right-hand side f, a state x and its residual r = f - K x."""

    work: float
    """f . x"""
    tilt: float
    """r . x"""
    cross: float
    """f . r"""
    square: float
    """r . r"""
    size: float
    """x . x"""

    def scaled(self, factor: float) -> Sums:
        """Return those of `factor` x, given that f . f = 1."""
        rest = 1.0 - factor
        return Sums(
            factor * self.work,
            factor * (rest * self.work + factor * self.tilt),
            rest + factor * self.cross,
            max(rest**2 + factor * (2.0 * rest * self.cross + factor * self.square), 0.0),
            factor**2 * self.size,
        )


class Exact(Protocol):
    """The operator in double precision."""

    def run(self, job: int, u: Any, y: Any, b: Any = None) -> float:
        """Do RESIDUAL of `topopt.solvers.matrixfree.sweep`."""

    def apply(self, unknowns: Array) -> Array:
        """Return K u, numbered node by node."""


class Cycles(Protocol):
    """The preconditioner."""

    @property
    def rhs(self) -> Any:
        """Where the cycle finds its right-hand side, in its own precision."""

    def cycle(self) -> tuple[Any, float]:
        """Return B b and b . B b."""

    def product(self, p: Any, q: Any) -> float:
        """Do q = K p, in whatever precision serves; return p . K p."""

    def next_product(self, beta: float, z: Any, p: Any, following: Any, q: Any) -> float:
        """Do following = z + beta p and q = K following; return following . K following."""


class Space(Protocol):
    """Where the long vectors live, on this machine's processor or on a graphics card."""

    def states(self) -> tuple[Any, Any]:
        """Return two vectors in double precision, whatever they hold; the next solve may get the same."""

    def directions(self, like: Any) -> tuple[Any, Any, Any]:
        """Return three vectors in the precision of another or a higher one; the same holds for them."""

    def load(self, vector: Any, unknowns: Array, factor: float) -> None:
        """Write a multiple of unknowns that are numbered node by node, zero on fixed ones."""

    def unload(self, vector: Any, factor: float) -> Array:
        """Return a multiple of a vector's unknowns, numbered node by node."""

    def norm(self, vector: Any) -> float:
        """Return the Euclidean norm."""

    def dot(self, one: Any, other: Any) -> float:
        """Return the scalar product."""

    def sums(self, f: Any, x: Any, r: Any) -> Sums:
        """Return all scalar products of the three that `Sums` names."""

    def rescale(self, factor: float, f: Any, x: Any, r: Any) -> None:
        """Do x = factor x and r = (1 - factor) f + factor r, the residual of that."""

    def clear(self, vector: Any) -> None:
        """Write zeros."""

    def scale(self, vector: Any, factor: float) -> None:
        """Multiply in place."""

    def assign(self, target: Any, source: Any) -> None:
        """Copy, from one precision to another where they differ."""

    def advance(
        self, alpha: float, q: Any, r: Any, x: Any = None, steps: Sequence[tuple[float, Any]] = ()
    ) -> float:
        """Do r -= alpha q, and x += a p for each of at most two steps; return r . r."""

    def mix(self, a: float, x: Any, c: float, total: Any) -> None:
        """Do total = a x + c total."""


@dataclass
class _Walk:
    """The state, whose steps are taken two at a time: it is long, in double precision, seldom looked at."""

    space: Space
    x: Any
    pending: tuple[float, Any] | None = None
    """A step that is not yet taken."""

    def step(self, alpha: float, p: Any, q: Any, r: Any) -> float:
        """Go on by alpha p, now or with the next step; do r -= alpha q and return r . r."""
        if self.pending is None:
            self.pending = alpha, p
            return self.space.advance(alpha, q, r)
        steps, self.pending = [self.pending, (alpha, p)], None
        return self.space.advance(alpha, q, r, self.x, steps)

    def arrive(self) -> Any:
        """Take the step that is pending, and return the state."""
        if self.pending is not None:
            alpha, p = self.pending
            self.space.mix(alpha, p, 1.0, self.x)
            self.pending = None
        return self.x


@dataclass
class _Lanczos:
    """The numbers of conjugate gradients, and what they say of the error.

    With r.z the residual in the norm of the cycle B, which is near that of K^-1, the energy of the error is
    at most r.z over the smallest eigenvalue of B K. The smallest Ritz value comes close to that from above as
    the search goes on; half of it is taken. Source: Meurant & Tichý 2013, doi:10.1007/s11075-012-9591-9.
    """

    steps: list[float] = field(default_factory=list)
    ratios: list[float] = field(default_factory=list)
    last: float = 0.0

    def error(self) -> float:
        """Return the estimated energy of the error that the last step has left."""
        if not self.steps:
            return math.inf
        inverse = 1.0 / np.array(self.steps)
        ratios = np.array(self.ratios[: len(inverse) - 1])
        diagonal = inverse.copy()
        diagonal[1:] += ratios * inverse[:-1]
        smallest = float(eigvalsh_tridiagonal(diagonal, np.sqrt(ratios) * inverse[:-1])[0])
        if not smallest > 0.0:
            return math.inf
        return self.last * (2.0 / smallest - self.steps[-1])


def begin(operator: Exact, cycles: Cycles, space: Space, f: Any, x: Any) -> Sums:
    """Scale a guess to the least error in energy, or drop it if it leaves more than nothing would.

    Leaves its residual where the cycle finds its right-hand side.
    """
    operator.run(RESIDUAL, x, cycles.rhs, f)
    found = space.sums(f, x, cycles.rhs)
    energy = found.work - found.tilt
    factor = found.work / energy if energy > 0.0 else 0.0
    scaled = found.scaled(factor)
    if not scaled.square < 1.0:
        return begin_from_zero(cycles, space, f, x)
    space.rescale(factor, f, x, cycles.rhs)
    return scaled


def improved(cycles: Cycles, space: Space, f: Any, x: Any, sums: Sums, directions: Sequence[Any]) -> Sums:
    """Mix a second guess into x, which `begin` has left at right angles to its residual.

    The second one lies in the first of three vectors; all are overwritten. What is conjugate to x in it is
    searched along before all else. As a design settles, its state goes on as it went the time before: from
    the last two states a hundred iterations of OC took .86 of the cycles from the last one at 64x32x32, .78
    at 300x100.
    """
    r = cycles.rhs
    p, _, q = directions
    along = space.dot(p, f) - space.dot(p, r)
    if not (sums.work > 0.0 and along != 0.0):
        return sums
    space.mix(1.0, x, -sums.work / along, p)
    curvature = cycles.product(p, q)
    if not curvature > 0.0:
        return sums
    alpha = space.dot(p, r) / curvature
    space.advance(alpha, q, r, x, [(alpha, p)])
    return space.sums(f, x, r)


def begin_from_zero(cycles: Cycles, space: Space, f: Any, x: Any) -> Sums:
    """Start at x = 0, whose residual is f."""
    space.clear(x)
    space.assign(cycles.rhs, f)
    return Sums(0.0, 0.0, 1.0, 1.0, 0.0)


def conjugate_gradients(
    operator: Exact, cycles: Cycles, space: Space, f: Any, x: Any, goal: Goal, sums: Sums
) -> Outcome:
    """Solve K x = f, |f| = 1, from where `begin` has left a guess and its residual; x becomes the solution.

    The residual lives where the cycle finds its right-hand side, in the precision of the cycle, and so do the
    directions and their products with K: what sums and stores in single precision takes half the time. Only
    x, f and the residual f - K x are in double precision. What rounding adds to the residual that is carried
    along is some 1e-5 of the largest it ever was, as long as strains are differences before they are sums
    (`topopt.solvers.matrixfree.cells`). It is replaced by f - K x before that matters; the search keeps its
    directions and needs no cycle more, down to a tolerance of 1e-9. Convergence is believed of f - K x alone,
    and if that is too large, the search starts again from x. At least one cycle is spent, for without it
    nothing would be known of the error, unless the guess is right but for rounding.

    The solve also ends where rounding alone leaves more than the tolerance, as with parts that hang on void.

    Sources: Hestenes & Stiefel 1952, doi:10.6028/jres.049.044; van der Vorst & Ye, Residual replacement
    strategies for Krylov subspace iterative methods, SIAM J. Sci. Comput. 22, 2000.
    """
    done, trouble, tolerance, error = 0, "", goal.tolerance, math.inf
    for attempt in range(REFINEMENTS + 1):
        norm = math.sqrt(sums.square)
        rounded = norm <= min(ROUNDING * math.sqrt(sums.size), LOST)
        share = math.sqrt(error / sums.work) if sums.work > 0.0 else math.inf
        if rounded or (done and norm <= tolerance and share <= goal.error):
            _balance(space, x, sums, tolerance)
            return Outcome(done, norm, error=share if done else norm)
        if trouble or attempt == REFINEMENTS:
            break
        ends = Goal(0.9 * tolerance, goal.limit - done, goal.error)
        walk = _Walk(space, x)
        count, trouble, error = _descend(operator, cycles, walk, f, ends, norm)
        done += count
        operator.run(RESIDUAL, walk.arrive(), cycles.rhs, f)
        sums = space.sums(f, x, cycles.rhs)
    return Outcome(done, norm, trouble or f"the true residual stays at {norm:.1e}")


def _balance(space: Space, x: Any, sums: Sums, tolerance: float) -> None:
    """Scale a solution so that it is at right angles to its residual, which rounding has tilted.

    Only then is the compliance f . x wrong by no more than the square of the error; a part of the tolerance
    is not too much for it.
    """
    if sums.work > 0.0 and abs(sums.tilt) <= 0.1 * tolerance * sums.work:
        space.scale(x, sums.work / (sums.work - sums.tilt))


def _descend(
    operator: Exact, cycles: Cycles, walk: _Walk, f: Any, goal: Goal, norm: float
) -> tuple[int, str, float]:
    """Iterate from the residual in ``cycles.rhs``; return the cycles, what was wrong, the error's energy."""
    r, space = cycles.rhs, walk.space
    p, following, q = space.directions(r)
    z, rz = cycles.cycle()
    best, energy, since, largest = norm, rz, 0, norm
    found = _Lanczos()
    space.assign(p, z)
    curvature = cycles.product(p, q)
    for count in range(1, goal.limit + 1):
        if not rz > 0.0:
            return count, f"the cycle is not positive (r.z = {rz:.1e})", math.inf
        if not curvature > 0.0:
            return count, f"the operator is not positive along a direction (p.Kp = {curvature:.1e})", math.inf
        norm = math.sqrt(walk.step(rz / curvature, p, q, r))
        largest = max(largest, norm)
        if norm < REPLACED * largest:
            operator.run(RESIDUAL, walk.arrive(), r, f)
            largest = norm
        found.steps.append(rz / curvature)
        found.last = rz
        if norm <= goal.tolerance:
            error = found.error()
            if _near(error, goal.error, space, f, walk):
                return count, "", error
        since += 1
        if norm < 0.5 * best or rz < 0.25 * energy:
            best, energy, since = min(norm, best), min(rz, energy), 0
        if since > PATIENCE:
            return count, f"the residual has stood at {norm:.1e} for {PATIENCE} iterations", math.inf
        before = rz
        z, rz = cycles.cycle()
        found.ratios.append(rz / before)
        curvature = cycles.next_product(rz / before, z, p, following, q)
        p, following = following, p
    return goal.limit, f"no convergence within {goal.limit} iterations", math.inf


def _near(error: float, share: float, space: Space, f: Any, walk: _Walk) -> bool:
    """Return whether the energy of the error is below the square of a share of the energy of the state."""
    return math.isinf(share) or error <= share**2 * space.dot(f, walk.arrive())
