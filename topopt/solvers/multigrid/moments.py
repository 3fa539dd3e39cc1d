"""Moments of the moduli in coarse cells: all that Galerkin products see of the fine cells.

The matrix that a fine cell gives to the coarse one around it is a quadratic of its place along every axis,
for so are the products of two interpolations. It is therefore known everywhere from three places an axis, and
of the 8, 64, 512 moduli in a coarse brick only 27 sums count, those weighted by Lagrange's polynomials on
these places. A quadratic over a cell is one over its halves, so that the sums of a level follow from those of
any finer one.
"""

from __future__ import annotations

import functools
import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import prange

from topopt.parameters import Array
from topopt.remembered import remembered
from topopt.solvers.matrixfree.compiled import kernel, parallel
from topopt.solvers.matrixfree.lattice import Lattice
from topopt.solvers.matrixfree.memory import read, read_sum, write_sum
from topopt.solvers.matrixfree.walsh import matrices_at

__all__ = ["Moments", "cell_matrices", "matrices_by_moment", "moments_of"]

U = np.uintp

QUADRATIC = 3
"""Coefficients of a quadratic."""


@dataclass(frozen=True, eq=False)
class Moments:
    """Sums of the moduli in each cell of a level, weighted by products of polynomials.

    Attributes
    ----------
    level : int
        How often the cells were halved.
    ndim : int
        2 or 3.
    fields : array, shape (combinations of polynomials, cells along three axes)
        In 2-D the middle axis has one cell; there may be cells without a modulus behind the last. On a
        coarser level a view into a guarded `Lattice.vector`, never a copy: `couple` reads over its ends.
    """

    level: int
    ndim: int
    fields: Array

    def coarser(self, level: int, lattice: Lattice) -> Moments:
        """Return those of a coarser level, by the number of a cell's lowest node on its lattice."""
        ends = _children(self.level, level)
        vector = lattice.vector(np.float64, components=ends.shape[1] ** self.ndim)
        fields = vector.reshape(-1, *lattice.shape)
        middle = ends if self.ndim == 3 else np.ones((1, 1, 1))
        cells = lattice.cells if self.ndim == 3 else (lattice.cells[0], 1, lattice.cells[1])
        box = self.fields.shape[1:]
        _coarser(self.fields.ravel(), box, ends, middle, cells, lattice.shape, vector)
        return Moments(level, self.ndim, fields)


def moments_of(moduli: Array) -> Moments:
    """Return the moments on the finest level, which are the moduli, shape `cells`."""
    box = moduli.shape if moduli.ndim == 3 else (moduli.shape[0], 1, moduli.shape[1])
    return Moments(0, moduli.ndim, np.ascontiguousarray(moduli).reshape(1, *box))


def cell_matrices(element_matrix: Array, moments: Moments, cells: tuple[slice, ...]) -> Array:
    """Return the packed Galerkin matrices of some cells of a level.

    Parameters
    ----------
    element_matrix : array
        Of a fine cell of modulus 1.
    moments : Moments
        Of the level.
    cells : tuple of slice
        Along the axes.

    Returns
    -------
    array, shape (n_cells, pairs)
        Lower triangles.
    """
    fields = moments.fields if moments.ndim == 3 else moments.fields[:, :, 0]
    inner = fields[(slice(None), *cells)].reshape(len(fields), -1)
    return np.asarray(inner.T @ matrices_by_moment(element_matrix, moments.ndim, moments.level))


@remembered(maxsize=16)
def matrices_by_moment(element_matrix: Array, ndim: int, level: int) -> Array:
    """Return the packed matrix that a unit of each moment gives to a cell, shape (combinations, pairs)."""
    places = itertools.product(_places(2**level), repeat=ndim)
    matrices = matrices_at(element_matrix, ndim, level, places)
    one, two = np.tril_indices(len(element_matrix))
    return np.ascontiguousarray(matrices[:, one, two])


@functools.cache
def _children(fine: int, coarse: int) -> Array:
    """Return a coarse level's polynomials at the places of a finer one, shape (children, coarse, fine).

    What a unit of a fine cell's moment adds to the moments of the coarse cell around it, along one axis.
    """
    n, side = 2**coarse, 2**fine
    at = np.arange(0, n, side)[:, None] + np.array(_places(side))
    return np.ascontiguousarray(_polynomials(n, at).swapaxes(1, 2))


def _places(n: int) -> tuple[float, ...]:
    """Return three places on an axis of `n` fine cells, or as many as there are."""
    return tuple(np.linspace(0.0, n - 1.0, min(n, QUADRATIC)).tolist())


def _polynomials(n: int, at: Array) -> Array:
    """Return Lagrange's polynomials on the places of `n` fine cells, as another axis behind those of `at`."""
    places = np.array(_places(n))
    values = np.ones((*at.shape, len(places)))
    for number, own in enumerate(places):
        for other in np.delete(places, number):
            values[..., number] *= (at - other) / (own - other)
    return values


@kernel
def _along(fine: Any, first: Any, length: Any, ends: Any, c: Any, columns: Any, out: Any) -> None:
    """Add what polynomial `c` of a row of fine cells gives to the coarse ones, by polynomial and cell."""
    n = ends.shape[0]
    for child in range(n):
        count = min(columns, (length - child + n - 1) // n)
        for q in range(ends.shape[1]):
            w = ends[child, q, c]
            for k in range(count):
                v = read_sum(out, q * columns + k) + w * read(fine, first + k * n + child)
                write_sum(out, q * columns + k, v)


@kernel
def _weighted(w: Any, given: Any, out: Any, first: Any) -> None:
    """Add a multiple of a short vector to another one from `first` on."""
    for k in range(given.size):
        out[first + k] += w * given[k]


@parallel
def _coarser(fine: Any, box: Any, ends: Any, middle: Any, cells: Any, sizes: Any, fields: Any) -> None:
    """Sum up the moments of each coarse cell's children, axis by axis.

    Parameters
    ----------
    fine, fields : vector
        By combination of polynomials the cells; the latter is zero at first.
    box, sizes : tuple of int
        Cells along the axes, fine and coarse, those without a modulus included.
    ends, middle : array, shape (children, polynomials, those of the children)
        Along the first and the last axis, and along the second.
    cells : tuple of int
        Coarse cells along the axes that have a modulus.
    """
    n, q, p = ends.shape
    depth, mq, mp = middle.shape
    _, rows, columns = cells
    plane, stride = box[1] * box[2], sizes[0] * sizes[1] * sizes[2]
    for row in prange(cells[0] * rows):
        i, j = row // rows, row % rows
        along = np.empty(q * columns)
        across = np.empty(mq * q * columns)
        to = (i * sizes[1] + j) * sizes[2]
        for di in range(min(n, box[0] - i * n)):
            for a in range(p):
                across[:] = 0.0
                for dj in range(min(depth, box[1] - j * depth)):
                    for b in range(mp):
                        along[:] = 0.0
                        for c in range(p):
                            first = ((a * mp + b) * p + c) * box[0] * plane
                            first += (i * n + di) * plane + (j * depth + dj) * box[2]
                            _along(fine, U(first), box[2], ends, c, columns, along)
                        for two in range(mq):
                            _weighted(middle[dj, two, b], along, across, two * q * columns)
                for one in range(q):
                    w = ends[di, one, a]
                    for two in range(mq * q):
                        for k in range(columns):
                            fields[(one * mq * q + two) * stride + to + k] += w * across[two * columns + k]
