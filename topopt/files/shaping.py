"""The sections of a design's file, one after the other."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf
from typing import Any

from topopt.errors import suggestion
from topopt.fem import Material, Support
from topopt.files.drawn import MeshFile
from topopt.files.driving import driven
from topopt.files.items import classed, fitted_top, plain, typed
from topopt.files.located import Located, Mistake, Path, shown
from topopt.files.mistakes import fitted
from topopt.files.sections import LOADS, Case, Sections, Start
from topopt.files.spec import Item, Spec, mapping
from topopt.grid import Grid
from topopt.limits import Limit
from topopt.run import Stop

__all__ = ["shaped"]


def shaped(located: Located) -> Spec:
    """Return what a file says in typed pieces, with all mistakes of form.

    Parameters
    ----------
    located : Located
        The file; its folder must be importable while this runs (`registry.importable`).
    """
    spec, data = Spec(located), located.data
    fitted_top(spec, Sections)
    _cells(spec)
    spec.material = plain(spec, Material, "material")
    spec.stop = plain(spec, Stop, "stop")
    spec.supports = [item for path, e in _list(data, "supports") if (item := classed(spec, Support, e, path))]
    _cases(spec)
    spec.chain = [item for path, entry in _list(data, "chain") if (item := typed(spec, "stage", entry, path))]
    _limits(spec)
    _start(spec)
    driven(spec)
    if isinstance(spec.top["optimizer"], dict):
        spec.optimizer = typed(spec, "optimizer", spec.top["optimizer"], ("optimizer",))
    return spec


def _cases(spec: Spec) -> None:
    """Fit the loads, which are one case, or the cases."""
    data = spec.located.data
    if "loads" in data and "cases" in data:
        spec.mistakes.append(Mistake(("cases",), "give loads or cases, not both; loads are one case"))
    if data.get("loads"):
        loads = [item for path, entry in _list(data, "loads") if (item := _load(spec, entry, path))]
        spec.cases.append((("loads",), "load", 1.0, loads))
    for path, case in _list(data, "cases"):
        if isinstance(case, dict) and isinstance(case.get("loads"), list):
            loads = [
                item
                for index, entry in enumerate(case["loads"])
                if (item := _load(spec, entry, (*path, "loads", index)))
            ]
            values, _ = fitted(Case, case, path)
            if values is not None:
                spec.cases.append((path, values["name"], values["weight"], loads))


def _load(spec: Spec, data: Any, path: Path) -> Item | None:
    """Fit a load; what it gives says which kind it is."""
    if not isinstance(data, dict):
        spec.mistakes.append(Mistake(path, f"expected a mapping with on and a force, got {shown(data)}"))
        return None
    given = [key for key in LOADS if key in data]
    if len(given) != 1:
        unknown = [key for key in data if key not in LOADS and key != "on"]
        if unknown and not given:
            spec.mistakes += [
                Mistake((*path, key), f"unknown key: {suggestion(key, [*LOADS, 'on'])}") for key in unknown
            ]
        else:
            got = " and ".join(given) or "none"
            spec.mistakes.append(Mistake(path, f"expected one of {', '.join(LOADS)}, got {got}"))
        return None
    return classed(spec, LOADS[given[0]], data, path)


def _limits(spec: Spec) -> None:
    """Fit the limits: numbers, or bounds."""
    for name, value in mapping(spec.located.data.get("limits")).items():
        path = ("limits", name)
        if isinstance(value, int | float) and not isinstance(value, bool):
            spec.limits[name] = float(value)
        elif isinstance(value, dict):
            item = classed(spec, Limit, value, path)
            given = {key: bound for key, bound in item.values.items() if bound is not None} if item else {}
            if item and not given:
                spec.mistakes.append(Mistake(path, "expected upper or lower, got neither"))
            elif given.get("lower", -inf) > given.get("upper", inf):
                text = f"lower {shown(given['lower'])} lies above upper {shown(given['upper'])}"
                spec.mistakes.append(Mistake(path, text))
            elif item:
                spec.limits[name] = given
        else:
            text = f"expected a number (an upper limit), or a mapping with upper, lower, got {shown(value)}"
            spec.mistakes.append(Mistake(path, text))


def _start(spec: Spec) -> None:
    """Fit the start: a number, a number with noise, or a file."""
    value = spec.located.data.get("start")
    if value is None:
        return
    if isinstance(value, int | float) and not isinstance(value, bool):
        spec.start = float(value)
        if not 0 <= value <= 1:
            spec.mistakes.append(
                Mistake(("start",), f"expected a density between 0 and 1, got {shown(value)}")
            )
        return
    if not isinstance(value, dict):
        text = f"expected a number, or a mapping with density, noise, seed, or file, got {shown(value)}"
        spec.mistakes.append(Mistake(("start",), text))
        return
    values, found = fitted(Start, value, ("start",))
    spec.mistakes += found
    if values is not None:
        others = [key for key in value if key != "file"]
        if "file" in value and others:
            spec.mistakes.append(Mistake(("start",), f"give a file or {others[0]}, not both"))
        spec.start = values


def _cells(spec: Spec) -> None:
    """Fit the grid or the mesh; a problem has one of them."""
    data = spec.located.data
    given = [section for section in ("grid", "mesh") if section in data]
    meant = any(mistake.text.endswith(("'grid'?", "'mesh'?")) for mistake in spec.mistakes)
    if not given and not meant:
        spec.mistakes.append(Mistake(("grid",), "missing: expected a mapping"))
    if len(given) == 2:  # neither is taken, so that nothing is said of cells that were perhaps not meant
        spec.mistakes.append(Mistake(("mesh",), "give a grid or a mesh, not both"))
    elif "grid" in data:
        spec.grid = plain(spec, Grid, "grid")
    elif isinstance(data.get("mesh"), dict):
        spec.mesh, found = fitted(MeshFile, data["mesh"], ("mesh",))
        spec.mistakes += found


def _list(data: Mapping[str, Any], section: str) -> list[tuple[Path, Any]]:
    """Return the entries of a section with their paths; none if it is no list."""
    value = data.get(section)
    return [((section, index), entry) for index, entry in enumerate(value)] if isinstance(value, list) else []
