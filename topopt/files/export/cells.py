"""Cells as a VTK unstructured grid: those of a mesh, or the solid ones of a design on a grid."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from topopt.cells import Cells, Flags
from topopt.errors import InputError
from topopt.files.atomic import replacing
from topopt.files.export.surface import require_vtk
from topopt.grid import Grid
from topopt.parameters import Array

__all__ = ["spatial", "write_vtu"]

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
    table = mesh.cell_nodes[kept][:, around]
    nodes, corners = np.unique(table, return_inverse=True)
    n_cells, n_corners = table.shape
    cells = vtkCellArray()
    offsets = np.arange(n_cells + 1, dtype=np.int64) * n_corners
    cells.SetData(
        numpy_to_vtkIdTypeArray(offsets, deep=True),
        numpy_to_vtkIdTypeArray(corners.astype(np.int64).ravel(), deep=True),
    )
    points = vtkPoints()
    points.SetData(numpy_to_vtk(_three(mesh.nodes[nodes]), deep=True))
    body = vtkUnstructuredGrid()
    body.SetPoints(points)
    body.SetCells(TYPES[mesh.ndim, n_corners], cells)
    fields = {name: mesh.field(values, name)[kept] for name, values in cell_fields.items()}
    states = {name: np.ascontiguousarray(spatial(mesh, name, v)[nodes]) for name, v in at_nodes.items()}
    for data, arrays in ((body.GetCellData(), fields), (body.GetPointData(), states)):
        for name, values in arrays.items():
            array = numpy_to_vtk(values, deep=True)
            array.SetName(name)
            data.AddArray(array)
    with replacing(path) as draft:
        writer = vtkXMLUnstructuredGridWriter()
        writer.SetFileName(str(draft))
        writer.SetInputData(body)
        if not writer.Write():
            raise OSError("VTK could not write it")


def spatial(mesh: Cells, name: str, values: Array) -> Array:
    """Return what stands at the nodes as VTK takes it: vectors with three components, or numbers.

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
    array, shape (n_nodes, 3) or (n_nodes, 1)

    Raises
    ------
    InputError
        If the shape is another.
    """
    if values.shape == (mesh.n_nodes,):
        return values[:, None]
    if values.shape != (mesh.n_nodes * mesh.ndim,):
        raise InputError(f"{name}: expected shape ({mesh.n_nodes * mesh.ndim},), got {values.shape}")
    return _three(values.reshape(-1, mesh.ndim))


def _three(vectors: Array) -> Array:
    """Return vectors with three components."""
    return np.ascontiguousarray(np.pad(vectors, ((0, 0), (0, 3 - vectors.shape[1]))))
