"""The limit on the dilated volume follows the log, so that the nominal design gets what it was promised."""

import re

import pytest

import topopt as to
from topopt.errors import InputError, ParameterError
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
    rule = to.Refreshed(0.4, "nominal", "dilated", every=3)
    history = log(rule, [(0.4, 0.5), (0.4, 0.6), (0.3, 0.6), (0.1, 0.9), (0.4, 0.6), (0.4, 0.5), (0.4, 0.5)])
    assert history.values(LIMIT) == pytest.approx([0.4] * 3 + [0.8] * 3 + [0.5])


def test_an_iteration_that_meets_both_limits_leaves_the_limit_alone():
    rule = to.Refreshed(0.4, "nominal", "dilated", every=2, tolerance=0.01)
    history = log(rule, [(0.4, 0.5), (0.4, 0.5), (0.4, 0.5), (0.398, 0.5)])
    assert history.values(LIMIT) == [0.4, 0.4, 0.5, 0.5]
    assert to.Continuation({LIMIT: rule}).at(history)[LIMIT] == 0.5
    assert to.Continuation({LIMIT: rule}).settled(history)
    exact = to.Refreshed(0.4, "nominal", "dilated", every=2, tolerance=1e-4)
    assert not to.Continuation({LIMIT: exact}).settled(history)
    assert not to.Continuation({LIMIT: rule}).settled(History())
    assert not to.Continuation({LIMIT: rule}).settled(history[:2])


def test_the_limit_never_exceeds_the_whole_and_survives_an_empty_design():
    rule = to.Refreshed(0.5, "nominal", "dilated", every=1)
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
