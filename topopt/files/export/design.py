"""A finished design, written in every format that fits it, with a word on how exact each is."""

from __future__ import annotations

import functools
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from topopt.design import Design
from topopt.errors import MissingDependencyError
from topopt.files.atomic import write_bytes
from topopt.files.export.body import SMOOTHING, Body, body
from topopt.files.export.border import LEVEL
from topopt.files.export.carved import Carved, carved
from topopt.files.export.cells import write_vtu
from topopt.files.export.drawings import check_unit, write_dxf, write_svg
from topopt.files.export.image import write_vti
from topopt.files.export.surface import write_stl
from topopt.files.export.threemf import write_3mf
from topopt.grid import Grid
from topopt.meshes import Mesh
from topopt.parameters import Array, NonNegative, Positive, checked

__all__ = ["Plan", "export_design"]

Files = Callable[[str], Path]
"""From a file's name to its path."""


@dataclass(frozen=True, eq=False)
class Plan:
    """What is exported beside the density, and in which unit.

    Parameters
    ----------
    fields : mapping
        Further fields for ParaView by name, shape (n_cells,).
    displacements : mapping
        Displacements by load case, shape (n_dofs,), for ParaView.
    temperatures : mapping
        Fields at the nodes by name, shape (n_nodes,), for ParaView.
    thickness : float
        Of a plane design, for its solid (STL).
    unit : str, optional
        The unit of length, ``mm``, ``cm``, ``m`` or ``in``, for SVG, DXF and 3MF.
    smoothing : float
        Cells of a grid over which the density is smoothed before its outline is drawn; 0 leaves the steps. On
        a mesh the densities are averaged at the nodes.

    Raises
    ------
    InputError
        If the thickness is not positive, the smoothing negative, or the unit unknown.
    """

    fields: Mapping[str, Array] = field(default_factory=dict)
    displacements: Mapping[str, Array] = field(default_factory=dict)
    temperatures: Mapping[str, Array] = field(default_factory=dict)
    thickness: Positive = 1.0
    unit: str | None = None
    smoothing: NonNegative = SMOOTHING

    def __post_init__(self) -> None:
        """Check number and unit."""
        checked(self)
        check_unit(self.unit)


Fields = Callable[[Files, Design, Plan], str | None]
Shape = Callable[[Files, Body | Carved, str, Plan], str]


def export_design(file: Files, name: str, x: Array, picture: object, plan: Plan) -> tuple[str, ...]:
    """Write a design in all formats: NPZ, VTI (not on a mesh), VTU, STL, 3MF, and in 2-D SVG and DXF.

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
    sentences = ["design.npz: density, variables, spacing"]
    if not isinstance(mesh, Grid):  # where no array of the cells is a picture
        arrays["picture"] = picture.pictured()
        sentences = ["design.npz: density, variables, spacing, a picture of square pixels"]
    _write_npz(file("design.npz"), **arrays)

    @functools.cache
    def held() -> Body | Carved | None:
        if isinstance(mesh, Mesh):
            return carved(mesh, picture.density)
        return body(picture.grid, picture.density, plan.smoothing)

    def shaped(write: Shape) -> str | None:
        found = held()
        return None if found is None else write(file, found, name, plan)

    fields: dict[str, Fields] = {"design.vti": _vti, "design.vtu": _vtu}
    shapes: dict[str, Shape] = {"design.svg": _svg, "design.dxf": _dxf} if mesh.ndim == 2 else {}
    shapes |= {"design.stl": _stl, "design.3mf": _3mf}
    if not isinstance(mesh, Grid):
        fields = {"design.vtu": _vtu}
    writers = {target: functools.partial(write, file, picture, plan) for target, write in fields.items()}
    writers |= {target: functools.partial(shaped, write) for target, write in shapes.items()}
    for target, write in writers.items():
        try:
            said = write()
        except MissingDependencyError as error:
            said = f"{target} not written: {error}"
        sentences.append(said or f"{target} not written: no density exceeds {LEVEL:g}, so there is no body")
    return tuple(sentences)


def _write_npz(path: Path, **arrays: Array | NDArray[np.str_]) -> None:
    """Write arrays, whole or not at all."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]
    write_bytes(path, buffer.getbuffer())


def _vti(file: Files, design: Design, plan: Plan) -> str:
    """Write the fields for ParaView."""
    states = _at_nodes(plan)
    write_vti(file("design.vti"), design.grid, {"density": design.density, **plan.fields}, states)
    return f"design.vti: {', '.join(['density', *plan.fields, *states])}"


def _vtu(file: Files, design: Design, plan: Plan) -> str | None:
    """Write what is solid for programs that read no image data, to be warped without the void; or a mesh."""
    states, whole = _at_nodes(plan), not isinstance(design.mesh, Grid)
    kept = (design.density > LEVEL) | whole
    if not kept.any():
        return None
    write_vtu(file("design.vtu"), design.mesh, kept, {"density": design.density, **plan.fields}, states)
    if whole:
        return f"design.vtu: {', '.join(['density', *plan.fields, *states])}"
    return f"design.vtu: the same on the {np.count_nonzero(kept)} cells above {LEVEL:g}"


def _svg(file: Files, held: Body | Carved, name: str, plan: Plan) -> str:
    """Write the outline for browsers and laser cutters."""
    drawn = held.outline()
    write_svg(file("design.svg"), drawn, held.size, name, plan.unit, tuple(held.lower.tolist()))
    return f"design.svg: {len(drawn.loops)} loops around {_compared('area', drawn.area, held, 1.0)}"


def _dxf(file: Files, held: Body | Carved, name: str, plan: Plan) -> str:
    """Write the outline for CAD."""
    write_dxf(file("design.dxf"), held.outline(), name, plan.unit)
    return "design.dxf: the same loops"


def _stl(file: Files, held: Body | Carved, name: str, plan: Plan) -> str:
    """Write the surface."""
    skin = held.surface(plan.thickness)
    write_stl(file("design.stl"), skin, name)
    depth = 1.0 if held.ndim == 3 else plan.thickness
    measured = _compared("volume", skin.volume, held, depth)
    return f"design.stl: {len(skin.triangles)} triangles around {measured}"


def _3mf(file: Files, held: Body | Carved, name: str, plan: Plan) -> str:
    """Write the surface for printers."""
    write_3mf(file("design.3mf"), held.surface(plan.thickness), name, plan.unit)
    return "design.3mf: the same triangles" + ("" if plan.unit else ", in millimetres for want of a unit")


def _at_nodes(plan: Plan) -> dict[str, Array]:
    """Return displacements and temperatures by the name that ParaView shows."""
    moved = {f"displacement {case}".strip(): u for case, u in plan.displacements.items()}
    return {**moved, **plan.temperatures}


def _compared(what: str, found: float, held: Body | Carved, depth: float) -> str:
    """Compare what an outline holds with what the design has."""
    own = held.volume * depth
    error = round(100 * (found / own - 1), 2) + 0.0  # no "-0.00"
    return (
        f"{what} {found:.6g}, {error:+.2f} % against the design's own {own:.6g} "
        f"(at density {held.level:.3f}{held.how})"
    )
