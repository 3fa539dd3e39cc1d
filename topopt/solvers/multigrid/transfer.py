"""Between two lattices: trilinear interpolation of corrections and its transpose for residuals."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import prange

from topopt.solvers.matrixfree.compiled import kernel, parallel
from topopt.solvers.matrixfree.memory import read, read_scratch, read_sum, write, write_scratch, write_sum

__all__ = ["prolong", "restrict"]

U = np.uintp


@kernel
def _spread(t: Any, x: Any, at: Any, m2: Any) -> None:
    """Add a row of coarse values to a row of fine nodes."""
    half = x.dtype.type(0.5)
    for k in range(m2 >> U(1)):
        left = read_scratch(t, k)
        write_sum(x, at + U(2) * k, read_sum(x, at + U(2) * k) + left)
        odd = at + U(2) * k + U(1)
        write_sum(x, odd, read_sum(x, odd) + half * (left + read_scratch(t, k + U(1))))
    if m2 & U(1):
        x[at + m2 - U(1)] += t[m2 >> U(1)]


@kernel
def _gathered(coarse: Any, first: Any, second: Any, third: Any, fourth: Any, t: Any, count: Any) -> None:
    """Average four rows of coarse nodes."""
    quarter = t.dtype.type(0.25)
    for k in range(count):
        total = read(coarse, first + k) + read(coarse, second + k)
        total += read(coarse, third + k) + read(coarse, fourth + k)
        write_scratch(t, k, quarter * total)


@parallel
def prolong(coarse: Any, x: Any, fixed: Any, nc: Any, fine_sizes: Any, coarse_sizes: Any, slabs: Any) -> None:
    """Do x += P coarse, and zero at the entries listed in `fixed`."""
    m0, m1, m2 = fine_sizes
    c0, c1, c2 = coarse_sizes
    for s in prange(slabs):
        t = np.empty(c2, x.dtype)
        for i in range(U(s) * m0 // U(slabs), (U(s) + U(1)) * m0 // U(slabs)):
            lower, upper = i >> U(1), (i + U(1)) >> U(1)
            for q in range(nc):
                for j in range(m1):
                    left, right = j >> U(1), (j + U(1)) >> U(1)
                    below, above = q * c0 + lower, q * c0 + upper
                    _gathered(coarse, (below * c1 + left) * c2, (below * c1 + right) * c2,
                              (above * c1 + left) * c2, (above * c1 + right) * c2, t,
                              (m2 >> U(1)) + U(1))  # fmt: skip
                    _spread(t, x, ((q * m0 + i) * m1 + j) * m2, m2)
    for q in range(fixed.size):
        x[fixed[q]] = 0


@kernel
def _add_row(r: Any, at: Any, t: Any, weight: Any, m2: Any) -> None:
    """Add a weighted row to a row that begins at 1."""
    for k in range(m2):
        write_scratch(t, k + U(1), read_scratch(t, k + U(1)) + weight * read(r, at + k))


@kernel
def _collect(t: Any, coarse: Any, at: Any, count: Any) -> None:
    """Write a row of coarse nodes from a row of fine ones that begins at 1, zeros on either side."""
    half = t.dtype.type(0.5)
    for k in range(count):
        ends = read_scratch(t, U(2) * k) + read_scratch(t, U(2) * k + U(2))
        write(coarse, at + k, read_scratch(t, U(2) * k + U(1)) + half * ends)


@parallel
def restrict(r: Any, coarse: Any, fixed: Any, nc: Any, fine_sizes: Any, coarse_sizes: Any,
             slabs: Any) -> None:  # fmt: skip
    """Do coarse = P^T r, zero at the entries listed in `fixed`, which are those of the coarse lattice."""
    m0, m1, m2 = fine_sizes
    c0, c1, c2 = coarse_sizes
    one = r.dtype.type(1)
    half = r.dtype.type(0.5)
    for s in prange(slabs):
        t = np.zeros(max(m2, U(2) * c2) + U(4), r.dtype)
        for i in range(U(s) * c0 // U(slabs), (U(s) + U(1)) * c0 // U(slabs)):
            for q in range(nc):
                for j in range(c1):
                    t[:] = 0
                    for di in range(U(3)):
                        fi = U(2) * i + di - U(1)
                        for dj in range(U(3)):
                            fj = U(2) * j + dj - U(1)
                            if fi < m0 and fj < m1:  # -1 is the largest unsigned number
                                weight = (one if di == U(1) else half) * (one if dj == U(1) else half)
                                _add_row(r, ((q * m0 + fi) * m1 + fj) * m2, t, weight, m2)
                    _collect(t, coarse, ((q * c0 + i) * c1 + j) * c2, c2)
    for q in range(fixed.size):
        coarse[fixed[q]] = 0
