"""Kernels on the nodes of a lattice: one thread a node, which gathers, so that no two write to one place.

They are made for a precision, a number of components and of axes, all of which the compiler then knows. Nodes
are numbered as in `topopt.solvers.matrixfree.lattice`, without the guards; a cell bears the number of its
lowest node. The jobs are those of `topopt.solvers.matrixfree.sweep`.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import cuda

from topopt.solvers.matrixfree.sweep import APPLY, RESIDUAL

__all__ = ["Kernels", "kernels"]


@dataclass(frozen=True)
class Kernels:
    """Compiled at their first start.

    Attributes
    ----------
    product : kernel
        Does a job with the finest operator: an element matrix times the modulus of every cell.
    stored : kernel
        Does a job with couplings that are stored, ``[neighbour][component][component][node]``.
    galerkin : kernel
        Writes the stored couplings of a coarse lattice from the moduli of the finest.
    diagonal : kernel
        Writes the diagonal of the finest operator.
    invert : kernel
        Turns a diagonal into its inverse, zero on fixed entries and where nothing is.
    restrict, prolong : kernel
        Between a lattice and the next coarser one.
    """

    product: Any
    stored: Any
    galerkin: Any
    diagonal: Any
    invert: Any
    restrict: Any
    prolong: Any


@functools.cache
def kernels(dtype: np.dtype[Any], components: int, ndim: int) -> Kernels:
    """Return the kernels for vectors of a precision, with so many unknowns a node, in 2-D or 3-D."""
    kind: Any = dtype.type
    deep = 2 if ndim == 3 else 1
    near = 3 if ndim == 3 else 1

    @cuda.jit(device=True, inline=True)
    def finish(u, y, b, z, inverse, free, g, value, job, a, c):  # type: ignore[no-untyped-def]
        if free[g] == 0:
            y[g] = 0
        elif job == APPLY:
            y[g] = value
        elif job == RESIDUAL:
            y[g] = b[g] - value
        else:
            v = c * inverse[g] * (b[g] - value)
            if z.size > 0:
                v += a * z[g]
                z[g] = v
            y[g] = u[g] + v

    @cuda.jit
    def product(u, y, b, z, inverse, free, springs, moduli, matrix, m0, m1, m2, job, a, c):  # type: ignore[no-untyped-def]
        e = cuda.grid(1)
        n = m0 * m1 * m2
        if e >= n:
            return
        i, j, k = e // (m1 * m2), (e // m2) % m1, e % m2
        total = cuda.local.array(components, kind)
        for q in range(components):
            total[q] = springs[q * n + e] * u[q * n + e] if springs.size > 0 else kind(0)
        for di in range(2):
            for dj in range(deep):
                for dk in range(2):
                    ci, cj, ck = i - di, j - dj, k - dk
                    if ci < 0 or cj < 0 or ck < 0 or ci >= m0 - 1 or ck >= m2 - 1:
                        continue
                    if deep == 2 and cj >= m1 - 1:
                        continue
                    modulus = moduli[(ci * m1 + cj) * m2 + ck]
                    here = ((di * deep + dj) * 2 + dk) * components
                    for bi in range(2):
                        for bj in range(deep):
                            for bk in range(2):
                                node = ((ci + bi) * m1 + cj + bj) * m2 + ck + bk
                                there = ((bi * deep + bj) * 2 + bk) * components
                                for d in range(components):
                                    v = modulus * u[d * n + node]
                                    for q in range(components):
                                        total[q] += matrix[here + q, there + d] * v
        for q in range(components):
            finish(u, y, b, z, inverse, free, q * n + e, total[q], job, a, c)

    @cuda.jit
    def stored(u, y, b, z, inverse, free, weights, m0, m1, m2, job, a, c):  # type: ignore[no-untyped-def]
        e = cuda.grid(1)
        n = m0 * m1 * m2
        if e >= n:
            return
        i, j, k = e // (m1 * m2), (e // m2) % m1, e % m2
        total = cuda.local.array(components, kind)
        for q in range(components):
            total[q] = kind(0)
        for t in range(9 * near):
            ni, nj, nk = i + t // (3 * near) - 1, j + ((t // 3) % near) - (near // 2), k + t % 3 - 1
            if ni < 0 or nj < 0 or nk < 0 or ni >= m0 or nj >= m1 or nk >= m2:
                continue
            node = (ni * m1 + nj) * m2 + nk
            for d in range(components):
                v = u[d * n + node]
                for q in range(components):
                    total[q] += weights[((t * components + q) * components + d) * n + e] * v
        for q in range(components):
            finish(u, y, b, z, inverse, free, q * n + e, total[q], job, a, c)

    @cuda.jit
    def galerkin(moduli, f0, f1, f2, side, table, springs, weights, m0, m1, m2):  # type: ignore[no-untyped-def]
        e = cuda.grid(1)
        n = m0 * m1 * m2
        t = e // n
        if t >= 9 * near:
            return
        e -= t * n
        i, j, k = e // (m1 * m2), (e // m2) % m1, e % m2
        oi, oj, ok = t // (3 * near) - 1, ((t // 3) % near) - (near // 2), t % 3 - 1
        total = cuda.local.array((components, components), np.float64)
        for q in range(components):
            for d in range(components):
                total[q, d] = 0.0
        for di in range(2):
            for dj in range(deep):
                for dk in range(2):
                    bi, bj, bk = di + oi, dj + oj, dk + ok
                    if bi < 0 or bj < 0 or bk < 0 or bi > 1 or bj >= deep or bk > 1:
                        continue
                    ci, cj, ck = i - di, j - dj, k - dk
                    if ci < 0 or cj < 0 or ck < 0:
                        continue
                    here = ((di * deep + dj) * 2 + dk) * components
                    there = ((bi * deep + bj) * 2 + bk) * components
                    child = 0
                    for ti in range(side):
                        for tj in range(side if deep == 2 else 1):
                            for tk in range(side):
                                fi, fk = ci * side + ti, ck * side + tk
                                fj = cj * side + tj if deep == 2 else 0
                                if fi < f0 and fj < f1 and fk < f2:
                                    modulus = moduli[(fi * f1 + fj) * f2 + fk]
                                    for q in range(components):
                                        for d in range(components):
                                            total[q, d] += modulus * table[child, here + q, there + d]
                                child += 1
        for q in range(components):
            if springs.size > 0 and oi == 0 and oj == 0 and ok == 0:
                total[q, q] += springs[q * n + e]
            for d in range(components):
                weights[((t * components + q) * components + d) * n + e] = total[q, d]

    @cuda.jit
    def diagonal(moduli, matrix, springs, out, m0, m1, m2):  # type: ignore[no-untyped-def]
        e = cuda.grid(1)
        n = m0 * m1 * m2
        if e >= n:
            return
        i, j, k = e // (m1 * m2), (e // m2) % m1, e % m2
        for q in range(components):
            out[q * n + e] = springs[q * n + e] if springs.size > 0 else kind(0)
        for di in range(2):
            for dj in range(deep):
                for dk in range(2):
                    ci, cj, ck = i - di, j - dj, k - dk
                    if ci >= 0 and cj >= 0 and ck >= 0:
                        modulus = moduli[(ci * m1 + cj) * m2 + ck]
                        here = ((di * deep + dj) * 2 + dk) * components
                        for q in range(components):
                            out[q * n + e] += modulus * matrix[here + q, here + q]

    @cuda.jit
    def invert(values, free):  # type: ignore[no-untyped-def]
        g = cuda.grid(1)
        if g < values.size:
            values[g] = kind(1) / values[g] if free[g] != 0 and values[g] > 0 else kind(0)

    @cuda.jit
    def restrict(r, coarse, free, m0, m1, m2, c0, c1, c2):  # type: ignore[no-untyped-def]
        e = cuda.grid(1)
        n, count = m0 * m1 * m2, c0 * c1 * c2
        if e >= count:
            return
        i, j, k = 2 * (e // (c1 * c2)), (e // c2) % c1, 2 * (e % c2)
        if deep == 2:
            j *= 2
        for q in range(components):
            total = kind(0)
            for t in range(9 * near):
                oi, oj, ok = t // (3 * near) - 1, ((t // 3) % near) - (near // 2), t % 3 - 1
                ni, nj, nk = i + oi, j + oj, k + ok
                if ni < 0 or nj < 0 or nk < 0 or ni >= m0 or nj >= m1 or nk >= m2:
                    continue
                weight = kind(1)
                for away in (oi, oj, ok):
                    if away != 0:
                        weight *= kind(0.5)
                total += weight * r[q * n + (ni * m1 + nj) * m2 + nk]
            coarse[q * count + e] = total if free[q * count + e] != 0 else kind(0)

    @cuda.jit
    def prolong(coarse, x, free, m0, m1, m2, c0, c1, c2):  # type: ignore[no-untyped-def]
        e = cuda.grid(1)
        n, count = m0 * m1 * m2, c0 * c1 * c2
        if e >= n:
            return
        i, j, k = e // (m1 * m2), (e // m2) % m1, e % m2
        for q in range(components):
            total, corners = kind(0), 0
            for di in range(1 + i % 2):
                for dj in range(1 + j % 2 if deep == 2 else 1):
                    for dk in range(1 + k % 2):
                        row = j // 2 + dj if deep == 2 else 0
                        total += coarse[q * count + ((i // 2 + di) * c1 + row) * c2 + k // 2 + dk]
                        corners += 1
            if free[q * n + e] != 0:
                x[q * n + e] += total / kind(corners)

    return Kernels(product, stored, galerkin, diagonal, invert, restrict, prolong)
