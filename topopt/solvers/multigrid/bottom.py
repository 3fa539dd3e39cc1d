"""The coarsest lattice, solved directly in double precision: a banded Cholesky factor."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import LinAlgError, cho_solve_banded, cholesky_banded

from topopt.errors import SingularSystemError
from topopt.parameters import Array
from topopt.solvers.matrixfree.lattice import Lattice, Vector
from topopt.solvers.multigrid.moments import cell_matrices

__all__ = ["Bottom", "band_of", "bottom"]


@dataclass(frozen=True, eq=False)
class Bottom:
    """A factor of the coarsest operator.

    Attributes
    ----------
    lattice : Lattice
        The nodes.
    band : array
        Cholesky factor, lower form of LAPACK.
    order : array
        Entry of a vector by row of the factor: the longest axis is the slowest, which keeps the band narrow.
    """

    lattice: Lattice
    band: Array
    order: NDArray[np.intp]

    def solve(self, b: Vector, x: Vector) -> None:
        """Write the solution for `b` into `x`."""
        x[self.order] = cho_solve_banded(
            (self.band, True), b[self.order].astype(np.float64), check_finite=False
        )


@functools.lru_cache(maxsize=8)
def _numbering(lattice: Lattice) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]:
    """Return the order, and row and column in the band of every entry of every cell."""
    axes = np.argsort([-n for n in lattice.box], kind="stable")
    nodes = np.arange(lattice.n).reshape(lattice.box).transpose(axes).ravel()
    order = (nodes[:, None] + np.arange(lattice.components) * lattice.n).ravel()
    number = np.empty_like(order)
    number[order] = np.arange(len(order))
    by_place = number.reshape(lattice.components, *lattice.box)
    corners = []
    for corner in np.ndindex(*(2,) * lattice.ndim):
        window = tuple(slice(c, c + n) for c, n in zip(corner, lattice.cells, strict=True))
        corners.append(by_place[(slice(None), *window)].reshape(lattice.components, -1))
    dofs = np.concatenate(corners).T
    one, two = np.tril_indices(dofs.shape[1])
    row, column = np.maximum(dofs[:, one], dofs[:, two]), np.minimum(dofs[:, one], dofs[:, two])
    return order, (row - column), column


def band_of(element_matrix: Array, moduli: Array, level: int, lattice: Lattice, fixed: NDArray[np.uintp],
            springs: Array) -> tuple[Array, NDArray[np.intp]]:  # fmt: skip
    """Return the Galerkin operator of the coarsest lattice in the lower form of LAPACK, and `Bottom.order`.

    Entries that are fixed, or that only void touches, have a one on the diagonal.
    """
    order, distance, column = _numbering(lattice)
    size = len(order)
    matrices = cell_matrices(element_matrix, moduli, level, 0, lattice.cells[0])
    shape = (int(distance.max()) + 1, size)
    flat = np.bincount(
        (distance * size + column).ravel(), weights=matrices.ravel(), minlength=shape[0] * size
    )
    band: Array = np.asarray(flat, dtype=np.float64).reshape(shape)
    if len(springs):
        band[0] += springs[order]
    held = np.isin(order, fixed.astype(np.intp)) | (band[0] <= 0.0)
    rows = np.flatnonzero(held)
    for step in range(1, shape[0]):
        band[step, rows[rows + step < size]] = 0.0
        band[step, rows[rows >= step] - step] = 0.0
    band[0, rows] = 1.0
    return band, order


def bottom(element_matrix: Array, moduli: Array, level: int, lattice: Lattice, fixed: NDArray[np.uintp],
           springs: Array) -> Bottom:  # fmt: skip
    """Factor the Galerkin operator of the coarsest lattice.

    Raises
    ------
    SingularSystemError
        If it is not positive definite: some body can move, or the moduli differ beyond rounding.
    """
    band, order = band_of(element_matrix, moduli, level, lattice, fixed, springs)
    try:
        factor = cholesky_banded(band, overwrite_ab=True, lower=True, check_finite=False)
    except LinAlgError as error:
        raise SingularSystemError(
            f"multigrid: the operator of the coarsest grid is not positive definite ({error})"
        ) from error
    return Bottom(lattice, factor, order)
