"""Schedules are pure functions of the log: they stay in bounds, go one way, and arrive exactly."""

import itertools
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from topopt.continuation import (
    Constant,
    Continuation,
    Geometric,
    Linear,
    Petsc,
    Power,
    Schedule,
    Settling,
    Staircase,
    Steps,
    Top99neo,
)
from topopt.errors import InputError, ParameterError
from topopt.history import History, Iteration

NAME = "physical.beta"
VALUES = st.floats(0.01, 1000.0)
COUNTS = st.integers(1, 7)
CHANGES = st.lists(st.tuples(st.floats(0.0, 0.1), st.floats(-0.1, 0.1)), min_size=1, max_size=60)


@st.composite
def geometric_stairs(draw, cls, **extra):
    start, factor = draw(VALUES), draw(st.floats(1.2, 4.0))
    final = start * draw(st.floats(1.0, 100.0))
    if draw(st.booleans()):
        return cls(final, start, 1.0 / factor, every=draw(COUNTS), **extra)
    return cls(start, final, factor, every=draw(COUNTS), **extra)


SCHEDULES = st.one_of(
    st.builds(Constant, VALUES | st.just(math.inf)),
    st.builds(Linear, st.floats(-1e6, 1e6), st.floats(-1e6, 1e6), st.integers(1, 80)),
    st.builds(Geometric, VALUES, VALUES, st.integers(1, 80)),
    geometric_stairs(Staircase),
    geometric_stairs(Settling),
    st.builds(
        lambda a, b, e: Staircase(a, a + b, 1.0, 1.0 if b >= 0 else -1.0, e),
        VALUES,
        st.floats(-20, 20),
        COUNTS,
    ),
    st.builds(
        lambda a, b, e, f: Top99neo(a, a + b, 2.0, e, f), VALUES, st.floats(0, 30), COUNTS, st.integers(1, 30)
    ),
    st.builds(lambda a, b, e: Petsc(a, a + b, every=e), VALUES, st.floats(0, 100), COUNTS),
    st.builds(
        lambda a, b, g, p, e: Power(a, a * b, g, p, e),
        VALUES,
        st.floats(1, 20),
        st.floats(1, 30),
        st.floats(0.5, 200),
        COUNTS,
    ),
    st.builds(
        lambda v, e: Steps(tuple(sorted(v)), e),
        st.lists(VALUES | st.just(math.inf), min_size=1, max_size=5),
        COUNTS,
    ),
)


def log(schedule: Schedule, outcomes, history: History | None = None) -> History:
    """Return the log of a run whose iterations end with these (change, violation)."""
    continuation = Continuation({NAME: schedule})
    history = History() if history is None else history[:]
    for change, violation in outcomes:
        history.append(
            Iteration(len(history) + 1, 0.0, violation, change, parameters=continuation.at(history))
        )
    return history


@given(SCHEDULES, CHANGES)
def test_values_stay_between_start_and_final_and_go_one_way(schedule, outcomes):
    values = log(schedule, outcomes).values(NAME)
    start = getattr(schedule, "start", schedule.values[0] if isinstance(schedule, Steps) else schedule.final)
    low, high = sorted((start, schedule.final))
    assert values[0] == start
    assert all(low <= value <= high for value in values)
    slack = 4e-16 * max(abs(low), abs(high)) if isinstance(schedule, Geometric) else 0.0
    sign = 1.0 if schedule.final >= start else -1.0
    assert all(
        sign * (later - value) >= -slack
        for value, later in itertools.pairwise(values)
        if math.isfinite(value)
    )


@given(SCHEDULES)
def test_final_is_reached_exactly_and_kept(schedule):
    history = log(schedule, [(0.05, -1.0)] * 8)
    continuation = Continuation({NAME: schedule})
    while not continuation.settled(history):
        assert len(history) < 500
        history = log(schedule, [(0.05, -1.0)] * 50, history)
    assert history[-1].parameters[NAME] == schedule.final
    assert log(schedule, [(0.0, -1.0), (0.05, 1.0)] * 5, history).values(NAME)[-10:] == [schedule.final] * 10


@given(SCHEDULES, CHANGES, st.data())
def test_a_stored_log_gives_every_value_again(schedule, outcomes, data):
    history = log(schedule, outcomes)
    stored = History.from_tables(*history.tables())
    continuation = Continuation({NAME: schedule})
    again = [continuation.at(stored[:k])[NAME] for k in range(len(stored))]
    assert again == history.values(NAME)
    cut = data.draw(st.integers(0, len(history)))
    assert log(schedule, outcomes[cut:], stored[:cut]) == history


def test_ramps():
    assert log(Linear(1.0, 3.0, over=4), [(1.0, 0.0)] * 6).values(NAME) == [1.0, 1.5, 2.0, 2.5, 3.0, 3.0]
    assert log(Linear(0.2, 0.1, over=2), [(1.0, 0.0)] * 3).values(NAME) == pytest.approx([0.2, 0.15, 0.1])
    assert log(Geometric(1.0, 16.0, over=4), [(1.0, 0.0)] * 6).values(NAME) == pytest.approx(
        [1, 2, 4, 8, 16, 16]
    )
    assert log(Geometric(16.0, 1.0, over=2), [(1.0, 0.0)] * 3).values(NAME) == pytest.approx([16, 4, 1])


def test_a_geometric_ramp_between_neighbours_does_not_round_past_its_end():
    start, final = 775.8398915834656, 775.8398915834657  # the power rounds to ...658 in iteration 18
    values = log(Geometric(start, final, over=22), [(1.0, 0.0)] * 30).values(NAME)
    assert set(values) <= {start, final}


def test_classical_doubling():
    values = log(Staircase(1.0, 10.0, every=3), [(1.0, 0.0)] * 14).values(NAME)
    assert values == [1, 1, 1, 2, 2, 2, 4, 4, 4, 8, 8, 8, 10, 10]


def test_a_staircase_goes_down_too():
    values = log(Staircase(0.2, 0.04, factor=0.5, every=1), [(1.0, 0.0)] * 4).values(NAME)
    assert values == [0.2, 0.1, 0.05, 0.04]


def test_settling_steps_when_the_design_has_settled_or_after_so_many_iterations():
    moving, settled = (0.2, 0.0), (0.01, 0.0)
    rule = Settling(1.0, 8.0, every=4)
    assert log(rule, [moving] * 9).values(NAME) == [1, 1, 1, 1, 2, 2, 2, 2, 4]
    # the clock starts anew with every value
    assert log(rule, [moving, settled, *[moving] * 5]).values(NAME) == [1, 1, 2, 2, 2, 2, 4]
    assert log(rule, [settled] * 5).values(NAME) == [1, 2, 4, 8, 8]
    assert log(replace(rule, change=0.001), [settled] * 4).values(NAME) == [1, 1, 1, 1]


def test_top99neo_by_hand():
    # p + (loop >= first) (p < final) (mod(loop, every) == 0) step, after the iteration called loop
    expected, value = [], 2.0
    for loop in range(1, 41):
        expected.append(value)
        value += 3.0 * (loop >= 12 and value < 14.0 and loop % 5 == 0)
    rule = Top99neo(2.0, 14.0, step=3.0, every=5, first=12)
    assert log(rule, [(1.0, 0.0)] * 40).values(NAME) == expected
    assert expected[14:16] == [2.0, 5.0]


def test_petsc_adds_one_below_seven_and_then_a_fifth():
    values = log(Petsc(5.0, 10.5), [(0.001, 0.0)] * 7).values(NAME)
    assert values == pytest.approx([5, 6, 7, 8.4, 10.08, 10.5, 10.5])


def test_petsc_steps_every_tenth_iteration_of_a_design_that_moves():
    values = log(Petsc(1.0, 64.0), [(0.2, 0.0)] * 21).values(NAME)
    assert values == [1.0] * 10 + [2.0] * 10 + [3.0]


def test_petsc_waits_for_the_constraints():
    assert log(Petsc(1.0, 64.0), [(0.001, 2e-6)] * 30).values(NAME) == [1.0] * 30
    assert log(Petsc(1.0, 64.0), [(0.001, 2e-6), (0.001, 1e-6), (0.001, 1.0)]).values(NAME) == [1.0, 1.0, 2.0]


def test_hashnets_root_of_time_by_hand():
    values = log(Power(), [(1.0, 0.0)] * 601).values(NAME)
    # scale = init_scale * (1 + gamma iter)^power at every 200th iteration, 2^0.5, 3^0.5 and 4^0.5
    assert [values[k] for k in (0, 199, 200, 400, 600)] == pytest.approx([1, 1, 2**0.5, 3**0.5, 2])
    assert log(Power(2.0, 5.0, gamma=1.0, power=1.0, every=1), [(1.0, 0.0)] * 4).values(
        NAME
    ) == pytest.approx([2, 4, 5, 5])


def test_steps_hold_each_value_for_its_time():
    values = log(Steps((1, 4, math.inf), 2), [(1.0, 0.0)] * 6).values(NAME)
    assert values == [1, 1, 4, 4, math.inf, math.inf]
    assert log(Steps([1, 2, 3], [1, 3]), [(1.0, 0.0)] * 6).values(NAME) == [1, 2, 2, 2, 3, 3]
    assert Steps([1, 2, 3], [1, 3, 9]).final == 3.0


def test_steps_that_come_back_have_not_settled_before():
    rule = Steps((3.0, 1.0, 3.0), 2)
    assert [rule.settled([3.0] * k, History()) for k in range(7)] == [False] * 5 + [True, True]
    assert not rule.settled([3.0] * 5 + [2.0], History())  # held back, or it would be at 3
    assert Steps((5.0,)).settled([5.0], History())
    assert not Steps((5.0,)).settled([], History())


def test_nothing_has_settled_before_it_ran():
    assert not Constant(3.0).settled([], History())
    assert not Linear(1.0, 2.0, over=3).settled([1.0, 1.5], History())
    assert Linear(1.0, 2.0, over=1).settled([1.0, 2.0], History())


@pytest.mark.parametrize(
    "make",
    [
        lambda: Staircase(1.0, 64.0, factor=0.5),
        lambda: Staircase(64.0, 1.0, factor=2.0),
        lambda: Staircase(1.0, 64.0, factor=1.0),
        lambda: Staircase(1.0, 64.0, factor=0.5, step=10.0),  # comes to rest at 20
        lambda: Staircase(1.0, 0.0, factor=0.5),  # only ever comes closer
        lambda: Staircase(-1.0, 1.0, factor=2.0),
        lambda: Settling(1.0, 64.0, factor=1.0, step=1e-20),
        lambda: Settling(8.0, 4.0, factor=2.0),
        lambda: Top99neo(2.0, 16.0, step=-1.0),
        lambda: Petsc(8.0, 4.0),
        lambda: Power(8.0, 4.0),
    ],
)
def test_stairs_that_never_arrive_are_refused(make):
    with pytest.raises(InputError, match=r"never reach"):
        make()


def test_the_refusal_says_what_to_do():
    with pytest.raises(
        InputError,
        match=r"^Staircase: stairs from 1 by factor 0.5 and step 10 never reach 64; "
        r"change the sign of the step or take the reciprocal of the factor$",
    ):
        Staircase(1.0, 64.0, factor=0.5, step=10.0)


@given(st.floats(-50, 50), st.floats(-50, 50), st.floats(0.2, 3.0), st.floats(-5, 5))
def test_stairs_are_refused_exactly_when_they_do_not_arrive(start, final, factor, step):
    value, arrives = start, start == final
    for _ in range(3000):
        value = value * factor + step
        if math.isinf(value) or arrives:
            break
        if (value >= final) if final > start else (value <= final):
            arrives = True
    rise = [(factor - 1) * p + step for p in (start, final)]
    assume(start == final or all(abs(r) > 0.05 for r in rise))  # neither at rest nor creeping
    try:
        Staircase(start, final, factor, step)
    except InputError:
        # a first step in the right direction may overshoot a resting point behind the final value: not here
        assert not arrives
    else:
        assert arrives


@pytest.mark.parametrize(
    "make",
    [
        lambda: Linear(1.0, math.inf),
        lambda: Geometric(1.0, math.inf),
        lambda: Staircase(1.0, math.inf),
        lambda: Settling(1.0, math.inf),
        lambda: Top99neo(1.0, math.inf),
        lambda: Petsc(1.0, math.inf),
        lambda: Power(1.0, math.inf),
    ],
)
def test_a_ramp_to_infinity_is_refused_with_advice(make):
    with pytest.raises(
        InputError, match=r"cannot run from 1 to inf; list the values in Steps, whose last may be infinite"
    ):
        make()


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: Linear(1.0, 2.0, over=0), "Linear.over: expected a value >= 1, got 0"),
        (lambda: Linear(1.0, 2.0, over=2.5), "Linear.over: expected an integer, got 2.5"),
        (lambda: Geometric(0.0, 2.0), "Geometric.start: expected a value > 0, got 0"),
        (lambda: Constant(math.nan), "Constant.value: expected a number, got nan"),
        (lambda: Constant("8"), "Constant.value: expected a number, got '8'"),
        (lambda: Staircase(every=0), "Staircase.every: expected a value >= 1, got 0"),
    ],
)
def test_numbers_out_of_bounds_are_refused(make, text):
    with pytest.raises(ParameterError, match=f"^{re.escape(text)}$"):
        make()


@pytest.mark.parametrize(
    ("values", "every", "text"),
    [
        ((), 5, "Steps.values: expected a list of at least one number, got ()"),
        (7.0, 5, "Steps.values: expected a list of at least one number, got 7.0"),
        ("12", 5, "Steps.values: expected a list of at least one number, got '12'"),
        ((1, math.nan), 5, "Steps.values: expected a list of at least one number, got (1, nan)"),
        ((1, 2), 0, "Steps.every: expected an integer >= 1, or one for each value, got 0"),
        ((1, 2), 2.5, "Steps.every: expected an integer >= 1, or one for each value, got 2.5"),
        ((1, 2), (1, 2, 3), "Steps.every: expected an integer >= 1, or one for each value, got (1, 2, 3)"),
        ((1, 2), (0,), "Steps.every: expected an integer >= 1, or one for each value, got (0,)"),
    ],
)
def test_lists_that_do_not_fit_are_refused(values, every, text):
    with pytest.raises(InputError, match=f"^{re.escape(text)}$"):
        Steps(values, every)


@dataclass(frozen=True)
class Gate(Schedule):
    """A user's own: grow by a tenth while most of the design is alive."""

    start: float = 1.0
    final: float = 8.0

    def __call__(self, past: Sequence[float], history: History) -> float:
        if not past:
            return self.start
        alive = history[-1].vanishing["dead3"] < 0.5
        return min(past[-1] * 1.1, self.final) if alive else past[-1]


def test_a_users_own_schedule_reads_the_log():
    history, values = History(), []
    for k in range(1, 60):
        values.append(Continuation({NAME: Gate()}).at(history)[NAME])
        history.append(Iteration(k, 0.0, parameters={NAME: values[-1]}, vanishing={"dead3": float(k % 2)}))
    assert values[:4] == pytest.approx([1.0, 1.0, 1.1, 1.1])
    assert values[-1] == 8.0
    assert Continuation({NAME: Gate()}).settled(history)
    with pytest.raises(ParameterError, match=r"Gate\.final: expected a number, got nan"):
        Gate(final=math.nan)
