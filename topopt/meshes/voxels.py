"""A mesh whose cells are equal boxes, laid on a grid: its cells, a group of them, or a set of its nodes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from topopt.errors import InputError, suggestion
from topopt.meshes.mesh import Mesh
from topopt.meshes.places import Among, Voxels
from topopt.meshes.reading import read_mesh
from topopt.parameters import Array
from topopt.regions import Region

__all__ = ["read_voxels"]

ALIKE = 1e-3
"""Share of an edge by which boxes of one lattice may differ: files may hold single precision."""
MOST = 200_000_000
"""Boxes of a lattice, filled or not, that memory is taken for."""


def read_voxels(
    file: str | Path, group: str | None = None, scale: float = 1.0, offset: Sequence[float] | None = None
) -> Region:
    """Read a region from a mesh of equal boxes.

    A cell counts by its centre, a node by its place: in one of the boxes. A group of nodes, edges or faces
    takes what lies within half a cell of one of its nodes. The grid need not be the mesh's own; on a finer
    one, a set of nodes has gaps.

    Parameters
    ----------
    file : str or Path
        As in `read_mesh`.
    group : str, optional
        Name of a group; all cells if left out.
    scale : float
        Coordinates are multiplied by this.
    offset : sequence of float, optional
        Then this is added to them.

    Raises
    ------
    InputError
        If the mesh cannot be read, has no such group, or its cells are no equal boxes along the axes.
    """
    mesh, name = read_mesh(file, scale), f"mesh '{Path(file).name}'"
    shift = np.zeros(mesh.ndim) if offset is None else np.array(offset, dtype=np.float64)
    if shift.shape != (mesh.ndim,):
        raise InputError(f"{name}: an offset of {len(shift)} numbers on a {mesh.ndim}-D mesh")
    cells = np.arange(mesh.n_cells)
    if group is not None:
        if group not in mesh.groups:
            raise InputError(f"{name}: no group '{group}'; {suggestion(group, mesh.groups)}")
        name, part = f"group '{group}' of {name}", mesh.groups[group]
        if not len(part.cells):
            return Among(mesh.points[part.nodes] + shift, name, reach=0.5)
        cells = part.cells
    places = mesh.points[mesh.corners[cells]] + shift
    return _boxes(places, mesh, name)


def _boxes(places: Array, mesh: Mesh, name: str) -> Voxels:
    """Return cells as boxes of a lattice, or say why they are none."""
    if mesh.kind.constant:
        raise InputError(_refusal(name, f"it is made of {mesh.kind.name}"))
    low, high = places.min(axis=1), places.max(axis=1)
    edges = np.median(high - low, axis=0)
    nearer = np.minimum(np.abs(places - low[:, None]), np.abs(places - high[:, None]))
    if (nearer > ALIKE * edges).any():
        raise InputError(_refusal(name, f"{_count(nearer.max(axis=1), edges)} do not lie along the axes"))
    if (np.abs(high - low - edges) > ALIKE * edges).any():
        raise InputError(_refusal(name, f"{_count(np.abs(high - low - edges), edges)} differ in size"))
    lower = low.min(axis=0)
    steps = (low - lower) / edges
    numbers = np.round(steps).astype(int)
    off = np.abs(steps - numbers)
    if (off > 0.05).any():
        raise InputError(_refusal(name, f"{np.count_nonzero(off.max(axis=1) > 0.05)} lie between the others"))
    shape = tuple(int(n) for n in numbers.max(axis=0) + 1)
    if np.prod(shape, dtype=float) > MOST:
        raise InputError(f"{name}: a lattice of {' x '.join(map(str, shape))} boxes is too large")
    filled = np.zeros(shape, dtype=bool)
    filled[tuple(numbers.T)] = True
    ends = lower + edges * shape
    span = " to ".join("(" + ", ".join(f"{value:g}" for value in corner) + ")" for corner in (lower, ends))
    return Voxels(filled, tuple(lower.tolist()), tuple(edges.tolist()), f"{name} from {span}")


def _count(gaps: Array, edges: Array) -> int:
    """Return how many cells have a gap."""
    return int(np.count_nonzero((gaps > ALIKE * edges).any(axis=1)))


def _refusal(name: str, why: str) -> str:
    """Say that cells are no equal boxes, and what to do."""
    return (
        f"{name} cannot be laid on a grid, whose cells are equal boxes along the axes: {why}; design on the "
        f"mesh itself, with `mesh:` in place of `grid:`"
    )
