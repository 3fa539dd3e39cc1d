"""An outline as SVG and as DXF, for laser cutters and CAD."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from xml.sax.saxutils import escape

import numpy as np

from topopt.errors import InputError, MissingDependencyError, suggestion
from topopt.files.atomic import replacing, write_text
from topopt.files.export.outline import Outline
from topopt.parameters import Array

__all__ = ["UNITS", "check_unit", "write_dxf", "write_svg"]

UNITS: Mapping[str | None, int] = {None: 0, "in": 1, "mm": 4, "cm": 5, "m": 6}
"""DXF's numbers ($INSUNITS) of the units of length; None is no unit."""
PIXELS = 800
"""Length of the longer side of a drawing without a unit."""


def check_unit(unit: str | None) -> None:
    """Refuse a unit of length that is none."""
    if unit not in UNITS:
        raise InputError(
            f"unit: '{unit}' is no unit of length here: {suggestion(unit or '', filter(None, UNITS))}"
        )


def write_svg(
    path: Path,
    drawn: Outline,
    size: tuple[float, ...],
    name: str,
    unit: str | None = None,
    lower: tuple[float, ...] = (0.0, 0.0),
) -> None:
    """Write an outline as one filled path; user coordinates are the design's, only that SVG's y points down.

    Parameters
    ----------
    path : Path
        The file.
    drawn : Outline
        The loops.
    size : tuple of float
        Width and height of the box, in the user's unit of length.
    name : str
        The title.
    unit : str, optional
        The unit of length, a key of `UNITS`; without one the longer side is `PIXELS` long.
    lower : tuple of float
        Lower corner of the box.
    """
    width, height = size
    # SVG knows no metres, and without width and height viewers disagree on how large a drawing is.
    factor, suffix = (100.0, "cm") if unit == "m" else (1.0, unit)
    if unit is None:
        factor, suffix = PIXELS / max(size), "px"
    extent = f'width="{factor * width:.12g}{suffix}" height="{factor * height:.12g}{suffix}"'
    view = f'viewBox="{lower[0]:.12g} {lower[1]:.12g} {width:.12g} {height:.12g}"'
    data = " ".join(_path(loop, height + 2 * lower[1]) for loop in drawn.loops)
    write_text(
        path,
        f'<svg xmlns="http://www.w3.org/2000/svg" {extent} {view}>\n'
        f"<title>{escape(name)}</title>\n"
        f'<path fill="#222222" fill-rule="evenodd" d="{data}"/>\n</svg>\n',
    )


def write_dxf(path: Path, drawn: Outline, name: str, unit: str | None = None) -> None:
    """Write an outline as closed polylines: material on the layer ``outline``, holes on the layer ``holes``.

    Parameters
    ----------
    path : Path
        The file.
    drawn : Outline
        The loops.
    name : str
        Written as the drawing's title.
    unit : str, optional
        The unit of length, a key of `UNITS`.

    Raises
    ------
    MissingDependencyError
        If ezdxf is absent.
    """
    try:
        import ezdxf
    except ImportError as error:
        raise MissingDependencyError("ezdxf is absent: pip install ezdxf") from error

    document = ezdxf.new("R2010", units=UNITS[unit])
    document.header.custom_vars.append("Title", name)
    document.layers.add("outline", color=7)
    document.layers.add("holes", color=1)
    space = document.modelspace()
    for loop, area in zip(drawn.loops, drawn.areas, strict=True):
        layer = "outline" if area > 0 else "holes"
        space.add_lwpolyline(loop.tolist(), close=True, dxfattribs={"layer": layer})
    with replacing(path) as draft:
        document.saveas(draft)


def _path(loop: Array, turned: float) -> str:
    """Return a loop as SVG path data, y down: each y and what is drawn there add up to a number."""
    flipped = np.column_stack([loop[:, 0], turned - loop[:, 1]])
    return "M" + "L".join(f"{x:.9g},{y:.9g}" for x, y in flipped.tolist()) + "Z"
