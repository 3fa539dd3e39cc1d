"""The limit on a norm follows its ratio to the peak, so that the peak itself comes to the target."""

import re
from dataclasses import dataclass

import numpy as np
import pytest

import topopt as to
from topopt.errors import InputError, ParameterError
from topopt.evaluation import Bounds
from topopt.history import History, Iteration

LIMIT = "limits.norm"


def log(rule, stresses):
    """Run the schedule through iterations with given peaks and norms."""
    history, continuation = History(), to.Continuation({LIMIT: rule})
    for peak, norm in stresses:
        parameters = continuation.at(history)
        responses = {"peak": peak, "norm": norm}
        history.append(Iteration(len(history) + 1, 1.0, parameters=parameters, responses=responses))
    return history


def test_the_formula_by_hand():
    """p1 = 1.5 * 2 = 3; p2 = sqrt(3 * 2 * 6 / 4); p3 = sqrt(3 * 2 * 3 / 2); then it stands."""
    history = log(to.Normalised(2.0, "peak", "norm"), [(4.0, 6.0), (2.0, 3.0), (2.0, 3.0)])
    assert history.values(LIMIT) == pytest.approx([3.0, 3.0, 3.0])
    history = log(to.Normalised(2.0, "peak", "norm"), [(1.0, 6.0), (2.0, 2.0), (3.0, 3.0)])
    assert history.values(LIMIT) == pytest.approx([3.0, 6.0, 12.0**0.5])


def test_a_share_damps_and_a_margin_begins():
    rule = to.Normalised(2.0, "peak", "norm", share=0.25, margin=8.0)
    assert log(rule, [(1.0, 0.5), (1.0, 1.0)]).values(LIMIT) == pytest.approx([16.0, 8.0])


def test_where_nothing_is_stressed_the_limit_stands():
    history = log(to.Normalised(2.0, "peak", "norm"), [(0.0, 0.0), (0.0, 0.0)])
    assert history.values(LIMIT) == pytest.approx([3.0, 3.0])


def test_it_is_settled_where_it_would_not_change_and_a_missed_target_is_told():
    rule = to.Normalised(2.0, "peak", "norm", tolerance=0.05)
    continuation = to.Continuation({LIMIT: rule})
    assert not continuation.settled(History())
    assert continuation.settled(log(rule, [(2.0, 3.0)]))
    assert continuation.settled(log(rule, [(2.0, 3.1)]))
    assert not continuation.settled(log(rule, [(2.0, 3.3)]))
    assert continuation.missed(History()) == []
    assert continuation.missed(log(rule, [(2.03, 3.0)])) == []
    assert continuation.missed(log(rule, [(0.5, 3.0)])) == []
    (sentence,) = continuation.missed(log(rule, [(2.5, 3.0)]))
    assert sentence == f"{LIMIT}: 'peak' is 2.5, its target of 2 is missed"


def test_it_is_a_pure_function_of_the_log():
    rule = to.Normalised(2.0, "peak", "norm", share=0.3)
    history = log(rule, [(4.0, 6.0), (2.5, 4.1), (2.1, 3.3), (1.9, 2.8)])
    stored = History.from_tables(*history.tables())
    continuation = to.Continuation({LIMIT: rule})
    assert [continuation.at(stored[:k])[LIMIT] for k in range(4)] == history.values(LIMIT)


@dataclass(frozen=True)
class Bars:
    """Bars that shall be thin: each is as stressed as it is thin, and two of three are alike."""

    def initial(self):
        return np.full(3, 0.8)

    def bounds(self):
        return Bounds(np.full(3, 0.05), np.ones(3))

    def parameters(self):
        return {LIMIT: 3.0}

    def evaluate(self, x, parameters):
        stress = np.array([1.0, 1.0, 0.5]) / x
        norm, pullback = to.PowerNorm(4.0).vjp(stress)
        (slope,) = pullback(np.ones(()))
        limit = parameters[LIMIT]
        return to.Evaluation(
            float(x.sum()),
            np.ones(3),
            np.array([float(norm) / limit - 1]),
            (-slope * stress / x / limit)[None],
            responses={"peak": float(stress.max()), "norm": float(norm)},
        )


def test_the_peak_ends_at_its_target_though_only_the_norm_is_limited():
    """At the optimum under a norm of 4 the bars' stresses differ; the largest is 2, not the norm."""
    rule = to.Normalised(2.0, "peak", "norm")
    stop = to.Stop(change=1e-5, window=3, iterations=150)
    last = to.solve(Bars(), to.MMA(), to.Continuation({LIMIT: rule}), stop)
    found = last.iteration.responses
    assert last.reason.startswith("settled")
    assert found["peak"] == pytest.approx(2.0, rel=1e-3)
    assert found["norm"] > 2.2


def test_a_run_that_goes_on_is_the_unbroken_one_digit_for_digit():
    rule, stop = to.Normalised(2.0, "peak", "norm"), to.Stop(change=0, iterations=12)
    continuation = to.Continuation({LIMIT: rule})
    whole = list(to.optimize(Bars(), to.MMA(), continuation, stop))
    part = list(to.optimize(Bars(), to.MMA(), continuation, to.Stop(change=0, iterations=5)))
    rest = list(to.optimize(Bars(), to.MMA(), continuation, stop, part[-1].snapshot))
    assert np.array_equal(rest[-1].x, whole[-1].x)
    limits = [step.iteration.parameters[LIMIT] for step in whole]
    assert [step.iteration.parameters[LIMIT] for step in (*part, *rest)] == limits


def test_names_that_are_no_responses_are_refused():
    with pytest.raises(
        InputError, match=re.escape("Normalised: no response 'pek' in the log: did you mean 'peak'")
    ):
        log(to.Normalised(2.0, "pek", "norm"), [(1.0, 1.0), (1.0, 1.0)])


@pytest.mark.parametrize(
    ("bad", "text"),
    [({"target": 0.0}, r"Normalised\.target"), ({"share": 1.0}, r"Normalised\.share"),
     ({"share": 0.0}, r"Normalised\.share"), ({"margin": -1.0}, r"Normalised\.margin"),
     ({"tolerance": -0.1}, r"Normalised\.tolerance")],
)  # fmt: skip
def test_numbers_out_of_bounds_are_refused(bad, text):
    with pytest.raises(ParameterError, match=text):
        to.Normalised(**{"target": 1.0, "extreme": "peak", "smooth": "norm", **bad})
