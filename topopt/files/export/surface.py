"""The surface of a design: a closed iso-surface, and its STL file."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from topopt.errors import MissingDependencyError
from topopt.files.atomic import write_bytes
from topopt.files.export.border import LEVEL, bordered, placed
from topopt.grid import Grid
from topopt.parameters import Array
from topopt.threads import pieces

__all__ = ["Surface", "require_vtk", "surface", "write_stl"]


@dataclass(frozen=True, eq=False)
class Surface:
    """A closed surface of triangles, seen from outside counter-clockwise.

    Attributes
    ----------
    points : array, shape (k, 3)
        Corners, each only once.
    triangles : array of int, shape (t, 3)
        Indices of corners.
    """

    points: Array
    triangles: NDArray[np.int64]

    @classmethod
    def merged(cls, points: Array, triangles: NDArray[np.int64]) -> Self:
        """Return a surface as a file will hold it: points that coincide in single precision are one point."""
        unique, inverse = np.unique(points.astype(np.float32), axis=0, return_inverse=True)
        triangles = inverse.reshape(-1)[triangles]
        a, b, c = triangles.T
        return cls(unique.astype(np.float64), triangles[(a != b) & (b != c) & (c != a)])

    @property
    def corners(self) -> Array:
        """Corners of every triangle, shape (t, 3, 3)."""
        return np.asarray(self.points[self.triangles])

    @property
    def volume(self) -> float:
        """Volume enclosed, by the divergence theorem."""
        a, b, c = np.moveaxis(self.corners, 1, 0)
        return float(np.einsum("ij,ij->", a, np.cross(b, c)) / 6.0)

    def open_edges(self) -> int:
        """Return how many edges do not belong to exactly two triangles, one in each direction."""
        n = len(self.points)
        start, end = self.triangles, np.roll(self.triangles, -1, axis=1)
        forth, counts = np.unique(start * n + end, return_counts=True)
        back = np.unique(end * n + start)
        return int(np.count_nonzero(counts != 1) + len(np.setxor1d(forth, back)))


def surface(grid: Grid, density: Array, thickness: float = 1.0, level: float = LEVEL) -> Surface:
    """Return the iso-surface at one density, linear between the cells' centres, closed on the box's faces.

    Parameters
    ----------
    grid : Grid
        The cells; a plane design becomes a plate.
    density : array, shape (n_cells,)
        0 is void, 1 is solid.
    thickness : float
        Of the plate.
    level : float
        Density above which a point is solid, between 0 and 1.

    Raises
    ------
    MissingDependencyError
        If VTK is absent.

    Notes
    -----
    Flying edges: Schroeder, Maynard and Geveci 2015, doi:10.1109/LDAV.2015.7348069.
    """
    if grid.ndim == 2:
        grid = Grid((*grid.cells, 1), (*grid.size, thickness))
    indices, triangles = _contoured(bordered(grid, density, level), level)
    return Surface.merged(placed(grid, indices), triangles)


def write_stl(path: Path, skin: Surface, name: str) -> None:
    """Write a surface as binary STL, in the user's unit of length."""
    facets = np.zeros(
        len(skin.triangles), dtype=[("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("zero", "<u2")]
    )
    for at in pieces(len(facets)):
        corners = skin.points[skin.triangles[at]]
        normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        facets["normal"][at] = normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-300)
        facets["corners"][at] = corners
    # A file that begins with "solid" would be taken for text.
    header = f"topopt {name}".encode()[:80].ljust(80)
    write_bytes(path, header + np.uint32(len(facets)).astype("<u4").tobytes() + facets.tobytes())


def require_vtk() -> None:
    """Say how to get VTK where it is absent."""
    if importlib.util.find_spec("vtkmodules") is None:
        raise MissingDependencyError("VTK is absent: pip install pyvista")


def _contoured(values: Array, level: float) -> tuple[Array, NDArray[np.int64]]:
    """Return points, in indices, and triangles of the iso-surface of an array."""
    require_vtk()
    from vtkmodules.util.numpy_support import numpy_to_vtk, vtk_to_numpy
    from vtkmodules.vtkCommonDataModel import vtkImageData
    from vtkmodules.vtkFiltersCore import vtkFlyingEdges3D

    flat = np.ascontiguousarray(values.ravel(order="F"))
    image = vtkImageData()
    image.SetDimensions(*values.shape)
    image.GetPointData().SetScalars(numpy_to_vtk(flat))
    tracer = vtkFlyingEdges3D()
    tracer.SetInputData(image)
    tracer.SetValue(0, level)
    tracer.ComputeNormalsOff()
    tracer.ComputeScalarsOff()
    tracer.Update()
    found = tracer.GetOutput()
    if found.GetNumberOfPolys() == 0:
        return np.empty((0, 3)), np.empty((0, 3), dtype=np.int64)
    points = vtk_to_numpy(found.GetPoints().GetData()).astype(np.float64)
    return points, vtk_to_numpy(found.GetPolys().GetConnectivityArray()).astype(np.int64).reshape(-1, 3)
