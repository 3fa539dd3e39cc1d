"""The operators of all lattices on a card: the finest from the moduli, the others as stored couplings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numba import cuda
from numpy.typing import NDArray

from topopt.parameters import Array
from topopt.solvers.cuda.device import grid_for
from topopt.solvers.cuda.kernels import Kernels
from topopt.solvers.cuda.vectors import CardSpace, dot, jacobi, mix, nothing, zeros
from topopt.solvers.matrixfree.lattice import Lattice
from topopt.solvers.matrixfree.sweep import APPLY

__all__ = ["CardLevel", "FineOperator", "StoredOperator", "flags"]


def flags(lattice: Lattice, fixed: NDArray[np.uintp]) -> Any:
    """Return by entry whether it is free, on the card."""
    free = cuda.device_array(lattice.n * lattice.components, np.uint8)
    _release[grid_for(free.size)](free)
    if len(fixed):
        _hold[grid_for(len(fixed))](free, cuda.to_device(fixed))
    return free


@cuda.jit
def _release(free):  # type: ignore[no-untyped-def]
    e = cuda.grid(1)
    if e < free.size:
        free[e] = 1


@cuda.jit
def _hold(free, fixed):  # type: ignore[no-untyped-def]
    e = cuda.grid(1)
    if e < fixed.size:
        free[fixed[e]] = 0


@dataclass(frozen=True, eq=False)
class FineOperator:
    """K u on the finest lattice, never stored.

    Attributes
    ----------
    kernels : Kernels
        For its precision.
    lattice : Lattice
        The nodes.
    free, springs, moduli, matrix, inverse : array on the card
        Free entries; constant diagonal or empty; by cell; of a cell of modulus 1, row by row; one over the
        diagonal.
    """

    kernels: Kernels
    lattice: Lattice
    free: Any
    springs: Any
    moduli: Any
    matrix: Any
    inverse: Any

    def run(
        self, job: int, u: Any, y: Any, b: Any = None, z: Any = None, a: float = 0.0, c: float = 0.0
    ) -> float:
        """Do a job of `topopt.solvers.matrixfree.sweep`; return u . y where it is the product alone."""
        number, absent = u.dtype.type, nothing(u.dtype)
        b, z = absent if b is None else b, absent if z is None else z
        self.kernels.product[grid_for(self.lattice.n)](
            u, y, b, z, self.inverse, self.free, self.springs, self.moduli, self.matrix,
            *self.lattice.sizes, job, number(a), number(c),
        )  # fmt: skip
        return dot(u, y) if job == APPLY else 0.0

    def apply(self, unknowns: Array) -> Array:
        """Return K u, numbered node by node."""
        space = CardSpace(self.lattice, self.free)
        columns = unknowns.reshape(len(unknowns), -1)
        out, u, y = np.empty(columns.shape), space.zeros(), space.zeros()
        for number, column in enumerate(columns.T):
            space.load(u, column, 1.0)
            self.run(APPLY, u, y)
            out[:, number] = space.unload(y, 1.0)
        return out.reshape(unknowns.shape)

    def diagonal(self) -> Any:
        """Return its diagonal, on the card."""
        out = zeros(self.lattice.n * self.lattice.components, self.moduli.dtype)
        self.kernels.diagonal[grid_for(self.lattice.n)](
            self.moduli, self.matrix, self.springs, out, *self.lattice.sizes
        )
        return out


@dataclass(frozen=True, eq=False)
class StoredOperator:
    """K u on a coarser lattice; attributes as in `FineOperator`."""

    kernels: Kernels
    lattice: Lattice
    free: Any
    weights: Any
    inverse: Any

    def run(
        self, job: int, u: Any, y: Any, b: Any = None, z: Any = None, a: float = 0.0, c: float = 0.0
    ) -> float:
        """Do a job of `topopt.solvers.matrixfree.sweep`; its sum is not computed."""
        number, absent = u.dtype.type, nothing(u.dtype)
        b, z = absent if b is None else b, absent if z is None else z
        self.kernels.stored[grid_for(self.lattice.n)](
            u, y, b, z, self.inverse, self.free, self.weights,
            *self.lattice.sizes, job, number(a), number(c),
        )  # fmt: skip
        return 0.0

    @staticmethod
    def galerkin(
        fine: FineOperator, table: Any, level: int, lattice: Lattice, free: Any, springs: Any
    ) -> StoredOperator:
        """Return the exact Galerkin operator of a level, its diagonal not yet inverted.

        Parameters
        ----------
        table : array, shape (children, k, k)
            What each fine cell of a coarse one adds to its matrix.
        springs : array on the card
            Constant diagonal, or empty.
        """
        neighbours, components, n = 3**lattice.ndim, lattice.components, lattice.n
        kernels = fine.kernels
        weights = cuda.device_array(neighbours * components**2 * n, fine.moduli.dtype)
        kernels.galerkin[grid_for(n * neighbours)](
            fine.moduli, *fine.lattice.sizes, np.uintp(2**level), table, springs, weights, *lattice.sizes
        )
        inverse = cuda.device_array(components * n, fine.moduli.dtype)
        for q in range(components):
            entry = ((neighbours // 2) * components + q) * components + q
            inverse[q * n : (q + 1) * n].copy_to_device(weights[entry * n : (entry + 1) * n])
        return StoredOperator(kernels, lattice, free, weights, inverse)


@dataclass(frozen=True, eq=False)
class CardLevel:
    """A level of the cycle, see `topopt.solvers.multigrid.cycle`."""

    operator: FineOperator | StoredOperator
    bound: float
    coarse: Lattice
    held: Any
    fused: ClassVar[None] = None

    def run(
        self, job: int, u: Any, y: Any, b: Any = None, z: Any = None, a: float = 0.0, c: float = 0.0
    ) -> float:
        """Do a job of `topopt.solvers.matrixfree.sweep`."""
        return self.operator.run(job, u, y, b, z, a, c)

    def jacobi(self, b: Any, c: float, x: Any, z: Any) -> None:
        """Do x = c b / diagonal, and z = x unless z is empty: the first step from zero."""
        jacobi(b, self.operator.inverse, x.dtype.type(c), x, z)

    def mix(self, a: float, x: Any, c: float, total: Any) -> None:
        """Do total = a x + c total, whatever total is where c is zero."""
        mix(a, x, c, total)

    def restrict(self, r: Any, below: Any) -> None:
        """Do below = P^T r."""
        kernels, sizes = self.operator.kernels, self.operator.lattice.sizes
        kernels.restrict[grid_for(self.coarse.n)](r, below, self.held, *sizes, *self.coarse.sizes)

    def prolong(self, below: Any, x: Any) -> None:
        """Do x += P below."""
        lattice, free = self.operator.lattice, self.operator.free
        self.operator.kernels.prolong[grid_for(lattice.n)](below, x, free, *lattice.sizes, *self.coarse.sizes)
