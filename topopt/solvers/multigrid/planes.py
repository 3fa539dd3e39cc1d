"""Fused sweeps of a matrix-free level: step and restriction, correction and step, direction and product.

The step from zero, its residual and the restriction of that are passes over vectors that do not fit into a
cache; so are the interpolation and the step after it, and the next direction and its product. Here a plane of
nodes is made when the layer of cells under it is next, and its residual goes to the coarse planes at once.
What lies between is never streamed through memory: at 128x64x64 cells a cycle takes .91 of the time.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import prange

from topopt.solvers.matrixfree.cells import WIDTH
from topopt.solvers.matrixfree.compiled import kernel, parallel
from topopt.solvers.matrixfree.memory import read, read_scratch, read_sum, write, write_scratch, write_sum
from topopt.solvers.matrixfree.sweep import APPLY, finish, layer

__all__ = ["correct_and_smooth", "next_product", "smooth_and_restrict"]

U = np.uintp


@kernel
def _smooth(b: Any, inverse: Any, c: Any, i: Any, n: Any, s0: Any, nc: Any, planes: Any) -> None:
    """Write the step from zero on a plane of nodes to the one of two planes that is its turn."""
    for q in range(nc):
        to = (U(2) * q + (i & U(1))) * s0
        at = q * n + i * s0
        for e in range(s0):
            planes[to + e] = c * (read(inverse, at + e) * read(b, at + e))


@kernel
def _interpolated(coarse: Any, first: Any, second: Any, third: Any, fourth: Any, t: Any, row: Any,
                  m2: Any) -> None:  # fmt: skip
    """Write the interpolation between four rows of coarse nodes to a row of fine ones."""
    half, quarter = row.dtype.type(0.5), row.dtype.type(0.25)
    for k in range((m2 >> U(1)) + U(1)):
        total = read(coarse, first + k) + read(coarse, second + k)
        total += read(coarse, third + k) + read(coarse, fourth + k)
        write_sum(t, k, quarter * total)
    for k in range(m2 >> U(1)):
        left = read_sum(t, k)
        write_scratch(row, U(2) * k, left)
        write_scratch(row, U(2) * k + U(1), half * (left + read_sum(t, k + U(1))))
    if m2 & U(1):
        row[m2 - U(1)] = t[m2 >> U(1)]


@kernel
def _corrected(coarse: Any, b: Any, inverse: Any, c: Any, i: Any, fine_sizes: Any, coarse_sizes: Any, nc: Any,
               t: Any, row: Any, planes: Any) -> None:  # fmt: skip
    """Write the step from zero and the interpolated correction of it on a plane of nodes."""
    m0, m1, m2 = fine_sizes
    c0, c1, c2 = coarse_sizes
    lower, upper = i >> U(1), (i + U(1)) >> U(1)
    for q in range(nc):
        below, above = q * c0 + lower, q * c0 + upper
        for j in range(m1):
            left, right = j >> U(1), (j + U(1)) >> U(1)
            _interpolated(coarse, (below * c1 + left) * c2, (below * c1 + right) * c2,
                          (above * c1 + left) * c2, (above * c1 + right) * c2, t, row, m2)  # fmt: skip
            to = ((U(2) * q + (i & U(1))) * m1 + j) * m2
            at = ((q * m0 + i) * m1 + j) * m2
            for k in range(m2):
                v = c * (read(inverse, at + k) * read(b, at + k))
                planes[to + k] = v + read_scratch(row, k)


@kernel
def _sprung(springs: Any, planes: Any, acc: Any, below: Any, stride: Any, i: Any, n: Any, s0: Any,
            nc: Any) -> None:  # fmt: skip
    """Add what springs resist."""
    if springs.size > 0:
        for q in range(nc):
            for e in range(s0):
                u = planes[(U(2) * q + (i & U(1))) * s0 + e]
                acc[below + q * stride + e] += springs[q * n + i * s0 + e] * u


@kernel
def _collected(acc: Any, low: Any, middle: Any, high: Any, one: Any, other: Any, row: Any, m2: Any) -> None:
    """Write three rows of fine nodes, weighted, to a row that begins at 1."""
    for k in range(m2):
        sides = one * read_sum(acc, low + k) + other * read_sum(acc, high + k)
        write_scratch(row, k + U(1), read_sum(acc, middle + k) + sides)


@kernel
def _given(row: Any, weight: Any, coarse: Any, at: Any, count: Any) -> None:
    """Add a row that begins at 1, zeros on either side, to a row of coarse nodes."""
    half = row.dtype.type(0.5)
    for k in range(count):
        ends = read_scratch(row, U(2) * k) + read_scratch(row, U(2) * k + U(2))
        value = weight * (read_scratch(row, U(2) * k + U(1)) + half * ends)
        write_sum(coarse, at + k, read_sum(coarse, at + k) + value)


@kernel
def _restricted(acc: Any, below: Any, stride: Any, i: Any, first: Any, last: Any, m1: Any, m2: Any,
                coarse_sizes: Any, nc: Any, row: Any, coarse: Any) -> None:  # fmt: skip
    """Add a plane of fine nodes to the coarse planes next to it, as far as they are `first` to `last`."""
    c0, c1, c2 = coarse_sizes
    one, half, zero = row.dtype.type(1), row.dtype.type(0.5), row.dtype.type(0)
    lower, upper = i >> U(1), (i + U(1)) >> U(1)
    weight = one if lower == upper else half
    for q in range(nc):
        for j in range(c1):
            middle = below + q * stride + U(2) * j * m2
            before, behind = j > U(0), U(2) * j + U(1) < m1
            low, high = middle - m2 if before else middle, middle + m2 if behind else middle
            _collected(acc, low, middle, high, half if before else zero, half if behind else zero, row, m2)
            if first <= lower < last:
                _given(row, weight, coarse, ((q * c0 + lower) * c1 + j) * c2, c2)
            if upper > lower and first <= upper < last:
                _given(row, weight, coarse, ((q * c0 + upper) * c1 + j) * c2, c2)


@parallel
def smooth_and_restrict(kind: Any, nc: Any, b: Any, inverse: Any, springs: Any, by_plane: Any, moduli: Any,
                        k: Any, c: Any, fine_sizes: Any, coarse: Any, coarse_fixed: Any, coarse_sizes: Any,
                        slabs: Any) -> None:  # fmt: skip
    """Do coarse = P^T (b - K x) for x = c b / diagonal.

    Each thread owns a slab of coarse planes; fine planes between two slabs are taken twice.

    Parameters
    ----------
    kind, nc, springs, inverse, moduli, k
        See `topopt.solvers.matrixfree.sweep.sweep`.
    b, coarse : vector
        The right-hand side, and that of the coarse lattice.
    by_plane : triple of arrays of uintp
        See `topopt.solvers.multigrid.plan.ByPlane`.
    coarse_fixed : array of uintp
        Fixed entries of the coarse lattice.
    c : float
        Weight of the step, in the precision of the arithmetic.
    """
    m0, m1, m2 = fine_sizes
    c0, c1, c2 = coarse_sizes
    starts, components, nodes = by_plane
    n, s0 = m0 * m1 * m2, m1 * m2
    stride = s0 + WIDTH
    for s in prange(slabs):
        first = U(s) * c0 // U(slabs)
        last = (U(s) + U(1)) * c0 // U(slabs)
        if first < last:
            t = np.zeros(U(48) * WIDTH, k.dtype)
            acc = np.zeros(U(2) * nc * stride, k.dtype)
            # the last run reads a row and a run too far, where its cells have modulus 0
            planes = np.zeros(U(2) * nc * s0 + m2 + WIDTH, b.dtype)
            row = np.zeros(max(m2, U(2) * c2) + U(4), b.dtype)
            for q in range(nc):
                coarse[(q * c0 + first) * c1 * c2 : (q * c0 + last) * c1 * c2] = 0
            below, above = U(0), nc * stride
            start = U(2) * first - U(2) if first > U(0) else U(0)
            _smooth(b, inverse, c, start, n, s0, nc, planes)
            for i in range(start, min(U(2) * last, m0)):
                acc[above : above + nc * stride] = 0
                if i + U(1) < m0:
                    _smooth(b, inverse, c, i + U(1), n, s0, nc, planes)
                    # `further - at` may be -s0: unsigned numbers wrap around, and so does the sum with it
                    at, further = (i & U(1)) * s0, ((i + U(1)) & U(1)) * s0
                    layer(kind, planes, U(2) * s0, at, further - at, m1, m2, moduli, n, i * s0, k, t, acc,
                          below, above, stride, nc)  # fmt: skip
                if i + U(1) >= U(2) * first:
                    _sprung(springs, planes, acc, below, stride, i, n, s0, nc)
                    for q in range(nc):
                        f, g = below + q * stride, q * n + i * s0
                        for e in range(s0):
                            write_sum(acc, f + e, read(b, g + e) - read_sum(acc, f + e))
                    for e in range(starts[i], starts[i + U(1)]):
                        acc[below + components[e] * stride + nodes[e]] = 0
                    _restricted(acc, below, stride, i, first, last, m1, m2, coarse_sizes, nc, row, coarse)
                below, above = above, below
    for q in range(coarse_fixed.size):
        coarse[coarse_fixed[q]] = 0


@parallel
def correct_and_smooth(kind: Any, nc: Any, coarse: Any, b: Any, y: Any, inverse: Any, springs: Any,
                       by_plane: Any, moduli: Any, k: Any, c: Any, fine_sizes: Any, coarse_sizes: Any,
                       slabs: Any) -> Any:  # fmt: skip
    """Do y = x + c (b - K x) / diagonal for x = c b / diagonal + P coarse; return b . y.

    Parameters
    ----------
    coarse, y : vector
        The correction on the coarse lattice, and the result.
    others
        See `smooth_and_restrict`.
    """
    m0, m1, m2 = fine_sizes
    starts, components, nodes = by_plane
    n, s0 = m0 * m1 * m2, m1 * m2
    stride = s0 + WIDTH
    parts = np.zeros(slabs * 8)
    for s in prange(slabs):
        first = U(s) * m0 // U(slabs)
        last = (U(s) + U(1)) * m0 // U(slabs)
        t = np.zeros(U(48) * WIDTH, k.dtype)
        acc = np.zeros(U(2) * nc * stride, k.dtype)
        planes = np.zeros(U(2) * nc * s0 + m2 + WIDTH, b.dtype)
        row, short = np.zeros(m2 + U(1), b.dtype), np.zeros((m2 >> U(1)) + U(2), b.dtype)
        below, above, total = U(0), nc * stride, 0.0
        start = first - U(1) if first > U(0) else U(0)
        for turn in range(start, last + U(1)):
            # plane `turn` is made, then the layer under it is done and the plane in front of that finished
            if turn < m0:
                _corrected(coarse, b, inverse, c, turn, fine_sizes, coarse_sizes, nc, short, row, planes)
                for e in range(starts[turn], starts[turn + U(1)]):
                    planes[(U(2) * components[e] + (turn & U(1))) * s0 + nodes[e]] = 0
            if turn == start:
                continue
            i = turn - U(1)
            acc[above : above + nc * stride] = 0
            if turn < m0:
                at, further = (i & U(1)) * s0, (turn & U(1)) * s0
                layer(kind, planes, U(2) * s0, at, further - at, m1, m2, moduli, n, i * s0, k, t, acc,
                      below, above, stride, nc)  # fmt: skip
            if i >= first:
                _sprung(springs, planes, acc, below, stride, i, n, s0, nc)
                part = acc.dtype.type(0)
                for q in range(nc):
                    f, g, at = below + q * stride, q * n + i * s0, (U(2) * q + (i & U(1))) * s0
                    for e in range(s0):
                        r = read(b, g + e) - read_sum(acc, f + e)
                        w = read(planes, at + e) + c * (read(inverse, g + e) * r)
                        write(y, g + e, w)
                        part += w * read(b, g + e)
                total += part
            below, above = above, below
        parts[s * 8] = total
    return parts.sum()


@parallel
def next_product(kind: Any, nc: Any, beta: Any, z: Any, p: Any, following: Any, q: Any, springs: Any,
                 fixed: Any, moduli: Any, k: Any, sizes: Any, slabs: Any) -> Any:  # fmt: skip
    """Do following = z + beta p and q = K following; return following . q.

    Planes between two slabs are written by both threads, the same numbers. All three vectors are different.
    """
    m0, m1, m2 = sizes
    n, s0 = m0 * m1 * m2, m1 * m2
    stride = s0 + WIDTH
    parts = np.zeros(slabs * 8)
    for s in prange(slabs):
        first = U(s) * m0 // U(slabs)
        last = (U(s) + U(1)) * m0 // U(slabs)
        t = np.zeros(U(48) * WIDTH, k.dtype)
        acc = np.zeros(U(2) * nc * stride, k.dtype)
        below, above, total = U(0), nc * stride, 0.0
        start = first - U(1) if first > U(0) else U(0)
        for turn in range(start, last + U(1)):
            if turn < m0:
                for c in range(nc):
                    at = c * n + turn * s0
                    for e in range(s0):
                        following[at + e] = read(z, at + e) + beta * read(p, at + e)
            if turn == start:
                continue
            i = turn - U(1)
            acc[above : above + nc * stride] = 0
            if turn < m0:
                layer(kind, following, n, i * s0, s0, m1, m2, moduli, n, i * s0, k, t, acc, below, above,
                      stride, nc)  # fmt: skip
            if i >= first:
                total += finish(acc, below, stride, following, q, z, z, z, springs, i * s0, n, s0, nc, APPLY,
                                beta, beta)  # fmt: skip
            below, above = above, below
        parts[s * 8] = total
    for e in range(fixed.size):
        q[fixed[e]] = 0
    return parts.sum()
