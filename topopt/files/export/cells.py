"""The solid cells of a design as a VTK unstructured grid, for programs that read no image data."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from topopt.errors import InputError
from topopt.files.atomic import replacing
from topopt.files.export.surface import require_vtk
from topopt.grid import Flags, Grid
from topopt.parameters import Array

__all__ = ["spatial", "write_vtu"]

QUAD, HEXAHEDRON = 9, 12
"""VTK's numbers of the two kinds of cells."""
AROUND = {2: (0, 2, 3, 1), 3: (0, 4, 6, 2, 1, 5, 7, 3)}
"""Their corners, which go around, by the grid's numbers, which count x slowest."""


def write_vtu(
    path: Path,
    grid: Grid,
    solid: Flags,
    cell_fields: Mapping[str, Array],
    at_nodes: Mapping[str, Array],
) -> None:
    """Write cells with their fields as a VTK unstructured grid (``.vtu``).

    Parameters
    ----------
    path : Path
        The file.
    grid : Grid
        All cells.
    solid : array of bool, shape (n_cells,)
        Those that are written, with their nodes.
    cell_fields : mapping
        Fields by name, shape (n_cells,).
    at_nodes : mapping
        What stands at the nodes by name: vectors, shape (n_nodes * ndim,), component fastest, or numbers,
        shape (n_nodes,).

    Raises
    ------
    InputError
        If a shape does not fit the grid.
    MissingDependencyError
        If VTK is absent.
    """
    require_vtk()
    from vtkmodules.util.numpy_support import numpy_to_vtk, numpy_to_vtkIdTypeArray
    from vtkmodules.vtkCommonCore import vtkPoints
    from vtkmodules.vtkCommonDataModel import vtkCellArray, vtkUnstructuredGrid
    from vtkmodules.vtkIOXML import vtkXMLUnstructuredGridWriter

    nodes, corners = np.unique(grid.cell_nodes[solid][:, AROUND[grid.ndim]], return_inverse=True)
    n_cells, n_corners = int(np.count_nonzero(solid)), 2**grid.ndim
    cells = vtkCellArray()
    offsets = np.arange(n_cells + 1, dtype=np.int64) * n_corners
    cells.SetData(
        numpy_to_vtkIdTypeArray(offsets, deep=True),
        numpy_to_vtkIdTypeArray(corners.astype(np.int64).ravel(), deep=True),
    )
    points = vtkPoints()
    points.SetData(numpy_to_vtk(_three(grid.nodes[nodes]), deep=True))
    body = vtkUnstructuredGrid()
    body.SetPoints(points)
    body.SetCells(QUAD if grid.ndim == 2 else HEXAHEDRON, cells)
    fields = {name: grid.field(values, name)[solid] for name, values in cell_fields.items()}
    states = {name: np.ascontiguousarray(spatial(grid, name, v)[nodes]) for name, v in at_nodes.items()}
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


def spatial(grid: Grid, name: str, values: Array) -> Array:
    """Return what stands at the nodes as VTK takes it: vectors with three components, or numbers.

    Parameters
    ----------
    grid : Grid
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
    if values.shape == (grid.n_nodes,):
        return values[:, None]
    if values.shape != (grid.n_nodes * grid.ndim,):
        raise InputError(f"{name}: expected shape ({grid.n_nodes * grid.ndim},), got {values.shape}")
    return _three(values.reshape(-1, grid.ndim))


def _three(vectors: Array) -> Array:
    """Return vectors with three components."""
    return np.ascontiguousarray(np.pad(vectors, ((0, 0), (0, 3 - vectors.shape[1]))))
