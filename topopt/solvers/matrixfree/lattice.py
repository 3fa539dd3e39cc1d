"""How fields lie in memory: one flat array, component after component, on a grid padded to even cells."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from topopt.parameters import Array
from topopt.solvers.matrixfree.compiled import slabs
from topopt.solvers.matrixfree.numbering import joined, split

__all__ = ["Lattice", "Vector"]

Vector = NDArray[Any]
Sizes = tuple[np.uintp, np.uintp, np.uintp]
SLACK = 64
"""Zeros beyond the reach of a stencil: a kernel works through whole blocks of as many nodes."""


@dataclass(frozen=True)
class Lattice:
    """The nodes of a grid of cells, an axis with an odd number of cells padded by a layer of void.

    A vector is flat: component after component, nodes in C order. Cells share the numbers of their lowest
    nodes, so that the last cell along an axis is a ghost of modulus 0 and a sweep need not stop at the end
    of a row. In front of and behind every vector lies a stretch of zeros as long as a plane and a row, so
    that a stencil may reach over the edge, where its weights are zero.

    Parameters
    ----------
    cells : tuple of int
        Cells along each axis.
    components : int
        Unknowns of a node.
    coarsened : bool
        Whether a coarser lattice follows, and the cells are padded to even numbers.
    """

    cells: tuple[int, ...]
    components: int
    coarsened: bool = True

    @property
    def ndim(self) -> int:
        """2 or 3."""
        return len(self.cells)

    @functools.cached_property
    def shape(self) -> tuple[int, int, int]:
        """Nodes along three axes, padding included; in 2-D the middle one has a single node."""
        nodes = [2 * -(-n // 2) + 1 if self.coarsened else n + 1 for n in self.cells]
        return (nodes[0], nodes[1] if self.ndim == 3 else 1, nodes[-1])

    @property
    def n(self) -> int:
        """Number of nodes, padding included."""
        return math.prod(self.shape)

    @property
    def box(self) -> tuple[int, ...]:
        """`shape` with as many axes as the grid."""
        return self.shape if self.ndim == 3 else (self.shape[0], self.shape[2])

    @property
    def guard(self) -> int:
        """Zeros on either side of a vector."""
        return self.shape[1] * self.shape[2] + self.shape[2] + SLACK

    @property
    def coarse_cells(self) -> tuple[int, ...]:
        """Cells of the next coarser lattice: half as many, rounded up."""
        return tuple(-(-n // 2) for n in self.cells)

    @functools.cached_property
    def sizes(self) -> Sizes:
        """`shape` as the kernels want it."""
        first, second, third = self.shape
        return np.uintp(first), np.uintp(second), np.uintp(third)

    @property
    def behind(self) -> NDArray[np.uintp]:
        """By corner: how far behind a node the cell is numbered whose corner it is."""
        _, rows, columns = self.shape
        steps = np.array([rows * columns, columns, 1])[[0, 1, 2] if self.ndim == 3 else [0, 2]]
        return np.array([np.dot(corner, steps) for corner in np.ndindex(*(2,) * self.ndim)], dtype=np.uintp)

    def vector(self, dtype: DTypeLike, components: int | None = None) -> Vector:
        """Return a vector of zeros with its guards."""
        count = (self.components if components is None else components) * self.n
        return np.zeros(count + 2 * self.guard, dtype)[self.guard : self.guard + count]

    def load(self, vector: Vector, unknowns: Array, factor: float = 1.0) -> None:
        """Write a multiple of unknowns, shape (n_nodes * components,), node by node, into a vector."""
        split(unknowns, factor, vector, *self._nodes, slabs())

    def unload(self, vector: Vector, factor: float = 1.0) -> Array:
        """Return a multiple of the unknowns of a vector, numbered node by node."""
        unknowns = np.empty(math.prod(n + 1 for n in self.cells) * self.components)
        joined(vector, factor, unknowns, *self._nodes, slabs())
        return unknowns

    @property
    def _nodes(self) -> tuple[Sizes, Sizes, np.uintp]:
        """Nodes of the grid and of the lattice along three axes, and components, as kernels want them."""
        nodes = [n + 1 for n in self.cells]
        grid = np.uintp(nodes[0]), np.uintp(nodes[1] if self.ndim == 3 else 1), np.uintp(nodes[-1])
        return grid, self.sizes, np.uintp(self.components)

    def numbers(self, dofs: NDArray[np.intp]) -> NDArray[np.uintp]:
        """Return where unknowns, numbered node by node, stand in a vector."""
        node, component = np.divmod(dofs, self.components)
        places = np.unravel_index(node, tuple(n + 1 for n in self.cells))
        return (component * self.n + np.ravel_multi_index(places, self.box)).astype(np.uintp)

    def spread(self, field: Array, dtype: DTypeLike) -> Vector:
        """Return a field of the cells at the cells' lowest nodes, zero elsewhere."""
        out = self.vector(dtype, components=1)
        window = tuple(slice(0, n) for n in self.cells)
        out.reshape(self.box)[window] = field.reshape(self.cells)
        return out
