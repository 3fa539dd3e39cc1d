"""Mean and worst of several starts are those of their rows, whichever end is good."""

from __future__ import annotations

import numpy as np
import pytest

from topopt.errors import InputError
from topopt.nets.replicates import Replicates, replicates


def test_the_worst_is_the_lowest_accuracy_and_the_longest_distance(rng) -> None:
    values = rng.normal(size=(5, 3))
    high, low = Replicates(values), Replicates(values, better="low")
    np.testing.assert_array_equal(high.mean, values.sum(axis=0) / 5)
    np.testing.assert_array_equal(high.worst, values.min(axis=0))
    np.testing.assert_array_equal(low.worst, values.max(axis=0))
    np.testing.assert_array_equal(high.best, low.worst)
    np.testing.assert_array_equal(low.best, high.worst)


def test_what_was_measured_is_gathered_by_name_in_order_of_appearance() -> None:
    found = replicates([("b", [1.0, 2.0]), ("a", [5.0, 6.0]), ("b", [3.0, 4.0])], better="low")
    assert list(found) == ["b", "a"]
    np.testing.assert_array_equal(found["b"].values, [[1.0, 2.0], [3.0, 4.0]])
    assert found["b"].cells(1) == ["2.0 (3.0)", "3.0 (4.0)"]


@pytest.mark.parametrize(("values", "shape"), [([], r"\(0,\)"), (0.5, r"\(\)")])
def test_nothing_repeated_is_refused(values, shape: str) -> None:
    with pytest.raises(InputError, match=f"expected one row a start, got shape {shape}"):
        Replicates(values)


def test_an_end_that_is_neither_is_refused() -> None:
    with pytest.raises(InputError, match="expected 'high' or 'low', got 'best'"):
        Replicates([1.0], better="best")  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"is for one measure, got shape \(1, 2\)"):
        Replicates([[1.0, 2.0]]).columns()
