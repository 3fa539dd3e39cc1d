"""From a region to node and cell numbers, with advice when the region picks nothing."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from topopt.errors import InputError
from topopt.grid import Grid
from topopt.regions import Ball, Point, Region

__all__ = ["cells_of", "nodes_of", "place"]

Numbers = NDArray[np.intp]


def nodes_of(region: Region, grid: Grid, what: str) -> Numbers:
    """Return the numbers of the nodes in a region.

    Parameters
    ----------
    region : Region
        Where.
    grid : Grid
        On what.
    what : str
        Who asks, for the message.

    Raises
    ------
    InputError
        If there is none; the message says what is near.
    """
    numbers = np.flatnonzero(grid.nodes_in(region))
    if not len(numbers):
        raise InputError(f"{what} on {region}: no node lies in this region; {_advice(region, grid)}")
    return numbers


def cells_of(region: Region, grid: Grid, what: str) -> Numbers:
    """Return the numbers of the cells whose centre lies in a region, see `nodes_of`."""
    numbers = np.flatnonzero(grid.cells_in(region))
    if not len(numbers):
        raise InputError(f"{what} on {region}: no cell centre lies in this region; {_advice(region, grid)}")
    return numbers


def place(point: NDArray[np.float64]) -> str:
    """Write coordinates for a message."""
    return "(" + ", ".join(f"{value:g}" for value in point) + ")"


def _advice(region: Region, grid: Grid) -> str:
    """Say what lies near an empty region."""
    extent = (
        f"the grid spans {place(np.zeros(grid.ndim))} to {place(np.array(grid.size))} "
        f"with a node every {place(grid.spacing)}"
    )
    if isinstance(region, Point):
        centre = region.position
    elif isinstance(region, Ball):
        centre = region.centre
    else:
        return f"{extent}; enlarge the region or move it"
    nearest = grid.nodes[np.argmin(np.linalg.norm(grid.nodes - np.array(centre), axis=1))]
    return f"the nearest node is at {place(nearest)}; {extent}"
