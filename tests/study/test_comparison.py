"""The ranking: ratios, failures, ties and costs, as one counts them by hand."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from tests.study.outcomes import GATE, INF, RAMP, trial, usual
from topopt.continuation import (
    Constant,
    Continuation,
    Follow,
    Guarded,
    Linear,
    Rollback,
    Staircase,
    Survival,
)
from topopt.errors import InputError
from topopt.study.comparison import Comparison

SLOW = Continuation({"p": Survival(growth=0.01)})


def names(standings):
    return [standing.continuation for standing in standings]


def test_rows_come_best_first_and_failures_last():
    comparison = Comparison((trial("c", None), trial("b", 205.0), trial("d", INF), trial("a", 200.0)))
    assert [row.outcome.continuation for row in comparison.on("beam")] == ["a", "b", "c", "d"]
    assert [row.ratio for row in comparison.rows] == pytest.approx([1.0, 1.025, INF, INF])
    assert comparison.best == {"beam": 200.0}


def test_the_best_of_a_problem_is_over_all_its_starts():
    comparison = Comparison((trial("a", 200.0, start="one"), trial("a", 220.0, start="two")))
    assert [row.ratio for row in comparison.rows] == pytest.approx([1.0, 1.1])


def test_an_objective_below_zero_is_ranked_as_well():
    comparison = Comparison((trial("dead", 0.0), trial("a", -1.0), trial("b", -0.9)))
    assert [row.ratio for row in comparison.rows] == pytest.approx([1.0, 1.1, 2.0])


def test_a_better_value_from_elsewhere_counts_and_a_worse_one_does_not():
    outcomes = (trial("a", 200.0), trial("b", 210.0))
    assert Comparison(outcomes, {"beam": 160.0}).rows[0].ratio == pytest.approx(1.25)
    assert Comparison(outcomes, {"beam": 300.0}).rows[0].ratio == 1.0


def test_ties_are_under_half_a_per_cent():
    leads = {
        row.outcome.continuation: row.lead
        for row in Comparison((trial("a", 200.0), trial("b", 200.99), trial("c", 201.01))).rows
    }
    assert leads == {"a": "tie", "b": "tie", "c": ""}


def test_who_leads_alone_wins_and_who_runs_alone_does_not():
    assert [row.lead for row in Comparison((trial("a", 200.0), trial("b", 210.0))).rows] == ["win", ""]
    assert [row.lead for row in Comparison((trial("a", 200.0),)).rows] == [""]
    assert {row.lead for row in Comparison((trial("a", INF), trial("b", None))).rows} == {""}


def test_wins_are_counted_case_by_case():
    comparison = Comparison((
        trial("a", 200.0, start="one"), trial("b", 220.0, start="one"),
        trial("a", 230.0, start="two"), trial("b", 225.0, start="two"),
    ))  # fmt: skip
    assert {s.continuation: (s.wins, s.ties) for s in comparison.standings()} == {"a": (1, 0), "b": (1, 0)}


def test_the_overall_ranking_puts_failures_before_ratios():
    comparison = Comparison((
        trial("bold", 100.0, "one"), trial("bold", INF, "two"),
        trial("meek", 103.0, "one"), trial("meek", 50.0, "two"),
    ))  # fmt: skip
    first, second = comparison.standings()
    assert (first.continuation, first.failures) == ("meek", 0)
    assert first.ratio == pytest.approx(math.sqrt(1.03))
    assert (second.failures, second.ratio, second.sound_ratio) == (1, INF, 1.0)
    assert comparison.continuations == ("meek", "bold")
    assert names(comparison.standings("one")) == ["bold", "meek"]


def test_solves_are_counted_to_within_shares_and_failures_never_get_there():
    a, b, c = Comparison((trial("a", 200.0), trial("b", 209.0), trial("c", None))).rows
    assert [a.solves(tau) for tau in (0.05, 0.02, 0.01)] == [40, 60, 60]
    assert a.solves(0.05, black=True) == 60
    assert [b.solves(tau) for tau in (0.05, 0.02, 0.01)] == [60, INF, INF]
    assert c.solves(0.05) == INF


def test_a_run_that_was_near_and_broke_in_the_end_was_never_near():
    outcome = trial("a", 200.0)
    judged = (*outcome.judgements[:2], replace(outcome.judgements[2], value=INF, fault="shattered"))
    rows = Comparison((replace(outcome, judgements=judged), trial("b", 205.0))).rows
    assert rows[1].why == "shattered"
    assert rows[1].solves(0.05) == INF


def test_the_median_counts_what_never_got_there():
    outcomes = [trial("a", 200.0, start=s) for s in "xy"] + [trial("a", INF, start="z")]
    (standing,) = Comparison(tuple(outcomes)).standings()
    assert standing.solves(0.05) == 40
    (half,) = Comparison((trial("a", 200.0), trial("a", INF, start="z"))).standings()
    assert half.solves(0.05) == INF


def test_profiles_are_over_all_cases_also_those_not_run():
    comparison = Comparison((trial("a", 200.0, "one"), trial("b", 210.0, "one"), trial("b", 50.0, "two")))
    assert comparison.performance()["a"].end == 0.5
    assert comparison.performance()["b"]([1.0, 1.05]).tolist() == [0.5, 1.0]
    assert comparison.data(0.05)["a"].end == 0.5
    assert {s.continuation: s.missing for s in comparison.standings()} == {"b": 0, "a": 1}
    assert names(comparison.standings()) == ["b", "a"]
    assert names(comparison.standings("two")) == ["b"]


def test_alarms_come_with_the_iteration_of_their_first_ring():
    (row,) = Comparison((trial("a", 200.0, alarms=(("masked", 30), ("freeze", 1))),)).rows
    assert [(found.alarm, found.first) for found in row.alarms] == [("freeze", 1), ("masked", 30)]


def test_why_a_trial_failed():
    broken, crashed = Comparison((trial("a", INF), trial("b", None))).rows
    assert broken.why == "no path from load to support"
    assert crashed.why == "NumericalError: the field is not finite"
    assert crashed.spent == 60


def test_those_that_lack_a_case_come_last_and_tie_with_nobody():
    comparison = Comparison((
        trial("a", 200.0, "one"), trial("a", INF, "two"), trial("b", 100.0, "one"), trial("c", 201.0, "one"),
        trial("c", 50.0, "two"),
    ))  # fmt: skip
    assert names(comparison.standings()) == ["c", "a", "b"]
    assert (names(comparison.ranked), names(comparison.unranked)) == (["c", "a"], ["b"])
    alone = Comparison((trial("a", 200.0, "one"), trial("b", 200.0, "one"), trial("b", 50.0, "two")))
    assert not alone.tied(*alone.standings())


@pytest.mark.parametrize(
    ("schedules", "default", "ramps"),
    [
        ({"x": GATE, "survival": RAMP}, "x", ("survival",)),
        ({"x": SLOW, "y": GATE}, "y", ()),
        ({"x": RAMP, "y": SLOW}, "y", ("x",)),
        ({"x": Continuation({"p": Survival()}, "reset")}, "x", ()),
        ({"x": Continuation({"p": Guarded(Survival()), "q": Follow("p")})}, "x", ()),
        ({"x": usual({"p": Survival(), "q": Follow("p")}), "y": GATE}, "x", ()),
        ({"y": GATE, "x": usual({"p": Survival(), "q": Follow("p")})}, "x", ()),
        ({"y": Continuation({"p": Survival()}), "x": GATE}, "x", ()),
        ({"y": SLOW, "x": Continuation({"p": Guarded(Survival()), "q": Follow("p")})}, "y", ()),
        ({"x": Continuation({"p": Linear(1, 8), "q": Constant(3)})}, None, ("x",)),
        ({"x": Continuation({"p": Guarded(Linear(1, 8))})}, None, ()),
        ({"x": Continuation({"p": Linear(1, 8)}, rollback=Rollback())}, None, ()),
        ({"ramp": Continuation({"p": Staircase()}), "y": Continuation({"p": Constant(8)})}, None, ()),
        ({"ramp": Continuation(), "survival": None}, None, ()),
    ],
)
def test_the_default_and_the_plain_ramps_are_told_by_their_schedules(schedules, default, ramps):
    comparison = Comparison(tuple(trial(name, 1.0, schedules=found) for name, found in schedules.items()))
    assert (comparison.default, comparison.ramps) == (default, ramps)


def test_nan_and_minus_infinity_are_failures():
    rows = Comparison((trial("a", 200.0), trial("b", math.nan), trial("c", -INF))).rows
    assert [row.failed for row in rows] == [False, True, True]
    assert rows[0].best == 200.0


def test_what_cannot_be_compared_is_refused():
    with pytest.raises(InputError, match="there is no outcome"):
        Comparison(())
    with pytest.raises(InputError, match="beam / a / uniform comes twice"):
        Comparison((trial("a", 1.0), trial("a", 2.0)))
    with pytest.raises(InputError, match=r"no problem 'baem' .* did you mean 'beam'"):
        Comparison((trial("a", 1.0),), {"baem": 1.0})
    with pytest.raises(InputError, match="must be finite, got inf"):
        Comparison((trial("a", 1.0),), {"beam": INF})
