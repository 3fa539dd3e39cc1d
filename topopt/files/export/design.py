"""A finished design, written in every format that fits it, with a word on how exact each is."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from topopt.design import Design
from topopt.errors import MissingDependencyError
from topopt.files.atomic import write_bytes
from topopt.files.export.border import LEVEL
from topopt.files.export.cells import write_vtu
from topopt.files.export.drawings import check_unit, write_dxf, write_svg
from topopt.files.export.image import write_vti
from topopt.files.export.outline import outline
from topopt.files.export.surface import surface, write_stl
from topopt.grid import Grid
from topopt.parameters import Array, Positive, checked

__all__ = ["Plan", "export_design"]


@dataclass(frozen=True, eq=False)
class Plan:
    """What is exported beside the density, and in which unit.

    Parameters
    ----------
    fields : mapping
        Further fields for ParaView by name, shape (n_cells,).
    displacements : mapping
        Displacements by load case, shape (n_dofs,), for ParaView.
    thickness : float
        Of a plane design, for its solid (STL).
    unit : str, optional
        The unit of length, ``mm``, ``cm``, ``m`` or ``in``, for SVG and DXF.

    Raises
    ------
    InputError
        If the thickness is not positive, or the unit unknown.
    """

    fields: Mapping[str, Array] = field(default_factory=dict)
    displacements: Mapping[str, Array] = field(default_factory=dict)
    thickness: Positive = 1.0
    unit: str | None = None

    def __post_init__(self) -> None:
        """Check number and unit."""
        checked(self)
        check_unit(self.unit)


def export_design(
    file: Callable[[str], Path], name: str, x: Array, picture: object, plan: Plan
) -> tuple[str, ...]:
    """Write a design in all formats: NPZ, VTI, STL, and in 2-D SVG and DXF; on a mesh NPZ and VTU.

    Parameters
    ----------
    file : callable
        From a file's name to its path.
    name : str
        The design's name.
    x : array, shape (n,)
        The design variables.
    picture : Design or other
        The densities on their grid; if it is something else, only the variables are written.
    plan : Plan
        What else.

    Returns
    -------
    tuple of str
        A sentence per file or reason why there is none.
    """
    if not isinstance(picture, Design):
        _write_npz(file("design.npz"), name=np.array(name), x=x)
        return ("design.npz holds the variables only: the model shows no densities on a grid",)
    mesh = picture.mesh
    arrays = {
        "density": mesh.shaped(picture.density),
        "x": x,
        "spacing": mesh.spacing,
        "name": np.array(name),
    }
    _write_npz(file("design.npz"), **arrays)
    plane = {"design.svg": _svg, "design.dxf": _dxf} if mesh.ndim == 2 else {}
    sentences = ["design.npz: density, variables, spacing"]
    on_grid = {"design.vti": _vti, **plane, "design.stl": _stl}
    for target, write in (on_grid if isinstance(mesh, Grid) else {"design.vtu": _vtu}).items():
        try:
            sentences.append(write(file, name, picture, plan))
        except MissingDependencyError as error:
            sentences.append(f"{target} not written: {error}")
    return tuple(sentences)


def _write_npz(path: Path, **arrays: Array | NDArray[np.str_]) -> None:
    """Write arrays, whole or not at all."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]
    write_bytes(path, buffer.getbuffer())


def _vti(file: Callable[[str], Path], name: str, design: Design, plan: Plan) -> str:
    """Write the fields for ParaView."""
    vectors = {f"displacement {case}".strip(): u for case, u in plan.displacements.items()}
    write_vti(file("design.vti"), design.grid, {"density": design.density, **plan.fields}, vectors)
    return f"design.vti: {', '.join(['density', *plan.fields, *vectors])}"


def _vtu(file: Callable[[str], Path], name: str, design: Design, plan: Plan) -> str:
    """Write the fields of a mesh for ParaView."""
    vectors = {f"displacement {case}".strip(): u for case, u in plan.displacements.items()}
    write_vtu(file("design.vtu"), design.mesh, {"density": design.density, **plan.fields}, vectors)
    return f"design.vtu: {', '.join(['density', *plan.fields, *vectors])}"


def _svg(file: Callable[[str], Path], name: str, design: Design, plan: Plan) -> str:
    """Write the outline for browsers and laser cutters."""
    drawn = outline(design.grid, design.density)
    if not drawn.loops:
        return _nothing("design.svg")
    write_svg(file("design.svg"), drawn, (design.grid.size[0], design.grid.size[1]), name, plan.unit)
    return f"design.svg: {len(drawn.loops)} loops around {_compared('area', drawn.area, design, 1.0)}"


def _dxf(file: Callable[[str], Path], name: str, design: Design, plan: Plan) -> str:
    """Write the outline for CAD."""
    drawn = outline(design.grid, design.density)
    if not drawn.loops:
        return _nothing("design.dxf")
    write_dxf(file("design.dxf"), drawn, name, plan.unit)
    return "design.dxf: the same loops"


def _stl(file: Callable[[str], Path], name: str, design: Design, plan: Plan) -> str:
    """Write the surface."""
    skin = surface(design.grid, design.density, plan.thickness)
    if not len(skin.triangles):
        return _nothing("design.stl")
    write_stl(file("design.stl"), skin, name)
    depth = 1.0 if design.grid.ndim == 3 else plan.thickness
    measured = _compared("volume", skin.volume, design, depth)
    return f"design.stl: {len(skin.triangles)} triangles around {measured}"


def _nothing(target: str) -> str:
    """Say why there is no contour."""
    return f"{target} not written: no density exceeds {LEVEL:g}, so the design has no outline"


def _compared(what: str, found: float, design: Design, depth: float) -> str:
    """Compare what an outline holds with the cells that are solid, and with the sum of densities."""
    unit = design.grid.cell_volume * depth
    solid, material = np.count_nonzero(design.density > LEVEL) * unit, float(design.density.sum()) * unit
    return (
        f"{what} {found:.6g}: "
        f"{100 * (found / solid - 1):+.2f} % against the cells above {LEVEL:g} ({solid:.6g}), "
        f"{100 * (found / material - 1):+.2f} % against the sum of densities ({material:.6g})"
    )
