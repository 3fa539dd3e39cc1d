"""A guard lets a sharpness rise only as fast and as far as the log allows, and never holds back a fall."""

import itertools
import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from topopt.continuation import (
    Constant,
    Continuation,
    Follow,
    Geometric,
    Guard,
    Guarded,
    Homotopy,
    Linear,
    Petsc,
    Settling,
    Staircase,
    Steps,
    Survival,
)
from topopt.errors import InputError, ParameterError
from topopt.history import History, Iteration

NAME = "physical.beta"
RISING = st.one_of(
    st.builds(lambda a, b, k: Linear(a, a + b, k), st.floats(0, 5), st.floats(0, 200), st.integers(1, 30)),
    st.builds(
        lambda a, b, k: Geometric(a, a * b, k), st.floats(0.1, 5), st.floats(1, 99), st.integers(1, 30)
    ),
    st.builds(
        lambda a, b, k: Staircase(a, a * b, every=k), st.floats(0.1, 5), st.floats(1, 99), st.integers(1, 9)
    ),
    st.builds(
        lambda a, b, k: Settling(a, a * b, every=k), st.floats(0.1, 5), st.floats(1, 99), st.integers(1, 9)
    ),
    st.builds(lambda a, b: Petsc(a, a + b), st.floats(0.1, 9), st.floats(0, 99)),
    st.builds(
        lambda v, k: Steps(tuple(sorted(v)), k),
        st.lists(st.floats(0.1, 99) | st.just(math.inf), min_size=1, max_size=4),
        st.integers(1, 9),
    ),
)
GUARDS = st.builds(Guard, st.floats(0, 0.1), st.floats(0, 0.2), st.floats(0.001, 3.0) | st.just(math.inf))
# M_nd, sharpness times width of the interface (a property of the filtered field), largest change
OUTCOMES = st.lists(
    st.tuples(st.floats(0, 0.2), st.floats(0.01, 20.0), st.floats(0, 0.05)), min_size=1, max_size=40
)


def log(schedule, outcomes, history=None):
    """Return the log of a run whose iterations end like this."""
    continuation = Continuation({NAME: schedule})
    history = History() if history is None else history[:]
    for grey, sharp_width, change in outcomes:
        value = continuation.at(history)[NAME]
        width = sharp_width / value if value > 0 else math.inf
        history.append(
            Iteration(
                len(history) + 1,
                1.0,
                violation=0.0,
                change=change,
                parameters={NAME: value},
                measures={"discreteness": grey, "interface": width},
            )
        )
    return history


@given(RISING, GUARDS, OUTCOMES)
def test_a_guarded_rise_never_falls_and_keeps_every_bound(schedule, guard, outcomes):
    history = log(Guarded(schedule, guard), outcomes)
    for last, now in itertools.pairwise(history):
        value, following = last.parameters[NAME], now.parameters[NAME]
        assert following >= value * (1 - 4e-16)  # the geometric ramp may round
        assert following <= schedule.final
        if value > 0:
            assert following <= max(value * (1 + guard.growth) * (1 + 1e-12), value)
        if guard.hold > 0 and last.measures["discreteness"] <= guard.hold:
            assert following <= value
        if guard.interface > 0 and 0 < value < math.inf:
            cap = value * last.measures["interface"] / guard.interface
            assert following <= max(value, cap)
            if cap < 1.01 * value:
                assert following <= value


@given(RISING, OUTCOMES)
def test_a_guard_with_everything_off_changes_nothing(schedule, outcomes):
    assert log(Guarded(schedule, Guard(0.0, 0.0)), outcomes) == log(schedule, outcomes)


def test_zero_switches_a_guard_off_even_where_nothing_is_grey():
    assert log(Guarded(Staircase(every=1), Guard(0.0, 0.0)), [(0.0, 1e-9, 1.0)] * 4).values(NAME) == [
        1,
        2,
        4,
        8,
    ]


@given(GUARDS, OUTCOMES)
def test_a_fall_is_never_held_back(guard, outcomes):
    schedule = Linear(64.0, 2.0, over=7)
    assert log(Guarded(schedule, guard), outcomes).values(NAME) == log(schedule, outcomes).values(NAME)


@given(RISING, GUARDS, OUTCOMES, st.data())
def test_a_stored_log_gives_every_value_again(schedule, guard, outcomes, data):
    guarded = Guarded(schedule, guard)
    history = log(guarded, outcomes)
    stored = History.from_tables(*history.tables())
    continuation = Continuation({NAME: guarded})
    assert [continuation.at(stored[:k])[NAME] for k in range(len(stored))] == history.values(NAME)
    cut = data.draw(st.integers(0, len(history)))
    assert log(guarded, outcomes[cut:], stored[:cut]) == history


@pytest.mark.parametrize(
    "schedule",
    [
        Staircase(1.0, 64.0, every=10),
        Settling(1.0, 64.0, every=10),
        Petsc(1.0, 64.0),
        Steps((1.0, 8.0, 64.0), 10),
        Geometric(1.0, 64.0, 20),
    ],
)
def test_a_schedule_under_a_growth_limit_is_caught_up_with(schedule):
    guarded = Guarded(schedule, Guard(0.0, 0.0, growth=0.03))
    free = log(schedule, [(1.0, 99.0, 0.2)] * 300)
    history = log(guarded, [(1.0, 99.0, 0.2)] * 300)
    values = history.values(NAME)
    assert all(held <= value for held, value in zip(values, free.values(NAME), strict=True))
    # not a step is lost: 3 % an iteration all the way, as soon as the schedule is ahead
    rising = math.ceil(math.log(64.0) / math.log(1.03))
    assert values[-1] == 64.0
    if not isinstance(schedule, Petsc):
        assert values.index(64.0) <= 10 + rising + 1
    arrived = values.index(64.0)
    assert not guarded.settled(values[:arrived], history[:arrived])
    assert guarded.settled(values[: arrived + 1], history[: arrived + 1])


def test_a_guard_that_lets_go_lets_the_schedule_go_on():
    outcomes = [(0.5, 99.0, 0.2)] * 2 + [(0.004, 99.0, 0.2)] * 3 + [(0.5, 99.0, 0.2)] * 2
    history = log(Guarded(Staircase(1.0, 64.0, every=1)), outcomes)
    assert history.values(NAME) == [1, 2, 4, 4, 4, 4, 64]


def test_it_has_settled_where_the_guard_lets_it_go_no_further():
    guarded = Guarded(Staircase(1.0, 64.0, every=1))
    assert not guarded.settled([], History())
    for grey, sharp_width, settled in [(0.5, 99.0, False), (0.005, 99.0, True), (0.5, 0.0806, True)]:
        history = log(guarded, [(grey, sharp_width, 0.2)])
        assert guarded.settled([1.0], history) == settled
        assert Continuation({NAME: guarded}).settled(history) == settled
        assert (log(guarded, [(0.5, 99.0, 0.2)], history).values(NAME)[-1] == 1.0) == settled


def test_the_cap_is_where_the_interface_is_as_thin_as_allowed():
    history = log(Guarded(Staircase(1.0, 512.0, factor=16.0, every=1)), [(0.5, 1.4, 0.2)] * 4)
    assert history.values(NAME) == pytest.approx([1.0, 16.0, 17.5, 17.5])  # 1.4 / 0.08
    free = log(Guarded(Staircase(1.0, 512.0, factor=16.0, every=1)), [(0.5, math.inf, 0.2)] * 4)
    assert free.values(NAME) == [1, 16, 256, 512]


def test_a_log_that_measured_nothing_holds_nothing():
    history = History([Iteration(1, 1.0, parameters={NAME: 4.0})])
    assert Guard()(99.0, [4.0], history) == 99.0
    assert not Guard().holds([4.0], history)
    assert Guard().cap([4.0], history) == math.inf


def test_from_nothing_any_growth_is_allowed():
    history = History([Iteration(1, 1.0, parameters={NAME: 0.0}, measures={"interface": 3.0})])
    assert Guard(growth=0.03)(0.5, [0.0], history) == 0.5
    assert not Guard().holds([0.0], history)
    assert Guard(growth=0.03)(7.0, [], History()) == 7.0


def test_the_schedule_inside_learns_its_parameter():
    continuation = Continuation({NAME: Guarded(Homotopy())})
    assert continuation.schedules[NAME].schedule.parameter == NAME
    assert Guarded(Survival(final=99.0)).final == 99.0


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"hold": -0.1}, "Guard.hold: expected a value >= 0, got -0.1"),
        ({"interface": math.nan}, "Guard.interface: expected a number, got nan"),
        ({"growth": 0.0}, "Guard.growth: expected a value > 0, got 0"),
    ],
)
def test_bounds_out_of_bounds_are_refused(given, text):
    with pytest.raises(ParameterError, match=f"^{re.escape(text)}$"):
        Guard(**given)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (
            lambda: Guarded(8.0),
            "Guarded: expected a schedule with a way of its own, got 8.0; guard the leader",
        ),
        (lambda: Guarded(Follow("a.b")), "Guarded: expected a schedule with a way of its own, got Follow("),
        (lambda: Guarded(Constant(8.0), 0.03), "Guarded: expected a Guard, got 0.03"),
    ],
)
def test_what_cannot_be_guarded_is_refused(make, text):
    with pytest.raises(InputError, match=f"^{re.escape(text)}"):
        make()
