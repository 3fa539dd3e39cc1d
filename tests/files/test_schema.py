"""The published JSON Schema: up to date, complete, and whole."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from topopt.files import schema
from topopt.files.json_schema import PATH, text
from topopt.files.registry import known
from topopt.files.sections import Sections
from topopt.files.selectors import COMBINED, DRAWN, GEOMETRIC


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
    assert schema()["required"] == ["name", "grid", "chain", "minimise"]
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
    assert region.keys() == {*GEOMETRIC, *COMBINED, *DRAWN, "everywhere"}


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
