"""The matrix-free operator: one sweep over planes of cells, what is known of a plane's nodes written once.

Cells are taken in runs of `RUN` along the nodes' numbers, whatever the length of a row: the ghost cells
between rows have modulus 0. `cells_*` turn displacements of a run into the forces' modes, `scatter` adds
them to the nodes of the planes below and above, and `finish` writes a plane when all its cells have been
there. Each thread owns a slab of planes and takes the layer of cells below its slab twice, so that no two
threads write to one place.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import prange

from topopt.solvers.matrixfree.cells import RUN, WIDTH, cells_coarse, cells_h8, cells_q4, cells_s2, cells_s3
from topopt.solvers.matrixfree.compiled import inlined, kernel, parallel
from topopt.solvers.matrixfree.memory import read, read_scratch, read_sum, write, write_sum

__all__ = [
    "APPLY",
    "BRICK",
    "COARSE_BRICK",
    "LAST",
    "RESIDUAL",
    "SCALAR_2D",
    "SCALAR_3D",
    "SQUARE",
    "STEP",
    "finish",
    "layer",
    "sweep",
]

U = np.uintp

BRICK, SQUARE, SCALAR_3D, SCALAR_2D, COARSE_BRICK = range(5)
"""Kinds of cells."""
APPLY, RESIDUAL, STEP, LAST = range(4)
"""Jobs: y = K u; y = b - K u; z = a z + c (b - K u) / diagonal, y = u + z; the same with a = 0, no z."""


@inlined
def _column(t: Any, c: Any, planes: Any, ij: Any, e: Any) -> Any:
    """Add what a node gets from the cells before and behind it in its row."""
    q = c * (planes + planes) + ij + ij
    return read_scratch(t, q * WIDTH + e) + read_scratch(t, (q + U(1)) * WIDTH + e)


@kernel
def _scatter_3d(t: Any, acc: Any, below: Any, above: Any, stride: Any, nc: Any, run: Any, sign: Any) -> None:
    """Add the modes of a run to the rows at its lower (sign -1) or upper (sign 1) side, in both planes."""
    for c in range(nc):
        a = below + c * stride
        b = above + c * stride
        for e in range(run):
            v = _column(t, c, U(4), U(0), e) + sign * _column(t, c, U(4), U(1), e)
            w = _column(t, c, U(4), U(2), e) + sign * _column(t, c, U(4), U(3), e)
            write_sum(acc, a + e, read_sum(acc, a + e) + (v - w))
            write_sum(acc, b + e, read_sum(acc, b + e) + (v + w))


@kernel
def _scatter_2d(t: Any, acc: Any, below: Any, above: Any, stride: Any, nc: Any, run: Any) -> None:
    """Add the modes of a run to both rows of nodes."""
    for c in range(nc):
        a = below + c * stride
        b = above + c * stride
        for e in range(run):
            v = _column(t, c, U(2), U(0), e)
            w = _column(t, c, U(2), U(1), e)
            write_sum(acc, a + e, read_sum(acc, a + e) + (v - w))
            write_sum(acc, b + e, read_sum(acc, b + e) + (v + w))


@kernel
def layer(kind: Any, u: Any, n: Any, at: Any, s0: Any, m1: Any, m2: Any, moduli: Any, cells: Any, cell: Any,
          k: Any, t: Any, acc: Any, below: Any, above: Any, stride: Any, nc: Any) -> None:  # fmt: skip
    """Go through one layer of cells, between a plane of nodes and the next one.

    Parameters
    ----------
    u, n, at, s0 : vector and uintp
        Displacements, where their next component begins, where the planes do, and how far apart these are.
    moduli, cells, cell : vector and uintp
        Moduli, where their next field begins, and where the layer does.
    """
    flat = m1 == U(1)
    total = m2 if flat else (m1 - U(1)) * m2
    one = k.dtype.type(1)
    temps = nc * U(4) if flat else nc * U(8)
    for q in range(temps):
        t[q * WIDTH] = 0
    e = U(0)
    while e < total:
        run = min(RUN, total - e)
        if kind == BRICK:
            cells_h8(u, n, at + e, m2, s0, moduli, cell + e, run, k, t)
        elif kind == SQUARE:
            cells_q4(u, n, at + e, s0, moduli, cell + e, run, k, t)
        elif kind == SCALAR_3D:
            cells_s3(u, at + e, m2, s0, moduli, cell + e, run, k, t)
        elif kind == SCALAR_2D:
            cells_s2(u, at + e, s0, moduli, cell + e, run, k, t)
        else:
            cells_coarse(u, n, at + e, m2, s0, moduli, cells, cell + e, run, k, t)
        if flat:
            _scatter_2d(t, acc, below + e, above + e, stride, nc, run)
        else:
            _scatter_3d(t, acc, below + e, above + e, stride, nc, run, -one)
            _scatter_3d(t, acc, below + e + m2, above + e + m2, stride, nc, run, one)
        for q in range(temps):
            t[q * WIDTH] = t[q * WIDTH + run]
        e += run


@kernel
def finish(acc: Any, below: Any, stride: Any, u: Any, y: Any, b: Any, z: Any, inverse: Any, springs: Any,
           at: Any, n: Any, s0: Any, nc: Any, job: Any, a: Any, c: Any) -> Any:  # fmt: skip
    """Do a job on `s0` nodes from `at` on, whose products begin at `below`; return their share of its sum."""
    total = 0.0
    for q in range(nc):
        f = below + q * stride
        g = q * n + at
        part = acc.dtype.type(0)
        if springs.size > 0:
            for e in range(s0):
                acc[f + e] += springs[g + e] * u[g + e]
        if job == APPLY:
            for e in range(s0):
                v = read_sum(acc, f + e)
                write(y, g + e, v)
                part += v * read(u, g + e)
        elif job == RESIDUAL:
            for e in range(s0):
                write(y, g + e, read(b, g + e) - read_sum(acc, f + e))
        elif job == STEP:
            for e in range(s0):
                r = read(b, g + e) - read_sum(acc, f + e)
                v = a * read(z, g + e) + c * (read(inverse, g + e) * r)
                w = read(u, g + e) + v
                write(z, g + e, v)
                write(y, g + e, w)
                part += w * read(b, g + e)
        else:
            for e in range(s0):
                r = read(b, g + e) - read_sum(acc, f + e)
                w = read(u, g + e) + c * (read(inverse, g + e) * r)
                write(y, g + e, w)
                part += w * read(b, g + e)
        total += part
    return total


@parallel
def sweep(kind: Any, nc: Any, u: Any, y: Any, b: Any, z: Any, inverse: Any, springs: Any, fixed: Any,
          moduli: Any, k: Any, m0: Any, m1: Any, m2: Any, job: Any, a: Any, c: Any,
          slabs: Any) -> Any:  # fmt: skip
    """Do a job with K u; entries listed in `fixed` come out as zero.

    Parameters
    ----------
    kind, job : int
        See above.
    nc : uintp
        Components.
    u, y, b, z, inverse : vectors
        See the jobs; y must not be u. Those that a job does not use may be empty.
    springs : vector
        Constant diagonal, or empty.
    fixed : array of uintp
        Entries held at zero.
    moduli : vector
        By cell; for COARSE_BRICK the eight Walsh coefficients of the children's moduli, one after the other.
    k : array
        Coefficients of the element matrix, in the precision of the arithmetic.
    m0, m1, m2 : uintp
        Nodes along the axes.
    a, c : float
        Of the job, in the same precision.
    slabs : int
        Number of threads.

    Returns
    -------
    float
        u . K u for APPLY, b . y for STEP and LAST.
    """
    n = m0 * m1 * m2
    s0 = m1 * m2
    stride = s0 + WIDTH
    parts = np.zeros(slabs * 8)
    for s in prange(slabs):
        first = U(s) * m0 // U(slabs)
        last = (U(s) + U(1)) * m0 // U(slabs)
        t = np.zeros(U(48) * WIDTH, k.dtype)
        acc = np.zeros(U(2) * nc * stride, k.dtype)
        below = U(0)
        above = nc * stride
        total = 0.0
        i = first - U(1) if first > U(0) else U(0)
        while i < last:
            acc[above : above + nc * stride] = 0
            if i + U(1) < m0:
                layer(kind, u, n, i * s0, s0, m1, m2, moduli, n, i * s0, k, t, acc, below, above, stride, nc)
            if i >= first:
                total += finish(
                    acc, below, stride, u, y, b, z, inverse, springs, i * s0, n, s0, nc, job, a, c
                )
            swap = below
            below = above
            above = swap
            i += U(1)
        parts[s * 8] = total
    for q in range(fixed.size):
        y[fixed[q]] = 0
    return parts.sum()
