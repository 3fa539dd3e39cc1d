"""The verdict says what the numbers say, whatever they are."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from tests.study.outcomes import GATE, INF, RAMP, trial
from topopt.study.comparison import Comparison
from topopt.study.verdict import verdict
from topopt.vanishing import ALARMS


def judged(*outcomes, **settings):
    return verdict(Comparison(outcomes, **settings))


def test_a_single_winner_with_its_lead_and_its_cost():
    best, failed, advice = judged(trial("gate", 200.0, solves=(10, 20, 30)), trial("doubling", 204.0))
    assert best == (
        "gate is best on beam: its black-and-white design has the value 200, 2 % better than the next, "
        "doubling; state solves to within 5 % of the best known with M_nd below 2 %: 30 for gate and 60 for "
        "doubling."
    )
    assert failed == "No trial failed and no alarm rang."
    assert advice == "Use gate: it did not fail, but this was a single trial."


def test_over_several_problems_the_mean_and_the_worst_are_told():
    best, _, advice = judged(
        trial("a", 200.0, "one"), trial("b", 204.0, "one"),
        trial("a", 101.0, "two"), trial("b", 100.0, "two"),
        trial("a", 10.0, "three"), trial("b", 12.0, "three"),
    )  # fmt: skip
    assert best.startswith(
        "a is best over all 3 problems: its designs end 0.33 % above the best known on average"
    )
    assert "6.62 % better than the next, b" in best
    assert advice.startswith(
        "Use a: it failed in none of 3 trials and ended at most 1 % above the best known"
    )


def test_failures_are_told_with_their_alarms_in_order():
    _, failed, _ = judged(
        trial("gate", 200.0),
        trial("abrupt", INF, alarms=(("masked", 9), ("freeze", 1))),
        trial("crash", None),
        trial("slow", 201.0, settled=False),
    )
    assert failed == (
        "2 of 4 trials failed: abrupt (freeze from iteration 1, masked from iteration 9) and crash "
        "(NumericalError: the field is not finite; no alarm rang); 1 of the others ended before the "
        "continuation had settled."
    )


def test_where_failures_happened_is_told():
    _, failed, _ = judged(
        trial("a", 1.0, "one"), trial("b", INF, "one"), trial("a", 1.0, "two"), trial("b", None, "two"),
        trial("a", 1.0, "three"), trial("b", 1.0, "three"), trial("c", INF, "one"), trial("c", INF, "two"),
        trial("c", INF, "three"),
    )  # fmt: skip
    assert "c on every problem" in failed
    assert "b on one and two" in failed


def test_alarms_without_failure_are_counted():
    _, failed, _ = judged(trial("a", 1.0, alarms=(("freeze", 3),)), trial("b", 2.0, alarms=(("freeze", 5),)))
    assert failed == "No trial failed; alarms that rang, by trials of 2: freeze in 2."


def test_when_all_fail_nothing_is_advised():
    best, failed, advice = judged(trial("a", INF, alarms=(("freeze", 1),)), trial("b", None))
    assert best == "No continuation leaves a sound design on beam: all 2 trials failed."
    assert failed.startswith("All 2 trials failed: ")
    assert advice == (
        "Use none of them as it stands; the most frequent alarm was freeze, in 1 of 2 trials "
        f"({ALARMS['freeze']})."
    )
    *_, silent = judged(trial("b", None))
    assert silent.endswith("the first trial ended with: NumericalError: the field is not finite.")


def test_when_all_tie_the_cheapest_is_advised():
    best, _, advice = judged(
        trial("a", 200.0, solves=(50, 80, 120)), trial("b", 200.2), trial("c", 200.5, solves=(10, 20, 30))
    )
    assert best.startswith("All 3 continuations tie on beam, within 0.25 % of each other; state solves")
    assert "30 for c, 60 for b and 120 for a" in best
    assert advice.startswith("Use c: ")


def test_some_tie_for_the_best():
    best, *_ = judged(trial("a", 200.0), trial("b", 200.5), trial("c", 260.0))
    assert best.startswith("a and b tie for the best on beam, within 0.25 % of each other")


def test_one_continuation_alone_has_nothing_to_be_compared_with():
    best, _, advice = judged(trial("only", 200.0))
    assert best.startswith("Only only was run on beam, so there is nothing to compare it with: ")
    assert advice == "Use only: it did not fail, but this was a single trial."


def test_a_cheaper_one_is_mentioned_with_its_price():
    *_, advice = judged(trial("good", 200.0, solves=(50, 80, 120)), trial("fast", 204.0, solves=(8, 10, 12)))
    assert "fast is within 5 % of the best after 12 instead of 120, but ends 2 % above it" in advice


def test_one_that_is_cheaper_but_fails_is_not():
    def advice(third):
        return judged(*(
            trial(name, value, problem, solves=solves)
            for problem in ("one", "two", "three")
            for name, value, solves in (
                ("good", 200.0, (50, 80, 120)), ("fast", third if problem == "three" else 204.0, (8, 10, 12))
            )
        ))[2]  # fmt: skip

    assert "dear" in advice(204.0)
    assert "dear" not in advice(INF)


@pytest.mark.parametrize(
    ("ramp", "said"),
    [
        (200.5, "the plain short ramp ties with survival"),
        (199.5, "the plain short ramp ties with survival"),
        (197.0, "the plain short ramp beats survival"),
        (202.0, "no plain ramp ties with survival on any problem"),
        (INF, "no plain ramp ties with survival on any problem"),
    ],
)
def test_whether_a_short_plain_ramp_does_as_well_as_the_default(ramp, said):
    *_, advice = judged(trial("survival", 200.0, schedules=GATE), trial("short ramp", ramp, schedules=RAMP))
    assert said in advice


def test_the_problems_where_the_ramp_does_as_well_are_named():
    *_, advice = judged(
        trial("survival", 200.0, "one", schedules=GATE), trial("short ramp", 200.1, "one", schedules=RAMP),
        trial("survival", 200.0, "two", schedules=GATE), trial("short ramp", 230.0, "two", schedules=RAMP),
    )  # fmt: skip
    assert advice.endswith("the plain short ramp ties with survival on one.")


def test_nothing_is_said_of_ramps_where_there_is_no_default():
    assert "ramp ties" not in judged(trial("a", 200.0), trial("short ramp", 200.0, schedules=RAMP))[2]
    assert "ramp ties" not in judged(trial("survival", 200.0), trial("short ramp", 200.0, schedules=RAMP))[2]


def test_a_ramp_is_not_compared_with_a_default_that_ran_from_other_starts():
    *_, advice = judged(
        trial("survival", 200.0, start="x", schedules=GATE),
        trial("survival", 900.0, start="y", schedules=GATE),
        trial("short ramp", 200.0, start="x", schedules=RAMP),
    )
    assert "ramp" not in advice


def test_only_what_ran_on_all_is_ranked_and_recommended():
    best, _, advice = judged(
        trial("a", 210.0, "one"), trial("a", 50.0, "two"),
        trial("b", 220.0, "one"), trial("b", 50.0, "two"),
        trial("quick", 200.0, "one"), trial("other", 50.0, "two"),
    )  # fmt: skip
    assert best.startswith("a is best over all 2 problems: ")
    assert "the next, b" in best
    assert best.endswith("; not ranked: quick (not run on two) and other (not run on one).")
    assert advice.startswith("Use a: ")
    assert "quick" not in advice


def test_a_tie_is_not_of_all_where_one_lacks_a_case():
    outcomes = [trial(name, 200.0, start=start) for name in "ab" for start in ("x", "y")]
    best, *_ = judged(*outcomes, trial("c", 200.0, start="x"))
    assert best.startswith("a and b tie for the best on beam from 2 starts")
    assert best.endswith("; not ranked: c (not run on beam from y).")


def test_where_nothing_ran_on_all_nothing_is_recommended():
    best, failed, advice = judged(trial("a", 200.0, "one"), trial("b", 50.0, "two"))
    assert best == (
        "No continuation was run over all 2 problems, so none is ranked: a (not run on two) and b (not run "
        "on one)."
    )
    assert failed.startswith("No trial failed")
    assert advice.startswith("Nothing can be recommended over all of them: run what is missing")


def test_what_failed_everywhere_is_not_recommended_for_being_complete():
    best, _, advice = judged(trial("a", INF, "one"), trial("a", None, "two"), trial("b", 200.0, "one"))
    assert best.startswith("No continuation leaves a sound design over all 2 problems: all 2 trials failed; ")
    assert advice.startswith("Nothing can be recommended: no trial was sound")


def test_without_a_measure_of_grey_none_is_demanded():
    best, *_ = judged(*(trial(name, value, grey=0.5) for name, value in (("a", 1.0), ("b", 2.0))))
    assert "; " not in best  # M_nd never fell: nobody got there, so no cost is told
    bare = [trial("a", 1.0), trial("b", 2.0)]
    nan = [
        replace(o, judgements=tuple(replace(j, discreteness=float("nan")) for j in o.judgements))
        for o in bare
    ]
    assert "M_nd" not in judged(*nan)[0]
    assert "40 for a" in judged(*nan)[0]


def test_a_first_place_with_failures_says_so():
    best, _, advice = judged(
        trial("a", 1.0, "one"), trial("a", INF, "two"), trial("b", 1.1, "one"), trial("b", INF, "two")
    )
    assert "a is best over all 2 problems: it failed in 1 of 2 trials, and where it did not" in best
    assert "it failed in 1 of 2 trials, no other failed less" in advice


def test_names_with_commas_are_quoted():
    _, failed, _ = judged(trial("1, 2, inf", INF), trial("b", 1.0))
    assert '"1, 2, inf" (no path' in failed


@pytest.mark.parametrize("n", [1, 2, 5])
@pytest.mark.parametrize("value", [200.0, -1.0, INF, None])
def test_always_three_sentences(n, value):
    outcomes = [trial(f"c{k}", value, f"p{p}") for k in range(n) for p in range(2)]
    sentences = judged(*outcomes)
    assert len(sentences) == 3
    for sentence in sentences:
        assert sentence.endswith(".")
        assert not re.search(r"nan|None|  |\bof of\b|\.\.", sentence)
        assert sentence.count(". ") == 0
