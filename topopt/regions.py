"""Parts of space picked by geometry, never by index: the same words pick the same place on every grid."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from topopt.errors import InputError
from topopt.parameters import Array

__all__ = [
    "Aerofoil", "Ball", "Both", "Box", "Cylinder", "Either", "Everywhere", "Flags", "Mask", "Not", "Nowhere",
    "Plane", "Point", "Polygon", "Region",
]  # fmt: skip

Flags = NDArray[np.bool_]
TOLERANCE = 1e-6
"""Geometric tolerance as a share of a cell's edge: points this close to a boundary are inside."""


class Region(ABC):
    """A set of points; combine with ``&``, ``|`` and ``~``.

    Write your own as a frozen dataclass with one method, `contains`.
    """

    @abstractmethod
    def contains(self, points: Array, size: tuple[float, ...], spacing: Array) -> Flags:
        """Return which points belong to the region.

        Parameters
        ----------
        points : array, shape (n, ndim)
            Coordinates of nodes or cell centres.
        size : tuple of float
            Edge lengths of the grid.
        spacing : array, shape (ndim,)
            Edge lengths of a cell; thin regions snap to the nearest points within a cell.
        """

    def __and__(self, other: Region) -> Region:
        """Return the intersection."""
        return Both(self, other)

    def __or__(self, other: Region) -> Region:
        """Return the union."""
        return Either(self, other)

    def __invert__(self) -> Region:
        """Return the complement."""
        return Not(self)


@dataclass(frozen=True)
class Nowhere(Region):
    """No point at all."""

    def contains(self, points: Array, size: tuple[float, ...], spacing: Array) -> Flags:
        """Return all False."""
        return np.zeros(len(points), dtype=bool)


@dataclass(frozen=True)
class Everywhere(Region):
    """Every point."""

    def contains(self, points: Array, size: tuple[float, ...], spacing: Array) -> Flags:
        """Return all True."""
        return np.ones(len(points), dtype=bool)


@dataclass(frozen=True)
class Both(Region):
    """The points in both regions."""

    first: Region
    second: Region

    def contains(self, points: Array, size: tuple[float, ...], spacing: Array) -> Flags:
        """Return the intersection."""
        return self.first.contains(points, size, spacing) & self.second.contains(points, size, spacing)


@dataclass(frozen=True)
class Either(Region):
    """The points in at least one of two regions."""

    first: Region
    second: Region

    def contains(self, points: Array, size: tuple[float, ...], spacing: Array) -> Flags:
        """Return the union."""
        return self.first.contains(points, size, spacing) | self.second.contains(points, size, spacing)


@dataclass(frozen=True)
class Not(Region):
    """The points outside a region."""

    region: Region

    def contains(self, points: Array, size: tuple[float, ...], spacing: Array) -> Flags:
        """Return the complement."""
        return ~self.region.contains(points, size, spacing)


@dataclass(frozen=True)
class Plane(Region):
    """The points with given coordinates: a line in 2-D, a plane (or, with two coordinates, a line) in 3-D.

    The plane snaps to the nearest layer of points, which must be within one cell of it.

    Parameters
    ----------
    x, y, z : float, optional
        The coordinates that are fixed; give at least one.
    """

    x: float | None = None
    y: float | None = None
    z: float | None = None

    def __post_init__(self) -> None:
        """Refuse a plane without a coordinate."""
        given = [value for value in (self.x, self.y, self.z) if value is not None]
        if not given or not all(math.isfinite(value) for value in given):
            raise InputError(f"plane: give at least one finite coordinate x, y or z, got {self}")

    def contains(self, points: Array, size: tuple[float, ...], spacing: Array) -> Flags:
        """Return the nearest layer of points."""
        flags = np.ones(len(points), dtype=bool)
        for axis, value in enumerate((self.x, self.y, self.z)):
            if value is None:
                continue
            if axis >= len(size):
                raise InputError("plane: a 2-D grid has no z coordinate")
            flags &= _nearest(np.abs(points[:, axis] - value), spacing[axis], spacing[axis])
        return flags


@dataclass(frozen=True)
class Point(Region):
    """The point nearest to a position, which must be within one cell of it.

    Parameters
    ----------
    position : tuple of float
        Coordinates.
    """

    position: tuple[float, ...]

    def __post_init__(self) -> None:
        """Normalise to a tuple of finite floats."""
        object.__setattr__(self, "position", _position(self.position, "point"))

    def contains(self, points: Array, size: tuple[float, ...], spacing: Array) -> Flags:
        """Return the single nearest point (the first of several equally near)."""
        position = _fitting(self.position, size, "point")
        distance = np.linalg.norm((points - position) / spacing, axis=1)
        flags = np.zeros(len(points), dtype=bool)
        nearest = int(np.argmin(distance))
        flags[nearest] = distance[nearest] <= 1.0 + TOLERANCE
        return flags


@dataclass(frozen=True)
class Box(Region):
    """The points between two corners, boundary included; use -inf and inf for an open side.

    Parameters
    ----------
    lower, upper : tuple of float
        Opposite corners.
    """

    lower: tuple[float, ...]
    upper: tuple[float, ...]

    def __post_init__(self) -> None:
        """Normalise to tuples and refuse a box inside out."""
        lower, upper = tuple(map(float, self.lower)), tuple(map(float, self.upper))
        if len(lower) != len(upper) or any(not a <= b for a, b in zip(lower, upper, strict=True)):
            raise InputError(
                f"box: the lower corner {lower} must lie below the upper corner {upper} on every axis"
            )
        object.__setattr__(self, "lower", lower)
        object.__setattr__(self, "upper", upper)

    def contains(self, points: Array, size: tuple[float, ...], spacing: Array) -> Flags:
        """Return the points between the corners."""
        lower, upper = _fitting(self.lower, size, "box"), _fitting(self.upper, size, "box")
        slack = TOLERANCE * spacing
        return np.asarray(np.all((points >= lower - slack) & (points <= upper + slack), axis=1))


@dataclass(frozen=True)
class Ball(Region):
    """The points within a distance of a centre: a disc in 2-D.

    Parameters
    ----------
    centre : tuple of float
        Coordinates.
    radius : float
        Distance.
    """

    centre: tuple[float, ...]
    radius: float

    def __post_init__(self) -> None:
        """Normalise and refuse a radius that is not positive."""
        object.__setattr__(self, "centre", _position(self.centre, "ball"))
        _require_radius(self.radius, "ball")

    def contains(self, points: Array, size: tuple[float, ...], spacing: Array) -> Flags:
        """Return the points near the centre."""
        distance = np.linalg.norm(points - _fitting(self.centre, size, "ball"), axis=1)
        return np.asarray(distance <= self.radius + TOLERANCE * spacing.min())


@dataclass(frozen=True)
class Cylinder(Region):
    """The points within a distance of the segment between two points, cut flat at its ends (3-D).

    Parameters
    ----------
    start, end : tuple of float
        Ends of the axis.
    radius : float
        Distance from the axis.
    """

    start: tuple[float, ...]
    end: tuple[float, ...]
    radius: float

    def __post_init__(self) -> None:
        """Normalise and refuse an axis without length."""
        object.__setattr__(self, "start", _position(self.start, "cylinder"))
        object.__setattr__(self, "end", _position(self.end, "cylinder"))
        _require_radius(self.radius, "cylinder")
        if self.start == self.end:
            raise InputError(f"cylinder: start and end are the same point {self.start}")

    def contains(self, points: Array, size: tuple[float, ...], spacing: Array) -> Flags:
        """Return the points near the axis and between its ends."""
        start, end = _fitting(self.start, size, "cylinder"), _fitting(self.end, size, "cylinder")
        length = float(np.linalg.norm(end - start))
        axis = (end - start) / length
        along = (points - start) @ axis
        across = np.linalg.norm(points - start - along[:, None] * axis, axis=1)
        slack = TOLERANCE * spacing.min()
        return np.asarray((along >= -slack) & (along <= length + slack) & (across <= self.radius + slack))


@dataclass(frozen=True)
class Polygon(Region):
    """The points inside a closed polygon in the x-y plane, drawn out along z in 3-D (even-odd rule).

    Parameters
    ----------
    corners : tuple of tuple of float
        At least three corners ``(x, y)`` in order.
    """

    corners: tuple[tuple[float, float], ...]

    def __post_init__(self) -> None:
        """Normalise and refuse fewer than three corners."""
        corners = tuple(_position(corner, "polygon") for corner in self.corners)
        if len(corners) < 3 or any(len(corner) != 2 for corner in corners):
            raise InputError(f"polygon: expected at least three corners (x, y), got {self.corners}")
        object.__setattr__(self, "corners", corners)

    def contains(self, points: Array, size: tuple[float, ...], spacing: Array) -> Flags:
        """Return the points that an odd number of edges separates from infinity, or that lie on an edge."""
        x, y = points[:, 0], points[:, 1]
        inside = np.zeros(len(points), dtype=bool)
        on_edge = np.zeros(len(points), dtype=bool)
        slack = TOLERANCE * float(spacing.min())
        for (xa, ya), (xb, yb) in zip(self.corners, self.corners[1:] + self.corners[:1], strict=True):
            if ya != yb:
                crossing = (ya > y) != (yb > y)
                inside ^= crossing & (x < xa + (y - ya) * (xb - xa) / (yb - ya))
            length2 = (xb - xa) ** 2 + (yb - ya) ** 2
            if length2 > 0:
                along = np.clip(((x - xa) * (xb - xa) + (y - ya) * (yb - ya)) / length2, 0.0, 1.0)
                on_edge |= np.hypot(x - xa - along * (xb - xa), y - ya - along * (yb - ya)) <= slack
        return inside | on_edge


@dataclass(frozen=True)
class Aerofoil(Region):
    """The points inside a NACA section of four digits in the x-y plane, drawn out along z in 3-D.

    Parameters
    ----------
    code : str
        Four digits: camber in hundredths of the chord, its place in tenths, thickness in hundredths.
    chord : float
        From the nose to the tail.
    nose : tuple of float
        Where it begins, ``(x, y)``.
    inset : float
        How far the boundary is moved in, to first order: a skin is the section without the section that is
        inset.
    tip_chord : float, optional
        Chord at the far end of z; in between it changes evenly, the section stays similar to itself. The same
        chord everywhere if left out.
    tip_nose : tuple of float, optional
        Where the section at the far end of z begins, for a wing that is swept back or raised. The same if
        left out.

    References
    ----------
    Jacobs, Ward and Pinkerton 1933, NACA Report 460; the tail is closed, with -0.1036 for -0.1015. Camber is
    laid across the chord, not across the mean line.

    Examples
    --------
    >>> wing = Aerofoil("0012", 1.0, (0.0, 0.5))
    >>> wing.contains(np.array([[0.3, 0.559], [0.3, 0.561]]), (1.0, 1.0), np.array([0.001, 0.001])).tolist()
    [True, False]
    """

    code: str
    chord: float
    nose: tuple[float, ...]
    inset: float = 0.0
    tip_chord: float | None = None
    tip_nose: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        """Normalise, and refuse what is no section."""
        object.__setattr__(self, "code", str(self.code))
        if len(self.code) != 4 or not self.code.isdecimal() or self.code[2:] == "00":
            raise InputError(f"aerofoil: expected four digits like '2412', got '{self.code}'")
        if (self.code[0] == "0") != (self.code[1] == "0"):
            raise InputError(f"aerofoil: camber needs a height and a place, or neither, got '{self.code}'")
        for name, nose in (("nose", self.nose), ("tip_nose", self.tip_nose)):
            if nose is not None:
                object.__setattr__(self, name, _position(nose, "aerofoil"))
                if len(getattr(self, name)) != 2:
                    raise InputError(f"aerofoil: expected a {name} (x, y), got {nose}")
        for name, chord in (("chord", self.chord), ("tip_chord", self.tip_chord)):
            if chord is not None and not (math.isfinite(chord) and chord > 0):
                raise InputError(f"aerofoil: expected a {name} above 0, got {chord}")
        if not (math.isfinite(self.inset) and self.inset >= 0):
            raise InputError(f"aerofoil: expected an inset of at least 0, got {self.inset}")

    def contains(self, points: Array, size: tuple[float, ...], spacing: Array) -> Flags:
        """Return the points between the lower and the upper surface."""
        chord, nose_x, nose_y = self._sections(points, size)
        along = (points[:, 0] - nose_x) / chord
        inside = (along >= self.inset / chord) & (along <= 1.0)
        t = np.clip(along, 0.0, 1.0)
        height, place, thick = int(self.code[0]) / 100, int(self.code[1]) / 10, int(self.code[2:]) / 100
        half = 5 * thick * (0.2969 * np.sqrt(t) - t * (0.1260 + t * (0.3516 - t * (0.2843 - 0.1036 * t))))
        camber = np.zeros_like(t)
        if height:
            front = height / place**2 * (2 * place * t - t**2)
            back = height / (1 - place) ** 2 * (1 - 2 * place + 2 * place * t - t**2)
            camber = np.where(t < place, front, back)
        reach = chord * half + TOLERANCE * spacing[1]
        if self.inset:
            # Across a slope, a layer of equal thickness is thicker along y.
            rise = 0.14845 / np.sqrt(np.maximum(t, 1e-12)) - 0.1260 - t * (0.7032 - t * (0.8529 - 0.4144 * t))
            reach -= self.inset * np.hypot(1.0, 5 * thick * rise)
        return np.asarray(inside & (np.abs(points[:, 1] - nose_y - chord * camber) <= reach))

    def _sections(self, points: Array, size: tuple[float, ...]) -> tuple[Array | float, ...]:
        """Return chord and nose of the section that every point lies in."""
        if self.tip_chord is None and self.tip_nose is None:
            return self.chord, *self.nose
        if len(size) < 3:
            raise InputError("aerofoil: a 2-D grid has no tip; leave tip_chord and tip_nose out")
        outboard = points[:, 2] / size[2]
        root = (self.chord, *self.nose)
        tip = (self.chord if self.tip_chord is None else self.tip_chord, *(self.tip_nose or self.nose))
        return tuple(a + outboard * (b - a) for a, b in zip(root, tip, strict=True))


@dataclass(frozen=True, eq=False)
class Mask(Region):
    """The points where a picture is true; the picture is stretched over the whole grid.

    Parameters
    ----------
    picture : array of bool
        Indexed ``[ix, iy]`` or ``[ix, iy, iz]`` with y up, any resolution. A 2-D picture on a 3-D grid is
        drawn out along z.
    """

    picture: NDArray[np.bool_]

    def __post_init__(self) -> None:
        """Freeze the picture, so that equal masks stay equal."""
        picture = np.array(self.picture)
        if picture.dtype != bool and not np.isin(picture, (0, 1)).all():
            raise InputError("mask: expected an array of booleans (or 0 and 1)")
        if picture.ndim not in (2, 3) or picture.size == 0:
            raise InputError(f"mask: expected a picture with 2 or 3 axes, got shape {picture.shape}")
        picture = np.ascontiguousarray(picture.astype(bool))
        picture.flags.writeable = False
        object.__setattr__(self, "picture", picture)

    def __eq__(self, other: object) -> bool:
        """Compare pictures."""
        return isinstance(other, Mask) and np.array_equal(self.picture, other.picture)

    def __hash__(self) -> int:
        """Hash the picture's bytes."""
        return hash((self.picture.shape, self.picture.tobytes()))

    def contains(self, points: Array, size: tuple[float, ...], spacing: Array) -> Flags:
        """Look every point up in the picture."""
        if self.picture.ndim > len(size):
            raise InputError("mask: a 3-D picture does not fit a 2-D grid")
        slack = TOLERANCE * spacing
        if np.any(points < -slack) or np.any(points > np.array(size) + slack):
            raise InputError(
                f"mask: the picture is stretched over the box from the origin to {size}, but there are "
                f"points outside of it; move the mesh's lower corner to the origin"
            )
        index = tuple(
            np.clip((points[:, axis] / size[axis] * count).astype(int), 0, count - 1)
            for axis, count in enumerate(self.picture.shape)
        )
        return np.asarray(self.picture[index], dtype=bool)


def _nearest(distance: Array, reach: float, spacing: float) -> Flags:
    """Return the entries that tie for the smallest distance, if that is within reach."""
    smallest = distance.min()
    if smallest > reach * (1 + TOLERANCE):
        return np.zeros(len(distance), dtype=bool)
    return np.asarray(distance <= smallest + TOLERANCE * spacing)


def _position(values: ArrayLike, what: str) -> tuple[float, ...]:
    """Return coordinates as a tuple of finite floats."""
    position = tuple(float(value) for value in np.atleast_1d(np.asarray(values, dtype=np.float64)))
    if len(position) not in (2, 3) or not all(math.isfinite(value) for value in position):
        raise InputError(f"{what}: expected 2 or 3 finite coordinates, got {values!r}")
    return position


def _fitting(position: tuple[float, ...], size: tuple[float, ...], what: str) -> Array:
    """Return coordinates as an array, refusing the wrong number of them."""
    if len(position) != len(size):
        raise InputError(f"{what}: {len(position)} coordinates {position} on a {len(size)}-D grid")
    return np.array(position)


def _require_radius(radius: float, what: str) -> None:
    """Refuse a radius that is not a positive finite number."""
    if not (math.isfinite(radius) and radius > 0):
        raise InputError(f"{what}: expected a positive radius, got {radius}")
