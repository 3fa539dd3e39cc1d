"""A field as a stack of layers across the direction in which a part is made."""

from __future__ import annotations

import numpy as np

from topopt.errors import InputError, suggestion
from topopt.grid import Grid
from topopt.parameters import Array

__all__ = ["flattened", "layered", "require_direction"]


def require_direction(direction: str, grid: Grid, who: str) -> None:
    """Refuse what is no direction of a grid, such as ``"+y"`` or ``"-x"``."""
    known = [f"{sign}{axis}" for axis in grid.axes for sign in "+-"]
    if direction not in known:
        raise InputError(f"{who}: '{direction}' is no direction; {suggestion(direction, known)}")


def layered(field: Array, grid: Grid, direction: str) -> Array:
    """Return a field layer by layer, the last one farthest along the direction."""
    layers = np.moveaxis(grid.shaped(field), grid.axes.index(direction[1]), 0)
    return np.ascontiguousarray(layers[::-1] if direction[0] == "-" else layers)


def flattened(layers: Array, grid: Grid, direction: str) -> Array:
    """Return layers as the field that they came from."""
    ordered = layers[::-1] if direction[0] == "-" else layers
    return np.ascontiguousarray(np.moveaxis(ordered, 0, grid.axes.index(direction[1]))).ravel()
