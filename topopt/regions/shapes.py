"""Shapes with an inside: their boundary belongs to them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from topopt.errors import InputError
from topopt.parameters import Array
from topopt.regions.coordinates import coordinates, fitting, require_radius
from topopt.regions.region import TOLERANCE, Flags, Region

__all__ = ["Ball", "Box", "Cylinder", "Polygon"]


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
        lower, upper = fitting(self.lower, size, "box"), fitting(self.upper, size, "box")
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
        object.__setattr__(self, "centre", coordinates(self.centre, "ball"))
        require_radius(self.radius, "ball")

    def contains(self, points: Array, size: tuple[float, ...], spacing: Array) -> Flags:
        """Return the points near the centre."""
        distance = np.linalg.norm(points - fitting(self.centre, size, "ball"), axis=1)
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
        object.__setattr__(self, "start", coordinates(self.start, "cylinder"))
        object.__setattr__(self, "end", coordinates(self.end, "cylinder"))
        require_radius(self.radius, "cylinder")
        if self.start == self.end:
            raise InputError(f"cylinder: start and end are the same point {self.start}")

    def contains(self, points: Array, size: tuple[float, ...], spacing: Array) -> Flags:
        """Return the points near the axis and between its ends."""
        start, end = fitting(self.start, size, "cylinder"), fitting(self.end, size, "cylinder")
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
        corners = tuple(coordinates(corner, "polygon") for corner in self.corners)
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
