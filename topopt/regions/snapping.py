"""What has no thickness snaps to the points nearest by, so that a plane between two layers is not empty."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from topopt.errors import InputError
from topopt.parameters import Array
from topopt.regions.coordinates import coordinates, fitting
from topopt.regions.region import TOLERANCE, Flags, Region

__all__ = ["Plane", "Point"]


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
        object.__setattr__(self, "position", coordinates(self.position, "point"))

    def contains(self, points: Array, size: tuple[float, ...], spacing: Array) -> Flags:
        """Return the single nearest point (the first of several equally near)."""
        position = fitting(self.position, size, "point")
        distance = np.linalg.norm((points - position) / spacing, axis=1)
        flags = np.zeros(len(points), dtype=bool)
        nearest = int(np.argmin(distance))
        flags[nearest] = distance[nearest] <= 1.0 + TOLERANCE
        return flags


def _nearest(distance: Array, reach: float, spacing: float) -> Flags:
    """Return the entries that tie for the smallest distance, if that is within reach."""
    smallest = distance.min()
    if smallest > reach * (1 + TOLERANCE):
        return np.zeros(len(distance), dtype=bool)
    return np.asarray(distance <= smallest + TOLERANCE * spacing)
