"""The coarsest lattice, solved on the card by one block of threads: a block-tridiagonal Cholesky factor.

Planes across the longest axis couple with their neighbours only, so the factor has triangles L_i on its
diagonal and blocks W_i below them. The triangles are inverted once, on the host and in double precision, so
that a solve is a row of products with small dense matrices.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import cuda
from numpy.typing import NDArray
from scipy.linalg import LinAlgError
from scipy.linalg.lapack import dtrtri

from topopt.errors import SingularSystemError
from topopt.parameters import Array
from topopt.solvers.cuda.device import SIMULATED, stream
from topopt.solvers.cuda.vectors import zeros
from topopt.solvers.matrixfree.lattice import Lattice
from topopt.solvers.multigrid.banded import factor_band
from topopt.solvers.multigrid.bottom import bands_of
from topopt.solvers.multigrid.moments import Moments

__all__ = ["CardBottom", "card_bottom"]

THREADS = 1 if SIMULATED else 1024
"""Of the block; at most as many as a card allows."""


@cuda.jit(device=True)
def _product(matrix, number, size, v, begin, partial):  # type: ignore[no-untyped-def]
    """Leave the rows of matrix @ v[begin:] in `partial`; where threads abound, several share a row.

    The columns of the matrix lie one after the other.
    """
    t, threads = cuda.threadIdx.x, cuda.blockDim.x
    shares = max(1, threads // size)
    for place in range(t, shares * size, threads):
        total = 0.0
        for column in range(place // size, size, shares):
            total += matrix[(number * size + column) * size + place % size] * v[begin + column]
        partial[place] = total
    cuda.syncthreads()
    for row in range(t, size, threads):
        total = partial[row]
        for share in range(1, shares):
            total += partial[row + share * size]
        partial[row] = total
    cuda.syncthreads()


@cuda.jit
def _solve(b, x, order, inverse, transposed, down, up, planes, size, v, partial):  # type: ignore[no-untyped-def]
    t, threads = cuda.threadIdx.x, cuda.blockDim.x
    for i in range(planes):
        if i > 0:
            _product(down, i - 1, size, v, (i - 1) * size, partial)
        for row in range(t, size, threads):
            before = partial[row] if i > 0 else 0.0
            v[i * size + row] = b[order[i * size + row]] - before
        cuda.syncthreads()
        _product(inverse, i, size, v, i * size, partial)
        for row in range(t, size, threads):
            v[i * size + row] = partial[row]
        cuda.syncthreads()
    for back in range(planes):
        i = planes - 1 - back
        if back > 0:
            _product(up, i, size, v, (i + 1) * size, partial)
            for row in range(t, size, threads):
                v[i * size + row] -= partial[row]
            cuda.syncthreads()
        _product(transposed, i, size, v, i * size, partial)
        for row in range(t, size, threads):
            v[i * size + row] = partial[row]
            x[order[i * size + row]] = partial[row]
        cuda.syncthreads()


@dataclass(frozen=True, eq=False)
class CardBottom:
    """A factor of the coarsest operator, on the card.

    Attributes
    ----------
    order : array
        Entry of a vector by row of the factor.
    inverse, transposed, down, up : array
        L_i^-1, its transpose, W_i and its transpose for every plane, columns one after the other.
    planes, size : int
        Their number, and the unknowns of each.
    room, partial : array
        Of a solve.
    """

    order: Any
    inverse: Any
    transposed: Any
    down: Any
    up: Any
    planes: int
    size: int
    room: Any
    partial: Any

    def solve(self, b: Any, x: Any) -> None:
        """Write the solution for `b` into `x`."""
        parts = self.order, self.inverse, self.transposed, self.down, self.up
        _solve[1, THREADS, stream()](b, x, *parts, self.planes, self.size, self.room, self.partial)


def card_bottom(element_matrix: Array, known: Moments, level: int, lattice: Lattice,
                fixed: NDArray[np.uintp], springs: Array) -> CardBottom:  # fmt: skip
    """Factor the Galerkin operator of the coarsest lattice on the host and send it to the card.

    Raises
    ------
    SingularSystemError
        If it is not positive definite.
    """
    planes = max(lattice.box)
    bands = bands_of(element_matrix, known, level, lattice, fixed, springs, meeting=planes - 1)
    order, size = bands.order, bands.size
    found = _factored(bands.ends[0], planes, size)
    inverse, transposed, down, up = (cuda.to_device(np.ascontiguousarray(part).ravel()) for part in found)
    room, partial = zeros(len(order), np.float64), zeros(max(size, THREADS), np.float64)
    rows = cuda.to_device(order.astype(np.int64))
    return CardBottom(rows, inverse, transposed, down, up, planes, size, room, partial)


def _factored(band: Array, planes: int, size: int) -> tuple[Array, Array, Array, Array]:
    """Return L^-1, L^-T, W and W^T of every plane, each transposed, so that its columns lie in a row."""
    try:
        factor_band(band)
    except LinAlgError as error:
        raise SingularSystemError(
            f"multigrid: the operator of the coarsest grid is not positive definite ({error})"
        ) from error
    padded = np.zeros((2 * size, planes * size))
    padded[: band.shape[1]] = band.T[: 2 * size]
    row, column = np.indices((size, size))
    first = np.arange(planes)[:, None, None] * size
    triangles = np.where(row < column, 0.0, padded[np.maximum(row - column, 0), first + column])
    down = np.zeros((planes, size, size))
    down[:-1] = padded[size + row - column, first[:-1] + column]
    inverse = np.array([dtrtri(triangle, lower=1)[0] for triangle in triangles])
    return inverse.transpose(0, 2, 1), inverse, down.transpose(0, 2, 1), down
