"""`topopt compare`: runs that exist, by one yardstick, and what cannot be compared."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from topopt.cli import comparing
from topopt.study.runs import run_of

SMALL = ("--set", "grid.cells=[40,20]", "--set", "stop.iterations=4", "--no-figures", "--quiet")


@pytest.fixture
def runs(topopt: Any, problem: Path) -> tuple[str, str]:
    """Return the folders of two runs of one problem under two schedules."""
    for name, schedule in (("plain", "2"), ("ramp", "{type: linear, start: 1, final: 4, over: 2}")):
        words = ("--name", name, "--set", f'continuation."physical.beta"={schedule}')
        assert topopt("run", problem, *SMALL, *words).exit_code in (0, 3)
    return "results/plain", "results/ramp"


def test_two_runs_are_compared(topopt: Any, runs: tuple[str, str]) -> None:
    result = topopt("compare", *runs)
    assert (result.exit_code, result.stderr) == (0, "")
    said = result.stdout.splitlines()
    assert said[0] == "judging 2 designs ..."
    assert said[-1] == "The report is results/compare-plain-ramp/report.html"
    text = Path("results/compare-plain-ramp/report.md").read_text("utf-8")
    assert "plain" in text
    assert "ramp" in text
    assert "results are in" not in text


def test_the_report_goes_where_it_is_asked_for(topopt: Any, runs: tuple[str, str]) -> None:
    result = topopt("compare", *runs, "--output", "here", "--quiet")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "here\n", "")
    assert Path("here/report.html").is_file()
    assert topopt("compare", *runs, "--results", "there", "-q").stdout == "there/compare-plain-ramp\n"


def test_a_run_of_another_problem_is_refused(topopt: Any, runs: tuple[str, str]) -> None:
    words = ("--name", "other", "--set", "grid.cells=[44,20]", "--set", "limits.volume=0.3")
    assert topopt("run", "problem.yaml", *SMALL, *words).exit_code in (0, 3)
    result = topopt("compare", *runs, "results/other")
    assert result.exit_code == 2
    assert result.stderr == (
        "results/other: no other run given is of its problem: from results/plain it differs in grid, limits; "
        "compare runs of one problem\n"
    )


def test_two_problems_with_two_runs_each_are_compared_apart(topopt: Any, runs: tuple[str, str]) -> None:
    for name, beta in (("a", 1), ("b", 3)):
        changes = ("--set", "limits.volume=0.3", "--set", f'continuation."physical.beta"={beta}')
        assert topopt("run", "problem.yaml", *SMALL, *changes, "--name", name).exit_code in (0, 3)
    result = topopt("compare", *runs, "results/a", "results/b")
    assert result.exit_code == 0
    assert "problem of a" in Path("results/compare-plain-ramp-a-b/report.md").read_text("utf-8")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["results/plain"], "compare: give two run folders or more, such as results/a results/b"),
        (["results/plain", "results/plain"],
         "compare: give two run folders or more, such as results/a results/b"),
        (["results/plain", "results/rampp"],
         "results/rampp does not exist; the runs there: results/plain, results/ramp"),
        (["results/plain", "problem.yaml"],
         "problem.yaml is a file; give the folder of a run, such as results/problem"),
    ],
)  # fmt: skip
def test_what_is_no_run_is_refused(
    topopt: Any, runs: tuple[str, str], words: list[str], sentence: str
) -> None:
    result = topopt("compare", *words)
    assert (result.exit_code, result.stderr) == (2, f"{sentence}\n")


def test_a_run_that_has_not_ended_is_refused(topopt: Any, runs: tuple[str, str]) -> None:
    file = Path(runs[1]) / "status.json"
    status = json.loads(file.read_text())
    file.write_text(json.dumps(status | {"state": "interrupted", "iterations": 3}))
    result = topopt("compare", *runs)
    assert result.exit_code == 2
    assert result.stderr == (
        "results/ramp: interrupted after 3 iterations; only designs that are done are compared: "
        "`topopt resume results/ramp`\n"
    )


def test_a_run_made_in_python_is_refused(topopt: Any, runs: tuple[str, str]) -> None:
    file = Path(runs[1]) / "run.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"problem_sha256": None}))
    result = topopt("compare", *runs)
    assert result.exit_code == 2
    assert "made in Python and holds no problem file" in result.stderr


@pytest.mark.parametrize(("volume", "known"), [("", [2, 4, 6]), ("0.6", [6])])
def test_the_way_of_a_trial_is_known_if_the_same_yardstick_judged_it(
    topopt: Any, problem: Path, volume: str, known: list[int]
) -> None:
    Path("study.yaml").write_text(
        "name: s\nproblems: {starter: {file: problem.yaml, set: {grid.cells: [40, 20]}}}\nbudget: 6\n"
        "continuations: {one: {physical.beta: 1}, two: {physical.beta: 2}}\njudge_every: 2\n"
    )
    words = ("--jobs", 1, "--no-report", "--set", f"yardstick.volume={volume}")
    assert topopt("study", "study.yaml", *words).exit_code == 0
    folders = [f"results/s/trials/starter--{name}--uniform" for name in ("one", "two")]
    assert topopt("compare", *folders, "--output", "here").exit_code == 0
    for folder in folders:
        outcome = run_of(Path(folder)).outcome
        assert [judgement.iteration for judgement in outcome.judgements] == known
        assert outcome.problem == "starter"
        assert outcome.continuation in ("one", "two")


def test_a_long_list_of_names_is_cut(tmp_path: Path) -> None:
    one, other = (comparing.title_of([tmp_path / ("x" * 80), tmp_path / end]) for end in "ab")
    assert len(one) == comparing.LONGEST + 7
    assert one != other
