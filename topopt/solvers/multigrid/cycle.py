"""The cycle over the lattices of a hierarchy, wherever their vectors live."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from topopt.solvers.matrixfree.sweep import APPLY, LAST, RESIDUAL, STEP

__all__ = ["Direct", "Hierarchy", "Level", "Room", "Steps", "chebyshev"]


@dataclass(frozen=True)
class Steps:
    """How the cycle smooths.

    Parameters
    ----------
    fine, coarse : int
        Chebyshev steps before and after the coarse correction, on the finest lattice and on the others.
    visits : int
        How often the second lattice is corrected from below, if that is not an exact solve: 1 for a V-cycle.
    """

    fine: int = 1
    coarse: int = 2
    visits: int = 1


@dataclass(frozen=True, eq=False)
class Room:
    """The vectors of one level: solution, its successor or the residual, right-hand side, the last step.

    A single step of smoothing remembers none.
    """

    x: Any
    y: Any
    b: Any
    z: Any


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

    def restrict(self, r: Any, below: Any) -> None:
        """Do below = P^T r."""

    def prolong(self, below: Any, x: Any) -> None:
        """Do x += P below."""


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
        return self._cycle(0)

    def product(self, p: Any, q: Any) -> float:
        """Do q = K p in the precision of the cycle; return p . K p."""
        return self.levels[0].run(APPLY, p, q)

    def _cycle(self, number: int) -> tuple[Any, float]:
        """Smooth, correct from below, smooth; the sum is that of the last step."""
        room = self.rooms[number]
        if number == len(self.levels):
            self.bottom.solve(room.b, room.x)
            return room.x, 0.0
        level, below = self.levels[number], self.rooms[number + 1]
        steps = self.steps.fine if number == 0 else self.steps.coarse
        x, y = room.x, room.y
        plan = chebyshev(steps, level.bound)
        level.jacobi(room.b, plan[0][1], x, room.z)
        for a, c in plan[1:]:
            level.run(STEP, x, y, room.b, room.z, a, c)
            x, y = y, x
        visits = self.steps.visits if 1 == number < len(self.levels) - 1 else 1
        for _ in range(visits):
            level.run(RESIDUAL, x, y, room.b)
            level.restrict(y, below.b)
            correction, _sum = self._cycle(number + 1)
            level.prolong(correction, x)
        total = 0.0
        for step, (a, c) in enumerate(plan):
            job = LAST if step == 0 and steps == 1 else STEP
            total = level.run(job, x, y, room.b, room.z, 0.0 if step == 0 else a, c)
            x, y = y, x
        return x, total


def chebyshev(steps: int, bound: float) -> list[tuple[float, float]]:
    """Return a and c of every step z = a z + c D^-1 r, x += z.

    Chebyshev polynomials of the fourth kind need no lower bound of the spectrum; up to two steps the last
    one is weighted optimally. Sources: Lottes 2023, doi:10.1002/nla.2518; Phillips & Fischer 2022,
    arXiv:2210.03179.
    """
    plan = [((2 * k - 3) / (2 * k + 1), (8 * k - 4) / ((2 * k + 1) * bound)) for k in range(1, steps + 1)]
    plan[0] = (0.0, plan[0][1])
    if steps == 1:
        return [(0.0, 1.125 * plan[0][1])]
    if steps == 2:
        a, c = plan[1]
        plan[1] = (0.02387287570313 + 1.26408905371085 * a, 1.26408905371085 * c)
    return plan
