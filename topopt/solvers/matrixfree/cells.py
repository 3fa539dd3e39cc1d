"""Runs of cells: displacements of the corners in, Walsh modes of the forces out.

The corners of a run begin at `at`, one row further at `s1` and one plane further at `s0`, those of the next
component at `n`; its moduli begin at `cell`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from topopt.solvers.matrixfree.coarse import WIDTH, coarse_product
from topopt.solvers.matrixfree.compiled import inlined, kernel, ordered
from topopt.solvers.matrixfree.memory import read, write_scratch, write_sum

__all__ = ["RUN", "WIDTH", "cells_coarse", "cells_h8", "cells_q4", "cells_s2", "cells_s3"]

U = np.uintp
RUN = U(128)
"""Cells of a run; their modes stay in the first-level cache."""


@ordered
def _corners(u: Any, e: Any, s1: Any, s0: Any, number: Any) -> Any:
    """Return the eight modes, 4 i + 2 j + k, of the corners of cell e, times eight.

    Differences along edges come first: in a smooth field they are exact, and what is added up after that
    is small. Sums first would leave the rounding of the displacements themselves in the strains.
    """
    a = number(read(u, e))
    b = number(read(u, e + U(1)))
    c = number(read(u, e + s1))
    d = number(read(u, e + s1 + U(1)))
    f = number(read(u, e + s0))
    g = number(read(u, e + s0 + U(1)))
    h = number(read(u, e + s0 + s1))
    i = number(read(u, e + s0 + s1 + U(1)))
    k0, k1, k2, k3 = b - a, d - c, g - f, i - h
    even, odd = k0 + k1, k1 - k0
    even2, odd2 = k2 + k3, k3 - k2
    j0, j1 = (c - a) + (d - b), (h - f) + (i - g)
    i0 = ((f - a) + (g - b)) + ((h - c) + (i - d))
    whole = ((a + b) + (c + d)) + ((f + g) + (h + i))
    return whole, even + even2, j0 + j1, odd + odd2, i0, even2 - even, j1 - j0, odd2 - odd


@ordered
def _ends(u: Any, e: Any, s0: Any, number: Any) -> Any:
    """Return the four modes, 2 i + k, of the corners of cell e in the plane, times four; see `_corners`."""
    a = number(read(u, e))
    b = number(read(u, e + U(1)))
    f = number(read(u, e + s0))
    g = number(read(u, e + s0 + U(1)))
    k0, k1 = b - a, g - f
    return (a + b) + (f + g), k0 + k1, (f - a) + (g - b), k1 - k0


@inlined
def _put(t: Any, e: Any, pair: Any, even: Any, odd: Any) -> None:
    """Store what the modes with k = 0 and k = 1 give to the node at e and to the next one."""
    write_scratch(t, U(2) * pair * WIDTH + e, even - odd)
    write_scratch(t, (U(2) * pair + U(1)) * WIDTH + e + U(1), even + odd)


@kernel
def cells_h8(u: Any, n: Any, at: Any, s1: Any, s0: Any, moduli: Any, cell: Any, run: Any, k: Any,
             t: Any) -> None:  # fmt: skip
    """Bricks: 8 blocks, which take the 33 numbers of `coefficients`, in its order."""
    number = k.dtype.type
    for e in range(run):
        x = _corners(u, at + e, s1, s0, number)
        y = _corners(u, n + at + e, s1, s0, number)
        z = _corners(u, n + n + at + e, s1, s0, number)
        m = read(moduli, cell + e)
        # class 0, stretching: (4, x), (2, y), (1, z)
        x4 = m * (read(k, U(0)) * x[4] + read(k, U(1)) * y[2] + read(k, U(2)) * z[1])
        y2 = m * (read(k, U(1)) * x[4] + read(k, U(3)) * y[2] + read(k, U(4)) * z[1])
        z1 = m * (read(k, U(2)) * x[4] + read(k, U(4)) * y[2] + read(k, U(5)) * z[1])
        # class 6, shear in xy: (2, x), (4, y), and (7, z) on its own
        x2 = m * (read(k, U(6)) * x[2] + read(k, U(7)) * y[4])
        y4 = m * (read(k, U(7)) * x[2] + read(k, U(8)) * y[4])
        z7 = m * (read(k, U(9)) * z[7])
        # class 5, shear in xz: (1, x), (4, z), and (7, y)
        x1 = m * (read(k, U(10)) * x[1] + read(k, U(11)) * z[4])
        z4 = m * (read(k, U(11)) * x[1] + read(k, U(12)) * z[4])
        y7 = m * (read(k, U(13)) * y[7])
        # class 3, shear in yz: (1, y), (2, z), and (7, x)
        y1 = m * (read(k, U(14)) * y[1] + read(k, U(15)) * z[2])
        z2 = m * (read(k, U(15)) * y[1] + read(k, U(16)) * z[2])
        x7 = m * (read(k, U(17)) * x[7])
        # classes 4, 2, 1, bending: (6, y), (5, z); (6, x), (3, z); (5, x), (3, y)
        y6 = m * (read(k, U(18)) * y[6] + read(k, U(19)) * z[5])
        z5 = m * (read(k, U(19)) * y[6] + read(k, U(20)) * z[5])
        x6 = m * (read(k, U(21)) * x[6] + read(k, U(22)) * z[3])
        z3 = m * (read(k, U(22)) * x[6] + read(k, U(23)) * z[3])
        x5 = m * (read(k, U(24)) * x[5] + read(k, U(25)) * y[3])
        y3 = m * (read(k, U(25)) * x[5] + read(k, U(26)) * y[3])
        # class 7, hourglasses: (3, x), (5, y), (6, z)
        x3 = m * (read(k, U(27)) * x[3] + read(k, U(28)) * y[5] + read(k, U(29)) * z[6])
        y5 = m * (read(k, U(28)) * x[3] + read(k, U(30)) * y[5] + read(k, U(31)) * z[6])
        z6 = m * (read(k, U(29)) * x[3] + read(k, U(31)) * y[5] + read(k, U(32)) * z[6])
        write_scratch(t, e, -x1)
        write_scratch(t, WIDTH + e + U(1), x1)
        _put(t, e, U(1), x2, x3)
        _put(t, e, U(2), x4, x5)
        _put(t, e, U(3), x6, x7)
        write_scratch(t, U(8) * WIDTH + e, -y1)
        write_scratch(t, U(9) * WIDTH + e + U(1), y1)
        _put(t, e, U(5), y2, y3)
        _put(t, e, U(6), y4, y5)
        _put(t, e, U(7), y6, y7)
        write_scratch(t, U(16) * WIDTH + e, -z1)
        write_scratch(t, U(17) * WIDTH + e + U(1), z1)
        _put(t, e, U(9), z2, z3)
        _put(t, e, U(10), z4, z5)
        _put(t, e, U(11), z6, z7)


@kernel
def cells_q4(u: Any, n: Any, at: Any, s0: Any, moduli: Any, cell: Any, run: Any, k: Any, t: Any) -> None:
    """Rectangles: stretching (2, x), (1, y); shear (1, x), (2, y); bending (3, x) and (3, y)."""
    number = k.dtype.type
    for e in range(run):
        x = _ends(u, at + e, s0, number)
        y = _ends(u, n + at + e, s0, number)
        m = read(moduli, cell + e)
        x2 = m * (read(k, U(0)) * x[2] + read(k, U(1)) * y[1])
        y1 = m * (read(k, U(1)) * x[2] + read(k, U(2)) * y[1])
        x1 = m * (read(k, U(3)) * x[1] + read(k, U(4)) * y[2])
        y2 = m * (read(k, U(4)) * x[1] + read(k, U(5)) * y[2])
        write_scratch(t, e, -x1)
        write_scratch(t, WIDTH + e + U(1), x1)
        _put(t, e, U(1), x2, m * (read(k, U(6)) * x[3]))
        write_scratch(t, U(4) * WIDTH + e, -y1)
        write_scratch(t, U(5) * WIDTH + e + U(1), y1)
        _put(t, e, U(3), y2, m * (read(k, U(7)) * y[3]))


@kernel
def cells_s3(u: Any, at: Any, s1: Any, s0: Any, moduli: Any, cell: Any, run: Any, k: Any, t: Any) -> None:
    """One unknown a node, bricks: the matrix is diagonal in the modes."""
    number = k.dtype.type
    for e in range(run):
        x = _corners(u, at + e, s1, s0, number)
        m = read(moduli, cell + e)
        _put(t, e, U(0), m * (read(k, U(0)) * x[0]), m * (read(k, U(1)) * x[1]))
        _put(t, e, U(1), m * (read(k, U(2)) * x[2]), m * (read(k, U(3)) * x[3]))
        _put(t, e, U(2), m * (read(k, U(4)) * x[4]), m * (read(k, U(5)) * x[5]))
        _put(t, e, U(3), m * (read(k, U(6)) * x[6]), m * (read(k, U(7)) * x[7]))


@kernel
def cells_s2(u: Any, at: Any, s0: Any, moduli: Any, cell: Any, run: Any, k: Any, t: Any) -> None:
    """One unknown a node, rectangles."""
    number = k.dtype.type
    for e in range(run):
        x = _ends(u, at + e, s0, number)
        m = read(moduli, cell + e)
        _put(t, e, U(0), m * (read(k, U(0)) * x[0]), m * (read(k, U(1)) * x[1]))
        _put(t, e, U(1), m * (read(k, U(2)) * x[2]), m * (read(k, U(3)) * x[3]))


@kernel
def cells_coarse(u: Any, n: Any, at: Any, s1: Any, s0: Any, moduli: Any, cells: Any, cell: Any, run: Any,
                 k: Any, t: Any) -> None:  # fmt: skip
    """Bricks made of eight bricks: mode classes g and h couple by coefficient g ^ h of the children's moduli.

    ``t`` has room for the modes behind the 24 rows of the result.
    """
    number = k.dtype.type
    v = t[U(24) * WIDTH :]
    for c in range(U(3)):
        flip = U(4) >> c
        for e in range(run):
            x = _corners(u, c * n + at + e, s1, s0, number)
            write_sum(v, (U(3) * (U(0) ^ flip) + c) * WIDTH + e, x[0])
            write_sum(v, (U(3) * (U(1) ^ flip) + c) * WIDTH + e, x[1])
            write_sum(v, (U(3) * (U(2) ^ flip) + c) * WIDTH + e, x[2])
            write_sum(v, (U(3) * (U(3) ^ flip) + c) * WIDTH + e, x[3])
            write_sum(v, (U(3) * (U(4) ^ flip) + c) * WIDTH + e, x[4])
            write_sum(v, (U(3) * (U(5) ^ flip) + c) * WIDTH + e, x[5])
            write_sum(v, (U(3) * (U(6) ^ flip) + c) * WIDTH + e, x[6])
            write_sum(v, (U(3) * (U(7) ^ flip) + c) * WIDTH + e, x[7])
    for e in range(run):
        coarse_product(v, e, moduli, cells, cell, k, t)
