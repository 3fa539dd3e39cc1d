"""Regions that other files draw: a picture, an array, a closed surface, a mesh of boxes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path as FilePath
from typing import Annotated, Any

import numpy as np
from annotated_types import Ge, Gt, Le, Len, Lt
from pydantic import Field

from topopt.errors import InputError
from topopt.files.arrays import read_arrays
from topopt.files.fields import Entry
from topopt.meshes import read_mesh, read_solid, read_voxels
from topopt.meshes.mesh import Mesh
from topopt.regions import Mask, Region

__all__ = ["DRAWN", "MeshFile", "drawn", "found", "meshed"]

Offset = Annotated[
    list[float], Len(2, 3), Field(description="Is added to the coordinates after they were scaled.")
]
Scale = Annotated[float, Gt(0), Field(description="Coordinates are multiplied by this.")]


class Image(Entry):
    """The dark parts of a picture, stretched over the whole grid."""

    file: Annotated[str, Field(description="PNG or another picture, relative to the problem file.")]
    threshold: Annotated[
        float, Gt(0), Lt(1), Field(description="Darker than this share of white is inside.")
    ] = 0.5
    invert: Annotated[bool, Field(description="Take the light parts instead.")] = False


class Array(Entry):
    """An array of booleans, indexed [ix, iy] or [ix, iy, iz] with y up, stretched over the whole grid."""

    file: Annotated[str, Field(description="NPY file, relative to the problem file.")]


class Surface(Entry):
    """The inside of a closed surface, in its own coordinates or fitted into the box of the cells."""

    file: Annotated[str, Field(description="STL file, relative to the problem file.")]
    scale: Scale = 1.0
    offset: Offset | None = None
    fit: Annotated[
        bool, Field(description="Move and scale it evenly until it just fits into the box, in its middle.")
    ] = False


class Boxes(Entry):
    """The cells of a mesh of equal boxes, or a named group of its cells, nodes, edges or faces."""

    file: Annotated[str, Field(description="MSH, INP, VTU or VTK file, relative to the problem file.")]
    group: Annotated[str, Field(description="Name of a group; all cells if left out.")] | None = None
    scale: Scale = 1.0
    offset: Offset | None = None


class MeshFile(Entry):
    """An unstructured mesh of triangles, quadrilaterals, tetrahedra or hexahedra, instead of a grid."""

    file: Annotated[str, Field(description="MSH, INP, VTU or VTK file, relative to the problem file.")]
    scale: Scale = 1.0
    refine: Annotated[
        int, Ge(0), Le(9), Field(description="How often every cell is cut at the middles of its edges.")
    ] = 0


DRAWN: Mapping[str, type[Entry]] = {"image": Image, "array": Array, "stl": Surface, "mesh": Boxes}


def drawn(key: str, said: Mapping[str, Any], folder: FilePath) -> Region:
    """Return the region that a file draws.

    Parameters
    ----------
    key : str
        Of `DRAWN`.
    said : mapping
        What the problem file says behind it, well-formed.
    folder : Path
        What files are relative to.

    Raises
    ------
    InputError
        If the file is missing, cannot be read, or does not bound a region.
    """
    file, fields = found(said["file"], folder), dict(DRAWN[key].model_validate(said))
    del fields["file"]
    if key == "stl":
        placed = fields["offset"] is not None or fields["scale"] != 1.0
        if fields["fit"] and placed:
            raise InputError("give fit, or scale and offset, not both")
        return read_solid(file, fields["scale"], fields["offset"] or (0.0, 0.0, 0.0), fields["fit"])
    if key == "mesh":
        return read_voxels(file, **fields)
    return Mask(_array(file) if key == "array" else _picture(file, **fields))


def meshed(said: Mapping[str, Any], folder: FilePath) -> Mesh:
    """Return the mesh that a problem file names in place of a grid, see `read_mesh`."""
    return read_mesh(found(said["file"], folder), said["scale"], said["refine"])


def found(name: str, folder: FilePath) -> FilePath:
    """Return the path of a file that a problem file names.

    Raises
    ------
    InputError
        If there is none.
    """
    file = folder / name
    if not file.is_file():
        raise InputError(f"there is no file {name}; the path is relative to the problem file")
    return file


def _array(file: FilePath) -> Any:
    """Read an array, indexed [ix, iy(, iz)], y up."""
    try:
        arrays = read_arrays(file)
    except InputError as error:
        raise InputError(f"{file.name} is no NPY file: {error}") from error
    if "" not in arrays:
        raise InputError(f"{file.name} is no NPY file: it holds arrays by name; save one alone by numpy.save")
    return arrays[""]


def _picture(file: FilePath, threshold: float, invert: bool) -> Any:
    """Read a picture as booleans, indexed [ix, iy], y up."""
    from PIL import Image as Picture

    try:
        with Picture.open(file) as picture:
            coloured = picture.convert("RGBA")
    except OSError as error:
        raise InputError(f"{file.name} is no picture that can be read: {error}") from error
    paper = Picture.new("RGBA", coloured.size, "white")
    grey = np.asarray(Picture.alpha_composite(paper, coloured).convert("L"), dtype=np.float64) / 255.0
    return ((grey < threshold) != invert)[::-1].T
