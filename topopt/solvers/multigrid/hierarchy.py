"""The operators of all lattices for one field of moduli, and the V-cycle over them."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
from numpy.typing import DTypeLike, NDArray

from topopt.parameters import Array
from topopt.solvers.matrixfree.coarse import coarse_coefficients
from topopt.solvers.matrixfree.lattice import Lattice, Vector
from topopt.solvers.matrixfree.operator import GridSystem, MatrixFree
from topopt.solvers.matrixfree.sweep import COARSE_BRICK, LAST, RESIDUAL, STEP
from topopt.solvers.matrixfree.walsh import child_matrices, walsh
from topopt.solvers.multigrid.bottom import Bottom, bottom
from topopt.solvers.multigrid.levels import Runs, invert, stencil
from topopt.solvers.multigrid.plan import Floor, Plan, lowered
from topopt.solvers.multigrid.transfer import prolong, restrict
from topopt.solvers.multigrid.vectors import jacobi, node_sums

__all__ = ["Hierarchy", "Steps", "hierarchy"]


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

    x: Vector
    y: Vector
    b: Vector
    z: Vector


@dataclass(frozen=True, eq=False)
class Hierarchy:
    """Operators, fine to coarse, and the direct solver below them."""

    levels: tuple[Runs, ...]
    floors: tuple[Floor, ...]
    bottom: Bottom
    rooms: tuple[Room, ...]
    steps: Steps

    def cycle(self) -> tuple[Vector, float]:
        """Return B b for the right-hand side in the first room, and b . B b; B is symmetric and positive."""
        return self._cycle(0)

    def _cycle(self, level: int) -> tuple[Vector, float]:
        """Smooth, correct from below, smooth; the sum is that of the last step."""
        room = self.rooms[level]
        if level == len(self.levels):
            self.bottom.solve(room.b, room.x)
            return room.x, 0.0
        operator, below = self.levels[level], self.rooms[level + 1]
        steps = self.steps.fine if level == 0 else self.steps.coarse
        bound, threads = self.floors[level].bound, numba.get_num_threads()
        number = room.x.dtype.type
        x, y = room.x, room.y
        plan = chebyshev(steps, bound)
        keep = room.z if steps > 1 else room.z[:0]
        jacobi(room.b, operator.inverse, number(plan[0][1]), x, keep, threads)
        for a, c in plan[1:]:
            operator.run(STEP, x, y, room.b, room.z, a, c)
            x, y = y, x
        components = np.uintp(operator.lattice.components)
        visits = self.steps.visits if 1 == level < len(self.levels) - 1 else 1
        fine, coarse = operator.lattice, self.floors[level + 1].lattice.sizes
        for _ in range(visits):
            operator.run(RESIDUAL, x, y, room.b)
            restrict(y, below.b, self.floors[level + 1].fixed, components, fine.sizes, coarse, threads)
            correction, _sum = self._cycle(level + 1)
            prolong(correction, x, operator.fixed, components, fine.sizes, coarse, threads)
        total = 0.0
        for step, (a, c) in enumerate(plan):
            job = LAST if step == 0 and steps == 1 else STEP
            if step == 0 and steps > 1:
                a = 0.0
            total = operator.run(job, x, y, room.b, room.z, a, c)
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


def hierarchy(system: GridSystem, moduli: Array, plan: Plan, scale: float, spring: float,
              steps: Steps, dtype: DTypeLike) -> Hierarchy:  # fmt: skip
    """Build the operators of all levels.

    Parameters
    ----------
    moduli : array, shape (n_cells,)
        Of the fine cells.
    scale, spring : float
        Factors on the element matrix and on the springs.
    dtype : float32 or float64
        Of the cycle; the coarsest operator is always factored in double precision.
    """
    matrix = system.element_matrix * scale
    shaped = moduli.reshape(system.grid.cells)
    floors = plan.floors
    levels: list[Any] = []
    springs: Array = np.zeros(0)
    for level, floor in enumerate(floors[:-1]):
        operator: Any
        if level == 0:
            operator = _finest(system, moduli, scale, spring, dtype)
            springs = operator.springs.astype(np.float64)
        elif level == 1 and (system.ndim, floor.lattice.components) == (3, 3):
            operator = _halved(levels[0], matrix, floor, springs.astype(dtype))
        else:
            stored = _vector(floor.lattice, springs, dtype)
            operator = stencil(matrix, shaped, level, floor.lattice, floor.fixed, stored, dtype)
        springs = _below(floor, floors[level + 1], springs, operator.inverse)
        invert(operator.inverse, floor.fixed)
        levels.append(operator)
    last = floors[-1]
    direct = bottom(matrix, shaped, len(floors) - 1, last.lattice, last.fixed, springs)
    return Hierarchy(
        tuple(levels),
        floors,
        direct,
        tuple(_room(floor, dtype, level, steps) for level, floor in enumerate(floors)),
        steps,
    )


def _room(floor: Floor, dtype: DTypeLike, level: int, steps: Steps) -> Room:
    """Return the vectors of a level."""
    x, y, b = (floor.lattice.vector(dtype) for _ in range(3))
    several = (steps.coarse if level else steps.fine) > 1
    return Room(x, y, b, floor.lattice.vector(dtype) if several else np.zeros(0, dtype))


def _vector(lattice: Lattice, springs: Array, dtype: DTypeLike) -> Vector:
    """Return springs with guards, or nothing."""
    if not len(springs):
        return np.zeros(0, dtype)
    out = lattice.vector(dtype)
    out[:] = springs
    return out


def _below(fine: Floor, coarse: Floor, springs: Array, diagonal: Vector) -> Array:
    """Return the springs of the next lattice: those of this one, and supports that have no partner there."""
    entries = fine.off
    values = diagonal[entries].astype(np.float64)
    if len(springs):
        sprung = np.flatnonzero(springs)
        entries, values = np.append(entries, sprung.astype(np.uintp)), np.append(values, springs[sprung])
    if not len(entries):
        return np.zeros(0)
    return lowered(fine, coarse, entries, values)


def _back(lattice: Lattice) -> NDArray[np.uintp]:
    """Return by corner how far behind a node its cell is numbered."""
    _, rows, columns = lattice.shape
    steps = np.array([rows * columns, columns, 1])[[0, 1, 2] if lattice.ndim == 3 else [0, 2]]
    return np.array([np.dot(corner, steps) for corner in np.ndindex(*(2,) * lattice.ndim)], dtype=np.uintp)


def _diagonal(operator: MatrixFree, shares: Array) -> Vector:
    """Return the diagonal of a matrix-free operator."""
    lattice, dtype = operator.lattice, operator.moduli.dtype
    out = lattice.vector(dtype)
    threads = numba.get_num_threads()
    node_sums(operator.moduli, np.uintp(lattice.n), shares.astype(dtype), _back(lattice), out, threads)
    if len(operator.springs):
        out += operator.springs
    return out


def _finest(system: GridSystem, moduli: Array, scale: float, spring: float, dtype: DTypeLike) -> MatrixFree:
    """Return the operator of the finest lattice; its `inverse` is still the diagonal."""
    operator = MatrixFree.of(system, moduli, dtype, scale, spring)
    corners = np.diag(system.element_matrix).reshape(2**system.ndim, -1) * scale
    return dataclasses.replace(operator, inverse=_diagonal(operator, corners.T[:, :, None].copy()))


def _halved(finest: MatrixFree, matrix: Array, floor: Floor, springs: Vector) -> MatrixFree:
    """Return the operator of the second lattice, matrix-free: a cell keeps the moduli of its children."""
    lattice, dtype = floor.lattice, finest.moduli.dtype
    moduli = lattice.vector(dtype, components=8)
    fields = moduli.reshape(8, *lattice.shape)
    box = finest.moduli.reshape(finest.lattice.shape)
    cells = finest.lattice.coarse_cells
    window = tuple(slice(0, n) for n in cells)
    parts = [box[i : i + 2 * cells[0] : 2, j : j + 2 * cells[1] : 2, k : k + 2 * cells[2] : 2]
             for i, j, k in np.ndindex(2, 2, 2)]  # fmt: skip
    for half in (1, 2, 4):  # a fast Walsh-Hadamard transform
        for first in range(8):
            if not first & half:
                one, two = parts[first], parts[first | half]
                parts[first], parts[first | half] = one + two, two - one
    for field, part in zip(fields, parts, strict=True):
        np.multiply(part, 0.125, out=field[window])
    stored = _vector(lattice, springs.astype(np.float64), dtype)
    operator = MatrixFree(lattice, COARSE_BRICK, moduli, stored, np.zeros(0, dtype),
                          coarse_coefficients(matrix).astype(dtype), floor.fixed)  # fmt: skip
    diagonals = np.einsum("tw,tii->wi", walsh(3), child_matrices(matrix, 3, 1))
    shares = diagonals.reshape(8, 8, 3).transpose(2, 1, 0).copy()
    return dataclasses.replace(operator, inverse=_diagonal(operator, shares))
