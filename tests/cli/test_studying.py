"""`topopt study`: what it leaves, what it says, how it goes on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from topopt.cli import studying
from topopt.files import read_history
from topopt.study.archive import read_outcome

STUDY = """\
name: quick
problems:
  half: {file: beam.yaml}
  third: {file: beam.yaml, set: {limits.volume: 0.35}}
continuations:
  short ramp: {physical.beta: {type: geometric, start: 1, final: 8, over: 4}}
  filter only: {physical.beta: 0}
budget: 6
judge_every: 2
yardstick: {volume: 0.75}
"""
SLUGS = ["half--filter-only--uniform", "half--short-ramp--uniform",
         "third--filter-only--uniform", "third--short-ramp--uniform"]  # fmt: skip
TRIALS = Path("results/quick/trials")


@pytest.fixture
def carried_out(topopt: Any, study: Path) -> Any:
    """Return what was said while the study was carried out."""
    return topopt("study", study, "--jobs", 1, "--no-report")


def written() -> dict[str, int]:
    """Return when the checkpoint of each trial was written."""
    return {path.parent.name: path.stat().st_mtime_ns for path in TRIALS.glob("*/checkpoint.npz")}


def test_a_study_leaves_trials_and_a_report(topopt: Any, study: Path) -> None:
    result = topopt("study", study, "--jobs", 1)
    assert (result.exit_code, result.stderr) == (0, "")
    assert sorted(path.name for path in TRIALS.iterdir()) == SLUGS
    said = result.stdout.splitlines()
    assert said[0] == "quick: 2 problems under 2 continuations, 4 trials of at most 6 state solves"
    assert said[-1] == "The report is results/quick/report.html"
    page = Path("results/quick/report.html").read_text("utf-8")
    text = Path("results/quick/report.md").read_text("utf-8")
    for name in ("half", "third", "short ramp", "filter only"):
        assert name in page
        assert name in text


def test_no_trial_spends_more_than_the_budget(carried_out: Any) -> None:
    assert carried_out.exit_code == 0
    assert carried_out.stdout.splitlines()[-1] == "The trials are in results/quick/trials/"
    assert not Path("results/quick/report.html").exists()
    solves = [read_history(TRIALS / slug)[-1].solves for slug in SLUGS]
    assert all(0 < count <= 6 for count in solves)


def test_a_second_time_only_the_report_is_written(topopt: Any, study: Path, carried_out: Any) -> None:
    before = written()
    assert len(before) == 4
    result = topopt("study", study, "--jobs", 1)
    assert result.exit_code == 0
    assert "4 of 4 trials have ended already" in result.stdout
    assert Path("results/quick/report.html").is_file()
    assert written() == before


def test_what_has_changed_is_computed_anew_and_nothing_else(
    topopt: Any, study: Path, carried_out: Any
) -> None:
    before = written()
    words = ("--set", "continuations.short ramp.physical.beta.final=4", "--jobs", 1, "--no-report")
    result = topopt("study", study, *words)
    assert "2 of 4 trials have ended already" in result.stdout
    after = written()
    assert {slug for slug in SLUGS if after[slug] != before[slug]} == {s for s in SLUGS if "ramp" in s}


def test_overwrite_begins_anew(topopt: Any, study: Path, carried_out: Any) -> None:
    before = written()
    result = topopt("study", study, "--jobs", 1, "--no-report", "--overwrite")
    assert result.exit_code == 0
    assert "ended already" not in result.stdout
    assert all(after != before[slug] for slug, after in written().items())


def test_quiet_prints_the_study_s_folder_alone(topopt: Any, study: Path) -> None:
    words = ("--jobs", 1, "--quiet", "--name", "other", "--results", "elsewhere")
    result = topopt("study", study, *words)
    assert (result.exit_code, result.stdout, result.stderr) == (0, "elsewhere/other\n", "")
    again = topopt("study", study, *words, "--no-report")
    assert again.stdout == "elsewhere/other\n"


def test_two_at_a_time_give_the_same_designs(topopt: Any, study: Path, carried_out: Any) -> None:
    result = topopt("study", study, "--jobs", 2, "--no-report", "--name", "twin")
    assert result.exit_code == 0
    for slug in SLUGS:
        one, other = (read_history(Path("results") / name / "trials" / slug) for name in ("quick", "twin"))
        assert one.values("physical.beta") == other.values("physical.beta")
        assert [it.objective for it in one] == [it.objective for it in other]


def test_a_trial_is_a_run_like_others(topopt: Any, study: Path, carried_out: Any) -> None:
    folder = TRIALS / "third--short-ramp--uniform"
    result = topopt("resume", folder, "--no-figures")
    assert result.exit_code in (0, 3)
    assert "third, short ramp" in (folder / "problem.yaml").read_text()
    assert "The results are in" in result.stdout


def test_mistakes_stop_the_study_before_it_begins(topopt: Any, study: Path) -> None:
    study.write_text(STUDY.replace("type: geometric", "type: geometrical").replace("budget: 6", "budget: -6"))
    result = topopt("study", study)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.splitlines() == [
        'study.yaml:6: continuations."short ramp"."physical.beta".type: no schedule \'geometrical\': did '
        "you mean 'geometric'?; your own is named package.module:Class",
        "study.yaml:8: budget: expected an integer >= 1, got -6",
    ]
    assert not Path("results").exists()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["."], ". is a folder; give a study file"),
        (["results/quick"], "results/quick is a folder; give the study file again to go on with it"),
        (["beam.yaml"], "beam.yaml: this is a problem file, run it by `topopt run`"),
        (["study.yaml", "--name", "taken"],
         "results/taken is the folder of a run; choose another name for the study by --name"),
        (["studdy.yaml"], "studdy.yaml: there is no such file; did you mean 'study.yaml'?"),
    ],
)  # fmt: skip
def test_what_is_no_study_is_refused(topopt: Any, study: Path, words: list[str], sentence: str) -> None:
    TRIALS.mkdir(parents=True)
    Path("results/taken").mkdir()
    Path("results/taken/run.json").touch()
    result = topopt("study", *words)
    assert (result.exit_code, result.stderr) == (2, f"{sentence}\n")


def test_a_study_in_which_everything_fails_says_so(topopt: Any, study: Path) -> None:
    result = topopt("study", study, "--jobs", 1, "--no-report", "--set", "yardstick.response=volumen")
    assert result.exit_code == 4
    assert result.stderr.startswith(
        "all 4 trials failed, so no design is sound; half under short ramp: Threshold: nothing to "
    )


def test_a_broken_design_is_a_failure_for_all_who_count(topopt: Any, study: Path) -> None:
    result = topopt("study", study, "--jobs", 1, "--set", "yardstick.volume=0.03")
    assert result.exit_code == 4
    assert result.stderr.startswith("all 4 trials failed, so no design is sound; half under short ramp: ")
    assert "4/4 trials  4 failed" in result.stdout
    assert "all 4 trials failed" in result.stdout
    assert not any(outcome.crashed for outcome in map(read_outcome, (TRIALS / slug for slug in SLUGS)))


def test_an_interrupted_study_says_how_to_go_on(
    topopt: Any, study: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(studying, "carry_out", interrupted)
    result = topopt("study", study, "--set", "budget=5", "--name", "other")
    assert result.exit_code == 130
    assert result.stderr.endswith(
        "interrupted; go on with:\n  topopt study study.yaml --set budget=5 --name other\n"
    )
    words = ("--results", "a b", "--jobs", 2, "--scheduler", "tcp://h:1", "--quiet", "--no-report")
    result = topopt("study", study, *words, "--overwrite")
    assert result.stderr.endswith(
        "go on with:\n  topopt study study.yaml --results 'a b' --jobs 2 --scheduler tcp://h:1 --quiet "
        "--no-report\n"
    )


def test_an_optimiser_that_would_refuse_the_model_is_a_mistake_of_the_study(topopt: Any, study: Path) -> None:
    filtered = "chain.filtered.type: sensitivity_filter, limits.volume: 0.35"
    study.write_text(STUDY.replace("limits.volume: 0.35", filtered) + "optimizer: {type: gcmma}\n")
    result = topopt("study", study)
    assert (result.exit_code, result.stdout) == (2, "")
    (mistake,) = result.stderr.splitlines()
    assert mistake.startswith(
        "study.yaml:11: optimizer.type: GCMMA checks every step against the objective, "
    )
    assert mistake.endswith("(in problem 'third')")
    assert not Path("results").exists()


def test_warnings_name_the_combination(topopt: Any, study: Path) -> None:
    study.write_text(STUDY.replace("filter only: {physical.beta: 0}", "abrupt: {physical.beta: 100}"))
    result = topopt("study", study, "--jobs", 1, "--no-report")
    (warning,) = [line for line in result.stdout.splitlines() if line.startswith("warning")]
    assert "frozen at the start" in warning
    assert warning.endswith("(in problem 'third' with continuation 'abrupt')")
