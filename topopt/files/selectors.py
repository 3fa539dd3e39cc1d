"""Regions as a file writes them: named, inline, combined, or drawn in a picture."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path as FilePath
from typing import Annotated, Any

import numpy as np
from annotated_types import Gt, Lt
from pydantic import Field

from topopt import regions
from topopt.errors import InputError, suggestion
from topopt.files.fields import Entry, model
from topopt.files.located import Mistake, Path, shown
from topopt.files.mistakes import fitted
from topopt.regions import Everywhere, Mask, Not, Nowhere, Point, Region

__all__ = ["COMBINED", "DRAWN", "EVERYWHERE", "GEOMETRIC", "built", "complete", "mistakes_in", "names_in"]

EVERYWHERE = "everywhere"
GEOMETRIC: Mapping[str, type[Region]] = {
    "plane": regions.Plane, "point": regions.Point, "box": regions.Box, "ball": regions.Ball,
    "cylinder": regions.Cylinder, "polygon": regions.Polygon, "aerofoil": regions.Aerofoil,
}  # fmt: skip
COMBINED = ("all", "any", "not")


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


DRAWN: Mapping[str, type[Entry]] = {"image": Image, "array": Array}


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
    selectors = [*GEOMETRIC, *COMBINED, *DRAWN, EVERYWHERE]
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


def built(value: Any, named: Mapping[str, Region], folder: FilePath) -> Region:
    """Return the region that a well-formed value describes.

    Parameters
    ----------
    value : object
        As `mistakes_in` approves it.
    named : mapping
        Regions by name.
    folder : Path
        What files are relative to.

    Raises
    ------
    InputError
        If a selector's numbers do not fit together, or a file cannot be read.
    """
    if isinstance(value, str):
        return Everywhere() if value == EVERYWHERE else named[value]
    if isinstance(value, list):
        union: Region = Nowhere()
        for index, entry in enumerate(value):
            union = built(entry, named, folder) if index == 0 else union | built(entry, named, folder)
        return union
    ((key, inner),) = value.items()
    if key == EVERYWHERE:
        return Everywhere()
    if key == "not":
        return Not(built(inner, named, folder))
    if key == "any":
        return built(inner, named, folder)
    if key == "all":
        common = built(inner[0], named, folder)
        for entry in inner[1:]:
            common = common & built(entry, named, folder)
        return common
    if key in DRAWN:
        return Mask(_pixels(key, inner, folder))
    if key == "point":
        return Point(tuple(inner))
    return GEOMETRIC[key](**{name: _tuples(entry) for name, entry in inner.items()})


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


def _pixels(key: str, inner: Mapping[str, Any], folder: FilePath) -> Any:
    """Read a picture or an array as booleans, indexed [ix, iy(, iz)], y up."""
    file = folder / inner["file"]
    if not file.is_file():
        raise InputError(f"there is no file {inner['file']}; the path is relative to the problem file")
    if key == "array":
        try:
            return np.load(file, allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise InputError(f"{inner['file']} is no NPY file: {error}") from error
    from PIL import Image as Picture

    fields = dict(Image.model_validate(inner))
    try:
        with Picture.open(file) as picture:
            coloured = picture.convert("RGBA")
    except OSError as error:
        raise InputError(f"{inner['file']} is no picture that can be read: {error}") from error
    paper = Picture.new("RGBA", coloured.size, "white")
    grey = np.asarray(Picture.alpha_composite(paper, coloured).convert("L"), dtype=np.float64) / 255.0
    inside = (grey < fields["threshold"]) != fields["invert"]
    return inside[::-1].T


def _tuples(value: Any) -> Any:
    """Return lists as tuples."""
    return tuple(_tuples(entry) for entry in value) if isinstance(value, list) else value
