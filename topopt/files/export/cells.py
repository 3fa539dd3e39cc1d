"""Cells as a VTK unstructured grid: those of a mesh, or the solid ones of a design on a grid."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from topopt.cells import Cells, Flags, Indices
from topopt.errors import InputError
from topopt.files.atomic import replacing
from topopt.files.export.surface import require_vtk
from topopt.grid import Grid
from topopt.parameters import Array

__all__ = ["components", "rows", "write_vtu"]

TYPES = {(2, 3): 5, (2, 4): 9, (3, 4): 10, (3, 8): 12}
"""VTK's number of each kind of cells, by dimension and corners."""
AROUND = {2: (0, 2, 3, 1), 3: (0, 4, 6, 2, 1, 5, 7, 3)}
"""Corners in VTK's order, which goes around, by a grid's numbers, x slowest; a mesh has that order."""


def write_vtu(
    path: Path,
    mesh: Cells,
    kept: Flags,
    cell_fields: Mapping[str, Array],
    at_nodes: Mapping[str, Array],
) -> None:
    """Write cells with their fields as a VTK unstructured grid (``.vtu``).

    Parameters
    ----------
    path : Path
        The file.
    mesh : Grid or Mesh
        All cells; a plane lies at z = 0.
    kept : array of bool, shape (n_cells,)
        Those that are written, with their nodes.
    cell_fields : mapping
        Fields by name, shape (n_cells,).
    at_nodes : mapping
        What stands at the nodes by name: vectors, shape (n_nodes * ndim,), component fastest, or numbers,
        shape (n_nodes,).

    Raises
    ------
    InputError
        If a shape does not fit the cells.
    MissingDependencyError
        If VTK is absent.
    """
    require_vtk()
    from vtkmodules.util.numpy_support import numpy_to_vtk, numpy_to_vtkIdTypeArray
    from vtkmodules.vtkCommonCore import vtkPoints
    from vtkmodules.vtkCommonDataModel import vtkCellArray, vtkUnstructuredGrid
    from vtkmodules.vtkIOXML import vtkXMLUnstructuredGridWriter

    around = AROUND[mesh.ndim] if isinstance(mesh, Grid) else slice(None)
    table = mesh.nodes_of(np.flatnonzero(kept))[:, around]
    nodes, corners = _numbered(table, mesh.n_nodes)
    n_cells, n_corners = table.shape
    offsets, places = np.arange(n_cells + 1, dtype=np.int64) * n_corners, _three(mesh.places_of(nodes))
    # VTK reads the arrays where they are; they live until the file is written.
    cells = vtkCellArray()
    cells.SetData(numpy_to_vtkIdTypeArray(offsets), numpy_to_vtkIdTypeArray(corners))
    points = vtkPoints()
    points.SetData(numpy_to_vtk(places))
    body = vtkUnstructuredGrid()
    body.SetPoints(points)
    body.SetCells(TYPES[mesh.ndim, n_corners], cells)
    fields = {name: mesh.field(values, name)[kept] for name, values in cell_fields.items()}
    states = {name: _three(rows(mesh, name, v)[nodes]) for name, v in at_nodes.items()}
    for data, arrays in ((body.GetCellData(), fields), (body.GetPointData(), states)):
        for name, values in arrays.items():
            array = numpy_to_vtk(values)
            array.SetName(name)
            data.AddArray(array)
    with replacing(path) as draft:
        writer = vtkXMLUnstructuredGridWriter()
        writer.SetFileName(str(draft))
        writer.SetInputData(body)
        if not writer.Write():
            raise OSError("VTK could not write it")


def rows(mesh: Cells, name: str, values: Array) -> Array:
    """Return what stands at the nodes, node by node.

    Parameters
    ----------
    mesh : Grid or Mesh
        The cells.
    name : str
        For messages.
    values : array, shape (n_nodes * ndim,) or (n_nodes,)
        Vectors, component fastest, or numbers.

    Returns
    -------
    array, shape (n_nodes, ndim) or (n_nodes, 1)
        The same memory.

    Raises
    ------
    InputError
        If the shape is another.
    """
    if values.shape == (mesh.n_nodes,):
        return values[:, None]
    if values.shape != (mesh.n_nodes * mesh.ndim,):
        raise InputError(f"{name}: expected shape ({mesh.n_nodes * mesh.ndim},), got {values.shape}")
    return values.reshape(-1, mesh.ndim)


def components(vectors: Array) -> int:
    """Return how many components VTK is given of such rows: one of numbers, three of vectors."""
    return 1 if vectors.shape[1] == 1 else 3


def _numbered(table: Indices, n_nodes: int) -> tuple[NDArray[np.intp], NDArray[np.int64]]:
    """Return the nodes of a table, ascending, and the table as places among them, flat."""
    used = np.zeros(n_nodes, dtype=bool)
    used[table] = True
    return np.flatnonzero(used), (np.cumsum(used) - 1)[table.ravel()]


def _three(vectors: Array) -> Array:
    """Return vectors with three components, and numbers as they are."""
    missing = components(vectors) - vectors.shape[1]
    return np.pad(vectors, ((0, 0), (0, missing))) if missing else np.ascontiguousarray(vectors)
