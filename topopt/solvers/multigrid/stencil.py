"""A stored operator: every node's couplings to its 3^d neighbours, in blocks of nodes that lie together."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import prange

from topopt.solvers.matrixfree.compiled import kernel, parallel
from topopt.solvers.matrixfree.memory import read, read_scratch, write, write_scratch
from topopt.solvers.matrixfree.sweep import APPLY, RESIDUAL, STEP

__all__ = ["BLOCK", "assemble", "stencil_sweep"]

U = np.uintp
BLOCK = U(64)
"""Nodes of a block: the weights are stored block by block, [term][node]."""


@kernel
def _product(weights: Any, first: Any, u: Any, at: Any, n: Any, nc: Any, reach: Any, acc: Any) -> None:
    """Compute K u for the nodes of a block."""
    for q in range(nc * BLOCK):
        acc[q] = 0
    for neighbour in range(reach.size):
        shift = at + reach[neighbour]
        for c in range(nc):
            w = first + (neighbour * nc + c) * nc * BLOCK
            row = c * BLOCK
            if nc == U(3):
                for e in range(BLOCK):
                    v = read(weights, w + e) * read(u, shift + e)
                    v += read(weights, w + BLOCK + e) * read(u, shift + n + e)
                    v += read(weights, w + U(2) * BLOCK + e) * read(u, shift + n + n + e)
                    write_scratch(acc, row + e, read_scratch(acc, row + e) + v)
            elif nc == U(2):
                for e in range(BLOCK):
                    v = read(weights, w + e) * read(u, shift + e)
                    v += read(weights, w + BLOCK + e) * read(u, shift + n + e)
                    write_scratch(acc, row + e, read_scratch(acc, row + e) + v)
            else:
                for e in range(BLOCK):
                    write_scratch(
                        acc, row + e, read_scratch(acc, row + e) + read(weights, w + e) * read(u, shift + e)
                    )


@kernel
def _finish(acc: Any, u: Any, y: Any, b: Any, z: Any, inverse: Any, at: Any, n: Any, nc: Any, job: Any,
            a: Any, c: Any) -> Any:  # fmt: skip
    """Do the job on the nodes of a block, like `topopt.solvers.matrixfree.sweep`."""
    total = 0.0
    run = min(BLOCK, n - at)
    for q in range(nc):
        f = q * BLOCK
        g = q * n + at
        part = acc.dtype.type(0)
        if job == APPLY:
            for e in range(run):
                write(y, g + e, read_scratch(acc, f + e))
                part += read_scratch(acc, f + e) * read(u, g + e)
        elif job == RESIDUAL:
            for e in range(run):
                write(y, g + e, read(b, g + e) - read_scratch(acc, f + e))
        elif job == STEP:
            for e in range(run):
                v = a * read(z, g + e) + c * (
                    read(inverse, g + e) * (read(b, g + e) - read_scratch(acc, f + e))
                )
                w = read(u, g + e) + v
                write(z, g + e, v)
                write(y, g + e, w)
                part += w * read(b, g + e)
        else:
            for e in range(run):
                w = read(u, g + e) + c * (read(inverse, g + e) * (read(b, g + e) - read_scratch(acc, f + e)))
                write(y, g + e, w)
                part += w * read(b, g + e)
        total += part
    return total


@parallel
def stencil_sweep(nc: Any, u: Any, y: Any, b: Any, z: Any, inverse: Any, fixed: Any, weights: Any, reach: Any,
                  n: Any, job: Any, a: Any, c: Any, slabs: Any) -> Any:  # fmt: skip
    """Do a job of `topopt.solvers.matrixfree.sweep` with K u; entries in `fixed` come out as zero."""
    blocks = (n + BLOCK - U(1)) // BLOCK
    size = U(reach.size) * nc * nc * BLOCK
    parts = np.zeros(slabs * 8)
    for s in prange(slabs):
        acc = np.zeros(nc * BLOCK, weights.dtype)
        total = 0.0
        for block in range(U(s) * blocks // U(slabs), (U(s) + U(1)) * blocks // U(slabs)):
            _product(weights, block * size, u, block * BLOCK, n, nc, reach, acc)
            total += _finish(acc, u, y, b, z, inverse, block * BLOCK, n, nc, job, a, c)
        parts[s * 8] = total
    for q in range(fixed.size):
        y[fixed[q]] = 0
    return parts.sum()


@parallel
def assemble(cells: Any, first: Any, cell_sizes: Any, sizes: Any, start: Any, stop: Any, nc: Any, place: Any,
             springs: Any, weights: Any, diagonal: Any) -> None:  # fmt: skip
    """Write the couplings of the nodes in planes from `start` to `stop`.

    Parameters
    ----------
    cells : array, shape (n_cells, pairs)
        Lower triangles of the cells' matrices, in planes from `first` on.
    cell_sizes, sizes : tuple of int
        Cells and nodes along three axes; in 2-D the middle one has one node and one cell.
    place : array, shape (k, k)
        Column of `cells` for two unknowns of a cell.
    springs : vector
        Constant diagonal, or empty.
    weights, diagonal : vector
        The result: couplings in blocks, and the diagonal.
    """
    n0, n1, n2 = cell_sizes
    m0, m1, m2 = sizes
    flat = m1 == 1
    n = m0 * m1 * m2
    neighbours = 9 if flat else 27
    middle = 1 if flat else 2
    block = 64
    for ijk in prange((stop - start) * m1):
        i = start + ijk // m1
        j = ijk % m1
        terms = np.zeros(neighbours * nc * nc)
        for k in range(m2):
            terms[:] = 0
            for ai in range(2):
                for aj in range(middle):
                    for ak in range(2):
                        ci = i - ai
                        cj = j - aj
                        ck = k - ak
                        if ci < 0 or cj < 0 or ck < 0 or ci >= n0 or cj >= n1 or ck >= n2:
                            continue
                        cell = ((ci - first) * n1 + cj) * n2 + ck
                        here = (ai * middle + aj) * 2 + ak
                        for other in range(4 * middle):
                            bi = other // (2 * middle)
                            bj = (other // 2) % middle
                            bk = other % 2
                            step = (bi - ai + 1) * 3 + (bk - ak + 1)
                            if not flat:
                                step = ((bi - ai + 1) * 3 + (bj - aj + 1)) * 3 + (bk - ak + 1)
                            for c in range(nc):
                                for d in range(nc):
                                    value = cells[cell, place[here * nc + c, other * nc + d]]
                                    terms[(step * nc + c) * nc + d] += value
            e = (i * m1 + j) * m2 + k
            centre = (neighbours // 2) * nc * nc
            for c in range(nc):
                if springs.size > 0:
                    terms[centre + c * nc + c] += springs[c * n + e]
                diagonal[c * n + e] = terms[centre + c * nc + c]
            at = (e // block) * neighbours * nc * nc * block + e % block
            for q in range(neighbours * nc * nc):
                weights[at + q * block] = terms[q]
