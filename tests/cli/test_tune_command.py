"""`topopt tune`: what it says, what it leaves, how it goes on."""

from __future__ import annotations

import builtins
from pathlib import Path
from typing import Any

import pytest

from topopt.cli import tuning
from topopt.files.study import read_study

STUDY = """\
name: quick
problems:
  half: {file: mbb.yaml, set: {grid: {cells: [24, 8], size: [12, 4]}, chain.filtered.radius: 0.75}}
continuations:
  ramp.1:
    physical.beta: {type: geometric, start: 1, final: 128, over: 4, guard: {hold: 0.001, interface: 0}}
  good: {physical.beta: {type: geometric, start: 1, final: 32, over: 20}}
  fixed: {physical.beta: 8}
budget: 30
judge_every: 1
"""
WORDS = ("--continuation", "ramp.1", "--over", "physical.beta.over=16:26", "--over",
         "physical.beta.final=24:48:log", "--within", 0.3, "--jobs", 1)  # fmt: skip
HOME = Path("results/quick/tuning/ramp.1")


def test_a_tuning_ends_with_a_table_a_verdict_and_yaml(topopt: Any, study: Path) -> None:
    result = topopt("tune", study, *WORDS, "--trials", 3)
    assert (result.exit_code, result.stderr) == (0, "")
    said = result.stdout.splitlines()
    assert said[0] == "first the study as it is: 3 trials, of which the best values are the reference"
    (header,) = [line for line in said if line.lstrip().startswith("score  ")]
    assert header.split() == ["score", "physical.beta.over", "physical.beta.final", "half"]
    assert "which is no claim for others" in result.stdout
    assert said[-1] == f"All suggestions are in {HOME}/tuning.csv"
    rows = (HOME / "tuning.csv").read_text().splitlines()
    assert rows[0] == "number,score,physical.beta.over,physical.beta.final,half / uniform,refused,folder"
    assert len(rows) == 5
    again = topopt("tune", study, *WORDS, "--trials", 3)
    assert "3 of 3 trials have ended already; they are not repeated" in again.stdout
    assert "suggestions that have been tried already and are not repeated: 3" in again.stdout
    assert (HOME / "tuning.csv").read_text().splitlines() == rows


def test_the_yaml_can_be_pasted(topopt: Any, study: Path) -> None:
    result = topopt("tune", study, *WORDS, "--trials", 3)
    best = dict(zip(*(line.split(",") for line in (HOME / "tuning.csv").read_text().splitlines()[:2]),
                    strict=True))  # fmt: skip
    assert best["number"] != "0"
    pasted = result.stdout[result.stdout.index("continuations:") :].split("\n\n")[0]
    head, tail = STUDY.split("continuations:\n")
    study.write_text(f"{head}{pasted}\n{tail[tail.index('  good') :]}")
    schedule = read_study(study).entries[0].job.continuation.schedules["physical.beta"]
    assert schedule.schedule.over == int(best["physical.beta.over"])
    assert schedule.final == float(best["physical.beta.final"])
    assert schedule.guard.hold == 0.001


def test_a_suggestion_s_trial_is_a_run_with_its_own_numbers(topopt: Any, study: Path) -> None:
    words = ("--continuation", "fixed", "--over", "physical.beta.value=2:4", "--trials", 1, "--jobs", 1)
    assert topopt("tune", study, *words).exit_code == 0
    (folder,) = Path("results/quick/tuning/fixed").glob("*/trials/half--fixed--uniform")
    value = Path("results/quick/tuning/fixed/tuning.csv").read_text().splitlines()[-1].split(",")[2]
    assert f"value: {value}" in (folder / "problem.yaml").read_text()


def test_quiet_prints_the_folder_alone(topopt: Any, study: Path) -> None:
    result = topopt("tune", study, *WORDS, "--trials", 1, "-q", "--name", "other")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "results/other/tuning/ramp.1\n", "")


def test_all_mistakes_come_at_once(topopt: Any, study: Path) -> None:
    wrong = "physical.beta.ovr=1:2", "x", "physical.beta.final=-1:2", "physical.beta.over=0.5:2"
    over = [word for text in wrong for word in ("--over", text)]
    result = topopt("tune", study, "--continuation", "ramp.1", *over)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.splitlines() == [
        "--over x: expected PARAMETER.FIELD=LOW:HIGH or LOW:HIGH:log, such as physical.beta.growth=0.02:0.15",
        "physical.beta.ovr: no number of this continuation: did you mean 'physical.beta.over'?",
        "physical.beta.final: expected a value > 0, got -1",
        "physical.beta.over: it is an integer, so are the ends of its range; got 0.5:2",
    ]
    result = topopt("tune", study, "--continuation", "rump.1", "--over", "physical.beta.over=5:2")
    assert result.stderr.splitlines() == [
        "--over physical.beta.over=5:2: expected two finite numbers, low < high, got 5:2",
        "no continuation 'rump.1' in the study: did you mean 'ramp.1'?",
    ]
    assert not Path("results").exists()


def test_mistakes_of_the_study_file_come_with_those_of_the_ranges(topopt: Any, study: Path) -> None:
    study.write_text(STUDY.replace("budget: 30", "budget: -30"))
    result = topopt("tune", study, "--continuation", "ramp.1", "--over", "x")
    assert result.exit_code == 2
    assert result.stderr.splitlines()[1:] == ["study.yaml:9: budget: expected an integer >= 1, got -30"]


def test_without_optuna_one_sentence_says_what_to_install(
    topopt: Any, study: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = builtins.__import__

    def absent(name: str, *more: Any) -> Any:
        if name == "optuna":
            raise ImportError("no optuna")
        return real(name, *more)

    monkeypatch.setattr(builtins, "__import__", absent)
    result = topopt("tune", study, *WORDS)
    sentence = "tuning needs Optuna, which is not installed: pip install 'topopt[tune]'\n"
    assert (result.exit_code, result.stderr) == (2, sentence)


def test_an_interrupted_tuning_says_how_to_go_on(
    topopt: Any, study: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(tuning, "tune", interrupted)
    result = topopt("tune", study, *WORDS, "--set", "budget=5")
    assert result.exit_code == 130
    assert result.stderr == (
        "interrupted; go on with:\n  topopt tune study.yaml --continuation ramp.1 "
        "--over physical.beta.over=16:26 --over physical.beta.final=24:48:log "
        "--set budget=5 --trials 30 --within 0.3 --seed 0 --jobs 1\n"
    )
