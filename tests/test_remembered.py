"""What was computed from an array is found again by its numbers, and by nothing less."""

from __future__ import annotations

import numpy as np
import pytest

from topopt.remembered import remembered


def test_equal_numbers_are_computed_once_and_others_anew():
    calls = []

    @remembered(maxsize=4)
    def total(values, factor):
        """Add up."""
        calls.append(factor)
        return factor * float(values.sum())

    values = np.arange(6.0)
    assert total(values, 2) == total(values.copy(), 2) == 30.0
    assert total(values[::2], 2) == total(np.array([0.0, 2.0, 4.0]), 2) == 12.0
    assert calls == [2, 2]
    values[3] += 1e-9
    assert total(values, 2) > 30.0
    assert total(values, 3) > 45.0
    assert calls == [2, 2, 2, 3]
    total.cache_clear()
    total(values, 3)
    assert calls == [2, 2, 2, 3, 3]
    assert total.__doc__ == "Add up."


def test_type_and_shape_count():
    @remembered(maxsize=4)
    def described(values):
        return values.shape, values.dtype

    given = [np.zeros(4), np.zeros((2, 2)), np.zeros(4, np.int64), np.zeros((2, 2), np.float32).T]
    assert [described(values) for values in given] == [(v.shape, v.dtype) for v in given]


def test_only_the_last_results_are_kept():
    calls = []
    found = remembered(maxsize=2)(lambda values: calls.append(float(values[0])))
    for value in (1.0, 2.0, 1.0, 3.0, 1.0, 2.0):
        found(np.array([value]))
    assert calls == [1.0, 2.0, 3.0, 2.0]


def test_nobody_can_write_into_what_is_remembered():
    @remembered(maxsize=1)
    def spoiled(values):
        values[0] = 7.0

    values = np.zeros(2)
    with pytest.raises(ValueError, match="read-only"):
        spoiled(values)
    assert values[0] == 0.0
