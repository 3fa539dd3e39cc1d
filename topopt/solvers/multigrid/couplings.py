"""The couplings that a stored operator keeps, straight from the moments: no cell's matrix is ever formed."""

from __future__ import annotations

import itertools
from typing import Any, NamedTuple

import numpy as np
from numba import prange
from numpy.typing import NDArray

from topopt.parameters import Array
from topopt.remembered import remembered
from topopt.solvers.matrixfree.compiled import kernel, parallel
from topopt.solvers.matrixfree.memory import read, read_scratch, write, write_scratch
from topopt.solvers.multigrid.moments import matrices_by_moment
from topopt.solvers.multigrid.stencil import BLOCK

__all__ = ["Table", "couple", "table"]

U = np.uintp
RUN = U(32)
"""Nodes that are worked on at once: the moments around them stay in the first cache; at most a `SLACK`."""


class Table(NamedTuple):
    """What the moments of the cells around two nodes give to their coupling.

    Attributes
    ----------
    starts : array of uintp
        By coupling ``[neighbour][component][component]`` the first of its cells, and the end of the last's.
    corners : array of uintp
        By cell which of its corners is the first node.
    values : vector
        By cell what a unit of each moment gives.
    """

    starts: NDArray[np.uintp]
    corners: NDArray[np.uintp]
    values: Array


@remembered(maxsize=16)
def table(element_matrix: Array, ndim: int, level: int) -> Table:
    """Return what moments of a level give to the couplings of a node with those numbered behind it."""
    packed = matrices_by_moment(element_matrix, ndim, level)
    size = len(element_matrix)
    components = size // 2**ndim
    one, two = np.tril_indices(size)
    matrices = np.empty((size, size, len(packed)))
    matrices[one, two] = matrices[two, one] = packed.T
    blocks = matrices.reshape(2**ndim, components, 2**ndim, components, -1)
    corners = list(itertools.product((0, 1), repeat=ndim))
    starts, at, values = [0], [], []
    steps = list(itertools.product((-1, 0, 1), repeat=ndim))
    for step in steps[len(steps) // 2 :]:
        ends = [tuple(np.add(corner, step)) for corner in corners]
        pairs = [(here, corners.index(end)) for here, end in enumerate(ends) if end in corners]
        for c, d in np.ndindex(components, components):
            at += [here for here, _ in pairs]
            values += [blocks[here, c, there, d] for here, there in pairs]
            starts.append(len(at))
    return Table(np.array(starts, np.uintp), np.array(at, np.uintp), np.concatenate(values))


@kernel
def _gather(fields: Any, at: Any, n: Any, combinations: Any, values: Any, v: Any, acc: Any) -> None:
    """Add what the cells at some nodes give to a coupling, nine or four moments at a time."""
    if combinations % U(9) == U(0):
        for _ in range(combinations // U(9)):
            for e in range(RUN):
                f = at + e
                w = read(values, v) * read(fields, f)
                w += read(values, v + U(1)) * read(fields, f + n)
                w += read(values, v + U(2)) * read(fields, f + U(2) * n)
                w += read(values, v + U(3)) * read(fields, f + U(3) * n)
                w += read(values, v + U(4)) * read(fields, f + U(4) * n)
                w += read(values, v + U(5)) * read(fields, f + U(5) * n)
                w += read(values, v + U(6)) * read(fields, f + U(6) * n)
                w += read(values, v + U(7)) * read(fields, f + U(7) * n)
                w += read(values, v + U(8)) * read(fields, f + U(8) * n)
                write_scratch(acc, e, read_scratch(acc, e) + w)
            v += U(9)
            at += U(9) * n
    else:
        for _ in range(combinations // U(4)):
            for e in range(RUN):
                f = at + e
                w = read(values, v) * read(fields, f)
                w += read(values, v + U(1)) * read(fields, f + n)
                w += read(values, v + U(2)) * read(fields, f + U(2) * n)
                w += read(values, v + U(3)) * read(fields, f + U(3) * n)
                write_scratch(acc, e, read_scratch(acc, e) + w)
            v += U(4)
            at += U(4) * n


@parallel
def couple(fields: Any, n: Any, nc: Any, back: Any, starts: Any, corners: Any, values: Any, springs: Any,
           weights: Any, diagonal: Any, slabs: Any) -> None:  # fmt: skip
    """Write the couplings of all nodes, as `topopt.solvers.multigrid.stencil.stencil_sweep` reads them.

    Parameters
    ----------
    fields : vector
        Moments, one after the other, each by the number of a cell's lowest node; zero where no cell is, with
        a lattice's guards on either side, into which it reads.
    n, nc : uintp
        Nodes and components.
    back : array of uintp
        By corner: how far behind a node the cell is numbered whose corner it is.
    starts, corners, values : array
        See `Table`.
    springs : vector
        Constant diagonal, or empty.
    weights, diagonal : vector
        The result, zero at first.
    """
    runs = (n + RUN - U(1)) // RUN
    combinations = U(values.size) // U(corners.size)
    terms = U(starts.size) - U(1)
    for s in prange(slabs):
        acc = np.empty(RUN)
        for number in range(U(s) * runs // U(slabs), (U(s) + U(1)) * runs // U(slabs)):
            at = number * RUN
            run = min(RUN, n - at)
            for term in range(terms):
                for e in range(RUN):
                    acc[e] = 0.0
                for cell in range(starts[term], starts[term + U(1)]):
                    _gather(
                        fields, at - back[corners[cell]], n, combinations, values, cell * combinations, acc
                    )
                c = term // nc
                if term < nc * nc and c == term % nc:
                    for e in range(run):
                        if springs.size > 0:
                            acc[e] += springs[c * n + at + e]
                        write(diagonal, c * n + at + e, acc[e])
                first = (at // BLOCK * terms + term) * BLOCK + at % BLOCK
                for e in range(run):
                    write(weights, first + e, read_scratch(acc, e))
