"""An exported surface read back, and turned into cells again."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from topopt.cells import Cells, Flags
from topopt.meshes import Solid, read_solid

__all__ = ["voxels"]


def voxels(path: Path, mesh: Cells) -> Flags:
    """Return which cells have their centre inside the surface that an STL file holds.

    Parameters
    ----------
    path : Path
        A closed surface in the cells' unit of length; of plane cells a plate on the plane z = 0, which is
        cut at half its thickness.
    mesh : Grid or Mesh
        The cells.

    Returns
    -------
    array of bool, shape (n_cells,)

    Raises
    ------
    InputError
        If the file cannot be read, or its surface is open.
    MissingDependencyError
        If trimesh is absent.
    """
    body = read_solid(path)
    if mesh.ndim == 3:
        return mesh.cells_in(body)
    # y and z exchanged: rays run in the plane, where they meet the short sides of the rim and no wide face
    plate, height = Solid(body.triangles[..., [0, 2, 1]], body.name), float(body.triangles[..., 2].max())
    x, y = mesh.centres.T
    points = np.stack([x, np.full_like(x, 0.5 * height), y], axis=1)
    return plate.contains(points, (mesh.size[0], height, mesh.size[1]), np.insert(mesh.spacing, 1, height))
