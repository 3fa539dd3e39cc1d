"""Banded triangles: factored by LAPACK without the interpreter's lock, solved for from both ends at once."""

from __future__ import annotations

import ctypes
import functools
from typing import Any

import numpy as np
from numba import prange
from scipy.linalg import LinAlgError, cython_lapack

from topopt.parameters import Array
from topopt.solvers.matrixfree.compiled import kernel, parallel
from topopt.solvers.matrixfree.memory import read, read_sum, write_sum

__all__ = ["added", "coupled", "factor_band", "reduce", "solve_both"]

U = np.uintp


def factor_band(band: Array) -> None:
    """Replace a symmetric positive band by its Cholesky factor.

    Parameters
    ----------
    band : array, shape (n, width)
        Contiguous; row j holds the entries (j, j), (j + 1, j), ... of a lower triangle.

    Raises
    ------
    LinAlgError
        If it is not positive definite.

    Notes
    -----
    `scipy.linalg.cholesky_banded` copies the band and holds the interpreter's lock; the same routine called
    through the pointer that SciPy publishes for Cython does neither.
    """
    n, width = band.shape
    order, below, leading, info = (ctypes.c_int(value) for value in (n, width - 1, width, 0))
    by = ctypes.byref
    _pbtrf()(b"L", by(order), by(below), band.ctypes.data, by(leading), by(info))
    if info.value:
        raise LinAlgError(f"the leading minor of order {info.value} is not positive")


@functools.cache
def _pbtrf() -> Any:
    """Return LAPACK's band factorisation; a foreign function gives up the lock while it runs."""
    capsule = cython_lapack.__pyx_capi__["dpbtrf"]
    name, pointer = ctypes.pythonapi.PyCapsule_GetName, ctypes.pythonapi.PyCapsule_GetPointer
    name.restype, name.argtypes = ctypes.c_char_p, [ctypes.py_object]
    pointer.restype, pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    integer = ctypes.POINTER(ctypes.c_int)
    kind = ctypes.CFUNCTYPE(None, ctypes.c_char_p, integer, integer, ctypes.c_void_p, integer, integer)
    return kind(pointer(capsule, name(capsule)))


@kernel
def added(targets: Any, values: Any, out: Any) -> None:
    """Add values up at their targets."""
    for e in range(values.size):
        out[targets[e]] += values[e]


@kernel
def coupled(band: Any, rows: Any) -> None:
    """Write the rows that a factor has in the last plane of a band, in the columns of the plane before it.

    Parameters
    ----------
    band : array, shape (n, width)
    rows : array, shape (size of a plane, size of a plane)
        Zero at first.
    """
    size = rows.shape[0]
    first = band.shape[0] - 2 * size
    for column in range(max(-first, 0), size):
        for row in range(min(size, band.shape[1] - size + column)):
            rows[row, column] = band[first + column, size - column + row]


@kernel
def reduce(middle: Any, front: Any, rear: Any) -> None:
    """Take off a block in band form what either end takes; the rear counts from the other end."""
    size = middle.shape[0]
    for j in range(size):
        for k in range(size - j):
            middle[j, k] -= front[j, j + k] + rear[size - 1 - j, size - 1 - j - k]


@kernel
def _forward(band: Any, first: Any, columns: Any, width: Any, t: Any, last: Any) -> None:
    """Solve with columns of a factor in place, and take their share off what follows, up to `last`."""
    for j in range(columns):
        y = read_sum(t, first + j) * read(band, j * width)
        write_sum(t, first + j, y)
        at, to = j * width, first + j
        for k in range(U(1), min(width, last - to)):
            write_sum(t, to + k, read_sum(t, to + k) - read(band, at + k) * y)


@kernel
def _backward(band: Any, first: Any, columns: Any, width: Any, t: Any, last: Any) -> None:
    """Solve with the transposed columns of a factor in place; what follows up to `last` is known."""
    for back in range(columns):
        j = columns - U(1) - back
        at, to = j * width, first + j
        total = 0.0
        for k in range(U(1), min(width, last - to)):
            total += read(band, at + k) * read_sum(t, to + k)
        write_sum(t, to, (read_sum(t, to) - total) * read(band, at))


@parallel
def solve_both(front: Any, rear: Any, middle: Any, order: Any, width: Any, size: Any, b: Any,
               x: Any) -> None:  # fmt: skip
    """Solve with the factor of `topopt.solvers.multigrid.bottom.Bottom`.

    Parameters
    ----------
    front, rear, middle : vector
        Columns of the factor one after the other, with one over its diagonal.
    order : array
        Entry of `b` and `x` by row.
    width, size : uintp
        Of a band, and of the middle plane.
    """
    n = U(order.size)
    ahead = U(front.size) // width - size
    behind = n - ahead - size
    long = max(ahead, behind) + size
    t = np.empty(U(2) * long)
    for side in prange(2):
        start = U(side) * long
        own = ahead if side == 0 else behind
        for e in range(own):
            t[start + e] = b[order[e if side == 0 else ahead + size + e]]
        for e in range(size):
            t[start + own + e] = 0.0
        if side == 0:
            _forward(front, start, own, width, t, start + own + size)
        else:
            _forward(rear, start, own, width, t, start + own + size)
    core = np.empty(size)
    for e in range(size):
        core[e] = b[order[ahead + e]] + t[ahead + e] + t[long + behind + size - U(1) - e]
    _forward(middle, U(0), size, size, core, size)
    _backward(middle, U(0), size, size, core, size)
    for e in range(size):
        x[order[ahead + e]] = core[e]
        t[ahead + e] = core[e]
        t[long + behind + size - U(1) - e] = core[e]
    for side in prange(2):
        start = U(side) * long
        own = ahead if side == 0 else behind
        if side == 0:
            _backward(front, start, own, width, t, start + own + size)
        else:
            _backward(rear, start, own, width, t, start + own + size)
        for e in range(own):
            x[order[e if side == 0 else ahead + size + e]] = t[start + e]
