"""A body that a closed surface bounds, from an STL file: which points lie inside."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from topopt.cells import Flags
from topopt.errors import InputError, MissingDependencyError
from topopt.parameters import Array
from topopt.regions import TOLERANCE, Tabulated

__all__ = ["Solid", "read_solid"]

# Why rays of our own: a node on a face must be inside, always, and points may lie anywhere, as a mesh's do.
# VTK's stencil knows the points of a lattice only, its enclosed points lack some on the boundary (17 of 45
# nodes of a box); trimesh needs another package for it.
PAIRS = 4_000_000
"""Triangles and rays that are looked at together."""


@dataclass(frozen=True, eq=False, repr=False)
class Solid(Tabulated):
    """The points inside a closed surface, boundary included (3-D).

    A ray along z from each point leaves the surface more often than it enters it if the point is inside:
    bodies that overlap are one, and a surface inside another is a hole if it is written the other way round.
    Which way round the whole is written does not count. Where neighbouring triangles are written in different
    directions, the ray meets the surface an odd number of times instead. Rays go a hair beside the point, so
    that none runs in a face that is parallel to an axis.

    Parameters
    ----------
    triangles : array, shape (n, 3, 3)
        Corners; every edge must belong to an even number of triangles.
    name : str
        What messages call the body.
    fit : bool
        Move and scale it evenly, so that it just fits into the box of the cells, in its middle.

    Raises
    ------
    InputError
        If the surface is open.
    """

    triangles: Array
    name: str = field(default="solid", compare=False)
    fit: bool = False

    def __post_init__(self) -> None:
        """Freeze the triangles and refuse what bounds nothing."""
        triangles = np.array(self.triangles, dtype=np.float64)
        if triangles.ndim != 3 or triangles.shape[1:] != (3, 3) or not len(triangles):
            raise InputError(f"{self.name}: expected triangles of shape (n, 3, 3), got {triangles.shape}")
        if not np.isfinite(triangles).all():
            raise InputError(f"{self.name}: coordinates are nan or infinite")
        triangles.flags.writeable = False
        object.__setattr__(self, "triangles", triangles)
        count = _odd_edges(triangles)[0]
        if count:
            raise InputError(
                f"{self.name} is not closed, it has {count} open edges, so that nothing is inside; close its "
                f"holes, or export it as a solid"
            )

    def __repr__(self) -> str:
        """Say where it lies."""
        if self.fit:
            return self.name
        span = " to ".join("(" + ", ".join(f"{v:g}" for v in corner) + ")" for corner in self.ends)
        return f"{self.name} from {span}"

    @property
    def ends(self) -> tuple[Array, Array]:
        """Lower and upper corner of the box around it, shape (3,) each."""
        return self.triangles.min(axis=(0, 1)), self.triangles.max(axis=(0, 1))

    def contains(self, points: Array, size: tuple[float, ...], spacing: Array) -> Flags:
        """Count crossings above every point, at the corners of a tiny box around it."""
        if len(size) != 3:
            raise InputError(
                f"{self.name}: a body is 3-D, the cells are 2-D; draw it as an image or a polygon"
            )
        triangles = _fitted(self.triangles, size) if self.fit else self.triangles
        inside = np.zeros(len(points), dtype=bool)
        # no two equal, so that a ray beside a point on a diagonal is not on that diagonal again
        hair = TOLERANCE * float(spacing.min()) * np.array([1.0, 0.83, 0.71])
        for x, y in ((1, 1), (1, -1), (-1, 1), (-1, -1)):
            missed = np.flatnonzero(~inside)
            beside = points[missed] + hair * (x, y, 0.0)
            columns, column = np.unique(beside[:, :2], axis=0, return_inverse=True)
            crossed, heights, ways = _crossings(triangles, columns)
            for z in (-hair[2], hair[2]):
                above = _above(crossed, heights, ways, column.ravel(), beside[:, 2] + z)
                inside[missed] |= above != 0 if self._oriented else above % 2 == 1
        return inside

    @functools.cached_property
    def _oriented(self) -> bool:
        """Whether triangles that share an edge are written the same way round."""
        return not _odd_edges(self.triangles)[1]


def read_solid(
    file: str | Path, scale: float = 1.0, offset: Sequence[float] = (0.0, 0.0, 0.0), fit: bool = False
) -> Solid:
    """Read a body from an STL file.

    Parameters
    ----------
    file : str or Path
        Text or binary.
    scale : float
        Coordinates are multiplied by this: 0.001 makes metres of millimetres.
    offset : sequence of float
        Then this is added to them.
    fit : bool
        As in `Solid`; scale and offset then say nothing.

    Raises
    ------
    InputError
        If the file is missing, cannot be read, or its surface is open.
    MissingDependencyError
        If trimesh is absent.
    """
    file = Path(file)
    if not file.is_file():
        raise InputError(f"there is no file {file.name}")
    if file.suffix.lower() != ".stl":
        raise InputError(f"{file.name}: expected a surface that ends in .stl")
    try:
        import trimesh
    except ImportError as error:
        raise MissingDependencyError(
            "surfaces from files need trimesh, which is not installed: pip install trimesh"
        ) from error
    try:
        with file.open("rb") as stream:
            surface = trimesh.load_mesh(stream, file_type="stl", process=False)
        whole = bool(np.isfinite(surface.vertices).all())
        if whole:
            surface.merge_vertices()
        triangles = np.asarray(surface.triangles, dtype=np.float64)
    except Exception as error:  # it fails in many ways on what is no STL
        raise InputError(f"{file.name} is no STL file that can be read: {error}") from error
    if not len(triangles):
        raise InputError(f"{file.name} holds no triangles")
    if not whole:
        raise InputError(f"{file.name} holds coordinates that are no finite numbers; export it again")
    move = np.array(offset, dtype=np.float64)
    if move.shape != (3,):
        raise InputError(f"{file.name}: expected an offset of 3 numbers, got {tuple(offset)}")
    return Solid(triangles * scale + move, f"STL '{file.name}'", fit)


def _odd_edges(triangles: Array) -> tuple[int, int]:
    """Return how many edges have an odd number of triangles, and how many not as many from either side.

    Corners are equal to the last digit.
    """
    corners = np.unique(triangles.reshape(-1, 3), axis=0, return_inverse=True)[1].reshape(-1, 3)
    corners = corners[(corners != np.roll(corners, 1, axis=1)).all(axis=1)]
    written = corners[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2)
    _, edge, count = np.unique(np.sort(written, axis=1), axis=0, return_inverse=True, return_counts=True)
    ways = np.bincount(edge.ravel(), np.where(written[:, 0] < written[:, 1], 1.0, -1.0), len(count))
    return int(np.count_nonzero(count % 2)), int(np.count_nonzero(ways))


def _fitted(triangles: Array, size: tuple[float, ...]) -> Array:
    """Move and scale a surface evenly into the middle of a box."""
    low, high = triangles.min(axis=(0, 1)), triangles.max(axis=(0, 1))
    box = np.array(size)
    factor = float((box / np.maximum(high - low, 1e-300)).min())
    return np.asarray((triangles - 0.5 * (low + high)) * factor + 0.5 * box)


def _crossings(triangles: Array, columns: Array) -> tuple[NDArray[np.intp], Array, NDArray[np.intp]]:
    """Return where rays along z cross triangles: the ray's number, the height, and 1 if it leaves, -1 if not.

    Columns are sorted by x. A ray through an edge crosses one of its two triangles, or both or none where the
    surface turns back there: which side of an edge a ray is on is reckoned the same for both.
    """
    low, high = triangles[:, :, :2].min(axis=1), triangles[:, :, :2].max(axis=1)
    first = np.searchsorted(columns[:, 0], low[:, 0])
    count = np.searchsorted(columns[:, 0], high[:, 0], side="right") - first
    parts = np.searchsorted(np.cumsum(count), np.arange(PAIRS, count.sum() + PAIRS, PAIRS))
    found: list[tuple[NDArray[np.intp], Array, NDArray[np.intp]]] = []
    start = 0
    for end in (*(parts + 1), len(triangles)):
        chosen = np.arange(start, min(int(end), len(triangles)))
        start = max(start, int(end))
        if not len(chosen):
            continue
        triangle = np.repeat(chosen, count[chosen])
        within = np.arange(len(triangle)) - np.repeat(np.cumsum(count[chosen]) - count[chosen], count[chosen])
        ray = first[triangle] + within
        y = columns[ray, 1]
        near = (y >= low[triangle, 1]) & (y <= high[triangle, 1])
        triangle, ray = triangle[near], ray[near]
        left = np.stack([_left(triangles[triangle], k, columns[ray]) for k in range(3)])
        hit = (left == left[0]).all(axis=0)
        ways = np.where(left[0, hit], 1, -1)
        found.append((ray[hit], _heights(triangles[triangle[hit]], columns[ray[hit]]), ways))
    rays, heights, directions = zip(*found, strict=True)
    return np.concatenate(rays), np.concatenate(heights), np.concatenate(directions)


def _left(triangles: Array, corner: int, places: Array) -> Flags:
    """Return which places lie on the left of an edge, its ends taken in an order of their own."""
    a, b = triangles[:, corner, :2], triangles[:, (corner + 1) % 3, :2]
    turned = (a[:, 0] > b[:, 0]) | ((a[:, 0] == b[:, 0]) & (a[:, 1] > b[:, 1]))
    start, end = np.where(turned[:, None], b, a), np.where(turned[:, None], a, b)
    across = (end - start)[:, 0] * (places - start)[:, 1] - (end - start)[:, 1] * (places - start)[:, 0]
    return np.asarray((across > 0) != turned)


def _heights(triangles: Array, places: Array) -> Array:
    """Return the heights at which rays meet the planes of triangles."""
    origin = triangles[:, 0]
    normal = np.cross(triangles[:, 1] - origin, triangles[:, 2] - origin)
    normal[normal[:, 2] == 0, 2] = 1.0
    along = np.einsum("ij,ij->i", places - origin[:, :2], normal[:, :2])
    return np.asarray(origin[:, 2] - along / normal[:, 2])


def _above(
    rays: NDArray[np.intp], heights: Array, ways: NDArray[np.intp], column: NDArray[np.intp], z: Array
) -> NDArray[np.intp]:
    """Return the sum of the ways of crossings of its ray that lie above each point."""
    owner = np.concatenate([rays, column])
    height = np.concatenate([heights, z])
    way = np.concatenate([ways, np.zeros(len(column), dtype=np.intp)])
    order = np.lexsort((height, owner))[::-1]
    passed = np.cumsum(way[order])
    totals = np.bincount(owner, way).astype(np.intp)
    before = np.cumsum(totals[::-1])[::-1] - totals  # on rays of higher numbers, which came first
    count = np.zeros(len(owner), dtype=np.intp)
    count[order] = passed
    return np.asarray(count[len(rays) :] - before[column])
