"""Cells and nodes of a structured grid, and the regions of it that are picked by geometry."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from topopt.cells import Cells, Flags, Indices
from topopt.errors import InputError
from topopt.parameters import Array
from topopt.regions import Nowhere, Region

__all__ = ["Domain", "Grid", "designed", "structured"]


@dataclass(frozen=True)
class Grid(Cells):
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
    def shape(self) -> tuple[int, ...]:
        """Cells along each axis."""
        return self.cells

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
    def volumes(self) -> Array:
        """The same for each cell, shape (n_cells,), read-only."""
        return np.broadcast_to(self.cell_volume, self.n_cells)

    @property
    def lower(self) -> Array:
        """The origin."""
        return np.zeros(self.ndim)

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

    def nodes_of(self, cells: NDArray[np.intp]) -> Indices:
        """Return the rows of `cell_nodes` of some cells, given by number, without all others."""
        lowest = np.ravel_multi_index(np.unravel_index(cells, self.cells), self.nodes_shape)
        corners = np.ravel_multi_index(np.indices((2,) * self.ndim), self.nodes_shape).ravel()
        return lowest.astype(np.int32)[:, None] + corners.astype(np.int32)

    def places_of(self, nodes: NDArray[np.intp]) -> Array:
        """Return the rows of `nodes` of some nodes, given by number, without all others."""
        return np.stack(np.unravel_index(nodes, self.nodes_shape), axis=1) * self.spacing


@dataclass(frozen=True)
class Domain:
    """Cells with the parts that are not up for design.

    Parameters
    ----------
    mesh : Grid or Mesh
        The cells.
    solid, void : Region
        Cells that stay solid (density 1) or void (density 0); they must not overlap.
    """

    mesh: Cells
    solid: Region = Nowhere()
    void: Region = Nowhere()

    def __post_init__(self) -> None:
        """Refuse overlapping regions and a domain without anything to design."""
        both = int(np.count_nonzero(self.solid_cells & self.void_cells))
        if both:
            raise InputError(f"passive: {both} cells are both solid and void; make the regions disjoint")
        if self.n_active < 2:
            raise InputError(
                f"passive: {self.n_active} of {self.mesh.n_cells} cells are left to design; "
                "at least 2 are needed"
            )

    @property
    def grid(self) -> Grid:
        """The grid; what asks for it cannot do with a mesh, which is refused."""
        return structured(self.mesh)

    @property
    def solid_cells(self) -> Flags:
        """Which cells stay solid, shape (n_cells,)."""
        return self.mesh.cells_in(self.solid)

    @property
    def void_cells(self) -> Flags:
        """Which cells stay void, shape (n_cells,)."""
        return self.mesh.cells_in(self.void)

    @property
    def active(self) -> Flags:
        """Which cells are designed, shape (n_cells,), read-only."""
        return _active(self)

    @property
    def n_active(self) -> int:
        """Number of designed cells."""
        return int(np.count_nonzero(self.active))

    @property
    def sizes(self) -> Array:
        """Volume of each cell; on a grid 1, since all are equal. Shape (n_cells,), read-only."""
        mesh = self.mesh
        return np.broadcast_to(1.0, mesh.n_cells) if isinstance(mesh, Grid) else mesh.volumes

    def volume_of(self, cells: Flags) -> float:
        """Return the volume of the flagged cells; on a grid their number, since all are equal."""
        if isinstance(self.mesh, Grid):
            return int(np.count_nonzero(cells))
        return float(self.mesh.volumes[cells].sum())

    def density_for(self, volume: float) -> float:
        """Return the density of the designed cells that brings the mean of all that is not void to `volume`.

        As near as densities from 0 to 1 can: passive solid alone may be more than that.
        """
        solid, active = self.volume_of(self.solid_cells), self.volume_of(self.active)
        wanted = (volume * (active + solid) - solid) / active
        return min(max(wanted, 0.0), 1.0)

    def impose(self, field: Array) -> Array:
        """Return the field with 1 in solid and 0 in void cells."""
        out = np.where(self.solid_cells, 1.0, field)
        out[self.void_cells] = 0.0
        return out


KEPT = 500_000
"""Cells up to which coordinates are kept: they are asked for when a problem is built, not in the loop."""


def designed(cells: Domain | Cells) -> Domain:
    """Return a domain as it is, and a grid or a mesh as a domain without passive parts.

    Raises
    ------
    InputError
        If it is neither.
    """
    if isinstance(cells, Domain):
        return cells
    if not isinstance(cells, Cells):
        raise InputError(f"domain: expected a Domain or a Grid, got {cells!r}")
    return Domain(cells)


def structured(cells: Domain | Cells, what: str = "this", instead: str = "") -> Grid:
    """Return the grid of a domain, or refuse what is none for something that cannot do without.

    Parameters
    ----------
    cells : Domain, Grid or Mesh
        The cells.
    what, instead : str
        Who asks, and what may be taken on a mesh.

    Raises
    ------
    InputError
        If the cells are those of an unstructured mesh.
    """
    mesh = cells.mesh if isinstance(cells, Domain) else cells
    if isinstance(mesh, Grid):
        return mesh
    raise InputError(f"{what} needs a grid of equal cells, but works on {mesh}{instead and f'; {instead}'}")


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


@functools.lru_cache(maxsize=4)
def _active(domain: Domain) -> Flags:
    """Return which cells are neither solid nor void."""
    active = ~(domain.solid_cells | domain.void_cells)
    active.flags.writeable = False
    return active
