"""From an entry of a file to an item: a class, and what the file says of its fields."""

from __future__ import annotations

from typing import Any

from topopt.errors import InputError, suggestion
from topopt.files.fields import Entry, form, model
from topopt.files.located import Mistake, Path, shown
from topopt.files.mistakes import fitted
from topopt.files.registry import looked_up
from topopt.files.spec import NAME, Item, Spec
from topopt.solvers import SOLVERS

__all__ = ["classed", "fitted_top", "plain", "typed"]


def fitted_top(spec: Spec, sections: type[Entry]) -> None:
    """Fit the sections of a file, and look at its name.

    Parameters
    ----------
    spec : Spec
        Gets the sections, defaults included, and what is wrong with them.
    sections : type
        What a file of this kind may say.
    """
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


def classed(spec: Spec, cls: type, data: Any, path: Path) -> Item | None:
    """Fit a value into a class that the file does not name; None if there are mistakes, which the spec gets.

    Parameters
    ----------
    spec : Spec
        What the file says.
    cls : type
        The class.
    data : object
        The value.
    path : tuple
        Where it stands.
    """
    values, found = fitted(model(cls), data, path)
    spec.mistakes += found
    return None if values is None else Item(path, cls, values)


def plain(spec: Spec, cls: type, section: str) -> Item | None:
    """Fit a section, left out or not, into a class; the rest is as in `classed`.

    Parameters
    ----------
    spec : Spec
        What the file says.
    cls : type
        The class.
    section : str
        Its key.
    """
    data = spec.located.data.get(section, {})
    return classed(spec, cls, data, (section,)) if isinstance(data, dict) else None


def typed(spec: Spec, kind: str, data: Any, path: Path) -> Item | None:
    """Fit an entry whose type the file names; the rest is as in `classed`.

    Parameters
    ----------
    spec : Spec
        What the file says.
    kind : {"stage", "schedule", "optimizer", "model"}
        What the type must be.
    data : object
        The entry.
    path : tuple
        Where it stands.
    """
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
