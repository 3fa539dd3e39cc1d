"""A design as a picture: grey values of cells in the plane, X-rays of a body."""

from __future__ import annotations

import io
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from topopt.cells import Cells
from topopt.grid import Grid, structured
from topopt.meshes import Mesh
from topopt.parameters import Array

__all__ = ["Design"]

MOST_PIXELS = {2: 400, 3: 80}
"""Along the longest side of a mesh, by dimension."""


@dataclass(frozen=True, eq=False)
class Design:
    """Densities on a grid or mesh; a notebook shows it as a picture.

    Attributes
    ----------
    mesh : Grid or Mesh
        The cells.
    density : array, shape (n_cells,)
        0 is void, 1 is solid.
    """

    mesh: Cells
    density: Array

    @property
    def grid(self) -> Grid:
        """The grid; what asks for it cannot do with a mesh, which is refused."""
        return structured(self.mesh)

    @property
    def raster(self) -> NDArray[np.intp]:
        """The cell of a mesh under each pixel (or voxel) of its picture, and -1 outside, [ix, iy(, iz)]."""
        assert isinstance(self.mesh, Mesh)
        return self.mesh.raster(MOST_PIXELS[self.mesh.ndim])

    def pictured(self) -> Array:
        """Return the density indexed [ix, iy(, iz)]: a grid's cells, or a mesh's `raster`, 0 outside."""
        if isinstance(self.mesh, Grid):
            return self.grid.shaped(self.density)
        return np.asarray(np.append(self.density, 0.0)[self.raster])

    def pixels(self) -> NDArray[np.uint8]:
        """Return grey values, row by row from the top; three X-rays side by side in 3-D.

        A pixel is square and as wide as the shortest edge of a cell; on a mesh, which is white where there is
        no cell, it is one of at most 400 along an axis in 2-D, or 80 in 3-D. An X-ray along an axis shows the
        mean density along it: seen along z, along y and along x.
        """
        array = np.clip(self.pictured(), 0.0, 1.0)
        if isinstance(self.mesh, Grid):
            array = array[_square(self.grid)]
        if array.ndim == 2:
            return _grey(array)
        views = [array.mean(axis=2), array.mean(axis=1), array.mean(axis=0).T]
        height = max(view.shape[1] for view in views)
        padded = [np.pad(v, ((1, 1), (0, height - v.shape[1])), constant_values=0.0) for v in views]
        return _grey(np.concatenate(padded, axis=0))

    def _repr_png_(self) -> bytes:
        """Return a PNG about 600 pixels wide."""
        from PIL import Image

        pixels = self.pixels()
        zoom = max(1, math.ceil(600 / pixels.shape[1]))
        buffer = io.BytesIO()
        Image.fromarray(np.kron(pixels, np.ones((zoom, zoom), dtype=np.uint8))).save(buffer, format="PNG")
        return buffer.getvalue()


def _square(grid: Grid) -> tuple[NDArray[np.intp], ...]:
    """Return the cells that a lattice of square pixels falls on, as an open mesh."""
    counts = np.maximum(np.round(np.array(grid.size) / grid.spacing.min()), 1).astype(int)
    return np.ix_(*((np.arange(m) * 2 + 1) * n // (2 * m) for n, m in zip(grid.cells, counts, strict=True)))


def _grey(array: Array) -> NDArray[np.uint8]:
    """Return an array indexed [ix, iy] as an image, solid black, y up."""
    return np.asarray(np.round(255.0 * (1.0 - array.T[::-1])), dtype=np.uint8)
