"""A surface as 3MF, the successor of STL: with a unit, and with corners that triangles share."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path
from xml.sax.saxutils import escape

from topopt.files.atomic import write_bytes
from topopt.files.export.surface import Surface

__all__ = ["write_3mf"]

UNITS: Mapping[str | None, str] = {
    None: "millimeter",
    "mm": "millimeter",
    "cm": "centimeter",
    "m": "meter",
    "in": "inch",
}
"""The format's names of units; it takes no drawing without one, and a millimetre is its own default."""
CORE = "http://schemas.microsoft.com/3dmanufacturing/core/2015/02"
PACKAGE = "http://schemas.openxmlformats.org/package/2006"
HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n'
TYPES = (
    f'{HEAD}<Types xmlns="{PACKAGE}/content-types">'
    '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    '<Default Extension="model" ContentType="application/vnd.ms-package.3dmanufacturing-3dmodel+xml"/>'
    "</Types>"
)
RELATIONS = (
    f'{HEAD}<Relationships xmlns="{PACKAGE}/relationships"><Relationship Id="model" '
    'Target="/3D/3dmodel.model" Type="http://schemas.microsoft.com/3dmanufacturing/2013/01/3dmodel"/>'
    "</Relationships>"
)
BEGINNING = (1980, 1, 1, 0, 0, 0)
"""The date of every part, the first that a zip file knows: two exports of one design are equal."""


def write_3mf(path: Path, skin: Surface, name: str, unit: str | None = None) -> None:
    """Write a surface as a 3MF package: a zip file of three small texts, which needs no library.

    Parameters
    ----------
    path : Path
        The file.
    skin : Surface
        Closed; corners are written to the nine digits that a float32 has.
    name : str
        The object's name.
    unit : str, optional
        The unit of length, ``mm``, ``cm``, ``m`` or ``in``; millimetres if left out.

    References
    ----------
    3MF Core Specification 1.3, https://3mf.io/spec
    """
    corners = "".join(f'<vertex x="{x:.9g}" y="{y:.9g}" z="{z:.9g}"/>' for x, y, z in skin.points.tolist())
    faces = "".join(f'<triangle v1="{a}" v2="{b}" v3="{c}"/>' for a, b, c in skin.triangles.tolist())
    label = escape(name, {'"': "&quot;"})
    model = (
        f'{HEAD}<model unit="{UNITS[unit]}" xml:lang="en-US" xmlns="{CORE}"><resources>'
        f'<object id="1" type="model" name="{label}"><mesh><vertices>{corners}</vertices>'
        f"<triangles>{faces}</triangles></mesh></object></resources>"
        '<build><item objectid="1"/></build></model>'
    )
    package = io.BytesIO()
    with zipfile.ZipFile(package, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as parts:
        for part, text in (
            ("[Content_Types].xml", TYPES),
            ("_rels/.rels", RELATIONS),
            ("3D/3dmodel.model", model),
        ):
            parts.writestr(zipfile.ZipInfo(part, BEGINNING), text, zipfile.ZIP_DEFLATED)
    write_bytes(path, package.getbuffer())
