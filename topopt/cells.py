"""What a grid and an unstructured mesh have in common: cells with nodes at their corners, in a box."""

from __future__ import annotations

import functools
from abc import ABC, abstractmethod

import numpy as np
from numpy.typing import ArrayLike, NDArray

from topopt.errors import InputError
from topopt.parameters import Array
from topopt.regions import Flags, Region

__all__ = ["AXES", "Cells", "Flags", "Indices"]

AXES = ("x", "y", "z")
Indices = NDArray[np.int32]


class Cells(ABC):
    """Cells that share nodes; a field has one value per cell, flat.

    Whatever asks for no more than this works on a `Grid` and on a `Mesh` alike. Both are hashable and equal
    if they are the same, so that what is costly can be memoised by them.
    """

    @property
    @abstractmethod
    def ndim(self) -> int:
        """2 or 3."""

    @property
    @abstractmethod
    def shape(self) -> tuple[int, ...]:
        """The shape that a picture of a field has: the cells along each axis, or their number."""

    @property
    @abstractmethod
    def n_cells(self) -> int:
        """Number of cells."""

    @property
    @abstractmethod
    def n_nodes(self) -> int:
        """Number of nodes."""

    @property
    @abstractmethod
    def size(self) -> tuple[float, ...]:
        """Edge lengths of the box that holds all cells."""

    @property
    @abstractmethod
    def lower(self) -> Array:
        """The lower corner of that box, shape (ndim,)."""

    @property
    @abstractmethod
    def spacing(self) -> Array:
        """The longest edge of a cell along each axis, shape (ndim,)."""

    @property
    @abstractmethod
    def volumes(self) -> Array:
        """Area (2-D) or volume (3-D) of each cell, shape (n_cells,), read-only."""

    @property
    @abstractmethod
    def centres(self) -> Array:
        """Coordinates of the cell centres, shape (n_cells, ndim), read-only."""

    @property
    @abstractmethod
    def nodes(self) -> Array:
        """Coordinates of the nodes, shape (n_nodes, ndim), read-only."""

    @property
    @abstractmethod
    def cell_nodes(self) -> Indices:
        """Nodes of each cell, shape (n_cells, corners of a cell), read-only."""

    @abstractmethod
    def nodes_of(self, cells: NDArray[np.intp]) -> Indices:
        """Return the rows of `cell_nodes` of some cells, given by number; a grid computes these alone."""

    @abstractmethod
    def places_of(self, nodes: NDArray[np.intp]) -> Array:
        """Return the rows of `nodes` of some nodes, given by number; a grid computes these alone."""

    @property
    def axes(self) -> tuple[str, ...]:
        """Names of the axes: ``('x', 'y')`` or ``('x', 'y', 'z')``."""
        return AXES[: self.ndim]

    def shaped(self, field: Array) -> Array:
        """Return a flat field as an array of `shape`."""
        return field.reshape(self.shape)

    def field(self, values: ArrayLike, name: str = "field") -> Array:
        """Return values as a flat float field; a number is spread over all cells.

        Raises
        ------
        InputError
            If the shape is neither (), (n_cells,) nor `shape`, or an entry is not finite.
        """
        array = np.asarray(values, dtype=np.float64)
        if array.ndim == 0:
            array = np.full(self.n_cells, float(array))
        elif array.shape not in ((self.n_cells,), self.shape):
            either = " or ".join(dict.fromkeys([str(self.shape), str((self.n_cells,))]))
            raise InputError(f"{name}: expected one value per cell, shape {either}, got {array.shape}")
        if not np.all(np.isfinite(array)):
            raise InputError(f"{name}: {np.count_nonzero(~np.isfinite(array))} entries are nan or infinite")
        return array.reshape(-1).copy()

    def cells_in(self, region: Region) -> Flags:
        """Return which cells have their centre in the region, shape (n_cells,)."""
        return _selected(region, self, "cells")

    def nodes_in(self, region: Region) -> Flags:
        """Return which nodes lie in the region, shape (n_nodes,)."""
        return _selected(region, self, "nodes")


@functools.lru_cache(maxsize=64)
def _selected(region: Region, cells: Cells, what: str) -> Flags:
    """Return the points of cells that a region picks."""
    if not isinstance(region, Region):
        raise InputError(f"expected a Region such as Plane(x=0.0) or Point((1.0, 2.0)), got {region!r}")
    points = cells.centres if what == "cells" else cells.nodes
    flags = np.asarray(region.contains(points, cells.size, cells.spacing))
    if flags.shape != (len(points),) or flags.dtype != bool:
        raise InputError(
            f"{type(region).__name__}.contains: expected booleans of shape ({len(points)},), "
            f"got {flags.dtype} of shape {flags.shape}"
        )
    flags.flags.writeable = False
    return flags
