"""Regions that a mesh gives: its nodes and cells one by one, or the space that equal boxes fill."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from topopt.cells import Flags
from topopt.errors import InputError
from topopt.parameters import Array
from topopt.regions import TOLERANCE, Tabulated

__all__ = ["Among", "Voxels"]


@dataclass(frozen=True, eq=False, repr=False)
class Among(Tabulated):
    """The points that coincide with one of a list.

    Parameters
    ----------
    places : array, shape (n, ndim)
        Coordinates.
    name : str
        What messages call the region.
    reach : float
        How far a point may be from the nearest place, in edges of a cell along each axis.
    """

    places: Array
    name: str = field(default="places", compare=False)
    reach: float = TOLERANCE

    def __post_init__(self) -> None:
        """Freeze the places."""
        places = np.array(self.places, dtype=np.float64)
        if places.ndim != 2 or places.shape[1] not in (2, 3) or not len(places):
            raise InputError(f"{self.name}: expected places of shape (n, 2) or (n, 3), got {places.shape}")
        places.flags.writeable = False
        object.__setattr__(self, "places", places)

    def __repr__(self) -> str:
        """Give the name."""
        return self.name

    def contains(self, points: Array, size: tuple[float, ...], spacing: Array) -> Flags:
        """Look for the nearest place of every point."""
        if self.places.shape[1] != len(size):
            raise InputError(f"{self.name}: places in {self.places.shape[1]}-D on {len(size)}-D cells")
        from scipy.spatial import cKDTree

        distance, _ = cKDTree(self.places / spacing).query(points / spacing, p=np.inf)
        return np.asarray(distance <= self.reach * (1 + TOLERANCE))


@dataclass(frozen=True, eq=False, repr=False)
class Voxels(Tabulated):
    """The space that some boxes of a lattice fill, boundary included.

    Parameters
    ----------
    filled : array of bool
        Indexed ``[ix, iy]`` or ``[ix, iy, iz]``.
    lower, edges : tuple of float
        Where the lattice begins, and the edge lengths of a box.
    name : str
        What messages call the region.
    """

    filled: NDArray[np.bool_]
    lower: tuple[float, ...]
    edges: tuple[float, ...]
    name: str = field(default="voxels", compare=False)

    def __post_init__(self) -> None:
        """Freeze the boxes."""
        filled = np.ascontiguousarray(np.array(self.filled, dtype=bool))
        if not filled.ndim == len(self.lower) == len(self.edges):
            raise InputError(
                f"{self.name}: expected a corner and an edge length for each of {filled.ndim} axes, got "
                f"{self.lower} and {self.edges}"
            )
        filled.flags.writeable = False
        object.__setattr__(self, "filled", filled)

    def __repr__(self) -> str:
        """Give the name."""
        return self.name

    def contains(self, points: Array, size: tuple[float, ...], spacing: Array) -> Flags:
        """Look every point up, and on a common side in the boxes on both sides."""
        if self.filled.ndim != len(size):
            raise InputError(f"{self.name}: {self.filled.ndim}-D boxes on {len(size)}-D cells")
        place = (points - np.array(self.lower)) / np.array(self.edges)
        slack = TOLERANCE * np.minimum(spacing / np.array(self.edges), 1.0)
        below, above = np.floor(place - slack).astype(int), np.floor(place + slack).astype(int)
        padded = np.pad(self.filled, 1)
        inside = np.zeros(len(points), dtype=bool)
        for corner in np.ndindex(*(2,) * len(size)):
            at = np.where(np.array(corner) == 1, above, below) + 1
            inside |= padded[tuple(np.clip(at, 0, np.array(padded.shape) - 1).T)]
        return inside
