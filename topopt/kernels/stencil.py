"""Weighted sums over the neighbours of every cell, for weights that are even along each axis.

Rows of cells that have the same weights, on either side, are added up first; then the taps along the row go
over it eight at a time, so that a sum is loaded and stored once for eight products.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from topopt.kernels.compiled import kernel
from topopt.parameters import Array
from topopt.threads import each

__all__ = ["Stencil"]

TAPS = 8
"""Products to a pass over a row; the kernel is written out for this number."""
CELLS = 16384
"""Cells of a piece."""


@dataclass(frozen=True, eq=False)
class Stencil:
    """Weights as the kernel wants them.

    Attributes
    ----------
    cells : tuple of int
        Of the grid, two or three axes.
    rows : array of int, shape (m, 4)
        Distances of a group of rows along the axes before the last, where their taps begin and how many
        passes they take.
    weights : array, shape (m, taps)
        Their taps; in all of them the cell itself is at the same place.
    reach : int
        That place.
    """

    cells: tuple[int, ...]
    rows: NDArray[np.intp]
    weights: Array
    reach: int

    @classmethod
    def of(cls, cells: tuple[int, ...], weights: Array) -> Stencil:
        """Prepare weights by distance, shape (reach + 1 along each axis), the cell itself first."""
        table = weights.reshape(len(weights), -1, weights.shape[-1])
        reach, rows, taps = table.shape[-1] - 1, [], []
        for i, j in np.argwhere(table.any(axis=-1)):
            longest = int(np.flatnonzero(table[i, j])[-1])
            rows.append((i, j, reach - longest, -(-(2 * longest + 1) // TAPS)))
            taps.append(np.concatenate([table[i, j, :0:-1], table[i, j], np.zeros(TAPS)]))
        return cls(cells, np.array(rows, dtype=np.intp), np.array(taps), reach)

    @property
    def loads(self) -> int:
        """How many numbers are loaded for a cell: what a sum costs."""
        members = np.prod(1 + (self.rows[:, :2] > 0), axis=1)
        return int((members + 1 + (TAPS + 1) * self.rows[:, 3]).sum())

    def summed(self, field: Array) -> Array:
        """Return the sums of a field, shape (n_cells,)."""
        deep, long = self.cells[1] if len(self.cells) == 3 else 1, self.cells[-1]
        sums, x = np.empty(field.size), np.ascontiguousarray(field)

        def work(at: slice) -> None:
            _sum(x, self.cells[0], deep, long, self.rows, self.weights, self.reach, at.start, at.stop, sums)

        each(work, field.size // long, max(1, CELLS // long), short=0)
        return sums


@kernel
def _sum(
    x: Array,
    layers: int,
    deep: int,
    long: int,
    rows: NDArray[np.intp],
    weights: Array,
    reach: int,
    first: int,
    last: int,
    sums: Array,
) -> None:
    """Do rows `first` to `last` of a grid of layers of `deep` rows of `long` cells."""
    line = np.zeros(long + 2 * reach + 8)
    middle = line[reach : reach + long]
    for row in range(first, last):
        out = sums[row * long : (row + 1) * long]
        out[:] = 0.0
        for group in range(len(rows)):
            di, dj = rows[group, 0], rows[group, 1]
            middle[:] = 0.0
            some = False
            for si in range(2 if di else 1):
                i = row // deep + (di if si else -di)
                for sj in range(2 if dj else 1):
                    j = row % deep + (dj if sj else -dj)
                    if 0 <= i < layers and 0 <= j < deep:
                        part = x[(i * deep + j) * long : (i * deep + j + 1) * long]
                        for k in range(long):
                            middle[k] += part[k]
                        some = True
            if some:
                _tap(line, weights[group], rows[group, 2], rows[group, 3], out)


@kernel
def _tap(line: Array, weights: Array, begin: int, passes: int, out: Array) -> None:
    """Add the weighted neighbours along a row."""
    for number in range(passes):
        at = begin + 8 * number
        w = weights[at : at + 8]
        a, b, c, d, e, f, g, h = w[0], w[1], w[2], w[3], w[4], w[5], w[6], w[7]
        s = line[at : at + out.size + 7]
        for k in range(out.size):
            near = a * s[k] + b * s[k + 1] + c * s[k + 2] + d * s[k + 3]
            out[k] += near + (e * s[k + 4] + f * s[k + 5] + g * s[k + 6] + h * s[k + 7])
