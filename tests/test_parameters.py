"""Bounds that stand in annotations: what they let through, and how they refuse the rest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import annotated_types as at
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from topopt.errors import InputError, ParameterError, TopoptError, suggestion
from topopt.parameters import NonNegative, Positive, Unit, UnitOpen, checked, replaced, scalars


@dataclass(frozen=True)
class Settings:
    """One field of each kind."""

    radius: Positive = 1.0
    beta: NonNegative = 0.0
    eta: Unit = 0.5
    e_min: UnitOpen = 0.1
    free: float = -3.0
    every: Annotated[int, at.Ge(1), at.Le(9)] = 2
    kind: str = "tanh"
    shape: tuple[float, ...] = ()
    flag: bool = False
    flavour: ClassVar[float] = 7.0

    def __post_init__(self) -> None:
        checked(self)


def test_defaults_and_what_is_scheduled():
    assert scalars(Settings()) == {"radius": 1.0, "beta": 0.0, "eta": 0.5, "e_min": 0.1, "free": -3.0}


@pytest.mark.parametrize("value", [3, np.float32(0.5), np.float64(2.0), np.int64(4), float("inf")])
def test_any_real_number_is_a_number(value):
    assert scalars(Settings(radius=value))["radius"] == float(value)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"radius": 0.0}, r"^Settings\.radius: expected a value > 0, got 0$"),
        ({"beta": -0.5}, r"^Settings\.beta: expected a value >= 0, got -0\.5$"),
        ({"eta": 1.25}, r"^Settings\.eta: expected a value <= 1, got 1\.25$"),
        ({"eta": -1}, r"^Settings\.eta: expected a value >= 0, got -1$"),
        ({"e_min": 1.0}, r"^Settings\.e_min: expected a value < 1, got 1$"),
        ({"free": float("nan")}, r"^Settings\.free: expected a number, got nan$"),
        ({"free": "2"}, r"^Settings\.free: expected a number, got '2'$"),
        ({"free": True}, r"^Settings\.free: expected a number, got True$"),
        ({"free": 1j}, r"^Settings\.free: expected a number, got 1j$"),
        ({"free": None}, r"^Settings\.free: expected a number, got None$"),
        ({"every": 2.0}, r"^Settings\.every: expected an integer, got 2\.0$"),
        ({"every": 0}, r"^Settings\.every: expected a value >= 1, got 0$"),
        ({"every": 10}, r"^Settings\.every: expected a value <= 9, got 10$"),
        ({"radius": -1, "eta": 2}, r"^Settings\.radius: .* got -1; Settings\.eta: .* got 2$"),
    ],
)
def test_refusals_name_the_field_the_bound_and_the_value(changes, text):
    with pytest.raises(ParameterError, match=text):
        Settings(**changes)


@given(st.floats(allow_nan=True, allow_infinity=True))
def test_unit_holds_exactly_the_unit_interval(value):
    if 0 <= value <= 1:
        assert Settings(eta=value).eta == value
    else:
        with pytest.raises(ParameterError, match=r"Settings\.eta"):
            Settings(eta=value)


def test_replaced_checks_names_and_bounds():
    assert replaced(Settings(), {"beta": 2.0, "free": 1.0}, "it") == Settings(beta=2.0, free=1.0)
    with pytest.raises(ParameterError, match=r"'it\.bta' is not a parameter: did you mean 'it\.beta'\?"):
        replaced(Settings(), {"bta": 2.0}, "it")
    with pytest.raises(ParameterError, match=r"'it\.every' is not a parameter"):
        replaced(Settings(), {"every": 2.0}, "it")
    with pytest.raises(ParameterError, match=r"Settings\.beta: expected a value >= 0"):
        replaced(Settings(), {"beta": -2.0}, "it")


def test_the_errors_are_one_family():
    assert issubclass(ParameterError, InputError)
    assert issubclass(InputError, TopoptError)
    assert issubclass(InputError, ValueError)


def test_suggestions():
    assert suggestion("bta", ["beta", "eta", "radius"]) == "did you mean 'beta'?"
    assert suggestion("q", ["b", "a"]) == "valid names: a, b"
    assert suggestion("q", []) == "there are none"
