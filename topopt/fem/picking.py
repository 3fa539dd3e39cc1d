"""From a region to node and cell numbers, with advice when the region picks nothing."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from topopt.cells import Cells
from topopt.errors import InputError
from topopt.grid import Grid
from topopt.meshes import Solid
from topopt.regions import Ball, Point, Region

__all__ = ["cells_of", "nodes_of", "place"]

Numbers = NDArray[np.intp]


def nodes_of(region: Region, mesh: Cells, what: str) -> Numbers:
    """Return the numbers of the nodes in a region.

    Parameters
    ----------
    region : Region
        Where.
    mesh : Grid or Mesh
        On what.
    what : str
        Who asks, for the message.

    Raises
    ------
    InputError
        If there is none; the message says what is near.
    """
    numbers = np.flatnonzero(mesh.nodes_in(region))
    if not len(numbers):
        raise InputError(f"{what} on {region}: no node lies in this region; {_advice(region, mesh)}")
    return numbers


def cells_of(region: Region, mesh: Cells, what: str) -> Numbers:
    """Return the numbers of the cells whose centre lies in a region, see `nodes_of`."""
    numbers = np.flatnonzero(mesh.cells_in(region))
    if not len(numbers):
        raise InputError(f"{what} on {region}: no cell centre lies in this region; {_advice(region, mesh)}")
    return numbers


def place(point: NDArray[np.float64]) -> str:
    """Write coordinates for a message."""
    return "(" + ", ".join(f"{value:g}" for value in point) + ")"


def _advice(region: Region, mesh: Cells) -> str:
    """Say what lies near an empty region."""
    extent = (
        f"the grid spans {place(mesh.lower)} to {place(np.array(mesh.size))} "
        f"with a node every {place(mesh.spacing)}"
        if isinstance(mesh, Grid)
        else f"the mesh spans {place(mesh.lower)} to {place(mesh.lower + np.array(mesh.size))}"
    )
    if isinstance(region, Point):
        centre = region.position
    elif isinstance(region, Ball):
        centre = region.centre
    elif isinstance(region, Solid) and not region.fit:
        low, high = region.ends
        return f"{extent}, the body {place(low)} to {place(high)}; scale or move the body"
    else:
        return f"{extent}; enlarge the region or move it"
    nearest = mesh.nodes[np.argmin(np.linalg.norm(mesh.nodes - np.array(centre), axis=1))]
    return f"the nearest node is at {place(nearest)}; {extent}"
