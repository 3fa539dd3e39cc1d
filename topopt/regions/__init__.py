"""Parts of space picked by geometry, never by index: the same words pick the same place on every grid."""

from __future__ import annotations

from topopt.regions.aerofoil import Aerofoil
from topopt.regions.mask import Mask
from topopt.regions.region import TOLERANCE, Both, Either, Everywhere, Flags, Not, Nowhere, Region
from topopt.regions.shapes import Ball, Box, Cylinder, Polygon
from topopt.regions.snapping import Plane, Point
from topopt.regions.tabulated import Tabulated

__all__ = [
    "TOLERANCE", "Aerofoil", "Ball", "Both", "Box", "Cylinder", "Either", "Everywhere", "Flags", "Mask",
    "Not", "Nowhere", "Plane", "Point", "Polygon", "Region", "Tabulated",
]  # fmt: skip
