"""Small meshes for tests: the cells of a grid one to one, or cut into simplices, their inner nodes shaken."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import meshio
import numpy as np

from topopt.grid import Grid
from topopt.meshes import Mesh

AROUND = {2: [0, 2, 3, 1], 3: [0, 4, 6, 2, 1, 5, 7, 3]}
"""From corners in binary order to those of files."""
CUT = {
    2: [(0, 1, 2), (0, 2, 3)],
    3: [(0, 1, 2, 6), (0, 2, 3, 6), (0, 3, 7, 6), (0, 7, 4, 6), (0, 4, 5, 6), (0, 5, 1, 6)],
}
"""Simplices of a cell, corners in the order of files; those of neighbours fit together."""


def boxes(grid: Grid) -> Mesh:
    """Return the cells of a grid as quadrilaterals or hexahedra."""
    return Mesh(grid.nodes, grid.cell_nodes[:, AROUND[grid.ndim]])


def simplices(grid: Grid) -> Mesh:
    """Return a grid whose cells are cut into triangles or tetrahedra."""
    around = grid.cell_nodes[:, AROUND[grid.ndim]]
    return Mesh(grid.nodes, np.concatenate([around[:, list(part)] for part in CUT[grid.ndim]]))


def shaken(mesh: Mesh, share: float = 0.15, seed: int = 0) -> Mesh:
    """Return a mesh whose nodes off the boundary are moved by a share of the longest edge at most."""
    points = mesh.points.copy()
    inner = np.setdiff1d(np.arange(mesh.n_nodes), mesh.boundary)
    moves = np.random.default_rng(seed).uniform(-1.0, 1.0, (len(inner), mesh.ndim))
    points[inner] += share * mesh.spacing / np.sqrt(mesh.ndim) * moves
    return Mesh(points, mesh.corners, mesh.groups)


SHAKEN = {
    "triangles": shaken(simplices(Grid((4, 3), (2.0, 1.0)))),
    "quadrilaterals": shaken(boxes(Grid((4, 3), (2.0, 1.0)))),
    "tetrahedra": shaken(simplices(Grid((3, 2, 2), (2.0, 1.0, 1.5)))),
    "hexahedra": shaken(boxes(Grid((3, 2, 2), (2.0, 1.0, 1.5)))),
}
"""One of every kind, with cells of different volumes."""

KINDS = {(2, 3): "triangle", (2, 4): "quad", (3, 4): "tetra", (3, 8): "hexahedron"}
"""meshio's names."""


def written(file: Path, mesh: Mesh, **more: Any) -> Path:
    """Write a mesh 3 long; in Gmsh's format with the groups wall (sides at x = 0) and pad (last cells)."""
    kind = KINDS[mesh.ndim, mesh.corners.shape[1]]
    points = np.pad(mesh.points, ((0, 0), (0, 3 - mesh.ndim)))
    if file.suffix != ".msh":
        meshio.Mesh(points, [(kind, mesh.corners)], **more).write(file)
        return file
    wall = mesh.boundary[np.isclose(mesh.points[mesh.boundary][..., 0], 0.0).all(axis=1)]
    side = {2: "line", 3: "triangle" if mesh.corners.shape[1] == 4 else "quad"}[mesh.ndim]
    pad = np.where(mesh.centres[:, 0] > 2.5, 2, 1).astype(np.int32)
    tags = [pad, np.full(len(wall), 3, dtype=np.int32)]
    meshio.Mesh(
        points, [(kind, mesh.corners), (side, wall)],
        cell_data={"gmsh:physical": tags, "gmsh:geometrical": tags},
        field_data={"body": np.array([1, mesh.ndim]), "pad": np.array([2, mesh.ndim]),
                    "wall": np.array([3, mesh.ndim - 1])},
    ).write(file, file_format="gmsh22", binary=False)  # fmt: skip
    return file
