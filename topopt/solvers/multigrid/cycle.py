"""The cycle over the lattices of a hierarchy, wherever their vectors live."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from topopt.solvers.matrixfree.sweep import APPLY, LAST, RESIDUAL, STEP

__all__ = ["Direct", "Hierarchy", "Level", "Room", "Steps", "chebyshev", "corrections"]

FIRST = 2
"""From this lattice on there may be several corrections; of a finer one they cost more than they save."""
STRETCH = {1: 1.25, 2: 1.14, 3: 1.14, 4: 1.1}
"""By steps of smoothing: how much further they are taken than their polynomial's interval asks.

At the bound of the spectrum the polynomials then reach .9, and still contract. Few of a level's eigenvalues
come near its bound, which holds whatever the moduli: a cantilever of 96x48x48 takes 7 % fewer cycles so.
"""
LEAST = 0.3
"""Where the interval begins on which several corrections are best.

The eigenvalues of B K reach from somewhere to 1. The small ones belong to bending, for which coarse bricks
are too stiff. Of .2, .3, .4, .5 and 1, .3 took the fewest cycles on designs that are black and white.
"""


@dataclass(frozen=True)
class Steps:
    """How the cycle smooths.

    Parameters
    ----------
    fine, coarse : int
        Chebyshev steps before and after the coarse correction, on the finest lattice and on the others.
    visits : int
        How many corrections the third lattice and those below it get, but for the last: 1 for a V-cycle.
    """

    fine: int = 1
    coarse: int = 2
    visits: int = 1


@dataclass(frozen=True, eq=False)
class Room:
    """The vectors of one level; those that are not needed are empty.

    Attributes
    ----------
    x, y : vector
        The solution, and its successor or the residual.
    b : vector
        The right-hand side.
    z : vector
        The last of several steps.
    total, rest : vector
        The sum of several corrections, and what it leaves of the right-hand side.
    """

    x: Any
    y: Any
    b: Any
    z: Any
    total: Any
    rest: Any

    @staticmethod
    def at(level: int, steps: Steps, vector: Callable[[bool], Any], unwritten: bool) -> Room:
        """Return the vectors of a level, fine to coarse.

        Parameters
        ----------
        vector : callable
            Makes one, or an empty one.
        unwritten : bool
            Whether its step from zero is never written where it is the only one: so on the finest lattice of
            this machine, which is never the last.
        """
        several = (steps.fine if level == 0 else steps.coarse) > 1
        again = level >= FIRST and steps.visits > 1
        return Room(*map(vector, (several or not unwritten, True, True, several, again, again)))


class Level(Protocol):
    """A lattice with its operator and the ways to the next coarser one."""

    @property
    def bound(self) -> float:
        """A bound of the eigenvalues of K after division by its diagonal."""

    def run(
        self, job: int, u: Any, y: Any, b: Any = None, z: Any = None, a: float = 0.0, c: float = 0.0
    ) -> float:
        """Do a job of `topopt.solvers.matrixfree.sweep`."""

    def jacobi(self, b: Any, c: float, x: Any, z: Any) -> None:
        """Do x = c b / diagonal, and z = x unless z is empty: the first step from zero."""

    def mix(self, a: float, x: Any, c: float, total: Any) -> None:
        """Do total = a x + c total, whatever total is where c is zero."""

    def restrict(self, r: Any, below: Any) -> None:
        """Do below = P^T r."""

    def prolong(self, below: Any, x: Any) -> None:
        """Do x += P below."""

    @property
    def fused(self) -> Fused | None:
        """The level itself, if it is one that does several passes in one sweep."""


class Fused(Protocol):
    """A level whose smoothing, transfers and directions join the sweep of its operator."""

    def smooth_and_restrict(self, b: Any, c: float, below: Any) -> None:
        """Do below = P^T (b - K x) for x = c b / diagonal."""

    def correct_and_smooth(self, below: Any, b: Any, c: float, y: Any) -> float:
        """Do y = x + c (b - K x) / diagonal for x = c b / diagonal + P below; return b . y."""

    def next_product(self, beta: float, z: Any, p: Any, following: Any, q: Any) -> float:
        """Do following = z + beta p and q = K following; return following . q."""


class Direct(Protocol):
    """The exact solve on the coarsest lattice."""

    def solve(self, b: Any, x: Any) -> None:
        """Write the solution for `b` into `x`."""


@dataclass(frozen=True, eq=False)
class Hierarchy:
    """Levels, fine to coarse, and the direct solver below them; a room for each, and one for the last."""

    levels: tuple[Level, ...]
    bottom: Direct
    rooms: tuple[Room, ...]
    steps: Steps

    @property
    def rhs(self) -> Any:
        """The right-hand side of a cycle."""
        return self.rooms[0].b

    def cycle(self) -> tuple[Any, float]:
        """Return B b for the right-hand side in the first room, and b . B b; B is symmetric and positive."""
        return self._cycle(0, self.rooms[0].b)

    def product(self, p: Any, q: Any) -> float:
        """Do q = K p in the precision of the cycle; return p . K p."""
        return self.levels[0].run(APPLY, p, q)

    def next_product(self, beta: float, z: Any, p: Any, following: Any, q: Any) -> float:
        """Do following = z + beta p and q = K following; return following . K following."""
        finest = self.levels[0].fused
        assert finest is not None, "the finest operator is applied cell by cell"
        return finest.next_product(beta, z, p, following, q)

    def _cycle(self, number: int, b: Any) -> tuple[Any, float]:
        """Smooth, correct from below, smooth; the sum is that of the last step."""
        level, room = self.levels[number], self.rooms[number]
        steps = self.steps.fine if number == 0 else self.steps.coarse
        x, y = room.x, room.y
        plan = chebyshev(steps, level.bound)
        if steps == 1 and level.fused:
            weight = plan[0][1]
            level.fused.smooth_and_restrict(b, weight, self.rooms[number + 1].b)
            return y, level.fused.correct_and_smooth(self._solved(number + 1), b, weight, y)
        level.jacobi(b, plan[0][1], x, room.z)
        for a, c in plan[1:]:
            level.run(STEP, x, y, b, room.z, a, c)
            x, y = y, x
        level.run(RESIDUAL, x, y, b)
        level.restrict(y, self.rooms[number + 1].b)
        level.prolong(self._solved(number + 1), x)
        total = 0.0
        for step, (a, c) in enumerate(plan):
            job = LAST if step == 0 and steps == 1 else STEP
            total = level.run(job, x, y, b, room.z, 0.0 if step == 0 else a, c)
            x, y = y, x
        return x, total

    def _solved(self, number: int) -> Any:
        """Return what comes near the solution for the right-hand side in a room."""
        room = self.rooms[number]
        if number == len(self.levels):
            self.bottom.solve(room.b, room.x)
            return room.x
        if number < FIRST or self.steps.visits == 1:
            return self._cycle(number, room.b)[0]
        level, b = self.levels[number], room.b
        for visit, weight in enumerate(corrections(self.steps.visits)):
            if visit > 0:
                b = room.rest
                level.run(RESIDUAL, room.total, b, room.b)
            level.mix(weight, self._cycle(number, b)[0], float(visit > 0), room.total)
        return room.total


@functools.lru_cache(maxsize=32)
def chebyshev(steps: int, bound: float) -> tuple[tuple[float, float], ...]:
    """Return a and c of every step z = a z + c D^-1 r, x += z.

    Chebyshev polynomials of the fourth kind need no lower bound of the spectrum; up to two steps the last
    one is weighted optimally. Sources: Lottes 2023, doi:10.1002/nla.2518; Phillips & Fischer 2022,
    arXiv:2210.03179.
    """
    near = bound / STRETCH.get(steps, 1.0)
    plan = [((2 * k - 3) / (2 * k + 1), (8 * k - 4) / ((2 * k + 1) * near)) for k in range(1, steps + 1)]
    plan[0] = (0.0, plan[0][1])
    if steps == 1:
        return ((0.0, 1.125 * plan[0][1]),)
    if steps == 2:
        a, c = plan[1]
        plan[1] = (0.02387287570313 + 1.26408905371085 * a, 1.26408905371085 * c)
    return tuple(plan)


def corrections(visits: int) -> list[float]:
    """Return the weights of several corrections B r by a cycle B.

    With weights w the error shrinks by the product of 1 - w B K, which is least on an interval if the 1/w are
    the roots of its Chebyshev polynomial. Source: Golub & Varga 1961, doi:10.1007/BF01386013.
    """
    middle, half = (1.0 + LEAST) / 2, (1.0 - LEAST) / 2
    return [1.0 / (middle + half * math.cos((k + 0.5) / visits * math.pi)) for k in range(visits)]
