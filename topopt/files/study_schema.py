"""The JSON Schema of the study file, with the problem file's schedules; run this module to write it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from topopt.files import json_schema
from topopt.files.spec import NAME
from topopt.files.study_sections import StudySections

__all__ = ["PATH", "schema", "text"]

PATH = Path(__file__).with_name("study.schema.json")


def schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of a study file.

    Examples
    --------
    >>> schema()["required"]
    ['name', 'problems', 'continuations']
    """
    problem = json_schema.schema()
    found = json_schema.tidied(StudySections.model_json_schema())
    sections = found["properties"]
    sections["name"]["pattern"] = f"^{NAME.pattern}$"
    continuation = dict(problem["properties"]["continuation"])
    values = {"type": "object", "description": "Other values of the problem files by dotted path."}
    continuation["properties"] = {**continuation.get("properties", {}), "set": values}
    sections["continuations"]["additionalProperties"] = continuation
    sections["optimizer"] = problem["properties"]["optimizer"] | {
        "description": sections["optimizer"]["description"]
    }
    known = {**problem["$defs"], **found["$defs"]}
    used: dict[str, Any] = {}
    _gather(sections, known, used)
    return {"$schema": problem["$schema"], "title": "Study file of topopt"} | {
        key: found[key]
        for key in ("description", "type", "properties", "required", "additionalProperties")
    } | {"$defs": dict(sorted(used.items()))}  # fmt: skip


def text() -> str:
    """Return the schema as it is committed."""
    return json.dumps(schema(), indent=1, ensure_ascii=False) + "\n"


def _gather(value: Any, known: dict[str, Any], used: dict[str, Any]) -> None:
    """Take over the definitions that a schema refers to, and those that they refer to."""
    for reference in _references(value):
        name = reference.rpartition("/")[2]
        if name not in used:
            used[name] = known[name]
            _gather(known[name], known, used)


def _references(value: Any) -> Iterator[str]:
    """Walk the references in a schema."""
    if isinstance(value, dict) and isinstance(value.get("$ref"), str):
        yield value["$ref"]
    for entry in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _references(entry)


if __name__ == "__main__":
    PATH.write_text(text(), "utf-8")
