"""The operators of all lattices for one field of moduli, in this machine's memory."""

from __future__ import annotations

import dataclasses
import functools
import itertools
import threading
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from topopt.grid import structured
from topopt.parameters import Array
from topopt.solvers.matrixfree.coarse import coarse_coefficients
from topopt.solvers.matrixfree.compiled import slabs
from topopt.solvers.matrixfree.lattice import Lattice, Vector
from topopt.solvers.matrixfree.operator import MatrixFree
from topopt.solvers.matrixfree.sweep import COARSE_BRICK
from topopt.solvers.matrixfree.walsh import child_matrices, walsh
from topopt.solvers.multigrid.bottom import bottom
from topopt.solvers.multigrid.cycle import Hierarchy, Room, Steps
from topopt.solvers.multigrid.fine import add_diagonals, halve_moduli
from topopt.solvers.multigrid.levels import Runs, invert_free, stencil
from topopt.solvers.multigrid.moments import moments_of
from topopt.solvers.multigrid.plan import ByPlane, Floor, Plan, lowered
from topopt.solvers.multigrid.planes import correct_and_smooth, next_product, smooth_and_restrict
from topopt.solvers.multigrid.scaled import Scaled
from topopt.solvers.multigrid.transfer import prolong, restrict
from topopt.solvers.multigrid.vectors import jacobi, mix
from topopt.workspaces import workspace

__all__ = ["FusedLevel", "HostLevel", "coarser_springs", "hierarchy"]


@dataclass(frozen=True, eq=False)
class HostLevel:
    """A level in this machine's memory.

    Attributes
    ----------
    operator : Runs
        On its nodes.
    bound : float
        See `Level`.
    coarse : Lattice
        The next coarser one.
    coarse_fixed : array of uintp
        Its fixed entries.
    """

    operator: Runs
    bound: float
    coarse: Lattice
    coarse_fixed: NDArray[np.uintp]

    @property
    def fused(self) -> FusedLevel | None:
        """None: a stored operator's sweeps are short."""
        return None

    def run(self, job: int, u: Vector, y: Vector, b: Vector | None = None, z: Vector | None = None,
            a: float = 0.0, c: float = 0.0) -> float:  # fmt: skip
        """Do a job of `topopt.solvers.matrixfree.sweep`."""
        return self.operator.run(job, u, y, b, z, a, c)

    def jacobi(self, b: Vector, c: float, x: Vector, z: Vector) -> None:
        """Do x = c b / diagonal, and z = x unless z is empty: the first step from zero."""
        jacobi(b, self.operator.inverse, x.dtype.type(c), x, z, slabs())

    def mix(self, a: float, x: Vector, c: float, total: Vector) -> None:
        """Do total = a x + c total, whatever total is where c is zero."""
        number = total.dtype.type
        mix(number(a), x, number(c), total, slabs())

    def restrict(self, r: Vector, below: Vector) -> None:
        """Do below = P^T r."""
        threads = slabs()
        restrict(r, below, self.coarse_fixed, self._components, self._sizes, self.coarse.sizes, threads)

    def prolong(self, below: Vector, x: Vector) -> None:
        """Do x += P below."""
        fixed, threads = self.operator.fixed, slabs()
        prolong(below, x, fixed, self._components, self._sizes, self.coarse.sizes, threads)

    @functools.cached_property
    def _components(self) -> np.uintp:
        return np.uintp(self.operator.lattice.components)

    @functools.cached_property
    def _sizes(self) -> tuple[np.uintp, np.uintp, np.uintp]:
        return self.operator.lattice.sizes


@dataclass(frozen=True, eq=False)
class FusedLevel(HostLevel):
    """A level that is applied cell by cell, where what comes before a product and after it joins its sweep.

    Attributes
    ----------
    by_plane : ByPlane
        Its own fixed entries.
    others
        See `HostLevel`.
    """

    operator: MatrixFree
    by_plane: ByPlane

    @property
    def fused(self) -> FusedLevel:
        """Itself."""
        return self

    def smooth_and_restrict(self, b: Vector, c: float, below: Vector) -> None:
        """Do below = P^T (b - K x) for x = c b / diagonal."""
        op, coarse = self.operator, self.coarse.sizes
        smooth_and_restrict(
            op.kind, self._components, b, op.inverse, op.springs, self.by_plane, op.moduli, op.coefficients,
            b.dtype.type(c), self._sizes, below, self.coarse_fixed, coarse, slabs(),
        )  # fmt: skip

    def correct_and_smooth(self, below: Vector, b: Vector, c: float, y: Vector) -> float:
        """Do y = x + c (b - K x) / diagonal for x = c b / diagonal + P below; return b . y."""
        op, coarse = self.operator, self.coarse.sizes
        total = correct_and_smooth(
            op.kind, self._components, below, b, y, op.inverse, op.springs, self.by_plane, op.moduli,
            op.coefficients, b.dtype.type(c), self._sizes, coarse, slabs(),
        )  # fmt: skip
        return float(total)

    def next_product(self, beta: float, z: Vector, p: Vector, following: Vector, q: Vector) -> float:
        """Do following = z + beta p and q = K following; return following . q."""
        op = self.operator
        total = next_product(
            op.kind, self._components, p.dtype.type(beta), z, p, following, q, op.springs, op.fixed,
            op.moduli, op.coefficients, self._sizes, slabs(),
        )  # fmt: skip
        return float(total)


def hierarchy(body: Scaled, plan: Plan, steps: Steps, dtype: DTypeLike) -> Hierarchy:
    """Build the operators of all levels.

    Parameters
    ----------
    dtype : float32 or float64
        Of the cycle; the coarsest operator is factored in double precision and kept in this one.
    """
    system = body.system
    matrix = system.element_matrix * body.scale
    moments = moments_of(body.moduli.reshape(structured(system.mesh).cells))
    floors = plan.floors
    operators: list[Any] = []
    springs: Array = np.zeros(0)
    for level, floor in enumerate(floors[:-1]):
        operator: Any
        if level == 0:
            operator = _finest(body, matrix, dtype)
            springs = operator.springs.astype(np.float64)
        elif level == 1 and (system.ndim, floor.lattice.components) == (3, 3):
            operator = _halved(operators[0], matrix, floor, springs)
        else:
            stored = _vector(floor.lattice, springs, dtype)
            moments = moments.coarser(level, floor.lattice)
            operator = stencil(matrix, moments, floor.lattice, floor.fixed, stored, dtype)
        springs = coarser_springs(floor, floors[level + 1], springs, operator.inverse)
        invert_free(operator.inverse, floor.fixed)
        operators.append(operator)
    last = floors[-1]
    direct = bottom(matrix, moments, len(floors) - 1, last.lattice, last.fixed, springs, dtype)
    levels = [
        _level(operator, floor, coarse)
        for operator, (floor, coarse) in zip(operators, itertools.pairwise(floors), strict=True)
    ]
    rooms = _rooms(plan, steps, np.dtype(dtype), threading.get_ident())
    return Hierarchy(tuple(levels), direct, rooms, steps)


def _level(operator: Runs, floor: Floor, coarse: Floor) -> HostLevel:
    """Return the level of an operator."""
    if isinstance(operator, MatrixFree):
        return FusedLevel(operator, floor.bound, coarse.lattice, coarse.fixed, floor.by_plane)
    return HostLevel(operator, floor.bound, coarse.lattice, coarse.fixed)


@workspace(maxsize=1)
def _rooms(plan: Plan, steps: Steps, dtype: np.dtype[Any], thread: int) -> tuple[Room, ...]:
    """Return a thread's vectors, which last no longer than a cycle and serve all hierarchies of a plan."""
    return tuple(
        Room.at(level, steps, functools.partial(_some, floor.lattice, dtype), unwritten=level == 0)
        for level, floor in enumerate(plan.floors)
    )


def _some(lattice: Lattice, dtype: DTypeLike, wanted: bool) -> Vector:
    """Return a vector, or an empty one."""
    return lattice.vector(dtype) if wanted else np.zeros(0, dtype)


def _vector(lattice: Lattice, springs: Array, dtype: DTypeLike) -> Vector:
    """Return springs with guards, or nothing."""
    if not len(springs):
        return np.zeros(0, dtype)
    out = lattice.vector(dtype)
    out[:] = springs
    return out


def coarser_springs(fine: Floor, coarse: Floor, springs: Array, diagonal: Array) -> Array:
    """Return the springs of the next lattice: those of this one, and supports that have no partner there."""
    entries = fine.off
    values = diagonal[entries].astype(np.float64)
    if len(springs):
        sprung = np.flatnonzero(springs)
        entries, values = np.append(entries, sprung.astype(np.uintp)), np.append(values, springs[sprung])
    if not len(entries):
        return np.zeros(0)
    return lowered(fine, coarse, entries, values)


def _with_diagonal(operator: MatrixFree, matrices: Array) -> MatrixFree:
    """Return a matrix-free operator with its diagonal as `inverse`.

    Parameters
    ----------
    matrices : array, shape (fields, k, k)
        What a unit of each field of `moduli` gives to a cell.
    """
    lattice, dtype = operator.lattice, operator.moduli.dtype
    out = lattice.vector(dtype)
    signs = walsh(lattice.ndim).T[: len(matrices)].astype(dtype)
    # by mirror symmetry all corners have the same diagonal, up to the field's own sign
    last = matrices[:, -lattice.components :, -lattice.components :]
    shares = np.einsum("fcc->cf", last).astype(dtype)
    springs, threads = operator.springs, slabs()
    add_diagonals(operator.moduli, np.uintp(lattice.n), lattice.behind, signs, shares, springs, out, threads)
    return dataclasses.replace(operator, inverse=out)


def _finest(body: Scaled, matrix: Array, dtype: DTypeLike) -> MatrixFree:
    """Return the operator of the finest lattice; its `inverse` is still the diagonal."""
    operator = MatrixFree.of(body.system, body.moduli, dtype, body.scale, body.spring)
    return _with_diagonal(operator, matrix[None])


def _halved(finest: MatrixFree, matrix: Array, floor: Floor, springs: Array) -> MatrixFree:
    """Return the operator of the second lattice, matrix-free: a cell keeps the moduli of its children."""
    lattice, dtype = floor.lattice, finest.moduli.dtype
    moduli = lattice.vector(dtype, components=8)
    first, second, third = lattice.cells
    cells = np.uintp(first), np.uintp(second), np.uintp(third)
    halve_moduli(finest.moduli, finest.lattice.sizes, cells, lattice.sizes, moduli)
    stored = _vector(lattice, springs, dtype)
    operator = MatrixFree(lattice, COARSE_BRICK, moduli, stored, np.zeros(0, dtype),
                          coarse_coefficients(matrix).astype(dtype), floor.fixed)  # fmt: skip
    return _with_diagonal(operator, np.tensordot(walsh(3).T, child_matrices(matrix, 3, 1), 1))
