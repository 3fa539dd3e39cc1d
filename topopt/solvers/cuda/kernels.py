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
    # Unsigned, since numba would look at every signed index for a negative one, which counts from the end.
    one, two, size = np.uintp(1), np.uintp(2), np.uintp(components)
    deep, near = np.uintp(2 if ndim == 3 else 1), np.uintp(3 if ndim == 3 else 1)
    corners, neighbours = np.uintp(2**ndim), np.uintp(3**ndim)

    # What a job makes of a row of the operator times u: the product, the residual, or a step of smoothing.
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

    # The finest operator: up to 2**ndim cells meet in a node, each brings its row of the element matrix.
    @cuda.jit
    def product(u, y, b, z, inverse, free, springs, moduli, matrix, m0, m1, m2, job, a, c):  # type: ignore[no-untyped-def]
        e = np.uintp(cuda.grid(1))
        n = m0 * m1 * m2
        if e >= n:
            return
        i, j, k = e // (m1 * m2), (e // m2) % m1, e % m2
        total = cuda.local.array(components, kind)
        for q in range(size):
            total[q] = springs[q * n + e] * u[q * n + e] if springs.size > 0 else kind(0)
        for di in range(two):
            for dj in range(deep):
                for dk in range(two):
                    if i < di or j < dj or k < dk or i - di + one >= m0 or k - dk + one >= m2:
                        continue
                    if deep == two and j - dj + one >= m1:
                        continue
                    cell = ((i - di) * m1 + j - dj) * m2 + k - dk
                    modulus = moduli[cell]
                    row = ((di * deep + dj) * two + dk) * size * corners * size
                    for bi in range(two):
                        for bj in range(deep):
                            for bk in range(two):
                                node = cell + (bi * m1 + bj) * m2 + bk
                                entry = row + ((bi * deep + bj) * two + bk) * size
                                for d in range(size):
                                    v = modulus * u[d * n + node]
                                    for q in range(size):
                                        total[q] += matrix[entry + q * corners * size + d] * v
        for q in range(size):
            finish(u, y, b, z, inverse, free, q * n + e, total[q], job, a, c)

    # A coarse operator: the couplings of a node with its 3**ndim neighbours, itself among them.
    @cuda.jit
    def stored(u, y, b, z, inverse, free, weights, m0, m1, m2, job, a, c):  # type: ignore[no-untyped-def]
        e = np.uintp(cuda.grid(1))
        n = m0 * m1 * m2
        if e >= n:
            return
        i, j, k = e // (m1 * m2), (e // m2) % m1, e % m2
        total = cuda.local.array(components, kind)
        for q in range(size):
            total[q] = kind(0)
        entry = e
        for ti in range(np.uintp(3)):
            for tj in range(near):
                for tk in range(np.uintp(3)):
                    # the neighbour's place plus one along every axis
                    ni, nj, nk = i + ti, j + tj + two - near // two - one, k + tk
                    if 0 < ni <= m0 and 0 < nj <= m1 and 0 < nk <= m2:
                        node = ((ni - one) * m1 + nj - one) * m2 + nk - one
                        for d in range(size):
                            v = u[d * n + node]
                            for q in range(size):
                                total[q] += weights[entry + (q * size + d) * n] * v
                    entry += size * size * n
        for q in range(size):
            finish(u, y, b, z, inverse, free, q * n + e, total[q], job, a, c)

    # The coupling of a coarse node with a neighbour: each finest cell in the coarse cells that touch both
    # adds its modulus times the entry of the table for a cell in its place, where prolongation is worked in.
    @cuda.jit
    def galerkin(moduli, f0, f1, f2, side, table, springs, weights, m0, m1, m2):  # type: ignore[no-untyped-def]
        g = np.uintp(cuda.grid(1))
        n = m0 * m1 * m2
        t, e = g // n, g % n
        if t >= neighbours:
            return
        i, j, k = e // (m1 * m2), (e // m2) % m1, e % m2
        # the neighbour's place less one along every axis
        ti, tj, tk = t // (near * np.uintp(3)), (t // np.uintp(3)) % near + one - near // two, t % np.uintp(3)
        total = cuda.local.array((components, components), np.float64)
        for q in range(size):
            for d in range(size):
                total[q, d] = 0.0
        for di in range(two):
            for dj in range(deep):
                for dk in range(two):
                    bi, bj, bk = di + ti, dj + tj, dk + tk
                    if bi < one or bj < one or bk < one or bi > two or bj > deep or bk > two:
                        continue
                    if i < di or j < dj or k < dk:
                        continue
                    ci, cj, ck = i - di, j - dj, k - dk
                    here = ((di * deep + dj) * two + dk) * size
                    there = (((bi - one) * deep + bj - one) * two + bk - one) * size
                    child = np.uintp(0)
                    for si in range(side):
                        for sj in range(side if deep == two else one):
                            for sk in range(side):
                                fi, fk = ci * side + si, ck * side + sk
                                fj = cj * side + sj if deep == two else cj
                                if fi < f0 and fj < f1 and fk < f2:
                                    modulus = moduli[(fi * f1 + fj) * f2 + fk]
                                    for q in range(size):
                                        for d in range(size):
                                            total[q, d] += modulus * table[child, here + q, there + d]
                                child += one
        for q in range(size):
            if springs.size > 0 and t == neighbours // two:
                total[q, q] += springs[q * n + e]
            for d in range(size):
                weights[((t * size + q) * size + d) * n + e] = total[q, d]

    # The diagonal of the finest operator, springs included.
    @cuda.jit
    def diagonal(moduli, matrix, springs, out, m0, m1, m2):  # type: ignore[no-untyped-def]
        e = np.uintp(cuda.grid(1))
        n = m0 * m1 * m2
        if e >= n:
            return
        i, j, k = e // (m1 * m2), (e // m2) % m1, e % m2
        for q in range(size):
            out[q * n + e] = springs[q * n + e] if springs.size > 0 else kind(0)
        for di in range(two):
            for dj in range(deep):
                for dk in range(two):
                    if i >= di and j >= dj and k >= dk:
                        modulus = moduli[((i - di) * m1 + j - dj) * m2 + k - dk]
                        here = ((di * deep + dj) * two + dk) * size
                        for q in range(size):
                            out[q * n + e] += modulus * matrix[(here + q) * (corners * size + one)]

    # In place; zero stays where a node is fixed, or where no cell with a modulus meets it.
    @cuda.jit
    def invert(values, free):  # type: ignore[no-untyped-def]
        g = cuda.grid(1)
        if g < values.size:
            values[g] = kind(1) / values[g] if free[g] != 0 and values[g] > 0 else kind(0)

    # A coarse node gathers the residual of the fine nodes around it, halved for every axis on which they lie
    # half a cell away: the transpose of prolongation.
    @cuda.jit
    def restrict(r, coarse, free, m0, m1, m2, c0, c1, c2):  # type: ignore[no-untyped-def]
        e = np.uintp(cuda.grid(1))
        n, count = m0 * m1 * m2, c0 * c1 * c2
        if e >= count:
            return
        i, j, k = e // (c1 * c2), (e // c2) % c1, e % c2
        for q in range(size):
            total = kind(0)
            for ti in range(np.uintp(3)):
                for tj in range(near):
                    for tk in range(np.uintp(3)):
                        # the fine node's place plus one along every axis
                        ni, nk = two * i + ti, two * k + tk
                        nj = two * j + tj if deep == two else j + one
                        if 0 < ni <= m0 and 0 < nj <= m1 and 0 < nk <= m2:
                            weight = kind(1) if ti == one else kind(0.5)
                            if deep == two and tj != one:
                                weight *= kind(0.5)
                            if tk != one:
                                weight *= kind(0.5)
                            total += weight * r[q * n + ((ni - one) * m1 + nj - one) * m2 + nk - one]
            coarse[q * count + e] = total if free[q * count + e] != 0 else kind(0)

    # A fine node adds the mean of the coarse nodes that it lies between.
    @cuda.jit
    def prolong(coarse, x, free, m0, m1, m2, c0, c1, c2):  # type: ignore[no-untyped-def]
        e = np.uintp(cuda.grid(1))
        n, count = m0 * m1 * m2, c0 * c1 * c2
        if e >= n:
            return
        i, j, k = e // (m1 * m2), (e // m2) % m1, e % m2
        for q in range(size):
            total, nodes = kind(0), kind(0)
            for di in range(one + i % two):
                for dj in range(one + j % two if deep == two else one):
                    for dk in range(one + k % two):
                        row = j // two + dj if deep == two else j
                        total += coarse[q * count + ((i // two + di) * c1 + row) * c2 + k // two + dk]
                        nodes += kind(1)
            if free[q * n + e] != 0:
                x[q * n + e] += total / nodes

    return Kernels(product, stored, galerkin, diagonal, invert, restrict, prolong)
