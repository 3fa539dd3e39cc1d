"""Fields on the grid as VTK image data, for ParaView."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from topopt.files.atomic import replacing
from topopt.files.export.cells import components, rows
from topopt.files.export.surface import require_vtk
from topopt.grid import Grid
from topopt.parameters import Array

__all__ = ["write_vti"]


def write_vti(path: Path, grid: Grid, cells: Mapping[str, Array], at_nodes: Mapping[str, Array]) -> None:
    """Write fields as VTK image data (``.vti``).

    Parameters
    ----------
    path : Path
        The file.
    grid : Grid
        The cells; a plane grid becomes one layer of pixels in the plane z = 0.
    cells : mapping
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
    from vtkmodules.util.numpy_support import numpy_to_vtk
    from vtkmodules.vtkCommonDataModel import vtkImageData
    from vtkmodules.vtkIOXML import vtkXMLImageDataWriter

    flat = (0,) * (3 - grid.ndim)
    image = vtkImageData()
    image.SetDimensions(*grid.nodes_shape, *(1 for _ in flat))
    image.SetSpacing(*grid.spacing.tolist(), *(1.0 for _ in flat))
    parts = (
        (image.GetCellData(), {name: _cellwise(grid, name, v) for name, v in cells.items()}),
        (image.GetPointData(), {name: _nodewise(grid, name, v) for name, v in at_nodes.items()}),
    )
    for data, fields in parts:
        for name, values in fields.items():
            array = numpy_to_vtk(values)  # no copy: `parts` holds it until the file is written
            array.SetName(name)
            data.AddArray(array)
    if cells:
        image.GetCellData().SetActiveScalars(next(iter(cells)))
    with replacing(path) as draft:
        writer = vtkXMLImageDataWriter()
        writer.SetFileName(str(draft))
        writer.SetInputData(image)
        if not writer.Write():
            raise OSError("VTK could not write it")


def _cellwise(grid: Grid, name: str, values: Array) -> Array:
    """Return a field in VTK's order, x fastest."""
    return np.ascontiguousarray(grid.shaped(grid.field(values, name)).ravel(order="F"))


def _nodewise(grid: Grid, name: str, values: Array) -> Array:
    """Return vectors (with three components) or numbers in VTK's order, shape (n_nodes, 3 or 1)."""
    vectors = rows(grid, name, values)
    out = np.zeros((*reversed(grid.nodes_shape), components(vectors)))
    for number, column in enumerate(vectors.T):
        out[..., number] = column.reshape(grid.nodes_shape).T
    return out.reshape(-1, out.shape[-1])
