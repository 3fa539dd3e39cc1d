"""Passes over the cells of the two finest lattices, which are never stored: diagonals, and halved cells."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import prange

from topopt.solvers.matrixfree.compiled import kernel, parallel
from topopt.solvers.matrixfree.memory import read, read_scratch, write, write_scratch

__all__ = ["add_diagonals", "halve_moduli"]

U = np.uintp
RUN = U(64)
"""Nodes that are worked on at once, so that their sums stay in the cache; at most a lattice's `SLACK`."""


@kernel
def _corners(moduli: Any, at: Any, back: Any, signs: Any, field: Any, sums: Any) -> None:
    """Add up a field of the cells around each node of a run."""
    for e in range(RUN):
        write_scratch(sums, e, 0)
    for corner in range(U(back.size)):
        sign = signs[field, corner]
        first = at - back[corner]
        for e in range(RUN):
            write_scratch(sums, e, read_scratch(sums, e) + sign * read(moduli, first + e))


@parallel
def add_diagonals(moduli: Any, n: Any, back: Any, signs: Any, shares: Any, springs: Any, out: Any,
                  slabs: Any) -> None:  # fmt: skip
    """Write the diagonal of a matrix-free operator.

    Parameters
    ----------
    moduli : vector
        Fields of the cells, one after the other, `n` numbers each: one a node.
    back : array of uintp
        By corner: how far behind the node its cell is numbered.
    signs : array, shape (fields, corners)
        Of what a field gives to a cell's corners.
    shares : array, shape (components, fields)
        Its size, which by mirror symmetry all corners have in common.
    springs : vector
        Constant diagonal, or empty.
    out : vector
        The diagonal, component after component.
    """
    runs = (n + RUN - U(1)) // RUN
    nc = U(shares.shape[0])
    for s in prange(slabs):
        sums = np.empty(RUN, moduli.dtype)
        total = np.empty(nc * RUN, moduli.dtype)
        for number in range(U(s) * runs // U(slabs), (U(s) + U(1)) * runs // U(slabs)):
            at = number * RUN
            run = min(RUN, n - at)
            for c in range(nc):
                for e in range(RUN):
                    total[c * RUN + e] = 0
                    if springs.size > 0 and e < run:
                        total[c * RUN + e] = springs[c * n + at + e]
            for field in range(U(shares.shape[1])):
                _corners(moduli, field * n + at, back, signs, field, sums)
                for c in range(nc):
                    share = shares[c, field]
                    for e in range(RUN):
                        total[c * RUN + e] += share * sums[e]
            for c in range(nc):
                for e in range(run):
                    write(out, c * n + at + e, total[c * RUN + e])


@parallel
def halve_moduli(moduli: Any, sizes: Any, cells: Any, coarse: Any, out: Any) -> None:
    """Write the Walsh coefficients of the eight moduli in each coarse brick, field after field.

    Parameters
    ----------
    moduli, out : vector
        By the number of a cell's lowest node, on either lattice.
    sizes, coarse : tuple of uintp
        Nodes along the axes, fine and coarse.
    cells : tuple of uintp
        Coarse cells along the axes.
    """
    _, rows, columns = sizes
    n = coarse[0] * coarse[1] * coarse[2]
    eighth = out.dtype.type(0.125)
    for row in prange(cells[0] * cells[1]):
        i, j = U(row) // cells[1], U(row) % cells[1]
        p = (U(2) * i * rows + U(2) * j) * columns
        q = p + columns
        r = p + rows * columns
        s = r + columns
        at = (i * coarse[1] + j) * coarse[2]
        for k in range(cells[2]):
            two = k + k
            # sums and differences along the last axis, then the middle one, then the first
            a, b = read(moduli, p + two), read(moduli, p + two + U(1))
            c, d = read(moduli, q + two), read(moduli, q + two + U(1))
            e, f = read(moduli, r + two), read(moduli, r + two + U(1))
            g, h = read(moduli, s + two), read(moduli, s + two + U(1))
            a, b, c, d, e, f, g, h = a + b, b - a, c + d, d - c, e + f, f - e, g + h, h - g
            a, b, c, d, e, f, g, h = a + c, b + d, c - a, d - b, e + g, f + h, g - e, h - f
            first = at + k
            write(out, first, eighth * (a + e))
            write(out, first + n, eighth * (b + f))
            write(out, first + U(2) * n, eighth * (c + g))
            write(out, first + U(3) * n, eighth * (d + h))
            write(out, first + U(4) * n, eighth * (e - a))
            write(out, first + U(5) * n, eighth * (f - b))
            write(out, first + U(6) * n, eighth * (g - c))
            write(out, first + U(7) * n, eighth * (h - d))
