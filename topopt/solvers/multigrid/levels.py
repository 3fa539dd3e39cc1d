"""The operators of the coarse lattices: exact Galerkin products, made from the moduli alone."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Protocol

import numba
import numpy as np
from numpy.typing import DTypeLike, NDArray

from topopt.parameters import Array
from topopt.solvers.matrixfree.lattice import Lattice, Vector
from topopt.solvers.multigrid.moments import cell_matrices
from topopt.solvers.multigrid.stencil import BLOCK, assemble, stencil_sweep

__all__ = ["Runs", "Stencil", "invert", "packing", "stencil"]

CHUNK = 4_000_000
"""Entries of cell matrices that are held at once."""


class Runs(Protocol):
    """An operator on a lattice, as the cycle sees it."""

    @property
    def lattice(self) -> Lattice:
        """How vectors lie in memory."""

    @property
    def inverse(self) -> Vector:
        """One over the diagonal."""

    @property
    def fixed(self) -> NDArray[np.uintp]:
        """Entries held at zero."""

    def run(self, job: int, u: Vector, y: Vector, b: Vector | None = None, z: Vector | None = None,
            a: float = 0.0, c: float = 0.0) -> float:  # fmt: skip
        """Do a job of `topopt.solvers.matrixfree.sweep`."""


@dataclass(frozen=True, eq=False)
class Stencil:
    """A symmetric operator that stores the couplings of every node to those that are numbered behind it."""

    lattice: Lattice
    weights: Vector
    inverse: Vector
    fixed: NDArray[np.uintp]

    def run(self, job: int, u: Vector, y: Vector, b: Vector | None = None, z: Vector | None = None,
            a: float = 0.0, c: float = 0.0) -> float:  # fmt: skip
        """Do a job of `topopt.solvers.matrixfree.sweep`; return its sum."""
        nothing = self._nothing
        number = self.weights.dtype.type
        return float(
            stencil_sweep(np.uintp(self.lattice.components), u, y, nothing if b is None else b,
                          nothing if z is None else z, self.inverse, self.fixed, self.weights, self._reach,
                          np.uintp(self.lattice.n), job, number(a), number(c), numba.get_num_threads())
        )  # fmt: skip

    @functools.cached_property
    def _nothing(self) -> Vector:
        """An empty vector."""
        return np.zeros(0, self.weights.dtype)

    @functools.cached_property
    def _reach(self) -> NDArray[np.uintp]:
        """How far ahead the neighbours are numbered; the node itself is the first of them."""
        _, rows, columns = self.lattice.shape
        steps = np.arange(-1, 2)
        if self.lattice.ndim == 2:
            reach = steps[:, None] * columns + steps
        else:
            reach = (steps[:, None, None] * rows + steps[:, None]) * columns + steps
        return reach.ravel()[reach.size // 2 :].astype(np.uintp)


@functools.cache
def packing(size: int) -> NDArray[np.int64]:
    """Return where two unknowns of a cell stand in its packed lower triangle, shape (size, size)."""
    one, two = np.tril_indices(size)
    place = np.empty((size, size), dtype=np.int64)
    place[one, two] = place[two, one] = np.arange(len(one))
    return place


def stencil(element_matrix: Array, moduli: Array, level: int, lattice: Lattice, fixed: NDArray[np.uintp],
            springs: Vector, dtype: DTypeLike) -> Stencil:  # fmt: skip
    """Return the stored Galerkin operator of a level, its diagonal not yet inverted; see `cell_matrices`.

    Parameters
    ----------
    springs : vector
        Constant diagonal, or empty.
    """
    ndim, components = lattice.ndim, lattice.components
    terms = (3**ndim // 2 + 1) * components**2
    blocks = -(-lattice.n // int(BLOCK))
    weights = np.zeros(blocks * terms * int(BLOCK), dtype)
    diagonal = lattice.vector(dtype)
    cells = lattice.cells
    box = (cells[0], cells[1] if ndim == 3 else 1, cells[-1])
    place = packing(components * 2**ndim)
    planes = max(1, CHUNK // (box[1] * box[2] * (place.max() + 1)) - 1)
    nodes = lattice.shape[0]
    for start in range(0, nodes, planes):
        stop = min(start + planes, nodes)
        first, last = max(start - 1, 0), min(stop, cells[0])
        if first >= last:
            continue
        matrices = cell_matrices(element_matrix, moduli, level, first, last)
        assemble(
            matrices, first, box, lattice.shape, start, stop, components, place, springs, weights, diagonal
        )
    return Stencil(lattice, weights, diagonal, fixed)


def invert(diagonal: Vector, fixed: NDArray[np.uintp]) -> None:
    """Replace a diagonal by its inverse, zero where nothing resists and where it is fixed."""
    resisting = diagonal > 0
    np.divide(1.0, diagonal, out=diagonal, where=resisting)
    diagonal[~resisting] = 0.0
    diagonal[fixed] = 0.0
