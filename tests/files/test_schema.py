"""The published JSON Schema: up to date, complete, and whole."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from topopt.files import read, schema
from topopt.files.json_schema import PATH, text
from topopt.files.located import located
from topopt.files.registry import known
from topopt.files.sections import Sections
from topopt.files.selectors import COMBINED, DRAWN, GEOMETRIC, GROUP


def nodes(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from nodes(inner)


def test_the_committed_file_is_up_to_date() -> None:
    assert PATH.read_text("utf-8") == text(), "run `make schema`"


def test_every_section_is_there() -> None:
    assert schema()["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema()["properties"].keys() == Sections.model_fields.keys()
    assert schema()["required"] == ["name", "chain", "minimise"]
    assert schema()["oneOf"] == [{"required": ["grid"]}, {"required": ["mesh"]}]
    assert schema()["additionalProperties"] is False


@pytest.mark.parametrize("kind", ["stage", "schedule", "optimizer"])
def test_every_type_is_offered(kind: str) -> None:
    offered = {
        node["type"]["const"]
        for node in nodes(schema())
        if isinstance(node.get("type"), dict) and "const" in node["type"]
    }
    assert known(kind).keys() <= offered


def test_every_selector_is_offered() -> None:
    region = schema()["$defs"]["Region"]["anyOf"][2]["properties"]
    assert region.keys() == {*GEOMETRIC, *COMBINED, *DRAWN, GROUP, "everywhere"}


def test_every_reference_is_defined_and_every_definition_is_used() -> None:
    found = schema()
    used = {node["$ref"] for node in nodes(found) if "$ref" in node}
    assert used == {f"#/$defs/{name}" for name in found["$defs"]}


def test_fields_carry_descriptions_and_bounds() -> None:
    eta = schema()["$defs"]["TanhLink"]["properties"]["eta"]
    assert eta == {
        "type": "number",
        "default": 0.5,
        "minimum": 0,
        "maximum": 1,
        "description": "Threshold, 0 to 1.",
    }
    assert schema()["$defs"]["TanhLink"]["required"] == ["name", "type"]


def test_no_mark_of_ours_is_left() -> None:
    assert not [node for node in nodes(schema()) if "x-region" in node]


def refused(value: Any, said: dict[str, Any], root: dict[str, Any]) -> bool:
    """Return whether a schema refuses a value; knows the words that the published one uses."""
    if "$ref" in said:
        return refused(value, root["$defs"][said["$ref"].rpartition("/")[2]], root)
    if "anyOf" in said:
        return all(refused(value, {**part}, root) for part in said["anyOf"])
    kinds = {"object": dict, "array": list, "string": str, "boolean": bool, "null": type(None)}
    kind = said.get("type")
    if kind in ("number", "integer"):
        if isinstance(value, bool) or not isinstance(value, int if kind == "integer" else int | float):
            return True
    elif kind and not isinstance(value, kinds[kind]):
        return True
    if ("enum" in said and value not in said["enum"]) or ("const" in said and value != said["const"]):
        return True
    if isinstance(value, str):
        return "pattern" in said and not re.search(said["pattern"], value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return not (
            said.get("minimum", value) <= value <= said.get("maximum", value)
            and value > said.get("exclusiveMinimum", -math.inf)
            and value < said.get("exclusiveMaximum", math.inf)
        )
    if isinstance(value, list):
        few = not said.get("minItems", 0) <= len(value) <= said.get("maxItems", len(value))
        return few or any(refused(entry, said.get("items", {}), root) for entry in value)
    if isinstance(value, dict):
        known, rest = said.get("properties", {}), said.get("additionalProperties", True)
        return (
            any(key not in value for key in said.get("required", ()))
            or not said.get("minProperties", 0) <= len(value) <= said.get("maxProperties", len(value))
            or ("not" in said and not refused(value, said["not"], root))
            or any(
                refused(entry, known[key], root)
                if key in known
                else (refused(entry, rest, root) if isinstance(rest, dict) else not rest)
                for key, entry in value.items()
            )
        )
    return False


PROBLEMS = Path(__file__).parents[2] / "problems"
FILES = [*sorted(PROBLEMS.glob("*.yaml")), *sorted(PROBLEMS.glob("benchmarks/*.yaml"))]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PROBLEMS)))
def test_a_good_file_is_accepted(path: Path) -> None:
    assert not refused(located(path.read_text(), "f").data, schema(), schema())
    assert not refused(located(read(path).resolved, "f").data, schema(), schema())


@pytest.mark.parametrize(
    ("section", "value", "good"),
    [
        ("name", "../a", "a-1"),
        ("grid", {"cells": [4]}, {"cells": [4, 2]}),
        ("grid", {"cells": [4, 1]}, {"cells": [4, 2, 2]}),
        ("grid", {"cells": [4, 2], "size": [1, 0]}, {"cells": [4, 2], "size": [1, 0.5]}),
        ("material", {"plane": "strane"}, {"plane": "strain"}),
        ("supports", [{"on": "a", "fix": []}], [{"on": "a", "fix": ["x"]}]),
        ("supports", [{"on": "a", "fix": ["q"]}], [{"on": "a", "fix": "xy"}]),
        ("supports", [{"on": "a", "fix": "none"}], [{"on": "a", "fix": "all"}]),
        ("supports", [{"on": "a", "spring": 0}], [{"on": "a", "spring": 1}]),
        ("start", 1.5, 0.5),
        ("limits", {"volume": "half"}, {"volume": 0.5}),
        ("limits", {"volume": {}}, {"volume": {"lower": 0.5}}),
        ("regions", {"a": {"plane": {}}}, {"a": {"plane": {"x": 1}}}),
        (
            "regions",
            {"a": {"polygon": {"corners": [[0, 0], [1, 1]]}}},
            {"a": {"polygon": {"corners": [[0, 0], [1, 1], [2, 0]]}}},
        ),
        ("chain", [{"name": "u", "type": "equilibrium", "solver": "colmod"}],
         [{"name": "u", "type": "equilibrium", "solver": "superlu"}]),
        ("cases", [{"name": "a", "loads": [{"on": "b", "force": [1, 0]}]}], []),
    ],
)  # fmt: skip
def test_what_can_be_refused_is_refused(section: str, value: Any, good: Any) -> None:
    path = PROBLEMS / "mbb.yaml"
    data = located(path.read_text(), "f").data
    assert refused(data | {section: value}, schema(), schema())
    right = {key: v for key, v in data.items() if key != section} | ({section: good} if good else {})
    assert not refused(right, schema(), schema())
