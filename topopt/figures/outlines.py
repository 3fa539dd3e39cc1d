"""The shape of a set of cells, exactly: rectangles, edges and faces."""

from __future__ import annotations

import numpy as np

from topopt.cells import Cells, Flags
from topopt.grid import Grid, structured
from topopt.meshes import Mesh
from topopt.parameters import Array

__all__ = ["boundary", "faces", "runs"]


def runs(grid: Grid, flags: Flags) -> Array:
    """Return the flagged cells of a 2-D grid as rectangles, one a run along x.

    Returns
    -------
    array, shape (n, 4)
        ``x, y, width, height`` in physical units.
    """
    rows = flags.reshape(grid.cells).T.astype(np.int8)
    jumps = np.diff(rows, axis=1, prepend=0, append=0)
    (row, first), (_, last) = np.nonzero(jumps == 1), np.nonzero(jumps == -1)
    hx, hy = grid.spacing
    return np.column_stack([first * hx, row * hy, (last - first) * hx, np.full(len(row), hy)])


def boundary(mesh: Cells, flags: Flags) -> Array:
    """Return the edges between flagged and other cells in 2-D, those on the rim included.

    Returns
    -------
    array, shape (n, 2, 2)
        Two end points each.
    """
    if isinstance(mesh, Mesh):
        return np.asarray(mesh.nodes[mesh.facets[mesh.around(flags)]])
    grid = structured(mesh)
    inside = np.pad(flags.reshape(grid.cells), 1)
    h = grid.spacing
    ix, iy = np.nonzero(inside[1:, 1:-1] != inside[:-1, 1:-1])
    upright = np.stack([np.column_stack([ix, iy]), np.column_stack([ix, iy + 1])], axis=1) * h
    ix, iy = np.nonzero(inside[1:-1, 1:] != inside[1:-1, :-1])
    level = np.stack([np.column_stack([ix, iy]), np.column_stack([ix + 1, iy])], axis=1) * h
    return np.concatenate([upright, level])


def faces(grid: Grid, flags: Flags) -> list[Array]:
    """Return the faces of a body of cells in 3-D, for each axis and side: lower x, upper x, lower y, ...

    Returns
    -------
    list of array, shape (n, 4, 3)
        Four corners each, in order around the face.
    """
    inside = np.pad(flags.reshape(grid.cells), 1)
    core = inside[1:-1, 1:-1, 1:-1]
    found = []
    for axis in range(3):
        across = [other for other in range(3) if other != axis]
        for side in (0, 1):
            window = [slice(1, -1)] * 3
            window[axis] = slice(2, None) if side else slice(None, -2)
            cells = np.argwhere(core & ~inside[tuple(window)]).astype(float)
            corners = np.repeat(cells[:, None, :], 4, axis=1)
            corners[:, :, axis] += side
            corners[:, :, across] += np.array([[0, 0], [1, 0], [1, 1], [0, 1]])
            found.append(corners * grid.spacing)
    return found
