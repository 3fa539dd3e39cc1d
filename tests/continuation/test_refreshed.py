"""The limit on the dilated volume follows the log, so that the nominal design gets what it was promised."""

import itertools
import re
from dataclasses import dataclass

import numpy as np
import pytest

import topopt as to
from topopt.errors import InputError, ParameterError
from topopt.evaluation import Bounds
from topopt.history import History, Iteration

LIMIT = "limits.dilated"


def log(rule, volumes):
    """Run the schedule through iterations with given nominal and dilated volumes."""
    history, continuation = History(), to.Continuation({LIMIT: rule})
    for nominal, dilated in volumes:
        parameters = continuation.at(history)
        responses = {"nominal": nominal, "dilated": dilated}
        history.append(Iteration(len(history) + 1, 1.0, parameters=parameters, responses=responses))
    return history


def test_the_limit_is_refreshed_with_the_last_ratio_and_stands_in_between():
    rule = to.Refreshed(0.4, "nominal", "dilated", every=3, step=1.0)
    history = log(rule, [(0.4, 0.5), (0.4, 0.6), (0.3, 0.6), (0.1, 0.9), (0.4, 0.6), (0.5, 0.8), (0.4, 0.5)])
    assert history.values(LIMIT) == pytest.approx([0.4] * 3 + [0.8] * 3 + [0.64])


def test_a_refresh_changes_the_limit_by_no_more_than_its_step_and_less_after_each_turn():
    rule = to.Refreshed(0.4, "nominal", "dilated", every=1, step=0.1)
    up, down = (0.2, 0.9), (1.0, 0.9)
    values = log(rule, [up, up, down, down, up, up]).values(LIMIT)
    ratios = [after / before for before, after in itertools.pairwise(values)]
    # the first turn is known once it has been taken, the second likewise
    assert ratios == pytest.approx([1.1, 1.1, 1 / 1.1, 1 / 1.05, 1.05])


def test_a_coarse_grid_cannot_make_the_limit_swing_for_ever():
    """The ratio leaps with the limit, so that no limit gives the target."""
    rule, history = to.Refreshed(0.4, "nominal", "dilated", every=1), History()
    continuation = to.Continuation({LIMIT: rule})
    for number in range(1, 101):
        limit = continuation.at(history)[LIMIT]
        nominal = limit / 1.1 if limit > 0.47 else limit / 1.3
        history.append(
            Iteration(
                number, 1.0, parameters={LIMIT: limit}, responses={"nominal": nominal, "dilated": limit}
            )
        )
    last = history.values(LIMIT)[-10:]
    assert max(last) / min(last) < 1.005
    (sentence,) = continuation.missed(history)
    assert re.fullmatch(rf"{LIMIT}: 'nominal' is 0\.\d+, its target of 0\.4 is missed", sentence)


def test_a_limit_that_decides_nothing_stands_unless_the_nominal_design_is_too_heavy():
    rule = to.Refreshed(0.4, "nominal", "dilated", every=1, step=1.0)
    assert log(rule, [(0.4, 0.4), (0.3, 0.37), (0.3, 0.37)]).values(LIMIT) == [0.4] * 3
    assert to.Continuation({LIMIT: rule}).settled(log(rule, [(0.3, 0.37)]))
    assert not to.Continuation({LIMIT: rule}).settled(log(rule, [(0.3, 0.39)]))
    assert log(rule, [(0.5, 0.37), (0.5, 0.37)]).values(LIMIT) == pytest.approx([0.4, 0.296])


def test_a_target_that_is_met_to_a_hundredth_is_not_missed():
    rule = to.Refreshed(0.4, "nominal", "dilated")
    continuation = to.Continuation({LIMIT: to.Guarded(rule)})
    assert continuation.missed(History()) == []
    assert continuation.missed(log(rule, [(0.3961, 0.5)])) == []
    assert continuation.missed(log(rule, [(0.3959, 0.5)])) != []


@dataclass(frozen=True)
class Scale:
    """What is limited is twice what is wanted, and the variable cannot get there."""

    def initial(self):
        return np.full(2, 0.2)

    def bounds(self):
        return Bounds(np.zeros(2), np.full(2, 0.3))

    def parameters(self):
        return {LIMIT: 0.4}

    def evaluate(self, x, parameters):
        volume = float(x.mean())
        return to.Evaluation(
            -volume,
            np.full(2, -0.5),
            np.array([2 * volume / parameters[LIMIT] - 1.0]),
            np.full((1, 2), 1.0 / parameters[LIMIT]),
            responses={"nominal": volume, "dilated": 2 * volume},
        )


def test_the_reason_of_a_run_says_that_the_target_was_missed():
    continuation = to.Continuation({LIMIT: to.Refreshed(0.4, "nominal", "dilated", every=2)})
    last = to.solve(Scale(), to.MMA(), continuation, to.Stop(change=1e-6, iterations=60))
    assert last.reason.startswith("settled: ")
    assert last.reason.endswith(f"; {LIMIT}: 'nominal' is 0.3, its target of 0.4 is missed")


def test_an_iteration_that_meets_both_limits_leaves_the_limit_alone():
    rule = to.Refreshed(0.4, "nominal", "dilated", every=2, tolerance=0.01, step=1.0)
    history = log(rule, [(0.4, 0.5), (0.4, 0.5), (0.4, 0.5), (0.398, 0.5)])
    assert history.values(LIMIT) == [0.4, 0.4, 0.5, 0.5]
    assert to.Continuation({LIMIT: rule}).at(history)[LIMIT] == 0.5
    assert to.Continuation({LIMIT: rule}).settled(history)
    exact = to.Refreshed(0.4, "nominal", "dilated", every=2, tolerance=1e-4)
    assert not to.Continuation({LIMIT: exact}).settled(history)
    assert not to.Continuation({LIMIT: rule}).settled(History())
    assert not to.Continuation({LIMIT: rule}).settled(history[:2])


def test_the_limit_never_exceeds_the_whole_and_survives_an_empty_design():
    rule = to.Refreshed(0.5, "nominal", "dilated", every=1, step=1.0)
    assert log(rule, [(0.3, 0.9), (0.0, 0.9), (0.4, 0.5)]).values(LIMIT) == [0.5, 1.0, 1.0]


def test_a_stored_log_gives_every_value_again():
    rule = to.Refreshed(0.4, "nominal", "dilated", every=2)
    history = log(rule, [(0.4, 0.5), (0.35, 0.6), (0.3, 0.6), (0.37, 0.7)])
    stored = History.from_tables(*history.tables())
    continuation = to.Continuation({LIMIT: rule})
    assert [continuation.at(stored[:k])[LIMIT] for k in range(4)] == history.values(LIMIT)


def test_names_that_are_no_responses_are_refused():
    rule = to.Refreshed(0.4, "nominl", "dilated", every=1)
    with pytest.raises(
        InputError, match=re.escape("Refreshed: no response 'nominl' in the log: did you mean")
    ):
        log(rule, [(0.4, 0.5), (0.4, 0.5)])


@pytest.mark.parametrize("target", [0.0, 1.0, -0.2])
def test_a_target_is_a_share(target):
    with pytest.raises(ParameterError, match=r"Refreshed.target: expected a value"):
        to.Refreshed(target, "nominal", "dilated")
