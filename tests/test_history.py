"""The log survives being written: digit for digit, with every column that ever was."""

import math
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from topopt.errors import InputError
from topopt.history import History, Iteration, jumps

NUMBERS = st.floats() | st.sampled_from([5e-324, -0.0, 1e-200, math.inf, -math.inf, math.nan, 0.1 + 0.2])
NAMES = st.sampled_from(["a", "physical.beta", "homotopy:physical.beta", "volume.lower", "x y", 'odd,"name"'])
GROUP = st.dictionaries(NAMES, NUMBERS, max_size=4)


@st.composite
def histories(draw):
    count = draw(st.integers(0, 4))
    return History(
        Iteration(
            number=k + 1,
            objective=draw(NUMBERS),
            violation=draw(NUMBERS),
            change=draw(NUMBERS),
            progress=draw(NUMBERS),
            predicted=draw(NUMBERS),
            parameters=draw(GROUP),
            responses=draw(GROUP),
            multipliers=draw(GROUP),
            measures=draw(GROUP),
            vanishing=draw(GROUP),
            seconds=draw(GROUP),
            stages=draw(st.dictionaries(NAMES, GROUP, max_size=3)),
            alarms=tuple(draw(st.lists(st.sampled_from(["freeze", "blow-up"]), max_size=2))),
            solves=draw(st.integers(0, 10**9)),
            restored=draw(st.integers(0, k)),
            refused=draw(st.booleans()),
        )
        for k in range(count)
    )


def bits(number):
    return "nan" if math.isnan(number) else float(number).hex()


def contents(iteration):
    """Return an iteration as plain data in which nan equals nan and -0 differs from 0."""
    groups = ("parameters", "responses", "multipliers", "measures", "vanishing", "seconds")
    return (
        iteration.number,
        iteration.solves,
        iteration.restored,
        iteration.refused,
        iteration.alarms,
        [bits(getattr(iteration, n)) for n in ("objective", "violation", "change", "progress", "predicted")],
        {group: {k: bits(v) for k, v in getattr(iteration, group).items()} for group in groups},
        {stage: {k: bits(v) for k, v in metrics.items()} for stage, metrics in iteration.stages.items()},
    )


@given(histories())
def test_what_was_written_is_read_back_bit_for_bit(history):
    again = History.from_tables(*history.tables())
    assert [contents(it) for it in again] == [contents(it) for it in history]
    assert again == history
    assert History.from_tables(*again.tables()).tables() == again.tables()


def test_one_digit_makes_two_histories_differ():
    one, other = History([Iteration(1, 1.0)]), History([Iteration(1, 1.0 + 2**-52)])
    assert one != other
    assert one != "a history"
    assert History([Iteration(1, 1.0, stages={"a": {"m": 1.0}})]) != one


def test_an_empty_history_makes_empty_tables():
    assert History.from_tables(*History().tables()) == History()
    assert repr(History()) == "History(0 iterations)"


def test_columns_that_appear_later_are_nan_before():
    history = History(
        [Iteration(1, 3.0, measures={"a": 1.0}), Iteration(2, 2.0, measures={"b": 7.0}), Iteration(3, 1.0)]
    )
    assert history.column("objective").tolist() == [3.0, 2.0, 1.0]
    np.testing.assert_array_equal(history.column("measures:a"), [1.0, np.nan, np.nan])
    np.testing.assert_array_equal(history.column("measures:b"), [np.nan, 7.0, np.nan])
    again = History.from_tables(*history.tables())
    assert [dict(it.measures) for it in again] == [{"a": 1.0}, {"b": 7.0}, {}]


def test_counts_are_columns_too():
    history = History([Iteration(1, 3.0, solves=1), Iteration(2, 2.0, solves=5)])
    assert history.column("solves").tolist() == [1.0, 5.0]
    assert history.column("number").tolist() == [1.0, 2.0]


def test_the_name_of_a_column_may_hold_a_colon():
    history = History([Iteration(1, 3.0, vanishing={"homotopy:physical.beta": -2.0})])
    assert history.column("vanishing:homotopy:physical.beta").tolist() == [-2.0]


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("objectve", "did you mean 'objective'?"),
        ("vanishing:particpation", "did you mean 'vanishing:participation'?"),
        ("measures:interfac", "did you mean 'measures:interface'?"),
        ("vanishing", "valid names: "),
    ],
)
def test_an_unknown_column_comes_back_with_a_suggestion(name, hint):
    history = History(
        [
            Iteration(1, 3.0, vanishing={"participation": 1.0}, measures={"interface": 2.0}),
            Iteration(2, 3.0, vanishing={"participation": 1.0}),  # a column of an earlier row is one as well
        ]
    )
    text = f"no column '{name}' in the history: {hint}"
    with pytest.raises(InputError, match=f"^{re.escape(text)}"):
        history.column(name)


def test_an_empty_history_has_empty_columns_but_not_any():
    assert History().column("vanishing:participation").shape == (0,)
    with pytest.raises(InputError, match="no column 'nonsense' in the history"):
        History().column("nonsense")


def test_the_metrics_of_a_stage_are_a_column():
    history = History([Iteration(1, 3.0, stages={"physical": {"norm": -1.5}}), Iteration(2, 3.0)])
    np.testing.assert_array_equal(history.stage("physical", "norm"), [-1.5, np.nan])
    assert np.isnan(history.stage("nobody", "norm")).all()


def test_slices_are_histories_and_share_nothing():
    history = History(Iteration(k, float(k)) for k in range(1, 6))
    part = history[1:3]
    assert isinstance(part, History)
    assert [it.number for it in part] == [2, 3]
    part.append(Iteration(4, 0.0))
    assert len(part) == 3
    assert len(history) == 5
    assert history[3].objective == 4.0
    assert history[-1].number == 5
    assert len(history[7:]) == 0


def test_iterations_follow_each_other():
    history = History([Iteration(3, 1.0)])
    with pytest.raises(InputError, match="iteration 5 cannot follow iteration 3"):
        history.append(Iteration(5, 1.0))
    history.append(Iteration(4, 0.5))
    assert repr(history) == "History(2 iterations, objective 0.5)"


def test_values_are_those_that_a_parameter_has_had():
    history = History(
        [
            Iteration(1, 1.0, parameters={"a": 1.0}),
            Iteration(2, 1.0),
            Iteration(3, 1.0, parameters={"a": 2.0}),
        ]
    )
    assert history.values("a") == [1.0, 2.0]
    assert history.values("b") == []


def test_a_log_from_before_there_were_roll_backs_can_be_read():
    history = History([Iteration(1, 3.0), Iteration(2, 2.0)])
    iterations, stages = history.tables()
    assert iterations.splitlines()[0].split(",")[2:4] == ["restored", "refused"]
    old = "\n".join(",".join(row.split(",")[:2] + row.split(",")[4:]) for row in iterations.splitlines())
    assert History.from_tables(old, stages) == history
    again = History.from_tables(*History([Iteration(7, 3.0, restored=5)]).tables())
    assert again[0].restored == 5


@pytest.mark.parametrize(
    ("before", "after", "found"),
    [
        ({"a": 8.0}, {"a": 8.79}, {}),
        ({"a": 8.0}, {"a": 8.81}, {"a": (8.0, 8.81)}),
        ({"a": 8.0}, {"a": 7.0}, {"a": (8.0, 7.0)}),
        ({"a": 0.0}, {"a": 0.1}, {"a": (0.0, 0.1)}),
        ({"a": math.inf}, {"a": math.inf}, {}),
        ({"a": 1.0}, {"b": 9.0}, {}),
    ],
)
def test_what_is_a_jump(before, after, found):
    assert jumps(before, after) == found
