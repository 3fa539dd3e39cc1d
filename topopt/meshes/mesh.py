"""An unstructured mesh: cells of one kind that lie where they lie, with groups that bear names."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from topopt.cells import Cells, Flags, Indices
from topopt.errors import InputError, suggestion
from topopt.meshes.elements import KINDS, Kind, Mapped, mapped, nodal_shares, reference, slopes_at_middle
from topopt.meshes.pixels import rastered
from topopt.meshes.places import Among
from topopt.meshes.soundness import require_cells, require_nodes
from topopt.parameters import Array
from topopt.regions import Region

__all__ = ["Group", "Mesh"]

Numbers = NDArray[np.intp]
T = TypeVar("T", bound=NDArray[Any])


@dataclass(frozen=True, eq=False)
class Group:
    """A part of a mesh that bears a name.

    Attributes
    ----------
    nodes : array of int
        Its nodes, those of its cells included.
    cells : array of int
        Its cells; none for a set of nodes, edges or faces.
    sides : tuple of array of int, shape (n, k)
        Corners of its lines and faces, around them, a table for each kind; none for a bare set of nodes.
    """

    nodes: Numbers
    cells: Numbers = field(default_factory=lambda: np.zeros(0, dtype=np.intp))
    sides: tuple[Numbers, ...] = ()


@dataclass(frozen=True, eq=False, repr=False)
class Mesh(Cells):
    """Triangles or quadrilaterals in the plane, tetrahedra or hexahedra in space.

    What is defined cell by cell or by finite elements works on it as on a `Grid`: regions by geometry, a
    `Structure`, the `Helmholtz` filter, projections, interpolations, `Equilibrium` with a direct solver, and
    the responses, with each cell counting by its volume.

    Parameters
    ----------
    points : array, shape (n_nodes, ndim)
        Coordinates of the nodes.
    corners : array of int, shape (n_cells, k)
        Nodes of each cell; 3 or 4 in the plane, 4 or 8 in space. Those of a quadrilateral go around it, those
        of a hexahedron around its lower face and then around its upper one, as in VTK, Gmsh and Abaqus.
    groups : mapping, optional
        `Group` by name.

    Raises
    ------
    InputError
        For cells of another kind, corners that are no nodes, nodes without a cell, and cells that are flat or
        turned inside out.
    MissingDependencyError
        If scikit-fem is absent.

    Examples
    --------
    >>> square = [[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]]
    >>> mesh = Mesh(square, [[0, 1, 2], [0, 2, 3]])
    >>> mesh, mesh.volumes.round(9).tolist()
    (Mesh(2 triangles, 4 nodes), [0.5, 0.5])
    """

    points: Array
    corners: Indices
    groups: Mapping[str, Group] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Freeze the arrays and refuse what is no mesh."""
        object.__setattr__(self, "points", _frozen(np.array(self.points, dtype=np.float64)))
        object.__setattr__(self, "corners", _frozen(np.array(_whole(self.corners), dtype=np.int32)))
        object.__setattr__(self, "groups", MappingProxyType(dict(self.groups)))
        if self.points.ndim != 2 or self.corners.ndim != 2 or not len(self.corners):
            raise InputError(
                f"mesh: expected nodes of shape (n, ndim) and cells of shape (m, corners), got "
                f"{self.points.shape} and {self.corners.shape}"
            )
        if (self.ndim, self.corners.shape[1]) not in KINDS:
            known = ", ".join(f"{kind.name} ({k} corners in {d}-D)" for (d, k), kind in KINDS.items())
            raise InputError(
                f"mesh: cells with {self.corners.shape[1]} corners in {self.ndim}-D; known are {known}"
            )
        require_nodes(self)
        require_cells(self)

    def __reduce__(self) -> tuple[type[Mesh], tuple[Array, Indices, dict[str, Group]]]:
        """Pickle the arrays; everything else follows from them."""
        return Mesh, (self.points, self.corners, dict(self.groups))

    def __eq__(self, other: object) -> bool:
        """Compare nodes and cells; groups are only names."""
        return isinstance(other, Mesh) and self.digest == other.digest

    def __hash__(self) -> int:
        """Hash nodes and cells."""
        return hash(self.digest)

    def __repr__(self) -> str:
        """Say how large it is."""
        return f"Mesh({self.n_cells} {self.kind.name}, {self.n_nodes} nodes)"

    def __str__(self) -> str:
        """Say how large it is, in a sentence."""
        return f"a mesh of {self.n_cells} {self.kind.name}"

    @functools.cached_property
    def digest(self) -> str:
        """A fingerprint of nodes and cells, the same in every process."""
        content = hashlib.blake2b(self.points.tobytes(), digest_size=16)
        content.update(self.corners.tobytes() + bytes(str(self.corners.shape), "ascii"))
        return content.hexdigest()

    @property
    def kind(self) -> Kind:
        """What its cells are."""
        return KINDS[self.ndim, self.corners.shape[1]]

    @property
    def ndim(self) -> int:
        """2 or 3."""
        return int(self.points.shape[1])

    @property
    def shape(self) -> tuple[int, ...]:
        """The number of cells."""
        return (self.n_cells,)

    @property
    def n_cells(self) -> int:
        """Number of cells."""
        return len(self.corners)

    @property
    def n_nodes(self) -> int:
        """Number of nodes."""
        return len(self.points)

    @property
    def nodes(self) -> Array:
        """Coordinates of the nodes, shape (n_nodes, ndim), read-only."""
        return self.points

    @property
    def cell_nodes(self) -> Indices:
        """Nodes of each cell, shape (n_cells, corners), read-only."""
        return self.corners

    def nodes_of(self, cells: NDArray[np.intp]) -> Indices:
        """Return the rows of `cell_nodes` of some cells, given by number."""
        return np.asarray(self.corners[cells])

    def places_of(self, nodes: NDArray[np.intp]) -> Array:
        """Return the rows of `nodes` of some nodes, given by number."""
        return np.asarray(self.points[nodes])

    @functools.cached_property
    def lower(self) -> Array:
        """The lower corner of the box that holds all cells, shape (ndim,)."""
        return np.asarray(self.points.min(axis=0))

    @functools.cached_property
    def size(self) -> tuple[float, ...]:
        """Edge lengths of the box that holds all cells."""
        return tuple(float(length) for length in np.ptp(self.points, axis=0))

    @functools.cached_property
    def spacing(self) -> Array:
        """The longest edge of all cells, for each axis the same, shape (ndim,)."""
        ends = self.points[self.edges]
        longest = float(np.linalg.norm(ends[:, 0] - ends[:, 1], axis=1).max())
        return _frozen(np.full(self.ndim, longest))

    @functools.cached_property
    def centres(self) -> Array:
        """Means of the corners of each cell, shape (n_cells, ndim), read-only."""
        return _frozen(self.points[self.corners].mean(axis=1))

    @functools.cached_property
    def shares(self) -> Array:
        """Integral of each shape function over its cell, shape (n_cells, corners), read-only."""
        return _frozen(nodal_shares(self.points[self.corners], self.kind.element))

    @functools.cached_property
    def volumes(self) -> Array:
        """Area (2-D) or volume (3-D) of each cell, shape (n_cells,), read-only."""
        return _frozen(self.shares.sum(axis=1))

    @functools.cached_property
    def facets(self) -> Indices:
        """Nodes of each side of each cell, cell by cell: (n_cells * sides, corners of a side), read-only."""
        sides = reference(self.kind.element, 1).facets
        return _frozen(self.corners[:, sides].reshape(-1, sides.shape[1]))

    @functools.cached_property
    def edges(self) -> Indices:
        """Ends of the edges, each once, shape (n_edges, 2), read-only."""
        pairs = np.sort(self.corners[:, reference(self.kind.element, 1).edges].reshape(-1, 2), axis=1)
        return _frozen(np.unique(pairs, axis=0))

    @functools.cached_property
    def partners(self) -> Numbers:
        """The side that each of `facets` shares its corners with, or -1 on the boundary, read-only."""
        ordered = np.sort(self.facets, axis=1)
        rank = np.lexsort(ordered.T)
        same = (ordered[rank[1:]] == ordered[rank[:-1]]).all(axis=1)
        first, second = rank[:-1][same], rank[1:][same]
        partners = np.full(len(rank), -1, dtype=np.intp)
        partners[first], partners[second] = second, first
        return _frozen(partners)

    @property
    def boundary(self) -> Indices:
        """Nodes of the sides that belong to one cell only."""
        return np.asarray(self.facets[self.partners < 0])

    @property
    def sides(self) -> int:
        """Number of sides of a cell, so that row k of `facets` belongs to cell ``k // sides``."""
        return len(self.facets) // self.n_cells

    def around(self, flags: Flags) -> Numbers:
        """Return the rows of `facets` between flagged cells and what is not flagged, the outside included.

        Parameters
        ----------
        flags : array of bool, shape (n_cells,)
            The cells whose skin is wanted.
        """
        own = np.repeat(flags, self.sides)
        return np.flatnonzero(own & ~np.where(self.partners < 0, False, own[self.partners]))

    @functools.cached_property
    def neighbours(self) -> Numbers:
        """Cells that share a side, each pair once, shape (n, 2), read-only."""
        first = np.flatnonzero(self.partners > np.arange(len(self.partners)))
        return _frozen(np.stack([first, self.partners[first]], axis=1) // self.sides)

    def raster(self, most: int) -> Numbers:
        """Return the cell that each of a box of square pixels falls on, and -1 where there is none.

        Parameters
        ----------
        most : int
            Pixels along the longest side; fewer if half the median cell is wider than that.

        Returns
        -------
        array of int
            Indexed ``[ix, iy]`` or ``[ix, iy, iz]``.
        """
        return _raster(self, most)

    def mapped(self, order: int) -> Mapped:
        """Return a quadrature on every cell that is exact for polynomials up to an order."""
        found = mapped(self.points[self.corners], reference(self.kind.element, order))
        # Quadratures of simplices may have negative weights; only those of a cell together are positive.
        turned = np.sign(found.weights.sum(axis=1, keepdims=True))
        return Mapped(found.values, found.gradients, turned * found.weights)

    def middle_gradients(self) -> Array:
        """Return the gradients of the shape functions in the cells' middles, (n_cells, corners, ndim)."""
        slopes = slopes_at_middle(self.kind.element)
        jacobians = np.einsum("nka,kb->nab", self.points[self.corners], slopes)
        return np.asarray(np.einsum("kb,nba->nka", slopes, np.linalg.inv(jacobians)))

    def spread(self, inside: Flags, order: int) -> Array | None:
        """Share the length of edges (order 1) or the area of faces (order 2) among their nodes.

        Sides on the boundary come first; where none lies inside and the order is 1, edges anywhere count.

        Parameters
        ----------
        inside : array of bool, shape (n_nodes,)
            Edges and faces count with all their nodes inside.
        order : int
            1 or 2.

        Returns
        -------
        array, shape (n_nodes,), or None
            None if there is no such edge or face.
        """
        several = [self.boundary] if order == self.ndim - 1 else []
        several += [self.edges] if order == 1 else []
        element = self.kind.side if order == self.ndim - 1 else "ElementLineP1"
        for facets in several:
            chosen = facets[inside[facets].all(axis=1)]
            if len(chosen):
                shares = nodal_shares(self.points[chosen], element)
                return np.asarray(np.bincount(chosen.ravel(), shares.ravel(), self.n_nodes), np.float64)
        return None

    def group(self, name: str) -> Region:
        """Return a named part as a region: its cells, and its nodes.

        Raises
        ------
        InputError
            If there is none of this name.
        """
        if name not in self.groups:
            known = suggestion(name, self.groups) if self.groups else (
                "its file names none; make physical groups (Gmsh) or sets (Abaqus), or say where it is, as "
                "plane: {x: 0}"
            )  # fmt: skip
            raise InputError(f"no group '{name}' in {self}: {known}")
        part = self.groups[name]
        places = np.concatenate([self.points[part.nodes], self.centres[part.cells]])
        return Among(places, f"group '{name}'")


@functools.lru_cache(maxsize=4)
def _raster(mesh: Mesh, most: int) -> Numbers:
    """Look the cells under pixels up."""
    longest = max(mesh.size)
    cells_across = longest / float(np.median(mesh.volumes)) ** (1 / mesh.ndim)
    width = longest / int(np.clip(round(2 * cells_across), 1, most))
    shape = tuple(max(1, round(length / width)) for length in mesh.size)
    return _frozen(rastered(mesh.points, mesh.corners, mesh.lower, width, shape))


def _whole(corners: ArrayLike) -> NDArray[Any]:
    """Return numbers of nodes as an array, refusing what is none."""
    array = np.asarray(corners)
    if array.dtype.kind not in "iu":
        raise InputError(f"mesh: expected whole numbers of nodes, got {array.dtype}")
    return array


def _frozen(array: T) -> T:
    """Return an array that can no longer be written to."""
    array.flags.writeable = False
    return array
