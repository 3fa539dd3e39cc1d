"""Weighted sums over the neighbours of every cell, for weights that are even along each axis.

Rows of cells that have the same weights, eight or more among cubes, are added up first to a line. Then, for
every distance along the row, the lines are weighted and added up to a total; a sum is made of the totals at
its cell and, on either side, at their distance from it. So two cells that mirror each other share a product.
The field is copied with zeros between its rows, so that a line may run over several of them: it is as long as
the cache likes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from topopt.kernels.compiled import kernel
from topopt.parameters import Array
from topopt.threads import Pass, each

__all__ = ["Stencil"]

LINES = 8
"""Lines that are weighted together; the kernel is written out for this number, and for rows by fours."""
LENGTH = 536
"""Entries of a line: not a power of two, which would put all lines at the same place in the cache."""
CELLS = 4700
"""Cells of a layer that are worked on before the next layer, whose neighbours are in the cache by then."""
SHARE = 16384
"""Cells that a thread does at a time."""
ZEROS = 1 << 62
"""A shift that stands for a row of zeros."""

Indices = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Stencil:
    """Weights as the kernel wants them.

    Attributes
    ----------
    cells : tuple of int
        Of the grid, as layers, rows and cells of a row; one row to a layer in 2-D.
    reaches : tuple of int
        How far the weights reach along these.
    shifts : array of int, shape (k, 4)
        From a cell to its neighbours in the rows that are added up, in the copy with zeros.
    first : array of int, shape (LINES * m + 1,)
        Where the shifts of a line begin.
    weights : array, shape (m, reach + 1, LINES)
        Of the lines, by distance along the row.
    farthest : array of int, shape (m,)
        The largest distance at which one of the lines has a weight.
    """

    cells: tuple[int, int, int]
    reaches: tuple[int, int, int]
    shifts: Indices
    first: Indices
    weights: Array
    farthest: Indices

    @classmethod
    def of(cls, cells: tuple[int, ...], weights: Array) -> Stencil:
        """Prepare weights by distance, shape (reach + 1 along each axis), the cell itself first."""
        table = weights.reshape(len(weights), -1, weights.shape[-1])
        layers, deep, long = cells[0], cells[1] if len(cells) == 3 else 1, cells[-1]
        places = np.argwhere(table.any(axis=-1))
        across, down = places.max(axis=0).tolist()
        taps, kinds = np.unique(table[tuple(places.T)], axis=0, return_inverse=True)
        longest = np.array([np.flatnonzero(row)[-1] for row in taps])
        along = int(longest.max())
        order = np.argsort(-longest, kind="stable")
        batches = -(-len(order) // LINES)
        by_distance = np.zeros((batches * LINES, along + 1))
        by_distance[: len(order)] = taps[order, : along + 1]
        line = long + along
        layer = (deep + down) * line
        shifts: list[int] = []
        first = [0]
        for kind in order:
            for i, j in places[kinds.ravel() == kind].tolist():
                shifts += [a * layer + b * line for a in {i, -i} for b in {j, -j}]
            shifts += [ZEROS] * (-len(shifts) % 4)
            first.append(len(shifts) // 4)
        first += [first[-1]] * (batches * LINES + 1 - len(first))
        return cls(
            (layers, deep, long),
            (across, down, along),
            np.array(shifts, dtype=np.intp).reshape(-1, 4),
            np.array(first, dtype=np.intp),
            by_distance.reshape(batches, LINES, along + 1).swapaxes(1, 2).copy(),
            longest[order[::LINES]],
        )

    @property
    def loads(self) -> float:
        """How many numbers are loaded for a cell: what a sum costs."""
        along = self.reaches[-1]
        if 4 * along > LENGTH:  # half a line would be margin
            return np.inf
        passes = int((self.farthest + 1).sum())
        # four shifts at a time load four rows and the line itself
        return (5 * len(self.shifts) + (LINES + 1) * passes + 2 * along) * LENGTH / (LENGTH - 2 * along)

    def summed(self, field: Array) -> Array:
        """Return the sums of a field, shape (n_cells,)."""
        (layers, deep, long), (across, down, along) = self.cells, self.reaches
        line = long + along
        layer = (deep + down) * line
        # zeros in front of the first row and behind the last, as many as a cell may look at
        origin = LENGTH + across * layer + down * line + along
        padded = np.zeros(origin + (layers + across) * layer + down * line + along + LENGTH)
        inner = padded[origin : origin + layers * layer].reshape(layers, deep + down, line)
        inner[:, :deep, :long] = field.reshape(self.cells)
        sums = np.empty(field.size)
        stacks = -(-deep * line // CELLS)
        rows = -(-deep // min(deep, stacks))

        def work(at: slice) -> None:
            _sum(
                padded, origin, self.cells, (layer, line), rows, self.shifts, self.first, self.weights,
                self.farthest, at.start, at.stop, sums,
            )  # fmt: skip

        each(work, -(-deep // rows) * layers, Pass(max(1, SHARE // (rows * line)), 0))
        return sums


@kernel
def _sum(
    padded: Array,
    origin: int,
    cells: tuple[int, int, int],
    strides: tuple[int, int],
    rows: int,
    shifts: Indices,
    first: Indices,
    weights: Array,
    farthest: Indices,
    start: int,
    stop: int,
    sums: Array,
) -> None:
    """Do some of the blocks of so many rows, which follow each other layer by layer."""
    layers, deep, long = cells
    layer, line = strides
    reach = weights.shape[1] - 1
    most = LENGTH - 2 * reach
    # allocated here, where they begin with a line of the cache
    lines, totals, found = np.empty(LINES * LENGTH), np.empty((reach + 1) * LENGTH), np.empty(rows * line)
    for k in range(lines.size):
        lines[k] = 0.0
    for block in range(start, stop):
        i, above = block % layers, block // layers * rows
        size = (min(above + rows, deep) - above) * line
        begin = origin + i * layer + above * line - reach
        for at in range(0, size, most):
            out = found[at : min(at + most, size)]
            _weigh(padded, begin + at, shifts, first, weights, farthest, lines, totals, out)
        for j in range(size // line):
            row, out = (i * deep + above + j) * long, found[j * line :]
            for k in range(long):
                sums[row + k] = out[k]


@kernel
def _weigh(
    padded: Array,
    begin: int,
    shifts: Indices,
    first: Indices,
    weights: Array,
    farthest: Indices,
    lines: Array,
    totals: Array,
    out: Array,
) -> None:
    """Write the sums of a stretch of cells that begins `reach` cells after `begin`."""
    reach, n = weights.shape[1] - 1, out.size
    wide = n + 2 * reach
    for batch in range(len(farthest)):
        for k in range(LINES):
            start = first[LINES * batch + k]
            for four in range(start, first[LINES * batch + k + 1]):
                _add(padded, begin, shifts[four], lines[k * LENGTH : k * LENGTH + wide], four > start)
        for d in range(farthest[batch] + 1):
            _total(lines, weights[batch, d], totals[d * LENGTH : d * LENGTH + wide], batch > 0)
    a = totals[reach:]
    for k in range(n):
        out[k] = a[k]
    for d in range(1, reach + 1):
        a, b = totals[d * LENGTH + reach - d :], totals[d * LENGTH + reach + d :]
        for k in range(n):
            out[k] += a[k] + b[k]


@kernel
def _add(padded: Array, begin: int, shifts: Indices, line: Array, more: bool) -> None:
    """Write the sum of four rows into a line, or add it."""
    a, b, c, d = shifts[0], shifts[1], shifts[2], shifts[3]
    a, b = 0 if a == ZEROS else begin + a, 0 if b == ZEROS else begin + b
    c, d = 0 if c == ZEROS else begin + c, 0 if d == ZEROS else begin + d
    n = line.size
    p, q, r, s = padded[a : a + n], padded[b : b + n], padded[c : c + n], padded[d : d + n]
    if more:
        for k in range(n):
            line[k] += (p[k] + q[k]) + (r[k] + s[k])
    else:
        for k in range(n):
            line[k] = (p[k] + q[k]) + (r[k] + s[k])


@kernel
def _total(lines: Array, weights: Array, total: Array, more: bool) -> None:
    """Write the weighted sum of all lines, or add it."""
    a, b, c, d = weights[0], weights[1], weights[2], weights[3]
    e, f, g, h = weights[4], weights[5], weights[6], weights[7]
    one, two, three = LENGTH, 2 * LENGTH, 3 * LENGTH
    four, five, six, seven = 4 * LENGTH, 5 * LENGTH, 6 * LENGTH, 7 * LENGTH
    for k in range(total.size):
        near = a * lines[k] + b * lines[k + one] + c * lines[k + two] + d * lines[k + three]
        far = e * lines[k + four] + f * lines[k + five] + g * lines[k + six] + h * lines[k + seven]
        total[k] = near + far + total[k] if more else near + far
