"""Moments of the moduli in coarse cells: all that Galerkin products see of the fine cells.

The matrix that a fine cell gives to the coarse one around it is a quadratic of its place along every axis,
for so are the products of two interpolations. It is therefore known everywhere from three places an axis, and
of the 8, 64, 512 moduli in a coarse brick only 27 sums count, those weighted by Lagrange's polynomials on
these places.
"""

from __future__ import annotations

import functools
import itertools
from typing import Any

import numpy as np
from numba import prange

from topopt.parameters import Array
from topopt.remembered import remembered
from topopt.solvers.matrixfree.compiled import parallel
from topopt.solvers.matrixfree.walsh import matrices_at

__all__ = ["cell_matrices"]

QUADRATIC = 3
"""Coefficients of a quadratic."""


def cell_matrices(element_matrix: Array, moduli: Array, level: int, first: int, last: int) -> Array:
    """Return the packed Galerkin matrices of the coarse cells in planes `first` to `last`.

    Parameters
    ----------
    element_matrix : array
        Of a fine cell of modulus 1.
    moduli : array, shape `cells`
        Of the fine cells.
    level : int
        How often the cells were halved, at least once.

    Returns
    -------
    array, shape (n_cells, pairs)
        Lower triangles.
    """
    _, polynomials = _lagrange(level)
    matrices = _at_places(element_matrix, moduli.ndim, level)
    box = moduli.shape if moduli.ndim == 3 else (moduli.shape[0], 1, moduli.shape[1])
    middle = polynomials if moduli.ndim == 3 else np.ones((1, 1))
    n_rows, n_columns = (-(-box[axis] // n) for axis, n in ((1, len(middle)), (2, len(polynomials))))
    moments = np.empty((last - first, n_rows, n_columns, len(matrices)))
    _moments(np.ascontiguousarray(moduli).reshape(box), polynomials, middle, first, moments)
    return np.asarray(moments.reshape(-1, len(matrices)) @ matrices)


@functools.cache
def _lagrange(level: int) -> tuple[tuple[float, ...], Array]:
    """Return places along an axis, and the polynomials that are 1 at one of them, by fine cell."""
    n = 2**level
    places = np.linspace(0.0, n - 1.0, min(n, QUADRATIC))
    values = np.ones((n, len(places)))
    for number, own in enumerate(places):
        for other in np.delete(places, number):
            values[:, number] *= (np.arange(n) - other) / (own - other)
    return tuple(places.tolist()), values


@remembered(maxsize=16)
def _at_places(element_matrix: Array, ndim: int, level: int) -> Array:
    """Return the packed matrices of fine cells at all combinations of places, shape (combinations, pairs)."""
    places = itertools.product(_lagrange(level)[0], repeat=ndim)
    matrices = matrices_at(element_matrix, ndim, level, places)
    one, two = np.tril_indices(len(element_matrix))
    return np.ascontiguousarray(matrices[:, one, two])


@parallel
def _moments(moduli: Any, ends: Any, middle: Any, first: Any, moments: Any) -> None:
    """Sum the moduli of each coarse cell, weighted by the polynomials along all axes.

    Parameters
    ----------
    moduli : array, shape (fine cells along three axes)
    ends, middle : array, shape (fine cells of a coarse one, polynomials)
        Along the first and the last axis, and along the second.
    first : int
        The plane of coarse cells that `moments` begins with.
    moments : array, shape (planes, rows, columns, combinations of polynomials)
        Overwritten.
    """
    planes, rows, columns, _ = moments.shape
    n, q = ends.shape
    depth, p = middle.shape
    for row in prange(planes * rows):
        i, j = row // rows, row % rows
        out = moments[i, j]
        out[:] = 0.0
        for di in range(n):
            fi = (first + i) * n + di
            for dj in range(depth):
                fj = j * depth + dj
                if fi < moduli.shape[0] and fj < moduli.shape[1]:
                    for k in range(columns):
                        for c in range(q):
                            along = 0.0
                            for dk in range(min(n, moduli.shape[2] - k * n)):
                                along += ends[dk, c] * moduli[fi, fj, k * n + dk]
                            for a in range(q):
                                for b in range(p):
                                    out[k, (a * p + b) * q + c] += ends[di, a] * middle[dj, b] * along
