"""Regions as a file writes them: named, inline, combined, or drawn in another file."""

from __future__ import annotations

import functools
import operator
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path as FilePath
from typing import Any

from topopt import regions
from topopt.cells import Cells
from topopt.errors import InputError, suggestion
from topopt.files.drawn import DRAWN, drawn
from topopt.files.fields import model
from topopt.files.located import Mistake, Path, shown, tupled
from topopt.files.mistakes import fitted
from topopt.meshes import Mesh
from topopt.regions import Everywhere, Not, Nowhere, Point, Region

__all__ = [
    "COMBINED", "DRAWN", "EVERYWHERE", "GEOMETRIC", "GROUP", "built", "complete", "mistakes_in", "names_in",
]  # fmt: skip

EVERYWHERE = "everywhere"
GEOMETRIC: Mapping[str, type[Region]] = {
    "plane": regions.Plane, "point": regions.Point, "box": regions.Box, "ball": regions.Ball,
    "cylinder": regions.Cylinder, "polygon": regions.Polygon, "aerofoil": regions.Aerofoil,
}  # fmt: skip
COMBINED = ("all", "any", "not")
GROUP = "group"
"""A part of the mesh that bears a name in its file."""


def mistakes_in(value: Any, path: Path, names: Iterable[str]) -> list[Mistake]:
    """Return what is wrong with a region's form, unknown names included.

    Parameters
    ----------
    value : object
        A name, a mapping with one selector, or a list of regions, which means their union.
    path : tuple
        Where it stands.
    names : iterable of str
        The regions that are known by name.
    """
    names = list(names)
    if isinstance(value, str):
        if value in names or value == EVERYWHERE:
            return []
        return [Mistake(path, f"no region '{value}': {suggestion(value, [*names, EVERYWHERE])}")]
    if isinstance(value, list):
        if not value:
            return [Mistake(path, "expected at least one region, got an empty list")]
        return [m for index, entry in enumerate(value) for m in mistakes_in(entry, (*path, index), names)]
    selectors = [*GEOMETRIC, *COMBINED, *DRAWN, GROUP, EVERYWHERE]
    if not isinstance(value, dict):
        return [Mistake(path, f"expected a region ({', '.join(selectors)}) or a name, got {shown(value)}")]
    unknown = [key for key in value if key not in selectors]
    if unknown:
        return [Mistake((*path, key), f"unknown selector: {suggestion(key, selectors)}") for key in unknown]
    if len(value) != 1:
        got = " and ".join(value) or "none"
        return [Mistake(path, f"expected one selector, got {got}; combine regions with all, any and not")]
    ((key, inner),) = value.items()
    return _selector_mistakes(key, inner, (*path, key), names)


def _selector_mistakes(key: str, inner: Any, path: Path, names: list[str]) -> list[Mistake]:
    """Return what is wrong behind one selector."""
    if key == EVERYWHERE:
        return [] if inner in (None, True, {}) else [Mistake(path, f"takes nothing, got {shown(inner)}")]
    if key == GROUP:
        return [] if isinstance(inner, str) else [Mistake(path, f"expected a name, got {shown(inner)}")]
    if key == "not":
        return mistakes_in(inner, path, names)
    if key in COMBINED:
        if not isinstance(inner, list) or not inner:
            return [Mistake(path, f"expected a list of regions, got {shown(inner)}")]
        return mistakes_in(inner, path, names)
    if key == "point":
        found = fitted(model(Point), {"position": inner}, path)[1]
        return [Mistake(path, mistake.text) for mistake in found]
    if key == "plane" and inner == {}:
        return [Mistake(path, "expected one of x, y, z, got none")]
    return fitted(DRAWN[key] if key in DRAWN else model(GEOMETRIC[key]), inner, path)[1]


def names_in(value: Any) -> Iterator[str]:
    """Walk the names that a well-formed region refers to."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for entry in value:
            yield from names_in(entry)
    elif isinstance(value, dict):
        for key in COMBINED:
            yield from names_in(value.get(key))


def built(value: Any, named: Mapping[str, Region], folder: FilePath, cells: Cells | None = None) -> Region:
    """Return the region that a well-formed value describes.

    Parameters
    ----------
    value : object
        As `mistakes_in` approves it.
    named : mapping
        Regions by name.
    folder : Path
        What files are relative to.
    cells : Grid or Mesh, optional
        Whose groups can be named.

    Raises
    ------
    InputError
        If a selector's numbers do not fit together, a file cannot be read, or there is no such group.
    """
    if isinstance(value, str):
        return Everywhere() if value == EVERYWHERE else named[value]
    if isinstance(value, list):
        return functools.reduce(operator.or_, (built(entry, named, folder, cells) for entry in value))
    ((key, inner),) = value.items()
    if key == EVERYWHERE:
        return Everywhere()
    if key == GROUP:
        return _group(inner, cells)
    if key == "not":
        return Not(built(inner, named, folder, cells))
    if key == "any":
        return built(inner, named, folder, cells)
    if key == "all":
        return functools.reduce(operator.and_, (built(entry, named, folder, cells) for entry in inner))
    if key in DRAWN:
        return drawn(key, inner, folder)
    if key == "point":
        return Point(tuple(inner))
    return GEOMETRIC[key](**{name: tupled(entry) for name, entry in inner.items()})


def complete(value: Any) -> Any:
    """Return a well-formed region with every default written out."""
    if isinstance(value, list):
        return [complete(entry) for entry in value]
    if not isinstance(value, dict):
        return value
    ((key, inner),) = value.items()
    if key in COMBINED:
        return {key: complete(inner)}
    return {key: dict(DRAWN[key].model_validate(inner)) if key in DRAWN else inner}


def _group(name: str, cells: Cells | None) -> Region:
    """Return a group of the mesh."""
    if cells is None:  # its file is refused already, or the grid is
        return Nowhere()
    if not isinstance(cells, Mesh):
        raise InputError(
            f"group '{name}': groups are those of a mesh file, and here the cells are a grid; lay a mesh of "
            "boxes on it with {mesh: {file: ..., group: ...}}"
        )
    return cells.group(name)
