"""The JSON Schema of the problem file, so that editors complete and check it; run this module to write it."""

from __future__ import annotations

import functools
import json
import math
import operator
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from annotated_types import MinLen
from pydantic import BaseModel, ConfigDict, Field, create_model

from topopt.continuation import Guard, Rollback
from topopt.fem import Material, Support
from topopt.files.drawn import MeshFile
from topopt.files.driving import MEMORIES, NONE
from topopt.files.fields import REGION, Entry, model
from topopt.files.registry import known
from topopt.files.sections import LOADS, Case, ModelSections, Output, Sections, Start
from topopt.files.selectors import COMBINED, DRAWN, EVERYWHERE, GEOMETRIC, GROUP
from topopt.files.spec import NAME
from topopt.grid import Grid
from topopt.limits import Limit
from topopt.run import Stop
from topopt.solvers import SOLVERS

__all__ = ["PATH", "schema", "text", "tidied"]

PATH = Path(__file__).with_name("problem.schema.json")
_DIALECT = "https://json-schema.org/draft/2020-12/schema"


_COMPONENT = {"enum": ["x", "y", "z"]}
_PATH = r"[A-Za-z_][\w.]*:[A-Za-z_]\w*"
_NARROWED: Mapping[str, Mapping[str, Mapping[str, Any]]] = {
    "Grid": {
        "cells": {"items": {"type": "integer", "minimum": 2}, "minItems": 2, "maxItems": 3},
        "size": {"items": {"type": "number", "exclusiveMinimum": 0}, "maxItems": 3},
    },
    "Material": {"plane": {"enum": ["stress", "strain"]}},
    "Support": {
        "fix": {
            "anyOf": [
                {"enum": ["all"]},
                {"type": "string", "pattern": "^[xyz]{1,3}$"},
                {"type": "array", "items": _COMPONENT, "minItems": 1, "maxItems": 3, "uniqueItems": True},
            ]
        },
        "spring": {"anyOf": [{"type": "number", "exclusiveMinimum": 0}, {"type": "null"}]},
    },
    "polygon": {"corners": {"minItems": 3}},
}
"""What the constructors refuse beyond what their annotations say, by definition and field."""


class Own(BaseModel):
    """A class of your own by its dotted path, with its fields."""

    model_config = ConfigDict(extra="allow")

    type: Annotated[str, Field(pattern=f"^{_PATH}$")]


class OwnLink(Own):
    """A stage of your own by its dotted path, with its fields."""

    name: str


def schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of a problem file, be it of a design or with a model of its own.

    Examples
    --------
    >>> schema()["required"], schema()["else"]["required"]
    (['name'], ['chain', 'minimise'])
    """
    raw = _whole().model_json_schema()
    found = tidied(raw)
    assert isinstance(found, dict)
    found["$defs"] |= {"Region": _region(), **_region_parts()}
    _narrow(found)
    whole = ("description", "type", "properties", "required", "additionalProperties", "if", "then", "else")
    return {"$schema": _DIALECT, "title": "Problem file of topopt"} | {
        key: found[key] for key in whole
    } | {"$defs": dict(sorted(found["$defs"].items()))}  # fmt: skip


def _narrow(found: dict[str, Any]) -> None:
    """Add to a schema, in place, what annotations cannot say."""
    for definition, fields in _NARROWED.items():
        for field, more in fields.items():
            found["$defs"][definition]["properties"][field] |= more
    for definition in ("plane", "Limit"):
        found["$defs"][definition]["minProperties"] = 1
    found["properties"]["name"]["pattern"] = f"^{NAME.pattern}$"
    start = found["properties"]["start"]["anyOf"]
    start[:] = [
        part | {"minimum": 0, "maximum": 1} if part.get("type") == "number" else part for part in start
    ]
    found["$defs"]["EquilibriumLink"]["properties"]["solver"]["anyOf"] = _solvers()
    _parted(found)
    found["$defs"]["Rollback"] = tidied(model(Rollback).model_json_schema())
    found["properties"]["continuation"]["properties"] = {
        "memory": {
            "enum": list(MEMORIES),
            "description": "What becomes of the optimiser's memory where a parameter jumps.",
        },
        "rollback": {"anyOf": [{"$ref": "#/$defs/Rollback"}, {"const": NONE}]},
        "rounds": {
            "type": "integer",
            "minimum": 1,
            "description": "How often the schedules go their way, each time from what came out.",
        },
    }


def _parted(found: dict[str, Any]) -> None:
    """Say what a file with a model may have, and what one without must have."""
    found["required"].remove("chain")
    found["required"].remove("minimise")
    found["description"] += " Or a model of its own, such as a net, in place of structure and chain."
    found["if"] = {"required": ["model"]}
    output = tidied(Output.model_json_schema())
    found["then"] = {
        "propertyNames": {"enum": list(ModelSections.model_fields)},
        "properties": {"output": {key: value for key, value in output.items() if key != "description"}},
    }
    found["else"] = {
        "required": ["chain", "minimise"],
        "oneOf": [{"required": ["grid"]}, {"required": ["mesh"]}],
        "not": {"required": ["loads", "cases"]},
    }


def _solvers() -> list[dict[str, Any]]:
    """Return what may stand for a solver: a name, or a name with settings."""
    settings = []
    for name, cls in SOLVERS.items():
        one = tidied(model(cls).model_json_schema())
        one["properties"] = {"name": {"const": name}} | one["properties"]
        settings.append(one | {"required": ["name"]})
    return [{"type": "string", "pattern": f"^(auto|{'|'.join(SOLVERS)}|{_PATH})$"}, *settings]


def text() -> str:
    """Return the schema as it is committed."""
    return json.dumps(schema(), indent=1, ensure_ascii=False) + "\n"


def _whole() -> type[BaseModel]:
    """Return one model that knows every class of ours."""
    links = [model(cls, "link", name, True, f"{cls.__name__}Link") for name, cls in known("stage").items()]
    schedules = [_guarded(model(cls, "typed", name)) for name, cls in known("schedule").items()]
    optimizers = [model(cls, "typed", name) for name, cls in known("optimizer").items()]
    models = [model(cls, "typed", name) for name, cls in known("model").items()]
    loads = _any([model(cls) for cls in LOADS.values()])
    several: dict[str, Any] = {"loads": (Annotated[_list(loads), MinLen(1)], ...)}
    case = create_model("Case", __base__=Case, __doc__=Case.__doc__, **several)
    kinds: dict[str, Any] = {
        "grid": model(Grid),
        "mesh": MeshFile,
        "material": model(Material),
        "supports": _list(model(Support)),
        "loads": _list(loads),
        "cases": _list(case),
        "chain": Annotated[_list(_any([*links, OwnLink])), MinLen(1)],
        "limits": _dict(_any([float, model(Limit)])),
        "start": _any([float, Start]),
        "continuation": _dict(_any([float, *schedules, Own])),
        "optimizer": _any([*optimizers, Own]),
        "stop": model(Stop),
        "model": _any([*models, Own]),
    }
    fields: dict[str, Any] = {}
    for name, kind in kinds.items():
        said = Sections.model_fields.get(name) or ModelSections.model_fields[name]
        needed = said.is_required() and name != "model"  # `_parted` says when a model stands for a chain
        about = Field(default=... if needed else None, description=said.description)
        fields[name] = (kind, about)
    return create_model("ProblemFile", __base__=Sections, __doc__=Sections.__doc__, **fields)


def _guarded(schedule: type[BaseModel]) -> type[BaseModel]:
    """Return the model of a schedule that may bear a guard."""
    guard: dict[str, Any] = {"guard": (model(Guard), None)}
    return create_model(schedule.__name__, __base__=schedule, __doc__=schedule.__doc__, **guard)


def _any(kinds: list[Any]) -> Any:
    """Return a union."""
    return functools.reduce(operator.or_, kinds)


def _list(kind: Any) -> Any:
    """Return a list of a type that is known at run time only."""
    return list[kind]


def _dict(kind: Any) -> Any:
    """Return a mapping from text to a type that is known at run time only."""
    return dict[str, kind]


def tidied(value: Any) -> Any:
    """Put references where regions stand, and drop titles and defaults that only repeat."""
    if isinstance(value, list):
        return [tidied(entry) for entry in value]
    if not isinstance(value, dict):
        return value
    if REGION in value:
        about = {"description": value["description"]} if "description" in value else {}
        return {"$ref": "#/$defs/Region"} | about
    dropped = {"title"} if isinstance(value.get("title"), str) else set()
    # JSON has no word for infinity.
    if value.get("default", 0) in (None, math.inf, {"solid": None, "void": None}):
        dropped.add("default")
    return {key: tidied(entry) for key, entry in value.items() if key not in dropped}


def _region() -> dict[str, Any]:
    """Return the schema of a region."""
    here = {"$ref": "#/$defs/Region"}
    several = {"type": "array", "items": here, "minItems": 1}
    selectors: dict[str, Any] = {
        name: {"$ref": f"#/$defs/{name}"} for name in (*GEOMETRIC, *DRAWN) if name != "point"
    }
    selectors["point"] = {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 3}
    selectors |= {name: here if name == "not" else several for name in COMBINED}
    selectors[GROUP] = {"type": "string", "description": "A named part of the mesh of the problem."}
    selectors[EVERYWHERE] = {"description": "Every point."}
    one = {
        "type": "object",
        "properties": selectors,
        "additionalProperties": False,
        "minProperties": 1,
        "maxProperties": 1,
    }
    return {
        "description": "A region: a name, a selector, or a list of regions, which means their union.",
        "anyOf": [{"type": "string"}, several, one],
    }


def _region_parts() -> dict[str, Any]:
    """Return the schemas of the selectors."""
    parts: dict[str, type[Entry] | type[BaseModel]] = dict(DRAWN)
    parts |= {name: model(cls) for name, cls in GEOMETRIC.items() if name != "point"}
    return {name: tidied(part.model_json_schema()) for name, part in parts.items()}


if __name__ == "__main__":
    PATH.write_text(text(), "utf-8")
