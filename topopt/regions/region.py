"""A set of points, and what sets of points do with one another: and, or, not."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from topopt.parameters import Array

__all__ = ["TOLERANCE", "Both", "Either", "Everywhere", "Flags", "Not", "Nowhere", "Region"]

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
