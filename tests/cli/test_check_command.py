"""`topopt check`: what it says, what it draws, and that a wrong gradient does not pass."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any

import pytest

from topopt.cli.checking import announced
from topopt.files import read

WRONG = '''"""A material law with a mistake in its derivative."""
from dataclasses import dataclass
from topopt import Stage

@dataclass(frozen=True)
class Wrong(Stage):
    def vjp(self, rho):
        return 0.01 + rho**3, lambda cotangent: (2.9 * cotangent * rho**2,)
'''

SHARP = '''"""A projection whose derivative is wrong where it is sharp."""
from dataclasses import dataclass
from topopt import Tanh

@dataclass(frozen=True)
class Sharp(Tanh):
    def vjp(self, rho):
        value, pull = super().vjp(rho)
        wrong = 1.05 if self.beta > 99 else 1.0
        return value, lambda cotangent: tuple(wrong * part for part in pull(cotangent))
'''


def test_a_right_file(topopt: Any, problem: Path, small: Any) -> None:
    result = topopt("check", problem, *small)
    assert (result.exit_code, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    assert lines[0] == "problem.yaml: no mistakes"
    assert lines[1] == "problem: 40 x 20 cells of 0.05 x 0.05, 800 of them designed"
    assert "1680 unknowns, load cases: load" in lines
    assert sum("  ok  " in line for line in lines) == 6, "two responses, soft, half way and sharp"
    assert "testing the gradient of compliance ... 51 evaluations, roughly 1 s" in lines
    assert "testing the gradient of volume ..." in lines
    assert Path("results/checks/problem.png").stat().st_size > 10_000


def test_without_the_taylor_test(topopt: Any, problem: Path, small: Any) -> None:
    result = topopt("check", problem, *small, "--no-taylor")
    assert result.exit_code == 0
    assert "taylor" not in result.stdout


def test_a_wrong_gradient_is_found(topopt: Any, problem: Path, small: Any) -> None:
    Path("broken_law.py").write_text(WRONG)
    text = problem.read_text().replace("type: simp,        e_min: 1.0e-9", "type: broken_law:Wrong")
    Path("wrong.yaml").write_text(text)
    result = topopt("check", "wrong.yaml", *small)
    assert result.exit_code == 4
    assert sum("FAILED" in line for line in result.stdout.splitlines()) == 3
    assert "A gradient is wrong" in result.stdout


def test_passive_cells_do_not_leave_their_bounds(topopt: Any, problem: Path, small: Any) -> None:
    text = problem.read_text()
    for before, after in (
        ("# passive: {solid: some_region, void: another_region}", "passive: {void: hole}"),
        ("  tip: ", "  hole: {ball: {centre: [1.0, 0.5], radius: 0.3}}\n  tip: "),
        # With neither filter nor projection a negative density would reach a power that is no whole number.
        ("  - {name: filtered,     type: cone,        radius: 0.08}\n", ""),
        ("type: tanh,        eta: 0.5}", "type: simp, penal: 1.0}"),
        ("# continuation:", "continuation:"),
        (
            "#   physical.beta: {type: geometric, start: 1.0, final: 32.0",
            "  stiffness.penal: {type: geometric, start: 1.5, final: 2.5",
        ),
    ):
        assert before in text
        text = text.replace(before, after)
    Path("hole.yaml").write_text(text)
    result = topopt("check", "hole.yaml", *small)
    assert (result.exit_code, result.stderr) == (0, "")


def test_a_test_that_takes_long_says_so_beforehand(problem: Path) -> None:
    job = read(problem, ["grid.cells=[40,20]"])
    assert job.choice is not None
    slow = dataclasses.replace(job, choice=dataclasses.replace(job.choice, seconds_estimated=20.0))
    assert announced(slow, slow.design, "compliance", 3) == (
        "testing the gradient of compliance ... 51 evaluations, roughly 17 min; sooner on a coarser grid "
        "(--set grid.cells=[10,8]), skipped by --no-taylor"
    )
    assert announced(slow, slow.design, "volume", 3) == "testing the gradient of volume ..."


def test_all_mistakes_at_once(topopt: Any, problem: Path) -> None:
    text = (
        problem.read_text().replace("minimise: compliance", "minimise: complianze").replace("cells:", "cels:")
    )
    problem.write_text(text)
    result = topopt("check", problem)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "did you mean 'cells'?" in result.stderr
    assert "did you mean 'compliance'?" in result.stderr


@pytest.mark.parametrize("command", ["check", "run"])
def test_an_optimiser_that_would_refuse_the_model_is_a_mistake(
    topopt: Any, problem: Path, command: str
) -> None:
    words = ("--set", "optimizer={type: gcmma}", "--set", "chain.filtered.type=sensitivity_filter")
    result = topopt(command, problem, *words)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(
        "--set optimizer={type: gcmma}: optimizer.type: GCMMA checks every step against the objective, "
        "but the sensitivities of 'filtered' (SensitivityFilter) are not its derivative"
    )
    assert not Path("results").exists()


@pytest.mark.parametrize(("final", "tested"), [("512", "512"), (".inf", "1024")])
def test_the_gradient_is_tested_at_the_end_of_the_schedule(
    topopt: Any, problem: Path, small: Any, final: str, tested: str
) -> None:
    schedule = f"continuation={{physical.beta: {{type: steps, values: [1, {final}]}}}}"
    result = topopt("check", problem, *small, "--set", schedule)
    assert result.exit_code == 0
    assert len(re.findall(rf"physical\.beta={tested} +ok +rate", result.stdout)) == 2, result.stdout


def test_a_wrong_gradient_is_found_at_a_sharp_end(topopt: Any, problem: Path, small: Any) -> None:
    Path("broken_gate.py").write_text(SHARP)
    words = ("--set", "chain.physical={name: physical, type: 'broken_gate:Sharp'}")
    schedule = "continuation={physical.beta: {type: steps, values: [1, 512]}}"
    result = topopt("check", problem, *small, *words, "--set", schedule)
    assert result.exit_code == 4
    failed = [line for line in result.stdout.splitlines() if "FAILED" in line]
    assert failed
    assert all("beta=512" in line for line in failed)


def test_a_sketch_that_cannot_be_written(topopt: Any, problem: Path, small: Any) -> None:
    Path("taken").write_text("a file")
    result = topopt("check", problem, *small, "--results", "taken")
    assert result.exit_code == 2
    assert result.stderr == "taken/checks: Not a directory\n"


@pytest.mark.parametrize(
    "override", ["grid.cell=[4,4]", "grid.cells", "grid.cells=[4,", "chain.fisical.beta=3"]
)
def test_a_mistaken_override_is_quoted(override: str, topopt: Any, problem: Path) -> None:
    result = topopt("check", problem, "--set", override)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(f"--set {override}:")
    assert result.stderr.count("\n") == 1
