"""A continuation goes its way in rounds: at rest, it begins again with the design that came out."""

import itertools
import math

import numpy as np
import pytest

import topopt as to
from topopt.continuation import (
    Constant,
    Continuation,
    Counter,
    Follow,
    Linear,
    Rollback,
    Staircase,
    Steps,
    Survival,
)
from topopt.continuation.continuation import REST
from topopt.errors import InputError
from topopt.history import History, Iteration
from topopt.study.stop import FairStop

BETA = "physical.beta"
STAIRS = Staircase(1.0, 4.0, every=1)


def walked(continuation, iterations):
    """Return the parameters of so many iterations, and whether it had settled after each."""
    history, settled = History(), []
    for k in range(1, iterations + 1):
        history.append(Iteration(k, 1.0, parameters=continuation.at(history)))
        settled.append(continuation.settled(history))
    return [it.parameters for it in history], settled


@pytest.mark.parametrize("rounds", [1, 2, 3])
def test_the_way_is_gone_so_many_times_and_each_time_rests(rounds):
    seen, settled = walked(Continuation({BETA: STAIRS}, rounds=rounds), 40)
    once = [1.0, 2.0] + REST * [4.0]
    expected = (rounds * once + 40 * [4.0])[:40]
    assert [p[BETA] for p in seen] == expected
    arrived = (rounds - 1) * len(once) + 2
    assert settled == [k >= arrived for k in range(40)]


def test_a_round_waits_for_what_moves_longest_and_followers_go_along():
    rules = {BETA: STAIRS, "move": Linear(0.4, 0.2, over=5), "penal": Follow(BETA, 1.0, 3.0, (1.0, 4.0))}
    seen, _ = walked(Continuation(rules, rounds=2), 26)
    length = 5 + REST
    assert seen[:length] == seen[length : 2 * length]
    assert [seen[length - 1]["move"], seen[length]["move"]] == [0.2, 0.4]
    assert [seen[length - 1]["penal"], seen[length]["penal"]] == [3.0, 1.0]
    assert seen[25] == seen[24] == seen[length - 1]


def test_a_counter_waits_for_nothing_and_begins_again():
    rules = Continuation({BETA: STAIRS, "batch": Counter()}, rounds=2)
    seen, settled = walked(rules, 20)
    length = 2 + REST
    assert [p["batch"] for p in seen] == [*range(length), *range(20 - length)]
    assert settled.index(True) == length + 2


def test_what_is_held_ends_its_round_once_it_is_held_and_is_free_in_the_next():
    """The jump to infinity is undone, which holds the sharpness at 4: not before, and not in round two."""
    stairs = Steps((1.0, 4.0, math.inf), 12)  # longer than the roll-back's patience
    rules = Continuation({BETA: stairs, "move": Linear(0.4, 0.2, over=4)}, rollback=Rollback(), rounds=2)
    history = History()
    for k in range(1, 80):
        now = rules.at(history)
        restored = rules.rollback.target(history) or 0
        shattered = 9.0 if now[BETA] == math.inf else 1.0
        history.append(Iteration(k, shattered, parameters=now, restored=restored))
    betas = history.values(BETA)
    assert betas[:25] == [1.0] * 12 + [4.0] * 12 + [math.inf]
    fall = betas.index(1.0, 12)
    assert set(betas[25:fall]) == {4.0}
    assert betas[fall : fall + 25] == betas[:25]
    assert betas[-1] == 4.0
    assert rules.settled(history)


LONG = Continuation({BETA: Staircase(1.0, 16.0, every=3)}, rounds=2)
"""Its first round takes 18 iterations."""


def reason(beam, iterations):
    return to.solve(beam(), to.MMA(), LONG, to.Stop(change=0.0, iterations=iterations)).reason


def test_a_run_that_ends_within_its_first_round_says_so(beam):
    assert reason(beam, 10).endswith("; it ended in round 1 of 2")
    assert "round" not in reason(beam, 36)


def test_a_round_for_which_the_budget_leaves_no_room_is_not_begun(beam):
    rule = to.Stop(change=0.0, iterations=35)
    *_, last = run = list(to.optimize(beam(), to.MMA(), LONG, rule))
    assert {step.iteration.parameters[BETA] for step in run[13:]} == {16.0}
    assert last.reason == "budget: 35 iterations spent; the budget left no room for round 2 of 2"
    # who gives more later gets it
    more = list(to.optimize(beam(), to.MMA(), LONG, to.Stop(change=0.0, iterations=80), last.snapshot))
    betas = [step.iteration.parameters[BETA] for step in more]
    assert betas[:5] == [1.0, 1.0, 1.0, 2.0, 2.0]
    assert more[-1].reason == "budget: 80 iterations spent"


def test_a_study_s_budget_leaves_as_many_iterations_as_its_solves_are_worth():
    history = History([Iteration(k, 1.0, solves=2 * k) for k in range(1, 11)])
    assert FairStop(100).left(history) == 40.0
    assert FairStop(100).left(History()) == math.inf


def test_what_costs_nothing_spends_nothing_of_a_study_s_budget():
    """Ten solves in front, then iterations that need none, as those of a model that remembers do."""
    history = History([Iteration(k, 1.0, solves=10) for k in range(1, 6)])
    assert FairStop(10).left(history) == math.inf
    assert FairStop(10)(history, settled=False) is None
    assert FairStop(9).left(history) == 0.0
    assert FairStop(9)(history, settled=True) == "budget: 10 of 9 state solves spent"


def test_a_round_that_would_change_nothing_is_none():
    rules = Continuation({BETA: Constant(8.0), "batch": Counter()}, rounds=3)
    seen, settled = walked(rules, 30)
    assert [p["batch"] for p in seen] == [*range(30)]
    assert settled == (REST - 1) * [False] + (31 - REST) * [True]


@pytest.mark.parametrize("rounds", [0, -1, 1.5, True, None])
def test_a_number_of_rounds_that_is_none_is_refused(rounds):
    with pytest.raises(InputError, match=r"^continuation: rounds is an integer >= 1, got"):
        Continuation(rounds=rounds)


GATE = Continuation({BETA: Survival(), "stiffness.penal": Follow(BETA, 1.0, 3.0, (1.0, 2.0))}, rounds=2)


@pytest.fixture(name="run", scope="module")
def gate_run(beam):
    return list(to.optimize(beam(), to.MMA(), GATE, to.Stop(change=0.01, iterations=400)))


def falls(run):
    """Return the places at which the sharpness falls, but for those of a roll-back."""
    betas = [step.iteration.parameters[BETA] for step in run]
    pairs = enumerate(itertools.pairwise(betas), start=1)
    return [k for k, (one, then) in pairs if then < one and not run[k].iteration.restored]


def test_the_gate_softens_once_and_sharpens_again(run):
    (fall,) = falls(run)
    assert run[-1].reason.startswith("settled")
    assert run[fall].iteration.parameters == {BETA: 1.0, "stiffness.penal": 1.0}
    first, last = run[fall - 1].iteration, run[-1].iteration
    assert first.measures["discreteness"] < 0.02 > last.measures["discreteness"]
    assert last.objective <= 1.005 * first.objective
    # the second round begins with the design that the first one left, not with the first one's start
    assert np.abs(run[fall].x - run[fall - 1].x).max() <= to.MMA().move + 1e-12
    assert np.std(run[fall].x) > 5.0 * np.std(run[0].x)


def test_a_run_goes_on_in_its_second_round_as_if_nothing_had_been(beam, run):
    (fall,) = falls(run)
    for place in (fall - 1, fall, fall + 7):
        stop = to.Stop(change=0.01, iterations=400)
        again = list(to.optimize(beam(), to.MMA(), GATE, stop, run[place].snapshot))
        assert len(again) == len(run) - place - 1
        np.testing.assert_array_equal(again[-1].x, run[-1].x)
        assert again[-1].iteration.parameters == run[-1].iteration.parameters


def test_a_rollback_lets_the_fall_pass(beam):
    rules = Continuation({BETA: Staircase(1.0, 16.0, every=4)}, rollback=Rollback(), rounds=2)
    run = list(to.optimize(beam(), to.MMA(), rules, to.Stop(change=0.0, iterations=75)))
    (fall,) = falls(run)
    assert run[fall].iteration.parameters == {BETA: 1.0}
    assert any(step.iteration.restored > fall for step in run)  # which still watches over the second round
    assert run[-1].iteration.parameters == {BETA: 16.0}
