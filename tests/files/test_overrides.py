"""`--set path=value`."""

from __future__ import annotations

from typing import Any

import pytest

from topopt.errors import ProblemFileError
from topopt.files.located import located
from topopt.files.overrides import overridden

TEXT = """
grid: {cells: [4, 2]}
chain:
  - {name: filtered, radius: 0.1}
  - {name: physical, eta: 0.5}
loads: [{on: tip}]
continuation:
  physical.beta: {every: 3}
"""


def changed(*overrides: str) -> dict[str, Any]:
    return overridden(located(TEXT, "f"), overrides).data


@pytest.mark.parametrize(
    ("override", "path", "value"),
    [
        ("grid.cells=[600,200]", ["grid", "cells"], [600, 200]),
        ("grid.cells.0=9", ["grid", "cells", 0], 9),
        ("grid.cells[1]=9", ["grid", "cells", 1], 9),
        ("chain.physical.eta=0.4", ["chain", 1, "eta"], 0.4),
        ("chain.0.radius=1e-3", ["chain", 0, "radius"], 1e-3),
        ("chain.physical.beta = 8", ["chain", 1, "beta"], 8),
        ("loads.0.on=left", ["loads", 0, "on"], "left"),
        ("continuation.physical.beta.every=7", ["continuation", "physical.beta", "every"], 7),
        ('continuation."physical.beta".every=7', ["continuation", "physical.beta", "every"], 7),
        ("continuation.physical.eta=0.3", ["continuation", "physical.eta"], 0.3),
        ("continuation.optimizer.move={type: linear}", ["continuation", "optimizer.move"], {"type":
         "linear"}),
        ("stop.iterations=5", ["stop", "iterations"], 5),
        ("name=a=b", ["name"], "a=b"),
        ("start=", ["start"], None),
    ],
)  # fmt: skip
def test_a_value_is_set(override: str, path: list[Any], value: object) -> None:
    found: Any = changed(override)
    for key in path:
        found = found[key]
    assert found == value


def test_the_file_itself_stays_as_it_was() -> None:
    read = located(TEXT, "f")
    overridden(read, ["grid.cells=[1,1]", "chain.physical.eta=0"])
    assert read.data == located(TEXT, "f").data


def test_a_later_override_wins() -> None:
    assert changed("name=a", "name=b")["name"] == "b"


def test_what_an_override_set_is_located_there() -> None:
    read = overridden(located(TEXT, "f"), ["grid.cels=[600,200]"])
    assert read.where(("grid", "cels", 1)) == "--set grid.cels=[600,200]"
    assert read.where(("grid", "cells", 1)) == "f:2"


def test_what_an_override_replaced_has_no_line_any_more() -> None:
    read = overridden(located(TEXT, "f"), ["continuation={physical.beta: 3}"])
    assert read.where(("continuation", "physical.beta")) == "--set continuation={physical.beta: 3}"


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        ("bla", "--set bla: expected path=value, such as grid.cells=[600,200]"),
        ("=3", "--set =3: expected path=value, such as grid.cells=[600,200]"),
        ("chain.fysical.eta=1", "--set chain.fysical.eta=1: chain has no item 'fysical': did you mean "
         "'physical'?"),
        ("loads.3.on=1", "--set loads.3.on=1: loads has no item '3': there are 1, counted from 0"),
        ("grid.cells.0.x=1", "--set grid.cells.0.x=1: grid.cells.0 has no parts"),
        ("grid..cells=1", "--set grid..cells=1: 'grid..cells' is no dotted path; write it like "
         "chain.physical.eta"),
        ("grid.cells=[1", "--set grid.cells=[1:1: not YAML: expected ',' or ']', but got '<stream end>', "
         "while parsing a flow sequence"),
    ],
)  # fmt: skip
def test_an_override_that_cannot_be_applied(override: str, sentence: str) -> None:
    with pytest.raises(ProblemFileError, match="--set") as refusal:
        changed(override)
    assert refusal.value.mistakes == (sentence,)


def test_all_wrong_overrides_come_at_once() -> None:
    with pytest.raises(ProblemFileError, match="--set") as refusal:
        changed("bla", "grid.cells=[1,1]", "blub")
    assert len(refusal.value.mistakes) == 2
