"""Tuning: the score is the area it says it is, a search goes on where it was, and no more is claimed."""

from __future__ import annotations

import builtins
import csv
import dataclasses
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.study.outcomes import INF, trial
from tests.study.test_study import mbb
from topopt.continuation import Continuation, Follow, Geometric, Guard, Guarded, Survival
from topopt.errors import InputError, MissingDependencyError, TopoptError
from topopt.study import tuning
from topopt.study.dials import Range, dials_of, parsed_ranges, turned
from topopt.study.profiles import curve
from topopt.study.scoring import Case, Target, grain, score, target_of
from topopt.study.starts import Starts
from topopt.study.study import Study
from topopt.study.tuned import Suggestion, Tuned, lines, report, table, verdict
from topopt.study.tuning import tune

OVER = {"physical.beta.over": Range(16, 26), "physical.beta.final": Range(24, 48, log=True)}
BETA = "physical.beta"


def small() -> Study:
    """Return a study of a ramp that ruins every design and of a good one, which takes a second or two."""
    ramps = {"ramp": Continuation({BETA: Geometric(1.0, 128.0, over=4)})}
    ramps["good"] = Continuation({BETA: Geometric(1.0, 32.0, over=20)})
    problems = {"half": mbb(0.5, (24, 8)), "most": mbb(0.6, (24, 8))}
    return Study(problems, ramps, starts=Starts(perturbed=0), budget=30, every=1)


def tuned_in(folder: Path, trials: int = 3, **more: Any) -> Tuned:
    return tune(small(), "ramp", OVER, folder, trials, within=0.3, jobs=1, **more)


def case(solves: float, before: float = 1.0, problem: str = "beam", value: float = 100.0) -> Case:
    return Case(problem, "uniform", solves, before, value)


def made_up(*suggestions: tuple[tuple[float, float], ...], best: float = 100.0) -> Tuned:
    """Return a tuning of one number over two problems, of which (solves, before) are given."""
    found = []
    for number, solved in enumerate(suggestions):
        cases = tuple(case(*pair, problem=name) for pair, name in zip(solved, ("a", "b"), strict=True))
        found.append(Suggestion(number, {"x.growth": 0.1 * (number + 1)}, cases, score(cases, 100)))
    return Tuned("gate", tuple(found), Target({"a": best, "b": best}), 100, text="gate: {}\n")


# The score.


@given(st.lists(st.one_of(st.integers(1, 300), st.just(INF)), min_size=1, max_size=8), st.integers(2, 200))
def test_the_score_is_the_area_under_the_data_profile(solves: list[float], budget: int) -> None:
    profile = curve(solves)
    ends = np.unique(np.clip([1.0, *profile.at, budget], 1.0, budget))
    area = float((profile(ends[:-1]) * np.diff(np.log(ends))).sum()) / math.log(budget)
    assert score([case(n) for n in solves], budget) == pytest.approx(area, abs=1e-12)


def test_the_ends_of_the_score() -> None:
    assert score([case(1)], 50) == 1.0
    assert score([case(50)], 50) == score([case(70)], 50) == score([case(INF)], 50) == 0.0
    with pytest.raises(InputError, match="there is no case"):
        score([], 50)
    with pytest.raises(InputError, match="a budget of at least 2 state solves, got 1"):
        score([case(1)], 1)


def test_halving_the_solves_is_worth_the_same_wherever_it_happens() -> None:
    gain = score([case(20)], 400) - score([case(40)], 400)
    assert gain == pytest.approx(score([case(100)], 400) - score([case(200)], 400))


def test_the_grain_is_what_judging_more_often_might_add() -> None:
    cases = [case(20, before=15), case(40, before=35), case(INF)]
    finer = [case(15), case(35), case(INF)]
    assert grain(cases, 400) == pytest.approx(score(finer, 400) - score(cases, 400))


def test_a_case_is_solved_near_the_reference_and_black_and_white() -> None:
    outcome = trial("gate", 100.0)  # 150 after 20 solves, 104 after 40 (M_nd 10 %), 100 after 60 (1 %)
    assert Target({"beam": 100.0}, 0.05).case(outcome) == case(60.0, 40.0)
    assert Target({"beam": 100.0}, 0.05, black=False).case(outcome) == case(40.0, 20.0)
    assert Target({"beam": 95.0}, 0.01).case(outcome).solves == INF
    assert Target({"beam": 100.0}).case(trial("gate", 100.0, grey=0.03)).solves == INF


@pytest.mark.parametrize("value", [INF, None])
def test_a_broken_design_and_an_error_are_never_solved(value: float | None) -> None:
    assert Target({"beam": 100.0}, 0.9).case(trial("gate", value)).solves == INF


def test_the_reference_is_the_best_of_the_study() -> None:
    outcomes = [trial("a", 100.0), trial("b", 90.0), trial("c", INF), trial("a", 50.0, "other")]
    assert target_of(outcomes, 0.02) == Target({"beam": 90.0, "other": 50.0}, 0.02, black=True)


def test_where_no_model_tells_its_greyness_none_is_asked_for() -> None:
    outcome = trial("a", 100.0)
    untold = tuple(dataclasses.replace(j, discreteness=math.nan) for j in outcome.judgements)
    assert not target_of([dataclasses.replace(outcome, judgements=untold)], 0.01).black


def test_a_problem_without_a_sound_design_has_no_reference() -> None:
    with pytest.raises(
        TopoptError, match="no trial of the study ended with a sound design on 'beam', so there"
    ):
        target_of([trial("a", INF), trial("b", None), trial("a", 50.0, "other")], 0.01)


# What is varied.


def test_ranges_are_read_and_mistakes_gathered() -> None:
    good = ["physical.beta.growth=0.02:0.15", "physical.beta.change=5e-3:0.1:log"]
    wrong = ["a.b.c", "a.b.c=1", "a.b.c=1:x", "a.b.c=1:2:lin", "=1:2", "a.b=2:1", "a.c=0:1:log", good[0]]
    ranges, mistakes = parsed_ranges([*good, *wrong])
    assert ranges == {
        "physical.beta.growth": Range(0.02, 0.15), "physical.beta.change": Range(0.005, 0.1, log=True),
    }  # fmt: skip
    form = "expected PARAMETER.FIELD=LOW:HIGH or LOW:HIGH:log, such as physical.beta.growth=0.02:0.15"
    assert mistakes == [
        *(f"--over {text}: {form}" for text in wrong[:5]),
        "--over a.b=2:1: expected two finite numbers, low < high, got 2:1",
        "--over a.c=0:1:log: a logarithmic range begins above 0, got 0:1",
        f"--over {good[0]}: given twice",
    ]


def test_what_cannot_be_varied_is_named_all_at_once() -> None:
    gate = Continuation({BETA: Survival(), "move": Geometric(1.0, 2.0), "other": Survival()})
    over = {
        "physical.beta.grwth": Range(0, 1), "physical.beta.growth": Range(0, 1),
        "physical.beta.survival": Range(0.5, 1.5), "move.over": Range(1.5, 4), "move.ovr": Range(1, 2),
        "physical.beta.start": Range(600, 700),
    }  # fmt: skip
    with pytest.raises(InputError, match="grwth") as refusal:
        dials_of(gate, over, [BETA, "move"])
    assert str(refusal.value).splitlines() == [
        "physical.beta.grwth: no number of this continuation: did you mean 'physical.beta.growth'?",
        "physical.beta.growth: expected a value > 0, got 0",
        "physical.beta.survival: expected a value < 1, got 1.5",
        "move.over: it is an integer, so are the ends of its range; got 1.5:4",
        "move.ovr: no number of this continuation: did you mean 'move.over'?",
    ]
    with pytest.raises(InputError, match="nothing to vary"):
        dials_of(gate, {}, [BETA])
    with pytest.raises(InputError, match=r"growth: no number .*it names no schedule; write the schedule out"):
        dials_of(gate, {"physical.beta.growth": Range(0.1, 0.2)}, [])


def test_numbers_are_set_in_schedules_and_their_guards_alone() -> None:
    guarded = Guarded(Geometric(1.0, 64.0, over=10), Guard(growth=0.03))
    before = Continuation({BETA: guarded, "eta.eta": Follow(BETA, 0.5, 0.4)}, memory="damp")
    over = {"physical.beta.over": Range(5, 20), "physical.beta.guard.growth": Range(0.01, 0.1)}
    dials = dials_of(before, over, before.schedules)
    assert [(dial.place, dial.whole, dial.present) for dial in dials] == [
        ((BETA, "over"), True, 10), ((BETA, "guard", "growth"), False, 0.03)
    ]  # fmt: skip
    after = turned(before, {(BETA, "over"): 7, (BETA, "guard", "growth"): 0.05})
    assert after.schedules[BETA] == Guarded(Geometric(1.0, 64.0, over=7), Guard(growth=0.05))
    assert (after.schedules["eta.eta"], after.memory) == (before.schedules["eta.eta"], "damp")


def test_what_is_tried_has_few_digits_and_stays_in_its_range() -> None:
    over = {"physical.beta.growth": Range(0.0123411, 0.9), "physical.beta.survival": Range(0.1, 0.2)}
    growth, survival = dials_of(Continuation({BETA: Survival()}), over, [BETA])
    assert (growth.rounded(0.0123412), growth.rounded(0.04567891)) == (0.0123411, 0.04568)
    assert survival.rounded(0.19999999) == 0.2


# What is said.


def test_the_best_comes_first_and_the_present_numbers_stay_in_the_table() -> None:
    worse = [((90.0, 80.0), (INF, 1.0))] * 11
    tuned = made_up(((95.0, 90.0), (INF, 1.0)), *worse, ((20.0, 18.0), (40.0, 38.0)))
    said = lines(tuned)
    assert said[0].split() == ["score", "x.growth", "a", "b"]
    assert said[1].split() == ["#12", f"{tuned.best.score:.4f}", "1.3", "20", "40"]
    assert [line.split()[0] for line in said[-2:]] == ["present", "..."]
    assert said[-1] == "... and 2 more"


def test_several_starts_are_a_median_and_a_count() -> None:
    cases = tuple(Case("a", f"start-{k}", solves) for k, solves in enumerate((30.0, 10.0, INF)))
    tuned = Tuned("gate", (Suggestion(0, {"x.growth": 0.1}, cases, 0.1),), Target({"a": 1.0}), 100)
    assert lines(tuned)[1].endswith("30 (2 of 3)")


def test_a_clear_gain_is_told_with_its_limits() -> None:
    said = verdict(made_up(((40.0, 38.0), (INF, 1.0)), ((10.0, 9.0), (20.0, 19.0))))
    assert said[1] == (
        "The best of 1 suggestion scores 0.4247, the present numbers 0.0995: sooner in 2 of 2 cases, later "
        "in 0; where both got there, 0.25 of the state solves (geometric mean)."
    )
    assert said[-1].startswith(
        "It was chosen on these very problems and starts, which is no claim for others"
    )
    assert len(said) == 3


def test_a_gain_within_the_grain_is_called_a_tie() -> None:
    said = verdict(made_up(((40.0, 35.0), (60.0, 55.0)), ((38.0, 33.0), (60.0, 55.0))))
    assert any(sentence.startswith("That is a tie, and the present numbers do as well") for sentence in said)


def test_present_numbers_that_are_best_are_kept() -> None:
    tuned = made_up(((10.0, 9.0), (10.0, 9.0)), ((40.0, 35.0), (60.0, 55.0)), ((10.0, 9.0), (10.0, 9.0)))
    assert tuned.best is tuned.present
    assert verdict(tuned)[-1] == "None of 2 suggestions did better than the present numbers: keep them."
    assert "gate: {}" not in report(tuned)


def test_where_nothing_is_solved_nothing_is_chosen() -> None:
    said = verdict(made_up(((INF, 1.0), (INF, 1.0)), ((INF, 1.0), (INF, 1.0))))
    assert said[-1].startswith("Nothing was solved within the budget")


def test_a_reference_that_is_left_behind_is_named() -> None:
    said = verdict(made_up(((40.0, 38.0), (INF, 1.0)), ((10.0, 9.0), (20.0, 19.0)), best=150.0))
    assert said[1].startswith("On a and b a suggestion ended more than 1 % below the reference")


# The whole way.


def test_a_tuning_ranks_suggestions_and_leaves_them_in_the_folder(tmp_path: Path) -> None:
    tuned = tuned_in(tmp_path)
    assert [s.number for s in tuned.suggestions] == [0, 1, 2, 3]
    assert tuned.present.values == {"physical.beta.over": 4, "physical.beta.final": 128.0}
    assert tuned.best.score > tuned.present.score
    for suggestion in tuned.suggestions[1:]:
        assert suggestion.values["physical.beta.over"] in range(16, 27)
        assert 24 <= suggestion.values["physical.beta.final"] <= 48
        assert (tmp_path / "tuning" / "ramp" / suggestion.folder / "trials" / "half--ramp--uniform").is_dir()
    over, final = tuned.best.values.values()
    assert tuned.text == f"{Continuation({BETA: Geometric(1.0, final, over=int(over))})!r}\n"
    with (tmp_path / "tuning" / "ramp" / "tuning.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["number"]) for row in rows] == [s.number for s in tuned.ranking]
    assert [float(row["half / uniform"]) for row in rows] == [s.cases[0].solves for s in tuned.ranking]
    assert (tmp_path / "tuning" / "ramp" / "tuning.txt").read_text("utf-8") == report(tuned) + "\n"


def test_an_interrupted_tuning_goes_on_as_the_unbroken_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unbroken = tuned_in(tmp_path / "unbroken")
    real, calls = tuning.carry_out, []

    def breaking(trials: Any, folder: Path, *more: Any) -> Any:
        calls.append(folder)
        outcomes = real(trials, folder, *more)
        if len(calls) == 3:
            raise KeyboardInterrupt("here")
        return outcomes

    monkeypatch.setattr(tuning, "carry_out", breaking)
    with pytest.raises(KeyboardInterrupt, match="here"):
        tuned_in(tmp_path / "broken")
    said: list[str] = []
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "broken").rglob("outcome.json")}
    resumed = tuned_in(tmp_path / "broken", say=said.append)
    assert "suggestions that have been tried already and are not repeated: 1" in said
    assert all(path.stat().st_mtime_ns == then for path, then in before.items())
    assert table(resumed) == table(unbroken)


def test_more_suggestions_are_added_and_other_ranges_begin_anew(tmp_path: Path) -> None:
    first = tuned_in(tmp_path, trials=1)
    more = tuned_in(tmp_path, trials=2)
    assert more.suggestions[:2] == first.suggestions
    other = tune(small(), "ramp", {"physical.beta.over": Range(2, 10)}, tmp_path, 1, within=0.3, jobs=1)
    assert list(other.suggestions[1].values) == ["physical.beta.over"]


def test_numbers_that_do_not_fit_together_are_a_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gate = {"gate": Continuation({BETA: Survival(start=8.0, final=9.0)})}
    study = dataclasses.replace(small(), continuations=small().continuations | gate)
    over = {"physical.beta.final": Range(1.0, 1.5)}  # below the start
    tuned = tune(study, "gate", over, tmp_path, 1, jobs=1)
    assert tuned.suggestions[1].refused.startswith("Survival: grows only, from 8 it never reaches")
    assert tuned.best is tuned.present
    assert lines(tuned)[-1].split()[:2] == ["#1", "refused"]
    assert tune(study, "gate", over, tmp_path, 1, jobs=1).suggestions[1:] == tuned.suggestions[1:]


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ({"continuation": "rampp"}, "no continuation 'rampp' in the study: did you mean 'ramp'"),
        ({"trials": 0}, "trials: expected an integer >= 1, got 0"),
        ({"within": 1.5}, "within: expected a share, 0 < within < 1, got 1.5"),
        ({"seed": -1}, "seed: expected an integer >= 0, got -1"),
        ({"over": {}}, "nothing to vary"),
    ],
)
def test_mistakes_stop_a_tuning_before_it_begins(tmp_path: Path, more: dict[str, Any], sentence: str) -> None:
    words = {"continuation": "ramp", "over": OVER} | more
    with pytest.raises(InputError, match=sentence):
        tune(small(), folder=tmp_path, **words)
    assert not list(tmp_path.iterdir())


def test_without_optuna_the_install_line_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def absent(name: str, *more: Any) -> Any:
        if name == "optuna":
            raise ImportError("no optuna")
        return real(name, *more)

    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(MissingDependencyError, match=r"not installed: pip install 'topopt\[tune\]'"):
        tune(small(), "ramp", OVER, tmp_path)
    assert not list(tmp_path.iterdir())
