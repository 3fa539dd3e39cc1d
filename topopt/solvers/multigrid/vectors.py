"""Passes over long vectors, as few as the iteration and its first step can do with."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import prange

from topopt.solvers.matrixfree.compiled import parallel
from topopt.solvers.matrixfree.memory import read, read_scratch, read_sum, write, write_scratch, write_sum

__all__ = ["advance", "dot", "invert", "jacobi", "mix", "rescale", "sums"]

U = np.uintp


@parallel
def advance(alpha: Any, q: Any, r: Any, x: Any, a: Any, p: Any, b: Any, second: Any, slabs: Any) -> Any:
    """Do r -= alpha q and x += a p + b second, without those that are empty; return r . r."""
    n = U(r.size)
    parts = np.zeros(slabs * 8)
    for s in prange(slabs):
        first = U(s) * n // U(slabs)
        last = (U(s) + U(1)) * n // U(slabs)
        if second.size > 0:
            for e in range(first, last):
                write_sum(x, e, read_sum(x, e) + (a * read(p, e) + b * read(second, e)))
        elif p.size > 0:
            for e in range(first, last):
                write_sum(x, e, read_sum(x, e) + a * read(p, e))
        total = 0.0
        for e in range(first, last):
            v = read_scratch(r, e) - alpha * read(q, e)
            write_scratch(r, e, v)
            total += v * v
        parts[s * 8] = total
    return parts.sum()


@parallel
def dot(one: Any, other: Any, slabs: Any) -> Any:
    """Return the scalar product, added up in double precision."""
    n = U(one.size)
    parts = np.zeros(slabs * 8)
    for s in prange(slabs):
        total = 0.0
        for e in range(U(s) * n // U(slabs), (U(s) + U(1)) * n // U(slabs)):
            total += np.float64(read(one, e)) * np.float64(read(other, e))
        parts[s * 8] = total
    return parts.sum()


@parallel
def sums(f: Any, x: Any, r: Any, slabs: Any) -> Any:
    """Return f . x, r . x, f . r, r . r and x . x, added up in double precision."""
    n = U(x.size)
    parts = np.zeros((slabs, 8))
    for s in prange(slabs):
        work, tilt, cross, square, size = 0.0, 0.0, 0.0, 0.0, 0.0
        for e in range(U(s) * n // U(slabs), (U(s) + U(1)) * n // U(slabs)):
            load, state, rest = read(f, e), read(x, e), np.float64(read(r, e))
            work += load * state
            tilt += rest * state
            cross += load * rest
            square += rest * rest
            size += state * state
        parts[s, 0], parts[s, 1], parts[s, 2], parts[s, 3], parts[s, 4] = work, tilt, cross, square, size
    total = parts.sum(axis=0)
    return total[0], total[1], total[2], total[3], total[4]


@parallel
def rescale(factor: Any, f: Any, x: Any, r: Any, slabs: Any) -> None:
    """Do x = factor x and r = (1 - factor) f + factor r."""
    n = U(x.size)
    for s in prange(slabs):
        for e in range(U(s) * n // U(slabs), (U(s) + U(1)) * n // U(slabs)):
            write_sum(x, e, factor * read_sum(x, e))
            write_scratch(r, e, (1.0 - factor) * read(f, e) + factor * read_scratch(r, e))


@parallel
def mix(a: Any, x: Any, c: Any, total: Any, slabs: Any) -> None:
    """Do total = a x + c total, whatever total is where c is zero."""
    n = U(total.size)
    for s in prange(slabs):
        first = U(s) * n // U(slabs)
        last = (U(s) + U(1)) * n // U(slabs)
        if c == 0:
            for e in range(first, last):
                write_sum(total, e, a * read(x, e))
        else:
            for e in range(first, last):
                write_sum(total, e, a * read(x, e) + c * read_sum(total, e))


@parallel
def invert(diagonal: Any, slabs: Any) -> None:
    """Replace a diagonal by its inverse, zero where nothing resists."""
    n = U(diagonal.size)
    one = diagonal.dtype.type(1)
    for s in prange(slabs):
        for e in range(U(s) * n // U(slabs), (U(s) + U(1)) * n // U(slabs)):
            v = diagonal[e]
            diagonal[e] = one / v if v > 0 else v * 0


@parallel
def jacobi(b: Any, inverse: Any, c: Any, x: Any, z: Any, slabs: Any) -> None:
    """Do x = c b / diagonal, and z = x unless z is empty: the first step from zero."""
    n = U(x.size)
    keep = z.size > 0
    for s in prange(slabs):
        first = U(s) * n // U(slabs)
        last = (U(s) + U(1)) * n // U(slabs)
        if keep:
            for e in range(first, last):
                v = c * (read(inverse, e) * read(b, e))
                write(x, e, v)
                write_scratch(z, e, v)
        else:
            for e in range(first, last):
                write(x, e, c * (read(inverse, e) * read(b, e)))
