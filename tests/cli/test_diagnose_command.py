"""`topopt diagnose`: the account of a run, and a problem file with the cure in it that runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from topopt.files import RunFolder, read

SHARP = (
    "--set", "grid.cells=[40,20]", "--set", "stop.iterations=12", "--set", "start=0.3",
    "--set", "continuation={physical.beta: 64}", "--no-figures",
)  # fmt: skip


@pytest.fixture
def frozen(topopt: Any, problem: Path) -> Path:
    """Return the folder of a run that froze."""
    topopt("run", problem, *SHARP)
    return Path("results/problem")


def test_a_run_that_is_sound(topopt: Any, finished: Path) -> None:
    result = topopt("diagnose", finished)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.startswith("After 3 iterations (budget: 3 iterations spent")
    assert result.stdout.endswith("No alarm rang: the sensitivities stayed alive.\nNothing to cure.\n")
    refused = topopt("diagnose", finished, "--write", "cured.yaml")
    assert (refused.exit_code, refused.stderr) == (
        2, "cured.yaml was not written: there is no cure for this run\n",
    )  # fmt: skip
    assert not Path("cured.yaml").exists()


def test_the_failure_is_named_and_the_cure_printed(topopt: Any, frozen: Path) -> None:
    result = topopt("diagnose", frozen)
    assert (result.exit_code, result.stderr) == (0, "")
    assert "Failure: Freeze, from iteration 1, at physical.beta = 64.\n" in result.stdout
    assert "Cure: Start soft, and let physical.beta grow as fast as" in result.stdout
    gate = "{type: survival, start: 1.0, final: 64.0, hold: 0.005, interface: 0.08}"
    assert f"continuation:\n  physical.beta: {gate}\n  memory: keep\n" in result.stdout
    assert result.stdout.endswith(
        f"  topopt diagnose {frozen} --write problem-cured.yaml\n  topopt run problem-cured.yaml\n"
    )


def test_the_cured_file_is_the_problem_with_the_cure_in_it_and_runs(topopt: Any, frozen: Path) -> None:
    result = topopt("diagnose", frozen, "--write", "cured.yaml")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.endswith("wrote cured.yaml; now:\n  topopt run cured.yaml\n")
    before, after = read(frozen / "problem.yaml"), read("cured.yaml")
    assert after.name == f"{before.name}-cured"
    assert type(after.continuation.schedules["physical.beta"]).__name__ == "Survival"
    assert after.problem.chain.names == before.problem.chain.names
    assert topopt("run", "cured.yaml", "--set", "stop.iterations=5", "--no-figures").exit_code in (0, 3)
    assert "No alarm rang" in topopt("diagnose", "results/problem-cured").stdout
    again = topopt("diagnose", frozen, "--write", "cured.yaml")
    assert (again.exit_code, again.stderr) == (2, "cured.yaml exists already; choose another name\n")
    lost = topopt("diagnose", frozen, "--write", "no/cured.yaml")
    assert (lost.exit_code, lost.stderr) == (2, "no/cured.yaml: there is no folder no; make it first\n")


def test_a_run_without_iterations_or_problem_file(topopt: Any, finished: Path) -> None:
    text = (finished / "problem.yaml").read_text()
    RunFolder.create("results", "empty", text).close()
    result = topopt("diagnose", "results/empty")
    assert result.exit_code == 2
    assert result.stderr == "results/empty: no iteration is on record yet; there is nothing to diagnose\n"
    missing = topopt("diagnose", "results/none")
    assert missing.exit_code == 2
    assert "results/none does not exist" in missing.stderr
