"""The problem file as it was understood: every default written out, ready to be read again."""

from __future__ import annotations

import io
import re
from pathlib import Path as FilePath
from typing import Any

from ruamel.yaml import YAML

from topopt.files.fields import form
from topopt.files.parts import Parts
from topopt.files.selectors import DRAWN, complete
from topopt.files.spec import Item, Spec

__all__ = ["fields_of", "resolved", "said_continuation", "written"]

_WORDS = re.compile(r"[A-Za-z_](?:[\w ./-]*\w)?", re.ASCII)


def resolved(spec: Spec, parts: Parts, folder: FilePath) -> str:
    """Return the YAML text of a file without mistakes; reading it gives an equal job.

    Parameters
    ----------
    spec : Spec
        What the file says.
    parts : Parts
        What was built from it.
    folder : Path
        What files and modules are relative to; written out if the file names any.
    """
    top = spec.top
    assert parts.problem is not None
    reads = {link.name: list(link.reads) for link in parts.problem.chain}
    text: dict[str, Any] = {"name": top["name"], "description": top["description"]}
    text["folder"] = str(folder.resolve()) if _looks_around(spec) else ""
    if spec.mesh:
        text["mesh"] = dict(spec.mesh)
    else:
        text["grid"] = {"cells": list(parts.problem.grid.cells), "size": list(parts.problem.grid.size)}
    text["material"] = spec.material.values if spec.material else {}
    text["regions"] = {name: complete(value) for name, value in top["regions"].items()}
    text["passive"] = {role: complete(value) for role, value in dict(top["passive"]).items() if value}
    text["supports"] = [fields_of(item) for item in spec.supports]
    text |= _loads(spec)
    text["chain"] = [
        {"name": item.name, "type": item.type, "reads": reads[item.name]}
        | fields_of(item, parts.stages[item.name])
        for item in spec.chain
    ]
    text["minimise"], text["limits"], text["density"] = top["minimise"], spec.limits, top["density"]
    text["start"] = _start(spec)
    text["continuation"] = said_continuation(spec)
    if spec.optimizer and spec.stop:
        text["optimizer"] = {"type": spec.optimizer.type} | fields_of(spec.optimizer)
        text["stop"] = fields_of(spec.stop)
    text["output"] = {key: complete(value) for key, value in dict(top["output"]).items() if value is not None}
    return written(
        {key: value for key, value in text.items() if key == "limits" or value not in (None, {}, [], "")}
    )


def written(data: dict[str, Any]) -> str:
    """Write plain values as YAML 1.2, innermost lists and mappings on one line."""
    yaml: Any = YAML(typ="safe", pure=True)
    yaml.default_flow_style = None
    yaml.sort_base_mapping_type_on_output = False
    yaml.width = 200
    yaml.allow_unicode = True
    yaml.representer.add_representer(str, _quoted)
    # What two places share is written twice: an anchor would tie them together for who edits the file.
    yaml.representer.ignore_aliases = lambda value: True
    out = io.StringIO()
    yaml.dump(data, out)
    return out.getvalue()


def _quoted(representer: Any, text: str) -> Any:
    """Quote everything but plain words, on which every reader of YAML agrees."""
    style = None if _WORDS.fullmatch(text) else '"'
    return representer.represent_scalar("tag:yaml.org,2002:str", text, style=style)


def fields_of(item: Item, built: Any = None) -> dict[str, Any]:
    """Return an item's fields; numbers that a schedule gave are taken from what was built."""
    regions = form(item.cls).regions
    values = {}
    for name, value in item.values.items():
        known = getattr(built, name) if value is None and name in form(item.cls).floats else value
        if known is not None:
            values[name] = complete(known) if name in regions else known
    return values


def said_continuation(spec: Spec) -> dict[str, Any]:
    """Return the schedules with their guards, and the settings where there is something to set."""
    said: dict[str, Any] = {}
    for name, item in spec.continuation.items():
        guard = {"guard": spec.guards[name].values} if name in spec.guards else {}
        said[name] = {"type": item.type} | fields_of(item) | guard
    if said:
        said["memory"] = spec.memory
    if spec.rollback:
        said["rollback"] = spec.rollback.values
    if spec.rounds > 1:
        said["rounds"] = spec.rounds
    return said


def _loads(spec: Spec) -> dict[str, Any]:
    """Return the loads as the file gave them, as loads or as cases."""
    if "cases" not in spec.located.data:
        return {"loads": [fields_of(item) for *_, loads in spec.cases for item in loads]}
    return {
        "cases": [
            {"name": name, "weight": weight, "loads": [fields_of(item) for item in loads]}
            for _, name, weight, loads in spec.cases
        ]
    }


def _start(spec: Spec) -> Any:
    """Return the start as the file gave it; left out, it follows the volume limit."""
    if not isinstance(spec.start, dict):
        return spec.start
    if spec.start["file"] is not None:
        return {"file": spec.start["file"]}
    return {name: value for name, value in spec.start.items() if value is not None}


def _looks_around(spec: Spec) -> bool:
    """Return whether the file names other files, or modules."""
    items = [*spec.chain, *spec.continuation.values(), *([spec.optimizer] if spec.optimizer else [])]
    drawn = [spec.top["regions"], dict(spec.top["passive"]), dict(spec.top["output"])]
    drawn += [item.values for item in (*spec.supports, *spec.chain)]
    drawn += [item.values for *_, loads in spec.cases for item in loads]
    started = isinstance(spec.start, dict) and spec.start["file"] is not None
    return (
        bool(spec.mesh) or started or any(":" in item.type for item in items) or any(map(_names_files, drawn))
    )


def _names_files(value: Any) -> bool:
    """Return whether a region in a nest of values is drawn in a file."""
    if isinstance(value, dict):
        return any(key in DRAWN or _names_files(entry) for key, entry in value.items())
    return isinstance(value, list) and any(map(_names_files, value))
