"""A density field with a border, so that its contours close on the faces of the box."""

from __future__ import annotations

import numpy as np

from topopt.grid import Grid
from topopt.parameters import Array

__all__ = ["GAP", "LEVEL", "bordered", "placed"]

LEVEL = 0.5
"""Density above which a point is solid, if nobody asks for another."""
GAP = 1e-3
"""No density is left nearer to the level than this: a contour through a lattice point would pinch."""


def bordered(grid: Grid, density: Array, level: float = LEVEL) -> Array:
    """Return the densities as an array with two more layers on every side: a copy of the edge, then void.

    The values belong to the cells' centres. The copy stands on the box's face, half a cell outwards, so that
    a cell at the edge reaches the face; the void stands on the same face, at no distance, so that the contour
    closes exactly there, corners included.

    Parameters
    ----------
    grid : Grid
        The cells.
    density : array, shape (n_cells,)
        0 is void, 1 is solid.
    level : float
        Where it will be contoured, above 0.

    Returns
    -------
    array, shape cells + 4
        To be contoured at the level on the lattice of its indices; `placed` takes the contour to the grid.
    """
    values = grid.shaped(density)
    values = np.where(values > level, np.maximum(values, level + GAP), np.minimum(values, level - GAP))
    return np.pad(np.pad(values, 1, mode="edge"), 1, constant_values=0.0)


def placed(grid: Grid, indices: Array) -> Array:
    """Return the points of a contour of a bordered field, shape (k, ndim), in the user's unit of length."""
    points = np.empty(indices.shape)
    for axis, (n, length) in enumerate(zip(grid.cells, grid.size, strict=True)):
        centres = (np.arange(n) + 0.5) * (length / n)
        knots = np.concatenate([[0.0, 0.0], centres, [length, length]])
        points[:, axis] = np.interp(indices[:, axis], np.arange(n + 4), knots)
    return points
