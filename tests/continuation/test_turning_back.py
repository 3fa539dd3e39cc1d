"""A run ends with the best of its rounds: a worse one, or one that was cut short, is taken back."""

import contextlib
import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import topopt as to
from topopt.continuation import Continuation, Counter, Rollback, Staircase
from topopt.errors import InputError
from topopt.evaluation import Bounds
from topopt.files.folder import Recording, RunFolder
from topopt.history import History, Iteration
from topopt.turning_back import ending, returning

BETA = "physical.beta"
ROUNDS = Continuation({BETA: Staircase(1.0, 4.0, every=1)}, rounds=3)
"""Every round takes eight iterations."""
LENGTH = 8


def log(*objectives, rules=ROUNDS, iterations=24, violation=()):
    """Return a log of as many rounds, each with the objective that it ends with."""
    history = History()
    for k in range(iterations):
        value, broken = objectives[k // LENGTH], dict(enumerate(violation)).get(k // LENGTH, 0.0)
        history.append(Iteration(k + 1, value, violation=broken, parameters=rules.at(history)))
    return history


def stop(iterations):
    return to.Stop(change=0.0, iterations=iterations)


@pytest.mark.parametrize(
    ("objectives", "iterations", "violation", "number"),
    [
        ((3.0, 2.0, 1.0), 24, (), None),  # every round was better
        ((3.0, 2.0, 2.0), 24, (), None),  # as good is good enough
        ((1.0, 2.0, 3.0), 24, (), 8),
        ((3.0, 1.0, 2.0), 24, (), 16),
        ((-1.0, -3.0, -2.0), 24, (), 16),
        ((3.0, 1.0, 0.5), 18, (), 16),  # cut short
        ((3.0, 1.0, math.nan), 24, (), 16),
        ((math.nan, 2.0, 3.0), 24, (), 16),
        ((1.0, 2.0, 3.0), 24, (0.1, 0.0, 0.0), 16),  # the first breaks its constraints
        ((3.0, 2.0, 1.0), 24, (0.0, 0.0, 0.1), 16),  # the last does
        ((1.0, 2.0, 3.0), 24, (0.1, 0.1, 0.0), None),
        ((1.0, 2.0, 3.0), 5, (), None),  # there is no other round
    ],
)
def test_a_run_ends_with_the_best_of_its_rounds(objectives, iterations, violation, number):
    history = log(*objectives, iterations=iterations, violation=violation)
    back = returning(history, ROUNDS, stop(iterations))
    assert (back and back.number) == number
    assert back is None or back.parameters == history[number - 1].parameters
    # nothing is brought back as long as the run goes on
    assert returning(history, ROUNDS, stop(99)) is None
    assert returning(history, Continuation(ROUNDS.schedules), stop(iterations)) is None


def test_what_is_back_ends_the_run_and_is_the_last_word():
    history = log(1.0, 2.0, 3.0)
    assert ending(history, ROUNDS, stop(24)) is None
    first = history[7]
    history.append(Iteration(25, 1.0, parameters=dict(first.parameters), restored=8))
    said = "; the design of iteration 8, which ended a better round, is back"
    assert ending(history, ROUNDS, stop(24)) == f"budget: 24 iterations spent{said}"
    assert ending(history, ROUNDS, stop(25)) is None
    assert ROUNDS.settled(history)
    # who gives more goes on from there, in no further round
    assert ROUNDS.at(history) == first.parameters
    history.append(Iteration(26, 1.0, parameters=ROUNDS.at(history)))
    assert returning(history, ROUNDS, stop(26)) is None
    assert ending(history, ROUNDS, stop(26)) == "budget: 26 iterations spent"


def test_a_roll_back_to_the_end_of_a_round_is_another_matter():
    """It goes on with the next round, or with the same, and so it does not end anything."""
    rules = Continuation(ROUNDS.schedules, rollback=Rollback(), rounds=2)
    history = log(1.0, 1.0, rules=rules, iterations=9)
    history.append(Iteration(10, 1.0, parameters={BETA: 2.0}))
    again = History([*history, Iteration(11, 1.0, parameters={BETA: 1.0}, restored=8)])
    assert rules.brought_back(again) is None
    resting = log(1.0, rules=rules, iterations=8)
    shaken = Iteration(9, 9.0, parameters={BETA: 4.0})
    retried = Iteration(10, 1.0, parameters={BETA: 4.0}, restored=8)
    assert rules.brought_back(History([*resting, shaken, retried])) is None


LONG = Continuation(
    {BETA: Staircase(1.0, 16.0, every=3), "optimizer.move": to.Linear(0.2, 0.1, over=4)}, rounds=2
)
"""Its first round takes 18 iterations."""


class Late:
    """A budget that is said to be large until it is spent."""

    def __init__(self, iterations):
        self.iterations = iterations

    def __call__(self, history, settled):
        return "enough" if len(history) >= self.iterations else None

    def left(self, history):
        return 0 if len(history) >= self.iterations else 99


def watched(rounds):
    return dataclasses.replace(LONG, rounds=rounds, rollback=Rollback(rise=50.0))


@pytest.fixture(name="run", scope="module")
def cut_run(beam):
    return list(to.optimize(beam(), to.MMA(), LONG, Late(24)))


def test_a_roll_back_and_rounds_turn_back_side_by_side(beam):
    watching = list(to.optimize(beam(), to.MMA(), watched(3), Late(42)))
    alone = list(to.optimize(beam(), to.MMA(), dataclasses.replace(LONG, rounds=3), Late(42)))
    end = min((watching[17], watching[35]), key=lambda step: step.iteration.objective)
    for run in (watching, alone):
        assert len(run) == 43
        assert run[-1].iteration.restored == end.iteration.number
        np.testing.assert_array_equal(run[-1].x, end.x)
    # who gives more may go on, and still be rolled back
    more = list(to.optimize(beam(), to.MMA(), watched(3), stop(48), watching[-1].snapshot))
    assert {step.iteration.parameters[BETA] for step in more} == {16.0}
    assert more[-1].reason == "budget: 48 iterations spent"


def test_a_round_that_is_cut_short_is_taken_back(run):
    end, last = run[17], run[-1]
    assert len(run) == 25
    assert run[18].iteration.parameters == {BETA: 1.0, "optimizer.move": 0.2}
    assert last.iteration.restored == 18
    assert last.iteration.parameters == end.iteration.parameters
    np.testing.assert_array_equal(last.x, end.x)
    np.testing.assert_allclose(last.evaluation.output, end.evaluation.output, rtol=1e-12)
    assert last.iteration.objective == pytest.approx(end.iteration.objective, rel=1e-9)
    assert math.isnan(last.iteration.progress)
    assert last.reason == (
        "enough; it ended in round 2 of 2, begun after iteration 18; "
        "the design of iteration 18, which ended a better round, is back"
    )


def test_what_a_rule_without_a_budget_ends_in_the_middle_is_left_as_it_is(beam):
    def reached(history, settled):
        return "it is reached" if len(history) >= 24 else None

    *_, last = to.optimize(beam(), to.MMA(), LONG, reached)
    assert last.reason == "it is reached; it ended in round 2 of 2, begun after iteration 18"
    assert len(last.history) == 24


def test_who_asks_for_less_gets_the_design_that_is_named(beam, run):
    *_, last = to.optimize(beam(), to.MMA(), LONG, Late(20), run[20].snapshot)
    assert last.iteration.restored == 18
    np.testing.assert_array_equal(last.x, run[17].x)
    assert last.iteration.parameters == run[17].iteration.parameters


def test_who_asks_for_more_goes_on_where_the_round_was(beam, run):
    """The design that was to come back is not yet: all goes on as if there had been more from the start."""
    more = list(to.optimize(beam(), to.MMA(), LONG, stop(60), run[23].snapshot))
    whole = list(to.optimize(beam(), to.MMA(), LONG, stop(60)))
    np.testing.assert_array_equal(more[-1].x, whole[-1].x)
    assert more[-1].reason == whole[-1].reason
    assert [it.parameters for it in more[-1].history] == [it.parameters for it in whole[-1].history]


class Killed(BaseException):
    """Stands for SIGKILL."""


@pytest.mark.parametrize("rules", [LONG, watched(2)], ids=["alone", "watched"])
@pytest.mark.parametrize("number", [17, 18, 19, 23, 24, 25])
def test_a_run_that_is_killed_ends_with_the_same_design(beam, run, rules, number, tmp_path):
    parts = (beam(), to.MMA(), rules, Late(24))
    with (
        contextlib.suppress(Killed),
        RunFolder.create(tmp_path, "beam", recording=Recording(frames_every=0)) as folder,
    ):
        for step in folder.steps(*parts):
            if step.iteration.number == number:
                raise Killed
    with RunFolder.open(folder.path) as again:
        for step in again.steps(*parts):
            last = step
    assert len(last.history) == 25
    assert last.reason == run[-1].reason
    np.testing.assert_array_equal(last.x, run[-1].x)
    rows = [
        {name: value for name, value in step.iteration.row().items() if not name.startswith("seconds:")}
        for step in (last, run[-1])
    ]
    assert rows[0] == rows[1]


def test_a_snapshot_without_the_design_that_ended_a_round_is_refused(beam):
    once = list(to.optimize(beam(), to.MMA(), Continuation(LONG.schedules), stop(18)))
    text = (
        "snapshot: made without this roll-back or these rounds: the design of iteration 18, to which it may"
    )
    with pytest.raises(InputError, match=f"^{text}"):
        list(to.optimize(beam(), to.MMA(), LONG, stop(60), once[-1].snapshot))


def test_a_counter_is_brought_back_with_the_rest():
    rules = Continuation(ROUNDS.schedules | {"batch": Counter()}, rounds=2)
    history = log(1.0, 2.0, rules=rules, iterations=16)
    back = returning(history, rules, stop(16))
    assert back.parameters == {BETA: 4.0, "batch": 7.0}
    history.append(Iteration(17, 1.0, parameters=dict(back.parameters), restored=8))
    assert ending(history, rules, stop(16)).endswith("is back")


class Whim:
    """A model whose objective is what chance says, whatever the design: much is undone, in every way."""

    def __init__(self, objectives):
        self.objectives, self.asked = objectives, 0

    def initial(self):
        return np.full(2, 0.5)

    def bounds(self):
        return Bounds(np.zeros(2), np.ones(2))

    def parameters(self):
        return {BETA: 1.0}

    def evaluate(self, x, parameters):
        objective = self.objectives[self.asked % len(self.objectives)]
        self.asked += 1
        gradient = np.array([1.0, -1.0]) * (-1.0) ** self.asked
        return to.Evaluation(objective, gradient, np.zeros(0), np.zeros((0, 2)), output=x.copy(), solves=1)


@given(
    objectives=st.lists(st.floats(0.9, 1.2), min_size=3, max_size=40),
    rounds=st.integers(1, 4),
    patience=st.integers(1, 8),
    every=st.integers(1, 3),
    budget=st.integers(1, 70),
    frank=st.booleans(),
)
def test_what_comes_again_is_the_design_that_is_named(objectives, rounds, patience, every, budget, frank):
    rules = Continuation(
        {BETA: Staircase(1.0, 4.0, every=every)}, rollback=Rollback(patience=patience), rounds=rounds
    )

    designs, last = {}, None
    for step in to.optimize(Whim(objectives), to.MMA(), rules, stop(budget) if frank else Late(budget)):
        designs[step.iteration.number] = step.x
        if step.iteration.restored:
            np.testing.assert_array_equal(step.x, designs[step.iteration.restored])
        last = step
    assert len(last.history) in (budget, budget + 1)
    assert (len(last.history) > budget) == (rules.brought_back(last.history) is not None)
    if rounds == 1:
        assert len(last.history) == budget
