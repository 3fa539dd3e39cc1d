"""An exported surface read back, and turned into cells again."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from topopt.cells import Flags
from topopt.files.export.surface import require_vtk
from topopt.grid import Grid

__all__ = ["voxels"]

SLICE = 0.3
"""The height at which a plate is cut, as a share of its thickness: not where its own triangles meet."""


def voxels(path: Path, grid: Grid) -> Flags:
    """Return which cells of a grid have their centre inside the surface that an STL file holds.

    Parameters
    ----------
    path : Path
        A closed surface in the grid's unit of length; of a plane grid a plate on the plane z = 0.
    grid : Grid
        The cells.

    Returns
    -------
    array of bool, shape (n_cells,)

    Raises
    ------
    MissingDependencyError
        If VTK is absent.
    """
    require_vtk()
    from vtkmodules.util.numpy_support import vtk_to_numpy
    from vtkmodules.vtkCommonDataModel import vtkImageData
    from vtkmodules.vtkImagingStencil import vtkImageStencilToImage, vtkPolyDataToImageStencil
    from vtkmodules.vtkIOGeometry import vtkSTLReader

    reader = vtkSTLReader()
    reader.SetFileName(str(path))
    reader.Update()
    height = reader.GetOutput().GetBounds()[5]
    spacing = [*grid.spacing.tolist(), height][:3]
    origin = [0.5 * step for step in spacing]
    if grid.ndim == 2:
        origin[2] = SLICE * height
    image = vtkImageData()
    image.SetDimensions(*grid.cells, *(1 for _ in range(3 - grid.ndim)))
    stencil = vtkPolyDataToImageStencil()
    stencil.SetInputData(reader.GetOutput())
    stencil.SetOutputOrigin(*origin)
    stencil.SetOutputSpacing(*spacing)
    stencil.SetOutputWholeExtent(image.GetExtent())
    painter = vtkImageStencilToImage()
    painter.SetInputConnection(stencil.GetOutputPort())
    painter.SetInsideValue(1)
    painter.SetOutsideValue(0)
    painter.SetOutputScalarTypeToUnsignedChar()
    painter.Update()
    inside = vtk_to_numpy(painter.GetOutput().GetPointData().GetScalars())
    return np.ascontiguousarray(inside.reshape(grid.cells, order="F").ravel() > 0)
