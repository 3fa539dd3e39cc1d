"""The published JSON Schema of study files: up to date, and whole."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from topopt.files.located import located
from topopt.files.registry import known
from topopt.files.study_schema import PATH, schema, text
from topopt.files.study_sections import StudySections

STUDIES = sorted((Path(__file__).parents[2] / "problems" / "studies").glob("*.yaml"))


def nodes(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from nodes(inner)


def test_the_committed_study_schema_is_up_to_date() -> None:
    assert PATH.read_text("utf-8") == text(), "run `make schema`"


def test_every_section_of_a_study_is_there() -> None:
    assert schema()["properties"].keys() == StudySections.model_fields.keys()
    assert schema()["required"] == ["name", "problems", "continuations"]
    assert schema()["additionalProperties"] is False


def test_every_schedule_is_offered_and_set_and_memory() -> None:
    continuation = schema()["properties"]["continuations"]["additionalProperties"]
    offered = {
        schema()["$defs"][node["$ref"].rpartition("/")[2]]["properties"]["type"].get("const")
        for node in nodes(continuation["additionalProperties"])
        if "$ref" in node
    }
    assert known("schedule").keys() <= offered
    assert {"set", "memory", "rollback", "rounds"} == continuation["properties"].keys()


def test_every_reference_of_a_study_is_defined_and_every_definition_is_used() -> None:
    found = schema()
    used = {node["$ref"] for node in nodes(found) if "$ref" in node}
    assert used == {f"#/$defs/{name}" for name in found["$defs"]}


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_a_study_names_its_schema_and_only_its_keys(path: Path) -> None:
    content = path.read_text("utf-8")
    first = content.splitlines()[0].partition("$schema=")[2]
    assert (path.parent / first).resolve() == PATH
    assert located(content, path.name).data.keys() <= schema()["properties"].keys()
