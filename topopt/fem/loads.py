"""What pushes: forces on nodes, edges, faces and cells, turned into nodal forces that do the same work."""

from __future__ import annotations

import itertools
import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from topopt.cells import AXES, Cells, Flags
from topopt.errors import InputError
from topopt.fem.picking import cells_of, nodes_of
from topopt.fem.profiles import require_profile, shares
from topopt.grid import Grid, structured
from topopt.meshes import Mesh
from topopt.parameters import Array
from topopt.regions import Region

__all__ = ["BodyLoad", "LineLoad", "Load", "LoadCase", "PointLoad", "SurfaceLoad"]


class Load(ABC):
    """Something that pushes on part of a structure.

    Write your own as a frozen dataclass with one method, `nodal_forces`.
    """

    @abstractmethod
    def nodal_forces(self, mesh: Cells, thickness: float) -> Array:
        """Return the equivalent nodal forces, shape (n_nodes, ndim).

        Parameters
        ----------
        mesh : Grid or Mesh
            The cells.
        thickness : float
            Out of plane in 2-D, 1 in 3-D.
        """


@dataclass(frozen=True)
class PointLoad(Load):
    """A total force, shared by the nodes of a region: equally, or as profiles along axes say.

    The total does not depend on the grid. Equal shares are not a uniform pressure: the nodes at the rim of a
    region carry as much as those inside it; for a pressure take a `LineLoad` or a `SurfaceLoad`.

    Parameters
    ----------
    on : Region
        Picks nodes.
    force : tuple of float
        Force vector, all nodes together.
    profile : tuple of (str, str)
        Pairs of an axis and how the force is spread along it, from the region's low end to its high one:
        ``even``, ``elliptic`` (most at the low end, as the lift of a half wing) or ``flat_plate`` (from the
        nose to the tail of a thin aerofoil). The second divides what a layer across the first has got, over
        that layer's own extent; nodes that no profile tells apart get equal shares.

    Examples
    --------
    >>> from topopt.regions import Plane
    >>> lift = PointLoad(Plane(y=1.0), (0.0, 1.0), (("x", "flat_plate"),))
    >>> lift.nodal_forces(Grid((4, 1)), 1.0)[1::2, 1].round(3).tolist()
    [0.413, 0.31, 0.163, 0.092, 0.022]
    """

    on: Region
    force: tuple[float, ...]
    profile: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        """Normalise to tuples, and refuse what is no profile."""
        object.__setattr__(self, "force", _vector(self, "force"))
        object.__setattr__(self, "profile", tuple(tuple(pair) for pair in self.profile))
        try:
            require_profile(self.profile)
        except InputError as error:
            raise InputError(f"PointLoad.profile: {error}") from None

    def nodal_forces(self, mesh: Cells, thickness: float) -> Array:
        """Share the force."""
        force = _fitting(self, "force", mesh)
        nodes = nodes_of(self.on, mesh, "PointLoad")
        for axis, _ in self.profile:
            if axis not in AXES[: mesh.ndim]:
                raise InputError(f"PointLoad.profile: a {mesh.ndim}-D grid has no axis {axis}")
        forces = np.zeros((mesh.n_nodes, mesh.ndim))
        forces[nodes] = np.outer(shares(mesh.nodes[nodes], self.profile), force)
        return forces


@dataclass(frozen=True)
class LineLoad(Load):
    """A force per length along the edges of cells that lie in a region with both their nodes.

    Parameters
    ----------
    on : Region
        Picks nodes, and with them edges.
    force_per_length : tuple of float
        Force vector per unit length (in 2-D not multiplied by the thickness).
    """

    on: Region
    force_per_length: tuple[float, ...]

    def __post_init__(self) -> None:
        """Normalise to a tuple of finite floats."""
        object.__setattr__(self, "force_per_length", _vector(self, "force_per_length"))

    def nodal_forces(self, mesh: Cells, thickness: float) -> Array:
        """Give each end of an edge half of what the edge carries."""
        force = _fitting(self, "force_per_length", mesh)
        return _spread(self, self.on, mesh, 1, "edge") * force


@dataclass(frozen=True)
class SurfaceLoad(Load):
    """A force per area on the faces that lie in a region with all their nodes; in 2-D, on edges.

    A region thicker than a layer of nodes also holds faces inside the body, and they are loaded too: pick
    the surface, with a `Plane` for example. On a `Mesh` it is those on the boundary.

    Parameters
    ----------
    on : Region
        Picks nodes, and with them faces.
    traction : tuple of float
        Force vector per unit area; in 2-D the area is edge length times thickness.
    """

    on: Region
    traction: tuple[float, ...]

    def __post_init__(self) -> None:
        """Normalise to a tuple of finite floats."""
        object.__setattr__(self, "traction", _vector(self, "traction"))

    def nodal_forces(self, mesh: Cells, thickness: float) -> Array:
        """Give each corner of a face the same share: the integral of its shape function."""
        traction = _fitting(self, "traction", mesh)
        what = "edge" if mesh.ndim == 2 else "face"
        return _spread(self, self.on, mesh, mesh.ndim - 1, what) * (thickness * traction)


@dataclass(frozen=True)
class BodyLoad(Load):
    """A force per volume on the cells of a region, such as weight; it does not follow the density.

    Parameters
    ----------
    on : Region
        Picks cells by their centre.
    force_per_volume : tuple of float
        Force vector per unit volume; in 2-D the volume is area times thickness.
    """

    on: Region
    force_per_volume: tuple[float, ...]

    def __post_init__(self) -> None:
        """Normalise to a tuple of finite floats."""
        object.__setattr__(self, "force_per_volume", _vector(self, "force_per_volume"))

    def nodal_forces(self, mesh: Cells, thickness: float) -> Array:
        """Give each node of a cell the same share: the integral of its shape function."""
        force = _fitting(self, "force_per_volume", mesh)
        cells = cells_of(self.on, mesh, "BodyLoad")
        nodes = mesh.cell_nodes[cells].ravel()
        if isinstance(mesh, Mesh):
            shares = np.bincount(nodes, mesh.shares[cells].ravel(), mesh.n_nodes)
            return np.outer(shares, thickness * force)
        share = structured(mesh).cell_volume * thickness / 2**mesh.ndim
        touching = np.bincount(nodes, minlength=mesh.n_nodes).astype(np.float64)
        return np.outer(touching, share * force)


@dataclass(frozen=True)
class LoadCase:
    """Loads that act together, and how much the case counts.

    Parameters
    ----------
    name : str
        Names the case in results and messages.
    loads : tuple of Load
        They add up.
    weight : float
        Factor of this case in responses that sum over cases, >= 0.
    """

    name: str
    loads: tuple[Load, ...]
    weight: float = 1.0

    def __post_init__(self) -> None:
        """Normalise to a tuple and refuse what is no case."""
        loads: Any = self.loads
        loads = (loads,) if isinstance(loads, Load) else tuple(loads)
        if not loads or not all(isinstance(load, Load) for load in loads):
            raise InputError(f"load case '{self.name}': expected one or more loads, got {self.loads!r}")
        object.__setattr__(self, "loads", loads)
        if not (math.isfinite(self.weight) and self.weight >= 0):
            raise InputError(f"load case '{self.name}': expected a weight >= 0, got {self.weight}")


def _vector(load: Load, field: str) -> tuple[float, ...]:
    """Return a load's vector as a tuple of finite floats."""
    given = getattr(load, field)
    vector = tuple(float(value) for value in (given if isinstance(given, Iterable) else (given,)))
    if not all(math.isfinite(value) for value in vector):
        raise InputError(f"{type(load).__name__}.{field}: expected finite numbers, got {vector}")
    return vector


def _fitting(load: Load, field: str, mesh: Cells) -> Array:
    """Return a load's vector as an array, refusing the wrong number of components."""
    vector = getattr(load, field)
    if len(vector) != mesh.ndim:
        raise InputError(
            f"{type(load).__name__}.{field}: {len(vector)} components {vector} on a {mesh.ndim}-D grid; "
            f"give one for each of {', '.join(mesh.axes)}"
        )
    return np.array(vector)


def _spread(load: Load, region: Region, mesh: Cells, order: int, what: str) -> Array:
    """Share the length of edges (order 1) or area of faces (order 2) among nodes, shape (n_nodes, 1)."""
    name = type(load).__name__
    inside = np.zeros(mesh.n_nodes, dtype=bool)
    inside[nodes_of(region, mesh, name)] = True
    if isinstance(mesh, Mesh):
        weights = mesh.spread(inside, order)
    else:
        weights = _spread_on_grid(inside, structured(mesh), order)
    if weights is None:
        raise InputError(
            f"{name} on {region}: {np.count_nonzero(inside)} nodes lie in this region, but no {what} "
            f"with all its nodes; widen the region, or use a PointLoad"
        )
    return weights[:, None]


def _spread_on_grid(inside: Flags, grid: Grid, order: int) -> Array | None:
    """Share lengths or areas among the nodes of a grid, shape (n_nodes,); None if there is nothing."""
    weights = np.zeros(grid.n_nodes)
    found = False
    for measure, facets in _facets(grid, order):
        chosen = facets[inside[facets].all(axis=1)]
        found |= len(chosen) > 0
        weights += np.bincount(chosen.ravel(), minlength=grid.n_nodes) * (measure / facets.shape[1])
    return weights if found else None


def _facets(grid: Grid, order: int) -> Iterator[tuple[float, NDArray[np.int32]]]:
    """Walk the families of parallel edges or faces: length or area, and nodes (n_facets, 2**order)."""
    numbers = np.arange(grid.n_nodes, dtype=np.int32).reshape(grid.nodes_shape)
    for axes in itertools.combinations(range(grid.ndim), order):
        corners = []
        for corner in itertools.product((0, 1), repeat=order):
            window = [slice(None)] * grid.ndim
            for axis, side in zip(axes, corner, strict=True):
                window[axis] = slice(side, grid.cells[axis] + side)
            corners.append(numbers[tuple(window)].ravel())
        yield float(np.prod(grid.spacing[list(axes)])), np.stack(corners, axis=1)
