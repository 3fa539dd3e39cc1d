"""Cells and nodes of a structured grid, and the regions of it that are picked by geometry."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from topopt.errors import InputError
from topopt.parameters import Array
from topopt.regions import Nowhere, Region

__all__ = ["AXES", "Domain", "Grid", "designed"]

AXES = ("x", "y", "z")
Indices = NDArray[np.int32]
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Grid:
    """A box of equal cells, lower corner at the origin.

    A field has one value per cell, flat, the last axis fastest: ``field.reshape(grid.cells)`` is indexed
    ``[ix, iy]`` or ``[ix, iy, iz]``, x to the right, y up.

    Parameters
    ----------
    cells : tuple of int
        Cells along each axis; two axes for 2-D, three for 3-D.
    size : tuple of float, optional
        Edge lengths of the box, in the user's unit of length; unit cells if left out.

    Examples
    --------
    >>> grid = Grid((300, 100), (3.0, 1.0))
    >>> grid.n_cells, grid.n_nodes, [float(h) for h in grid.spacing]
    (30000, 30401, [0.01, 0.01])
    """

    cells: tuple[int, ...]
    size: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        """Normalise to tuples and refuse what is no grid."""
        if not isinstance(self.cells, Iterable) or not isinstance(self.size, Iterable):
            raise InputError(f"grid: expected one number of cells and one length per axis, got {self}")
        cells = tuple(self.cells)
        if len(cells) not in (2, 3):
            raise InputError(f"grid.cells: expected 2 or 3 numbers of cells, got {cells}")
        if any(isinstance(n, bool) or not isinstance(n, int | np.integer) or n < 1 for n in cells):
            raise InputError(f"grid.cells: expected integers >= 1, got {cells}")
        size = tuple(float(length) for length in self.size) or tuple(float(n) for n in cells)
        if len(size) != len(cells):
            raise InputError(f"grid.size: expected {len(cells)} lengths like grid.cells, got {size}")
        if any(not math.isfinite(length) or length <= 0 for length in size):
            raise InputError(f"grid.size: expected positive finite lengths, got {size}")
        object.__setattr__(self, "cells", tuple(int(n) for n in cells))
        object.__setattr__(self, "size", size)

    @property
    def ndim(self) -> int:
        """2 or 3."""
        return len(self.cells)

    @property
    def axes(self) -> tuple[str, ...]:
        """Names of the axes: ``('x', 'y')`` or ``('x', 'y', 'z')``."""
        return AXES[: self.ndim]

    @property
    def n_cells(self) -> int:
        """Number of cells."""
        return math.prod(self.cells)

    @property
    def nodes_shape(self) -> tuple[int, ...]:
        """Nodes along each axis."""
        return tuple(n + 1 for n in self.cells)

    @property
    def n_nodes(self) -> int:
        """Number of nodes."""
        return math.prod(self.nodes_shape)

    @property
    def spacing(self) -> Array:
        """Edge lengths of a cell, shape (ndim,)."""
        return np.array([length / n for length, n in zip(self.size, self.cells, strict=True)])

    @property
    def cell_volume(self) -> float:
        """Area (2-D) or volume (3-D) of a cell."""
        return float(np.prod(self.spacing))

    @property
    def centres(self) -> Array:
        """Coordinates of the cell centres, shape (n_cells, ndim), read-only."""
        return _coordinates(self, 0.5, self.cells)

    @property
    def nodes(self) -> Array:
        """Coordinates of the nodes, shape (n_nodes, ndim), read-only."""
        return _coordinates(self, 0.0, self.nodes_shape)

    @property
    def cell_nodes(self) -> Indices:
        """Nodes of each cell, shape (n_cells, 2**ndim), read-only.

        Local node k sits at the corner whose offsets are the binary digits of k, x first: in 2-D the order
        is (0,0), (0,1), (1,0), (1,1).
        """
        return _cell_nodes(self)

    def shaped(self, field: Array) -> Array:
        """Return a flat field as an array of shape ``cells``."""
        return field.reshape(self.cells)

    def field(self, values: ArrayLike, name: str = "field") -> Array:
        """Return values as a flat float field; a number is spread over all cells.

        Raises
        ------
        InputError
            If the shape is neither (), (n_cells,) nor ``cells``, or an entry is not finite.
        """
        array = np.asarray(values, dtype=np.float64)
        if array.ndim == 0:
            array = np.full(self.n_cells, float(array))
        elif array.shape not in ((self.n_cells,), self.cells):
            raise InputError(
                f"{name}: expected one value per cell, shape {self.cells} or ({self.n_cells},), "
                f"got {array.shape}"
            )
        if not np.all(np.isfinite(array)):
            raise InputError(f"{name}: {np.count_nonzero(~np.isfinite(array))} entries are nan or infinite")
        return array.reshape(-1).copy()

    def cells_in(self, region: Region) -> Flags:
        """Return which cells have their centre in the region, shape (n_cells,)."""
        return _selected(region, self, "cells")

    def nodes_in(self, region: Region) -> Flags:
        """Return which nodes lie in the region, shape (n_nodes,)."""
        return _selected(region, self, "nodes")


@dataclass(frozen=True)
class Domain:
    """A grid with the parts that are not up for design.

    Parameters
    ----------
    grid : Grid
        The cells.
    solid, void : Region
        Cells that stay solid (density 1) or void (density 0); they must not overlap.
    """

    grid: Grid
    solid: Region = Nowhere()
    void: Region = Nowhere()

    def __post_init__(self) -> None:
        """Refuse overlapping regions and a domain without anything to design."""
        both = int(np.count_nonzero(self.solid_cells & self.void_cells))
        if both:
            raise InputError(f"passive: {both} cells are both solid and void; make the regions disjoint")
        if self.n_active < 2:
            raise InputError(
                f"passive: {self.n_active} of {self.grid.n_cells} cells are left to design; "
                "at least 2 are needed"
            )

    @property
    def solid_cells(self) -> Flags:
        """Which cells stay solid, shape (n_cells,)."""
        return self.grid.cells_in(self.solid)

    @property
    def void_cells(self) -> Flags:
        """Which cells stay void, shape (n_cells,)."""
        return self.grid.cells_in(self.void)

    @property
    def active(self) -> Flags:
        """Which cells are designed, shape (n_cells,)."""
        return ~(self.solid_cells | self.void_cells)

    @property
    def n_active(self) -> int:
        """Number of designed cells."""
        return int(np.count_nonzero(self.active))

    def density_for(self, volume: float) -> float:
        """Return the density of the designed cells that brings the mean of all that is not void to `volume`.

        As near as densities from 0 to 1 can: passive solid alone may be more than that.
        """
        solid = int(np.count_nonzero(self.solid_cells))
        wanted = (volume * (self.n_active + solid) - solid) / self.n_active
        return min(max(wanted, 0.0), 1.0)

    def impose(self, field: Array) -> Array:
        """Return the field with 1 in solid and 0 in void cells."""
        out = np.where(self.solid_cells, 1.0, field)
        out[self.void_cells] = 0.0
        return out


KEPT = 500_000
"""Cells up to which coordinates are kept: they are asked for when a problem is built, not in the loop."""


def designed(cells: Domain | Grid) -> Domain:
    """Return a domain as it is, and a grid as a domain without passive parts.

    Raises
    ------
    InputError
        If it is neither.
    """
    if isinstance(cells, Domain):
        return cells
    if not isinstance(cells, Grid):
        raise InputError(f"domain: expected a Domain or a Grid, got {cells!r}")
    return Domain(cells)


def _coordinates(grid: Grid, offset: float, counts: tuple[int, ...]) -> Array:
    """Return the points (i + offset) h of a lattice, last axis fastest; large ones are not kept."""
    make = _points if grid.n_cells <= KEPT else _points.__wrapped__
    return make(grid, offset, counts)


@functools.lru_cache(maxsize=8)
def _points(grid: Grid, offset: float, counts: tuple[int, ...]) -> Array:
    """Return the points."""
    axes = [(np.arange(n) + offset) * h for n, h in zip(counts, grid.spacing, strict=True)]
    points = np.stack([axis.ravel() for axis in np.meshgrid(*axes, indexing="ij")], axis=1)
    points.flags.writeable = False
    return points


@functools.lru_cache(maxsize=8)
def _cell_nodes(grid: Grid) -> Indices:
    """Return the nodes of each cell, corners in binary order."""
    numbers = np.arange(grid.n_nodes, dtype=np.int32).reshape(grid.nodes_shape)
    corners = []
    for corner in np.ndindex(*(2,) * grid.ndim):
        window = tuple(slice(c, c + n) for c, n in zip(corner, grid.cells, strict=True))
        corners.append(numbers[window].ravel())
    table = np.stack(corners, axis=1)
    table.flags.writeable = False
    return table


@functools.lru_cache(maxsize=64)
def _selected(region: Region, grid: Grid, what: str) -> Flags:
    """Return the points of a grid that a region picks."""
    if not isinstance(region, Region):
        raise InputError(f"expected a Region such as Plane(x=0.0) or Point((1.0, 2.0)), got {region!r}")
    points = grid.centres if what == "cells" else grid.nodes
    flags = np.asarray(region.contains(points, grid.size, grid.spacing))
    if flags.shape != (len(points),) or flags.dtype != bool:
        raise InputError(
            f"{type(region).__name__}.contains: expected booleans of shape ({len(points)},), "
            f"got {flags.dtype} of shape {flags.shape}"
        )
    flags.flags.writeable = False
    return flags
