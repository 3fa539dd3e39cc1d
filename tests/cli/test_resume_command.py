"""`topopt resume`: on from where it stands, and never worse than before."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from topopt.cli.reporting import LiveReporter
from topopt.files import RunFolder
from topopt.files.status import read_status


def test_an_interrupted_run_goes_on(
    topopt: Any, problem: Path, quick: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(self: LiveReporter, step: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(LiveReporter, "step", interrupted)
        first = topopt("run", problem, *quick, "--name", "broken")
        assert first.exit_code == 130
        assert first.stderr.endswith("after iteration 1; go on with:\n  topopt resume results/broken\n")
        longer = topopt("resume", "results/broken", "--iterations", "5", "--no-figures")
        assert longer.stderr.endswith("  topopt resume results/broken --iterations 5\n")
    result = topopt("resume", "results/broken", "--no-figures")
    assert result.exit_code == 0
    assert "results/broken: 2 iterations are on record" in result.stdout
    topopt("run", problem, *quick, "--name", "unbroken")
    with np.load("results/broken/design.npz") as broken, np.load("results/unbroken/design.npz") as unbroken:
        assert np.array_equal(broken["x"], unbroken["x"])


def test_what_is_missing_of_a_finished_run_is_written_again(topopt: Any, finished: Path) -> None:
    history = (finished / "history.csv").read_bytes()
    for name in ("design.npz", "design.vti", "diagnosis.txt"):
        (finished / name).unlink()
    result = topopt("resume", finished)
    assert result.exit_code == 0
    assert "the run had ended already; its results are written again" in result.stdout
    for name in ("design.npz", "design.vti", "diagnosis.txt", "convergence.png", "design.gif"):
        assert (finished / name).is_file()
    assert (finished / "history.csv").read_bytes() == history
    assert read_status(finished).state == "finished"


def test_a_larger_budget_lets_a_finished_run_go_on(topopt: Any, finished: Path) -> None:
    result = topopt("resume", finished, "--iterations", 5, "--no-figures", "--json")
    assert len(result.stdout.splitlines()) == 2
    assert read_status(finished).iterations == 5


@pytest.mark.parametrize("budget", ["2", "0", "many"])
def test_an_impossible_budget_is_refused_and_the_run_stays_as_it_was(
    budget: str, topopt: Any, finished: Path
) -> None:
    result = topopt("resume", finished, "--iterations", budget)
    assert result.exit_code == 2
    assert "--iterations" in result.stderr
    if budget == "2":
        assert result.stderr == f"--iterations 2: {finished} has 3 iterations already; ask for more\n"
    assert read_status(finished).state == "finished"


def test_one_process_a_folder(topopt: Any, finished: Path, quick: Any) -> None:
    with RunFolder.open(finished):
        result = topopt("resume", finished)
        assert result.exit_code == 2
        assert f"{finished}: in use by another process" in result.stderr
        result = topopt("run", "problem.yaml", *quick, "--overwrite")
        assert result.exit_code == 2
        assert f"{finished}: in use by another process" in result.stderr


@pytest.mark.parametrize(("command", "where"), [("resume", "resume it there"), ("plot", "topopt.figures")])
def test_a_run_made_in_python_is_left_to_python(command: str, where: str, topopt: Any) -> None:
    RunFolder.create("results", "mine").close()
    result = topopt(command, "results/mine")
    assert result.exit_code == 2
    assert result.stderr.startswith("results/mine was made in Python and holds no problem file")
    assert where in result.stderr
