"""The operators of the coarse lattices: exact Galerkin products, made from the moduli alone."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import DTypeLike, NDArray

from topopt.parameters import Array
from topopt.solvers.matrixfree.compiled import slabs
from topopt.solvers.matrixfree.lattice import Lattice, Vector
from topopt.solvers.multigrid.couplings import couple, table
from topopt.solvers.multigrid.moments import Moments
from topopt.solvers.multigrid.stencil import BLOCK, stencil_sweep
from topopt.solvers.multigrid.vectors import invert

__all__ = ["Runs", "Stencil", "invert_free", "stencil"]


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
                          np.uintp(self.lattice.n), job, number(a), number(c), slabs())
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


def stencil(element_matrix: Array, moments: Moments, lattice: Lattice, fixed: NDArray[np.uintp],
            springs: Vector, dtype: DTypeLike) -> Stencil:  # fmt: skip
    """Return the stored Galerkin operator of a level, its diagonal not yet inverted.

    Parameters
    ----------
    element_matrix : array
        Of a fine cell of modulus 1.
    moments : Moments
        By the number of a cell's lowest node on the lattice.
    springs : vector
        Constant diagonal, or empty.
    """
    known = table(element_matrix, lattice.ndim, moments.level)
    blocks = -(-lattice.n // int(BLOCK))
    weights = np.zeros(blocks * (len(known.starts) - 1) * int(BLOCK), dtype)
    diagonal = lattice.vector(dtype)
    couple(moments.fields.ravel(), np.uintp(lattice.n), np.uintp(lattice.components), lattice.behind, *known,
           springs, weights, diagonal, slabs())  # fmt: skip
    return Stencil(lattice, weights, diagonal, fixed)


def invert_free(diagonal: Vector, fixed: NDArray[np.uintp]) -> None:
    """Replace a diagonal by its inverse, zero where nothing resists and where it is fixed."""
    invert(diagonal, slabs())
    diagonal[fixed] = 0.0
