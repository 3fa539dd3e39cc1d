"""Fields on an unstructured mesh as a VTK file, for ParaView."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from topopt.cells import Cells
from topopt.errors import InputError
from topopt.files.atomic import replacing
from topopt.files.export.surface import require_vtk
from topopt.parameters import Array

__all__ = ["write_vtu"]

_TYPES = {(2, 3): 5, (2, 4): 9, (3, 4): 10, (3, 8): 12}
"""VTK's number of each kind of cells, by dimension and corners."""


def write_vtu(
    path: Path, mesh: Cells, cell_fields: Mapping[str, Array], vectors: Mapping[str, Array]
) -> None:
    """Write fields as a VTK unstructured grid (``.vtu``).

    Parameters
    ----------
    path : Path
        The file.
    mesh : Mesh
        The cells; a plane mesh lies in the plane z = 0.
    cell_fields : mapping
        Fields by name, shape (n_cells,).
    vectors : mapping
        Vectors at the nodes by name, shape (n_nodes * ndim,), component fastest.

    Raises
    ------
    InputError
        If a shape does not fit the mesh.
    MissingDependencyError
        If VTK is absent.
    """
    require_vtk()
    from vtkmodules.util.numpy_support import numpy_to_vtk, numpy_to_vtkIdTypeArray
    from vtkmodules.vtkCommonCore import vtkPoints
    from vtkmodules.vtkCommonDataModel import vtkCellArray, vtkUnstructuredGrid
    from vtkmodules.vtkIOXML import vtkXMLUnstructuredGridWriter

    corners = mesh.cell_nodes.shape[1]
    points, cells, grid = vtkPoints(), vtkCellArray(), vtkUnstructuredGrid()
    points.SetData(numpy_to_vtk(_in_space(mesh.nodes), deep=True))
    offsets = np.arange(mesh.n_cells + 1, dtype=np.int64) * corners
    cells.SetData(
        numpy_to_vtkIdTypeArray(offsets, deep=True),
        numpy_to_vtkIdTypeArray(mesh.cell_nodes.ravel().astype(np.int64), deep=True),
    )
    grid.SetPoints(points)
    grid.SetCells(_TYPES[mesh.ndim, corners], cells)
    for data, fields in (
        (grid.GetCellData(), {name: mesh.field(v, name) for name, v in cell_fields.items()}),
        (grid.GetPointData(), {name: _nodewise(mesh, name, v) for name, v in vectors.items()}),
    ):
        for name, values in fields.items():
            array = numpy_to_vtk(values, deep=True)
            array.SetName(name)
            data.AddArray(array)
    if cell_fields:
        grid.GetCellData().SetActiveScalars(next(iter(cell_fields)))
    with replacing(path) as draft:
        writer = vtkXMLUnstructuredGridWriter()
        writer.SetFileName(str(draft))
        writer.SetInputData(grid)
        if not writer.Write():
            raise OSError("VTK could not write it")


def _nodewise(mesh: Cells, name: str, values: Array) -> Array:
    """Return vectors with three components, shape (n_nodes, 3)."""
    if values.shape != (mesh.n_nodes * mesh.ndim,):
        raise InputError(f"{name}: expected shape ({mesh.n_nodes * mesh.ndim},), got {values.shape}")
    return _in_space(values.reshape(-1, mesh.ndim))


def _in_space(vectors: Array) -> Array:
    """Return vectors with a third component."""
    return np.ascontiguousarray(np.pad(vectors, ((0, 0), (0, 3 - vectors.shape[1]))))
