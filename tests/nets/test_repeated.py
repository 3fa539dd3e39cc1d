"""Mean and worst of several starts are those of their rows, whichever end is good."""

from __future__ import annotations

import numpy as np
import pytest

from topopt.errors import InputError
from topopt.nets.repeated import Repeated, markdown_table, repeated


def test_the_worst_is_the_lowest_accuracy_and_the_longest_distance(rng) -> None:
    values = rng.normal(size=(5, 3))
    high, low = Repeated(values), Repeated(values, better="low")
    np.testing.assert_array_equal(high.mean, values.sum(axis=0) / 5)
    np.testing.assert_array_equal(high.worst, values.min(axis=0))
    np.testing.assert_array_equal(low.worst, values.max(axis=0))
    np.testing.assert_array_equal(high.best, low.worst)
    np.testing.assert_array_equal(low.best, high.worst)


def test_what_was_measured_is_gathered_by_name_in_order_of_appearance() -> None:
    found = repeated([("b", [1.0, 2.0]), ("a", [5.0, 6.0]), ("b", [3.0, 4.0])], better="low")
    assert list(found) == ["b", "a"]
    np.testing.assert_array_equal(found["b"].values, [[1.0, 2.0], [3.0, 4.0]])
    assert found["b"].cells(1) == ["2.0 (3.0)", "3.0 (4.0)"]


def test_numbers_are_set_flush_right_and_words_are_not() -> None:
    rows = [["rnn", "1,000", "-0.5 (-0.7)", "1, 2"], ["", "2", "+3", "3"]]
    head, rule, *_ = markdown_table(["cell", "bases", "decades", "every"], rows).splitlines()
    assert head == "| cell | bases | decades | every |"
    assert rule == "|---|--:|--:|---|"


@pytest.mark.parametrize(("values", "shape"), [([], r"\(0,\)"), (0.5, r"\(\)")])
def test_nothing_repeated_is_refused(values, shape: str) -> None:
    with pytest.raises(InputError, match=f"expected one row a start, got shape {shape}"):
        Repeated(values)


def test_an_end_that_is_neither_is_refused() -> None:
    with pytest.raises(InputError, match="expected 'high' or 'low', got 'best'"):
        Repeated([1.0], better="best")  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"is for one measure, got shape \(1, 2\)"):
        Repeated([[1.0, 2.0]]).columns()
