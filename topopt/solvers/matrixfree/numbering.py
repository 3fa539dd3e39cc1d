"""From unknowns that are numbered node by node to vectors that go component by component, and back."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import prange

from topopt.solvers.matrixfree.compiled import parallel

__all__ = ["joined", "split"]

U = np.uintp


@parallel
def split(unknowns: Any, factor: Any, vector: Any, nodes: Any, sizes: Any, nc: Any, slabs: Any) -> None:
    """Write a multiple of unknowns into a vector.

    Parameters
    ----------
    unknowns : array, shape (nodes of the grid * nc,)
        Node by node.
    vector : vector
        On a lattice that holds the grid's nodes and maybe more, which stay as they are.
    nodes, sizes : tuple of uintp
        Nodes of the grid and of the lattice, along three axes.
    """
    n0, n1, n2 = nodes
    m0, m1, m2 = sizes
    n = m0 * m1 * m2
    for s in prange(slabs):
        for i in range(U(s) * n0 // U(slabs), (U(s) + U(1)) * n0 // U(slabs)):
            for j in range(n1):
                here, there = (i * n1 + j) * n2 * nc, (i * m1 + j) * m2
                for q in range(nc):
                    for k in range(n2):
                        vector[q * n + there + k] = factor * unknowns[here + k * nc + q]


@parallel
def joined(vector: Any, factor: Any, unknowns: Any, nodes: Any, sizes: Any, nc: Any, slabs: Any) -> None:
    """Write a multiple of a vector as unknowns; see `split`."""
    n0, n1, n2 = nodes
    m0, m1, m2 = sizes
    n = m0 * m1 * m2
    for s in prange(slabs):
        for i in range(U(s) * n0 // U(slabs), (U(s) + U(1)) * n0 // U(slabs)):
            for j in range(n1):
                here, there = (i * n1 + j) * n2 * nc, (i * m1 + j) * m2
                for k in range(n2):
                    for q in range(nc):
                        unknowns[here + k * nc + q] = factor * vector[q * n + there + k]
