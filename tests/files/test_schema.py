"""The published JSON Schema: up to date, complete, and whole."""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from topopt.files import json_schema, read
from topopt.files.json_schema import PATH, text
from topopt.files.located import located
from topopt.files.registry import known
from topopt.files.sections import ModelSections, Sections
from topopt.files.selectors import COMBINED, DRAWN, GEOMETRIC, GROUP

schema = functools.cache(json_schema.schema)


def nodes(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from nodes(inner)


def test_the_committed_file_is_up_to_date() -> None:
    assert PATH.read_text("utf-8") == text(), "run `make schema`"


def test_every_section_is_there() -> None:
    assert schema()["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    sections = Sections.model_fields.keys() | ModelSections.model_fields.keys()
    assert schema()["properties"].keys() == sections
    assert schema()["required"] == ["name"]
    assert schema()["if"] == {"required": ["model"]}
    assert schema()["then"]["propertyNames"] == {"enum": list(ModelSections.model_fields)}
    assert schema()["else"]["required"] == ["chain", "minimise"]
    assert schema()["else"]["oneOf"] == [{"required": ["grid"]}, {"required": ["mesh"]}]
    assert schema()["additionalProperties"] is False


@pytest.mark.parametrize("kind", ["stage", "schedule", "optimizer", "model"])
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
    if "if" in said and refused(value, said["else" if refused(value, said["if"], root) else "then"], root):
        return True
    if "oneOf" in said and sum(not refused(value, part, root) for part in said["oneOf"]) != 1:
        return True
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
            or any(refused(key, said.get("propertyNames", {}), root) for key in value)
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
FILES = [path for folder in ("", "benchmarks/", "nets/") for path in sorted(PROBLEMS.glob(f"{folder}*.yaml"))]


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


@pytest.mark.parametrize("path", sorted(PROBLEMS.glob("nets/*.yaml")), ids=lambda path: path.stem)
def test_a_file_of_a_net_names_its_schema(path: Path) -> None:
    first = path.read_text("utf-8").splitlines()[0].partition("$schema=")[2]
    assert (path.parent / first).resolve() == PATH


@pytest.mark.parametrize(
    "wrong",
    [
        {"model": {"type": "sign_digit"}},
        {"model": {"type": "sign_digits", "bitts": [4]}},
        {"model": {"type": "sign_digits", "train": 1797}},
        {"model": {"bits": [4]}},
        {"grid": {"cells": [4, 2]}},
        {"chain": [{"name": "filtered", "type": "cone", "radius": 1.0}]},
        {"minimise": "loss"},
        {"output": {"frames_every": 1, "unit": "mm"}},
        {"continuation": {"code1.beta": {"type": "geometrik", "final": 8.0}}},
    ],
    ids=lambda wrong: str(*wrong),
)
def test_what_a_file_with_a_model_cannot_have_is_refused(wrong: dict[str, Any]) -> None:
    right = {"name": "a", "model": {"type": "sign_digits", "bits": [4]}, "output": {"frames_every": 1}}
    assert not refused(right, schema(), schema())
    assert not refused(right | {"model": {"type": "mine.nets:Own", "depth": 3}}, schema(), schema())
    assert refused(right | wrong, schema(), schema())


def test_a_file_without_a_model_needs_a_chain_and_cells() -> None:
    data = located((PROBLEMS / "mbb.yaml").read_text(), "f").data
    for key in ("chain", "minimise", "grid", "name"):
        assert refused({name: value for name, value in data.items() if name != key}, schema(), schema())
