"""The body that a design on a mesh stands for: carved out of its cells where the density crosses a level."""

from __future__ import annotations

import functools
import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import optimize

from topopt.files.export.border import GAP, LEVEL
from topopt.files.export.outline import Outline, cornered
from topopt.files.export.surface import Surface
from topopt.meshes import Mesh
from topopt.parameters import Array

__all__ = ["Carved", "carved"]

Numbers = NDArray[np.intp]

LEVELS = 0.02, 0.98
"""Between these densities the edge of the body is looked for."""


@dataclass(frozen=True, eq=False)
class Carved:
    """What lies in the simplices of a mesh where a density that is linear in each exceeds a level.

    Attributes
    ----------
    points : array, shape (k, ndim)
        Corners of the simplices.
    density : array, shape (k,)
        There.
    simplices, skin : array of int, shape (n, ndim + 1) and (m, 3)
        Corners of triangles or tetrahedra, none turned inside out, and in space of the triangles of the
        mesh's own skin, seen from outside counter-clockwise.
    level : float
        The density at the edge.
    volume : float
        Of the material, in 2-D an area: what the body shall hold.
    """

    points: Array
    density: Array
    simplices: Numbers
    skin: Numbers
    level: float
    volume: float

    @property
    def ndim(self) -> int:
        """2 or 3."""
        return int(self.points.shape[1])

    @property
    def lower(self) -> Array:
        """Lower corner of the box around the mesh."""
        return np.asarray(self.points.min(axis=0))

    @property
    def size(self) -> tuple[float, ...]:
        """Edge lengths of the box around the mesh."""
        return tuple(np.ptp(self.points, axis=0).tolist())

    @property
    def how(self) -> str:
        """How the density was made smooth, in words."""
        return ", averaged at the nodes"

    def outline(self) -> Outline:
        """Return the edge of a plane body."""
        points, triangles = self._plate()
        return Outline(tuple(loop for loop in map(cornered, _loops(points, triangles)) if len(loop) >= 3))

    def surface(self, thickness: float = 1.0) -> Surface:
        """Return the skin; a plane body becomes a plate on z = 0."""
        if self.ndim == 3:
            cut = _cut(self.density, self.level, self.simplices, _surfaces())
            whole = _cut(self.density, self.level, self.skin, _parts())
            points, triangles = self._placed(np.concatenate([cut, whole]))
            return Surface.merged(points, triangles)
        flat, triangles = self._plate()
        count, rim = len(flat), _rim(triangles)
        a, b = rim.T
        points = np.concatenate([np.insert(flat, 2, height, axis=1) for height in (0.0, thickness)])
        below, above = triangles[:, ::-1], triangles + count
        sides = np.concatenate([np.stack([a, b, b + count], 1), np.stack([a, b + count, a + count], 1)])
        return Surface.merged(points, np.concatenate([below, above, sides]))

    def _plate(self) -> tuple[Array, Numbers]:
        """Return points and triangles that cover a plane body."""
        return self._placed(_cut(self.density, self.level, self.simplices, _parts()))

    def _placed(self, ends: Numbers) -> tuple[Array, Numbers]:
        """Return points, each once, and triangles, of triangles whose corners are given as (n, 3, 2) ends.

        A corner lies on the edge between two ends where the density takes the level, or on both if they are
        one. The ends are sorted, so that all simplices around an edge get the very same point.
        """
        pairs, number = np.unique(np.sort(ends.reshape(-1, 2), axis=1), axis=0, return_inverse=True)
        one, other = pairs.T
        rise = self.density[other] - self.density[one]
        share = np.divide(self.level - self.density[one], rise, out=np.zeros(len(one)), where=one != other)
        points = self.points[one] + share[:, None] * (self.points[other] - self.points[one])
        return points, number.reshape(-1, 3)


def carved(mesh: Mesh, density: Array) -> Carved | None:
    """Return the body of a design on a mesh, None if no density exceeds one half.

    The density of a node is the mean of the cells around it, each by its volume; between nodes it is linear.
    The level is solved for at which the body holds as much as there is material. Where the body reaches the
    boundary of the mesh it ends there, and follows it.

    Parameters
    ----------
    mesh : Mesh
        The cells; quadrilaterals are cut in two triangles, hexahedra in twelve tetrahedra.
    density : array, shape (n_cells,)
        0 is void, 1 is solid.

    Notes
    -----
    Marching tetrahedra: Doi and Koide 1991, IEICE Transactions E74(1), 214-224.
    """
    if not (density > LEVEL).any():
        return None
    table = mesh.cell_nodes
    shares = np.broadcast_to((density * mesh.volumes)[:, None], table.shape)
    weights = np.broadcast_to(mesh.volumes[:, None], table.shape)
    sums, around = (np.bincount(table.ravel(), part.ravel(), mesh.n_nodes) for part in (shares, weights))
    points, simplices, values = _simplices(mesh, np.asarray(sums / around))
    skin = _triangles(_outward(mesh)) if mesh.ndim == 3 else np.zeros((0, 3), dtype=np.intp)
    volume = float(density @ mesh.volumes)

    def at(level: float) -> Carved:
        # No value is left nearer to the level than this: a surface through a node would pinch.
        clear = np.where(values > level, np.maximum(values, level + GAP), np.minimum(values, level - GAP))
        return Carved(points, clear, simplices, skin, level, volume)

    def surplus(level: float) -> float:
        held = at(level)
        return (held.outline().area if mesh.ndim == 2 else held.surface().volume) - volume

    lower, upper = LEVELS[0], min(LEVELS[1], float(values.max()) - 2 * GAP)
    if upper <= lower or surplus(upper) >= 0:
        return at(upper)
    if surplus(lower) <= 0:
        return at(lower)
    return at(float(optimize.brentq(surplus, lower, upper, xtol=1e-4, rtol=1e-4)))


def _simplices(mesh: Mesh, means: Array) -> tuple[Array, Numbers, Array]:
    """Return points, simplices and the densities at the points, of cells cut so that neighbours fit."""
    corners = mesh.corners.astype(np.intp)
    points, values = mesh.points, means
    if corners.shape[1] == 8:
        faces = _triangles(mesh.facets.astype(np.intp))
        middle = len(points) + np.repeat(np.arange(mesh.n_cells), 2 * mesh.sides)
        points = np.concatenate([points, mesh.centres])
        values = np.concatenate([values, means[corners].mean(axis=1)])
        corners = np.column_stack([faces, middle])
    elif mesh.ndim == 2 and corners.shape[1] == 4:
        corners = np.concatenate([corners[:, [0, 1, 2]], corners[:, [0, 2, 3]]])
    turned = np.linalg.det(points[corners[:, 1:]] - points[corners[:, :1]]) < 0
    corners[turned, -2:] = corners[turned, :-3:-1]
    return points, corners, values


def _outward(mesh: Mesh) -> Numbers:
    """Return the sides on the boundary of a mesh in space, seen from outside counter-clockwise."""
    rows = np.flatnonzero(mesh.partners < 0)
    sides = mesh.facets[rows].astype(np.intp)
    a, b, c = (mesh.points[sides[:, k]] for k in (0, 1, -1))
    away = mesh.points[sides].mean(axis=1) - mesh.centres[rows // mesh.sides]
    turned = np.einsum("ij,ij->i", np.cross(b - a, c - a), away) < 0
    sides[turned] = sides[turned, ::-1]
    return sides


def _triangles(sides: Numbers) -> Numbers:
    """Return sides as triangles, one side after the other; of four corners two, cut at the lowest number.

    So the two cells that share a side cut it alike.
    """
    if sides.shape[1] == 3:
        return sides
    first = sides.argmin(axis=1)
    a, b, c, d = (sides[np.arange(len(sides)), (first + k) % 4] for k in range(4))
    return np.stack([np.stack([a, b, c], 1), np.stack([a, c, d], 1)], axis=1).reshape(-1, 3)


def _cut(values: Array, level: float, simplices: Numbers, table: tuple[Numbers, ...]) -> Numbers:
    """Return triangles of what is cut out of simplices, their corners as pairs of ends, shape (n, 3, 2)."""
    above = values[simplices] > level
    kind = above @ (1 << np.arange(simplices.shape[1]))
    found = [simplices[kind == k][:, made].reshape(-1, 3, 2) for k, made in enumerate(table) if len(made)]
    return np.concatenate([np.zeros((0, 3, 2), dtype=np.intp), *found])


@functools.cache
def _parts() -> tuple[Numbers, ...]:
    """Return, by which corners of a triangle are solid, the triangles that cover its solid part."""
    table = []
    for kind in range(8):
        around: list[tuple[int, int]] = []
        for k, after in ((0, 1), (1, 2), (2, 0)):
            solid, next_solid = kind >> k & 1, kind >> after & 1
            around += [(k, k)] if solid else []
            around += [(k, after)] if solid != next_solid else []
        table.append(_fan(around))
    return tuple(table)


@functools.cache
def _surfaces() -> tuple[Numbers, ...]:
    """Return, by which corners of a tetrahedron are solid, the triangles between that and the rest.

    Found on one of positive volume, and turned so that they are seen from the void counter-clockwise.
    """
    corners = np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]])
    table = []
    for kind in range(16):
        solid = [k for k in range(4) if kind >> k & 1]
        void = [k for k in range(4) if not kind >> k & 1]
        around = list(itertools.product(solid, void))
        if len(around) == 4:  # around the quadrilateral, and not across it
            around[2], around[3] = around[3], around[2]
        if around:
            a, b, c = (corners[list(ends)].mean(axis=0) for ends in around[:3])
            away = corners[void].mean(axis=0) - corners[solid].mean(axis=0)
            around = around if np.cross(b - a, c - a) @ away > 0 else around[::-1]
        table.append(_fan(around))
    return tuple(table)


def _fan(around: list[tuple[int, int]]) -> Numbers:
    """Return a polygon as triangles from its first corner, shape (n, 3, 2)."""
    fan = [(around[0], around[k], around[k + 1]) for k in range(1, len(around) - 1)]
    return np.array(fan, dtype=np.intp).reshape(-1, 3, 2)


def _rim(triangles: Numbers) -> Numbers:
    """Return the edges of triangles that belong to one only, in its direction, shape (n, 2)."""
    edges = np.stack([triangles, np.roll(triangles, -1, axis=1)], axis=-1).reshape(-1, 2)
    _, place, count = np.unique(np.sort(edges, axis=1), axis=0, return_index=True, return_counts=True)
    return np.asarray(edges[np.sort(place[count == 1])])


def _loops(points: Array, triangles: Numbers) -> list[Array]:
    """Return the closed lines around triangles, material to the left."""
    after: dict[int, list[int]] = {}
    for start, end in _rim(triangles).tolist():
        after.setdefault(start, []).append(end)
    loops = []
    while after:
        line = [next(iter(after))]
        while ends := after.get(line[-1]):
            line.append(ends.pop())
            if not ends:
                del after[line[-2]]
        loops.append(points[line[:-1]])
    return loops
