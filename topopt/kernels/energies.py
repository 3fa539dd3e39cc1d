"""The energy of every cell of a grid, row by row, without a table of unknowns and with few products.

In the Walsh-Hadamard basis of a cell's corners (the products of sums and differences along the axes) mirror
symmetry leaves 10 of the 64 entries of a rectangle's matrix and 45 of the 576 of a brick's; any other matrix
is a longer list of entries. Sums and differences of whole rows of nodes give these coordinates of all cells
of a row at once.
"""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray

from topopt.kernels.compiled import kernel
from topopt.parameters import Array
from topopt.remembered import remembered
from topopt.threads import Pass, each

__all__ = ["energies"]

ROUNDING = 1e-15
"""Entries of the transformed matrix below this share of its largest are rounding."""
CELLS = 32768
"""Cells of a piece."""

Entries = tuple[NDArray[np.intp], NDArray[np.intp], Array]


def energies(cells: tuple[int, ...], matrix: Array, left: Array, right: Array) -> Array:
    """Return left_e^T k0 right_e for every cell of a grid.

    Parameters
    ----------
    cells : tuple of int
        Number of cells along each of two or three axes.
    matrix : array, shape (k, k)
        Of a cell, symmetric; unknown = corner * components + component, corners in binary order.
    left, right : array, shape (n_dofs,)
        Fields on the nodes; unknown = node * components + component.

    Returns
    -------
    array, shape (n_cells,)
    """
    rows, columns, values = _entries(matrix, len(cells))
    same = left.ctypes.data == right.ctypes.data and left.strides == right.strides
    left = np.ascontiguousarray(left)
    right = left if same else np.ascontiguousarray(right)
    deep, long = cells[-2] if len(cells) == 3 else 0, cells[-1]
    energy = np.empty(int(np.prod(cells)))
    components = len(matrix) >> len(cells)

    def work(at: slice) -> None:
        _energies(left, right, same, deep, long, components, rows, columns, values, at.start, at.stop, energy)

    each(work, energy.size // long, Pass(max(1, CELLS // long), 0))
    return energy


@remembered(maxsize=8)
def _entries(matrix: Array, ndim: int) -> Entries:
    """Return the entries of a matrix in the Walsh-Hadamard basis that are not rounding, row by row.

    Corners = basis @ coordinates / 2**ndim, where coordinates are the sums and differences.
    """
    walsh = functools.reduce(np.kron, [np.array([[1.0, -1.0], [1.0, 1.0]])] * ndim)
    basis = np.kron(walsh, np.eye(len(matrix) >> ndim)) / 2**ndim
    full = basis.T @ matrix @ basis
    rows, columns = np.nonzero(np.abs(full) > ROUNDING * np.abs(full).max())
    return rows, columns, full[rows, columns]


@kernel
def _energies(
    left: Array,
    right: Array,
    same: bool,
    deep: int,
    long: int,
    components: int,
    rows: NDArray[np.intp],
    columns: NDArray[np.intp],
    values: Array,
    first: int,
    last: int,
    energy: Array,
) -> None:
    """Do rows `first` to `last` of a grid of rows of `long` cells, `deep` rows to a layer (0 in 2-D)."""
    lines = 4 if deep else 2
    ends = np.empty((lines * components, long + 1))
    one = np.empty((2 * lines * components, long))
    other = one if same else np.empty((2 * lines * components, long))
    starts = np.empty(lines, np.intp)
    line = (long + 1) * components
    for row in range(first, last):
        if deep:
            starts[0] = (row // deep * (deep + 1) + row % deep) * line
            starts[1] = starts[0] + line
            starts[2] = starts[0] + (deep + 1) * line
            starts[3] = starts[2] + line
        else:
            starts[0] = row * line
            starts[1] = starts[0] + line
        _coordinates(left, starts, long, components, ends, one)
        if not same:
            _coordinates(right, starts, long, components, ends, other)
        out = energy[row * long : (row + 1) * long]
        out[:] = 0.0
        entry = 0
        while entry < len(rows):
            # two entries a turn: one pass over the cells fewer for most rows
            second = min(entry + 1, len(rows) - 1)
            pair = second > entry and rows[second] == rows[entry]
            a, b = values[entry], values[second] if pair else 0.0
            part, p, q = one[rows[entry]], other[columns[entry]], other[columns[second]]
            for k in range(long):
                out[k] += part[k] * (a * p[k] + b * q[k])
            entry += 2 if pair else 1


@kernel
def _coordinates(
    u: Array, starts: NDArray[np.intp], long: int, components: int, ends: Array, found: Array
) -> None:
    """Write the cells' coordinates, mode * components + component, of the row between lines of nodes."""
    lines = len(starts)
    for line in range(lines):
        for c in range(components):
            part = ends[line * components + c]
            for k in range(long + 1):
                part[k] = u[starts[line] + k * components + c]
    span = 1
    while span < lines:
        for line in range(lines):
            if line & span == 0:
                for c in range(components):
                    low, high = ends[line * components + c], ends[(line + span) * components + c]
                    for k in range(long + 1):
                        a, b = low[k], high[k]
                        low[k] = b + a
                        high[k] = b - a
        span *= 2
    for line in range(lines):
        for c in range(components):
            part = ends[line * components + c]
            total, change = found[2 * line * components + c], found[(2 * line + 1) * components + c]
            for k in range(long):
                total[k] = part[k + 1] + part[k]
                change[k] = part[k + 1] - part[k]
