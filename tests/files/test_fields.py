"""What a file may say about a class follows from its dataclass alone."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import annotated_types as at
import pytest

from topopt.chain import Pullback, Stage
from topopt.errors import InputError
from topopt.fem import Structure
from topopt.files.fields import described, form, model
from topopt.files.mistakes import fitted
from topopt.files.registry import KINDS, known
from topopt.grid import Domain, Grid
from topopt.parameters import Array, Positive
from topopt.regions import Region


@dataclass(frozen=True)
class Sample(Stage):
    """A sample.

    Parameters
    ----------
    alpha, beta : float
        Two numbers
        of a kind.
    """

    domain: Domain
    where: Domain | Grid
    structure: Structure
    on: Region
    alpha: Positive
    beta: float = 2.0
    count: Annotated[int, at.Ge(1), at.Le(9)] = 3
    loud: bool = False
    word: str = "a"
    mood: Literal["soft", "hard"] = "soft"
    pair: tuple[float, float] = (1.0, 2.0)
    row: tuple[Annotated[float, at.Ge(0)], ...] = ()
    maybe: float | None = None
    either: int | tuple[int, ...] = 50
    near: Region | None = None
    helper: Any = field(default=None, compare=False)

    def vjp(self, *inputs: Array) -> tuple[Array, Pullback]:
        return inputs[0], lambda v: (v,)


GOOD = {"on": "left", "alpha": 1}


def refused(**values: object) -> list[tuple[tuple[str | int, ...], str]]:
    return [(m.path, m.text) for m in fitted(model(Sample), GOOD | values, ())[1]]


def test_fields_are_sorted_by_where_they_come_from() -> None:
    shape = form(Sample)
    assert shape.context == {"domain": Domain, "where": Domain, "structure": Structure}
    assert shape.regions == ("on", "near")
    assert shape.floats == ("alpha", "beta")
    assert "helper" not in shape.fields


def test_defaults_are_the_dataclass_s() -> None:
    values, mistakes = fitted(model(Sample), GOOD, ())
    assert mistakes == []
    assert values == GOOD | {
        "beta": 2.0, "count": 3, "loud": False, "word": "a", "mood": "soft", "pair": [1.0, 2.0], "row": [],
        "maybe": None, "either": 50, "near": None,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("values", "path", "text"),
    [
        ({"alpha": 0}, ("alpha",), "expected a number > 0, got 0"),
        ({"alpha": True}, ("alpha",), "expected a number > 0, got true"),
        ({"alpha": "1"}, ("alpha",), "expected a number > 0, got '1'"),
        ({"alpha": None}, ("alpha",), "expected a number > 0, got nothing"),
        ({"alpha": float("nan")}, ("alpha",), "expected a number > 0, got nan"),
        ({"beta": float("nan")}, ("beta",), "expected a number, got nan"),
        ({"count": 2.0}, ("count",), "expected an integer >= 1 and <= 9, got 2.0"),
        ({"count": 10}, ("count",), "expected an integer >= 1 and <= 9, got 10"),
        ({"loud": "yes"}, ("loud",), "expected true or false, got 'yes'"),
        ({"loud": 1}, ("loud",), "expected true or false, got 1"),
        ({"word": 1}, ("word",), "expected text, got 1; quote it"),
        ({"mood": "sofd"}, ("mood",), "expected one of 'soft', 'hard', got 'sofd'; did you mean 'soft'?"),
        ({"pair": [1.0]}, ("pair",), "expected a list of 2 numbers, got [1.0]"),
        ({"pair": 1.0}, ("pair",), "expected a list of 2 numbers, got 1.0"),
        ({"row": [1.0, -1.0]}, ("row", 1), "expected a number >= 0, got -1.0"),
        ({"maybe": "x"}, ("maybe",), "expected a number, got 'x'"),
        ({"either": "x"}, ("either",), "expected an integer or a list of integers, got 'x'"),
        ({"either": [1, 2.5]}, ("either",), "expected an integer or a list of integers, got [1, 2.5]"),
        ({"zzz": 3}, ("zzz",), "unknown key: valid names: alpha, beta, count, either, loud, maybe, mood, "
         "near, on, pair, row, word"),
        ({"domain": 3}, ("domain",), "unknown key: valid names: alpha, beta, count, either, loud, maybe, "
         "mood, near, on, pair, row, word"),
    ],
)  # fmt: skip
def test_a_wrong_value_is_refused(values: dict[str, object], path: tuple[str, ...], text: str) -> None:
    assert refused(**values) == [(path, text)]


def test_infinity_passes_where_the_class_lets_it_and_stops_where_it_must_be_finite() -> None:
    assert refused(beta=float("inf")) == []
    schedule = model(known("schedule")["linear"], "typed")
    found = fitted(schedule, {"type": "linear", "start": 0, "final": float("inf")}, ())[1]
    assert [m.text for m in found] == ["expected a finite number, got .inf"]
    steps = model(known("schedule")["steps"], "typed")
    assert fitted(steps, {"type": "steps", "values": [1, float("inf")]}, ())[1] == []


def test_a_misspelt_field_is_not_missing_too() -> None:
    found = fitted(model(Sample), {"on": "left", "alhpa": 1}, ("x",))[1]
    assert [(m.path, m.text) for m in found] == [(("x", "alhpa"), "unknown key: did you mean 'alpha'?")]


def test_documentation_reaches_the_schema() -> None:
    schema = model(Sample).model_json_schema()
    assert schema["description"] == "A sample."
    assert schema["properties"]["alpha"]["description"] == "Two numbers of a kind."
    assert schema["properties"]["alpha"]["exclusiveMinimum"] == 0


def test_a_class_that_no_file_can_write_is_refused() -> None:
    with pytest.raises(InputError, match=r"Closed\.anything: a problem file cannot write a dict"):
        form(dataclasses.make_dataclass("Closed", [("anything", dict[str, complex])]))
    with pytest.raises(InputError, match="is no dataclass; write it as a frozen dataclass"):
        form(int)


@pytest.mark.parametrize("kind", KINDS)
def test_every_class_of_ours_has_a_form(kind: str) -> None:
    assert known(kind)
    for cls in known(kind).values():
        form(cls)


def test_our_names() -> None:
    assert {"cone", "helmholtz", "sensitivity_filter", "tanh", "simp", "equilibrium", "mean"} <= known(
        "stage"
    ).keys()
    assert {"constant", "linear", "settling", "top99neo", "petsc", "steps"} <= known("schedule").keys()
    assert {"adam", "oc", "mma", "gcmma", "sgd"} == set(known("optimizer"))


def test_words_for_types() -> None:
    assert described(dict[str, int]) == "a mapping"
    assert described(list[Any]) == "a list of values"
    assert described(float | None) == "a number"
