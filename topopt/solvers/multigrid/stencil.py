"""A stored operator: every node's couplings to itself and to the neighbours that are numbered behind it.

A symmetric operator is known from these: 14 of 27 blocks in space, 5 of 9 in the plane. A sweep is limited by
the memory that it reads, so it reads every block once, for both of the nodes that it couples: a node's
product is complete when all that are numbered before it have been there.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import prange

from topopt.solvers.matrixfree.compiled import kernel, parallel
from topopt.solvers.matrixfree.memory import read, read_scratch, read_sum, write_scratch, write_sum
from topopt.solvers.matrixfree.sweep import finish

__all__ = ["BLOCK", "stencil_sweep"]

U = np.uintp
BLOCK = U(64)
"""Nodes of a block: the weights are stored block by block, [term][node]."""


@kernel
def _centre(weights: Any, first: Any, u: Any, at: Any, n: Any, nc: Any, own: Any) -> None:
    """Compute what the nodes of a block give to themselves."""
    for c in range(nc):
        row = c * BLOCK
        for e in range(BLOCK):
            write_scratch(own, row + e, 0)
        for d in range(nc):
            w = first + (c * nc + d) * BLOCK
            for e in range(BLOCK):
                v = read(weights, w + e) * read(u, at + d * n + e)
                write_scratch(own, row + e, read_scratch(own, row + e) + v)


@kernel
def _three(weights: Any, w: Any, u: Any, at: Any, to: Any, n: Any, own: Any, ahead: Any, q: Any,
           length: Any) -> None:  # fmt: skip
    """Add what a block's nodes and their neighbours at `to` give to each other: three components."""
    two, three = U(2) * BLOCK, U(3) * BLOCK
    for e in range(BLOCK):
        u0, u1, u2 = read(u, at + e), read(u, at + n + e), read(u, at + n + n + e)
        v0, v1, v2 = read(u, to + e), read(u, to + n + e), read(u, to + n + n + e)
        w00, w01, w02 = read(weights, w + e), read(weights, w + BLOCK + e), read(weights, w + two + e)
        f = w + three + e
        w10, w11, w12 = read(weights, f), read(weights, f + BLOCK), read(weights, f + two)
        g = f + three
        w20, w21, w22 = read(weights, g), read(weights, g + BLOCK), read(weights, g + two)
        write_scratch(own, e, read_scratch(own, e) + (w00 * v0 + w01 * v1 + w02 * v2))
        write_scratch(own, BLOCK + e, read_scratch(own, BLOCK + e) + (w10 * v0 + w11 * v1 + w12 * v2))
        write_scratch(own, two + e, read_scratch(own, two + e) + (w20 * v0 + w21 * v1 + w22 * v2))
        x, y, z = q + e, q + length + e, q + length + length + e
        write_sum(ahead, x, read_sum(ahead, x) + (w00 * u0 + w10 * u1 + w20 * u2))
        write_sum(ahead, y, read_sum(ahead, y) + (w01 * u0 + w11 * u1 + w21 * u2))
        write_sum(ahead, z, read_sum(ahead, z) + (w02 * u0 + w12 * u1 + w22 * u2))


@kernel
def _two(weights: Any, w: Any, u: Any, at: Any, to: Any, n: Any, own: Any, ahead: Any, q: Any,
         length: Any) -> None:  # fmt: skip
    """Do the same for two components."""
    f = w + BLOCK + BLOCK
    for e in range(BLOCK):
        u0, u1, v0, v1 = read(u, at + e), read(u, at + n + e), read(u, to + e), read(u, to + n + e)
        w00, w01 = read(weights, w + e), read(weights, w + BLOCK + e)
        w10, w11 = read(weights, f + e), read(weights, f + BLOCK + e)
        write_scratch(own, e, read_scratch(own, e) + (w00 * v0 + w01 * v1))
        write_scratch(own, BLOCK + e, read_scratch(own, BLOCK + e) + (w10 * v0 + w11 * v1))
        x, y = q + e, q + length + e
        write_sum(ahead, x, read_sum(ahead, x) + (w00 * u0 + w10 * u1))
        write_sum(ahead, y, read_sum(ahead, y) + (w01 * u0 + w11 * u1))


@kernel
def _one(weights: Any, w: Any, u: Any, at: Any, to: Any, own: Any, ahead: Any, q: Any) -> None:
    """Do the same for one component."""
    for e in range(BLOCK):
        v = read(weights, w + e)
        write_scratch(own, e, read_scratch(own, e) + v * read(u, to + e))
        write_sum(ahead, q + e, read_sum(ahead, q + e) + v * read(u, at + e))


@kernel
def _product(weights: Any, first: Any, u: Any, at: Any, n: Any, nc: Any, reach: Any, own: Any, ahead: Any,
             base: Any, length: Any) -> None:  # fmt: skip
    """Compute K u for the nodes of a block, and what they give to nodes ahead of them.

    Parameters
    ----------
    own : scratch
        What the nodes get from themselves and from those ahead of them.
    ahead : sum
        By component `length` nodes, of which the block's begin at `base`; zero where none came by. Receives
        the products of the block.
    """
    _centre(weights, first, u, at, n, nc, own)
    for neighbour in range(U(1), U(reach.size)):
        w = first + neighbour * nc * nc * BLOCK
        to, q = at + reach[neighbour], base + reach[neighbour]
        if nc == U(3):
            _three(weights, w, u, at, to, n, own, ahead, q, length)
        elif nc == U(2):
            _two(weights, w, u, at, to, n, own, ahead, q, length)
        else:
            _one(weights, w, u, at, to, own, ahead, q)
    for c in range(nc):
        for e in range(BLOCK):
            v = read_scratch(own, c * BLOCK + e) + read_sum(ahead, base + c * length + e)
            write_sum(ahead, base + c * length + e, v)


@kernel
def _moved(ahead: Any, nc: Any, base: Any, length: Any) -> None:
    """Move the nodes from `base` on to the front, with zeros behind them."""
    rest = length - base
    for q in range(nc):
        for e in range(rest):
            ahead[q * length + e] = ahead[q * length + base + e]
        for e in range(rest, length):
            ahead[q * length + e] = 0


@parallel
def stencil_sweep(nc: Any, u: Any, y: Any, b: Any, z: Any, inverse: Any, fixed: Any, weights: Any, reach: Any,
                  n: Any, job: Any, a: Any, c: Any, slabs: Any) -> Any:  # fmt: skip
    """Do a job of `topopt.solvers.matrixfree.sweep` with K u; entries in `fixed` come out as zero.

    Each thread owns some blocks, and goes through those behind them once more that give to their nodes.

    Parameters
    ----------
    weights : vector
        By block and neighbour the couplings, ``[component][component of the neighbour][node]``.
    reach : array of uintp
        How far ahead the neighbours are numbered, ascending; the first is the node itself.
    """
    blocks = (n + BLOCK - U(1)) // BLOCK
    size = U(reach.size) * nc * nc * BLOCK
    far = reach[reach.size - 1] + BLOCK
    back = (far - U(1)) // BLOCK
    length = far + (back + U(1)) * BLOCK
    parts = np.zeros(slabs * 8)
    for s in prange(slabs):
        own = np.zeros(nc * BLOCK, weights.dtype)
        ahead = np.zeros(nc * length, weights.dtype)
        first = U(s) * blocks // U(slabs)
        last = (U(s) + U(1)) * blocks // U(slabs)
        block = first - back if first > back else U(0)
        base = U(0)
        total = 0.0
        while block < last:
            if base + far > length:
                _moved(ahead, nc, base, length)
                base = U(0)
            at = block * BLOCK
            _product(weights, block * size, u, at, n, nc, reach, own, ahead, base, length)
            if block >= first:
                run = min(BLOCK, n - at)
                total += finish(ahead, base, length, u, y, b, z, inverse, inverse[:0], at, n, run, nc, job,
                                a, c)  # fmt: skip
            base += BLOCK
            block += U(1)
        parts[s * 8] = total
    for q in range(fixed.size):
        y[fixed[q]] = 0
    return parts.sum()
