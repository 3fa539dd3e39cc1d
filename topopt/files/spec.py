"""What a file says, in typed pieces, with every mistake of form."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf
from typing import Any, get_args

from topopt.continuation import Constant, Follow, Guard, Rollback, Survival
from topopt.continuation.continuation import Memory
from topopt.errors import InputError, suggestion
from topopt.fem import Material, Support
from topopt.files.drawn import MeshFile
from topopt.files.fields import Entry, form, model
from topopt.files.located import Located, Mistake, Path, shown
from topopt.files.mistakes import fitted
from topopt.files.registry import looked_up, type_name
from topopt.files.sections import LOADS, Case, Sections, Start
from topopt.grid import Grid
from topopt.limits import Limit
from topopt.run import Stop
from topopt.solvers import SOLVERS

__all__ = [
    "MEMORIES",
    "NAME",
    "Item",
    "Spec",
    "driven",
    "fitted_top",
    "mapping",
    "plain",
    "shaped",
    "typed",
]

MEMORIES = get_args(Memory)
SETTINGS = ("memory", "rollback")
"""What a continuation says besides its schedules."""
SHARPNESS = "beta"
"""The field that makes a sharp stage sharper."""
NAME = re.compile(r"[A-Za-z0-9][\w.-]*")
"""Of a problem, and so of its run folder."""


@dataclass(frozen=True)
class Item:
    """A class and what the file says of its fields; a link of the chain also has a name and reads."""

    path: Path
    cls: type
    values: dict[str, Any]
    type: str = ""
    name: str = ""
    reads: tuple[str, ...] = ()


@dataclass
class Spec:
    """What a file says; what was refused is missing, and there is a mistake for it."""

    located: Located
    top: dict[str, Any] = field(default_factory=dict)
    grid: Item | None = None
    mesh: dict[str, Any] | None = None
    material: Item | None = None
    supports: list[Item] = field(default_factory=list)
    cases: list[tuple[Path, str, float, list[Item]]] = field(default_factory=list)
    chain: list[Item] = field(default_factory=list)
    limits: dict[str, float | dict[str, float]] = field(default_factory=dict)
    start: float | dict[str, Any] | None = None
    continuation: dict[str, Item] = field(default_factory=dict)
    guards: dict[str, Item] = field(default_factory=dict)
    memory: str = "keep"
    rollback: Item | None = None
    optimizer: Item | None = None
    stop: Item | None = None
    mistakes: list[Mistake] = field(default_factory=list)

    def add(self, found: Iterable[Mistake]) -> None:
        """Add mistakes, but none about a value that an earlier sentence is about already."""
        known = {mistake.path for mistake in self.mistakes}
        self.mistakes += [mistake for mistake in found if mistake.path not in known]

    def looked_up(self) -> list[tuple[Path, str]]:
        """Return the responses that schedules look up in the log, with their places."""
        return [
            ((*item.path, field), item.values[field])
            for item in self.continuation.values()
            for field in getattr(item.cls, "reads", ())
            if isinstance(item.values.get(field), str)
        ]

    def objectives(self) -> list[tuple[Path, str]]:
        """Return the names of what is to be lowered, one or several, each with its path."""
        said = self.top.get("minimise")
        if isinstance(said, str):
            return [(("minimise",), said)]
        names = said if isinstance(said, list) else []
        return [(("minimise", index), name) for index, name in enumerate(names) if isinstance(name, str)]

    def refuses(self, *sections: str) -> bool:
        """Return whether something in one of these sections is wrong."""
        return any(mistake.path[:1] == (section,) for mistake in self.mistakes for section in sections)


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
    spec.supports = [item for path, e in _list(data, "supports") if (item := _fit(spec, Support, e, path))]
    _cases(spec)
    spec.chain = [item for path, entry in _list(data, "chain") if (item := typed(spec, "stage", entry, path))]
    _limits(spec)
    _start(spec)
    driven(spec)
    if isinstance(spec.top["optimizer"], dict):
        spec.optimizer = typed(spec, "optimizer", spec.top["optimizer"], ("optimizer",))
    return spec


def fitted_top(spec: Spec, sections: type[Entry]) -> None:
    """Fit the sections of a file, and look at its name."""
    data = spec.located.data
    top, found = fitted(sections, data, ())
    spec.mistakes += found
    top = top or {key: value for key, value in data.items() if key in sections.model_fields}
    spec.top = {
        name: f.get_default(call_default_factory=True)
        for name, f in sections.model_fields.items()
        if not f.is_required()
    } | top
    if isinstance(data.get("name"), str) and not NAME.fullmatch(data["name"]):
        text = (
            f"expected letters, digits, '_', '-' and '.', a letter or digit first, got {shown(data['name'])}"
        )
        spec.mistakes.append(Mistake(("name",), text))


def _fit(spec: Spec, cls: type, data: Any, path: Path) -> Item | None:
    """Fit a value into a class that the file does not name."""
    values, found = fitted(model(cls), data, path)
    spec.mistakes += found
    return None if values is None else Item(path, cls, values)


def plain(spec: Spec, cls: type, section: str) -> Item | None:
    """Fit a section, left out or not."""
    data = spec.located.data.get(section, {})
    return _fit(spec, cls, data, (section,)) if isinstance(data, dict) else None


def typed(spec: Spec, kind: str, data: Any, path: Path) -> Item | None:
    """Fit an entry whose type the file names."""
    if not isinstance(data, dict):
        spec.mistakes.append(Mistake(path, f"expected a mapping with a type, got {shown(data)}"))
        return None
    name = data.get("type")
    if not isinstance(name, str):
        got = (
            f"expected the name of a {kind}, got {shown(name)}"
            if "type" in data
            else f"missing: name a {kind}"
        )
        spec.mistakes.append(Mistake((*path, "type"), got))
        return None
    try:
        cls = looked_up(name, kind)
    except InputError as error:
        spec.mistakes.append(Mistake((*path, "type"), str(error)))
        return None
    shape = model(cls, "link" if kind == "stage" else "typed", lenient=kind == "stage")
    values, found = fitted(shape, data, path)
    spec.mistakes += found
    if values is None:
        return None
    fields = {key: values[key] for key in form(cls).fields}
    for key in form(cls).solvers:
        if isinstance(fields[key], dict):
            settings = _solver(spec, fields[key], (*path, key))
            if settings is None:
                return None
            fields[key] = settings
    return Item(path, cls, fields, name, values.get("name", ""), tuple(values.get("reads") or ()))


def _solver(spec: Spec, data: dict[str, Any], path: Path) -> dict[str, Any] | None:
    """Fit the settings of a solver that is named among them."""
    name = data.get("name")
    if not isinstance(name, str) or name not in SOLVERS:
        hint = suggestion(str(name), SOLVERS) if "name" in data else f"name one of {', '.join(SOLVERS)}"
        text = f"solver '{name}' is unknown; {hint}" if "name" in data else f"missing: {hint}"
        spec.mistakes.append(Mistake((*path, "name"), text))
        return None
    values, found = fitted(model(SOLVERS[name]), {k: v for k, v in data.items() if k != "name"}, path)
    spec.mistakes += found
    return None if values is None else {"name": name, **values}


def driven(spec: Spec) -> None:
    """Fit the schedules and the settings.

    A sharpness that nobody sets follows one that has a way of its own; if none has, it is driven by the
    survival gate. Of several that of the design's density leads, or else the first in the chain.
    """
    data = mapping(spec.located.data.get("continuation"))
    for name, entry in data.items():
        path: Path = ("continuation", name)
        if name == "memory":
            spec.memory = entry
            if entry not in MEMORIES:
                text = f"expected one of {', '.join(MEMORIES)}, got {shown(entry)}"
                spec.mistakes.append(Mistake(path, text))
        elif name == "rollback":
            spec.rollback = _fit(spec, Rollback, entry, path)
        elif "." not in name and "model" not in spec.located.data:
            text = f"is neither a parameter, link.field, nor a setting: {suggestion(name, SETTINGS)}"
            spec.mistakes.append(Mistake(path, text))
        elif item := _schedule(spec, entry, path):
            spec.continuation[name] = item
    sharp = [item for item in spec.chain if getattr(item.cls, "sharp", False)]
    sharp.sort(key=lambda item: item.name != spec.top["density"])
    gates = {f"{item.name}.{SHARPNESS}": item for item in sharp}
    led(spec, list(gates), [n for n, item in gates.items() if item.values.get(SHARPNESS, 0.0) is None])


def led(spec: Spec, gates: Sequence[str], free: Sequence[str]) -> None:
    """Give every sharpness that nobody sets a leader to follow, or else the survival gate.

    Parameters
    ----------
    spec : Spec
        What the file says, with the schedules that it names.
    gates : sequence of str
        Every sharpness, that which would lead first.
    free : sequence of str
        Those of them that have no value of their own.
    """
    data = mapping(spec.located.data.get("continuation"))
    unset = [name for name in free if name not in data]
    followers = {name for name, item in spec.continuation.items() if item.cls is Follow}
    leading = [name for name in gates if name in data and name not in followers]
    leader = (leading or unset or [""])[0]
    for name in unset:
        cls: type = Survival if name == leader else Follow
        fields = {key: default for key, (_, default) in form(cls).fields.items()}
        if name != leader:
            fields["leader"] = leader
        spec.continuation[name] = Item(("continuation", name), cls, fields, type_name(cls))


def _schedule(spec: Spec, data: Any, path: Path) -> Item | None:
    """Fit a schedule and its guard; a bare number is constant."""
    if isinstance(data, int | float) and not isinstance(data, bool):
        return Item(path, Constant, {"value": float(data)}, "constant")
    if isinstance(data, dict):
        item = typed(spec, "schedule", {key: value for key, value in data.items() if key != "guard"}, path)
        if "guard" in data:
            place = (*path, "guard")
            guard = _fit(spec, Guard, data["guard"], place)
            if item and item.cls is Follow:
                spec.mistakes.append(
                    Mistake(place, "a parameter that follows goes its leader's way: guard that")
                )
            elif guard:
                spec.guards[str(path[-1])] = guard
        return item
    text = f"expected a number, or a mapping with the type of a schedule, got {shown(data)}"
    spec.mistakes.append(Mistake(path, text))
    return None


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
    return _fit(spec, LOADS[given[0]], data, path)


def _limits(spec: Spec) -> None:
    """Fit the limits: numbers, or bounds."""
    for name, value in mapping(spec.located.data.get("limits")).items():
        path = ("limits", name)
        if isinstance(value, int | float) and not isinstance(value, bool):
            spec.limits[name] = float(value)
        elif isinstance(value, dict):
            item = _fit(spec, Limit, value, path)
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


def mapping(value: Any) -> dict[str, Any]:
    """Return a section, or nothing if it is no mapping.

    Parameters
    ----------
    value : object
        What the file says.
    """
    return value if isinstance(value, dict) else {}
