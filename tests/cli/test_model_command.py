"""Models of their own from the command line: run, resumed, drawn, diagnosed, checked, compared."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from typer.testing import Result

from topopt.files import read_history

PROBLEMS = Path(__file__).parents[2] / "problems" / "nets"
FLOSSED = """
name: flossed
model: {type: flossed_rnn, units: 6, count: 2, steps: 12}
continuation: {exponents.target: {type: linear, start: -0.3, final: 0.0, over: 3}}
stop: {change: 0.0, iterations: 5}
"""
NET = """
name: net
model: {type: sign_digits, bits: [8], train: 300}
optimizer: {type: adam, rate: 0.05}
"""
STUDY = """
name: signs
problems: {digits: {file: net.yaml}}
continuations:
  abrupt: {code1.beta: 200}
  ramp: {code1.beta: {type: geometric, start: 1, final: 32, over: 20}}
budget: 30
"""


def test_a_run_resumes_to_the_same_digits_and_is_drawn_and_checked(topopt: Callable[..., Result]) -> None:
    Path("flossed.yaml").write_text(FLOSSED)
    assert topopt("run", "flossed.yaml", "-q").exit_code == 0
    assert topopt("run", "flossed.yaml", "-q", "--name", "short", "--set", "stop.iterations=2").exit_code == 0
    assert topopt("resume", "results/short", "--iterations", 5, "-q").exit_code == 0
    whole, parts = (read_history(f"results/{name}").column("objective") for name in ("flossed", "short"))
    assert np.array_equal(whole, parts)
    assert Path("results/flossed/convergence.png").is_file()
    assert topopt("plot", "results/flossed").exit_code == 0
    assert "nothing is known" in topopt("diagnose", "results/flossed").output
    checked = topopt("check", "flossed.yaml").output
    assert "parameters: exponents.target" in checked
    assert "rate 2.0" in checked


def test_a_study_of_nets_is_judged_by_signs(topopt: Callable[..., Result]) -> None:
    pytest.importorskip("sklearn")
    Path("net.yaml").write_text(NET)
    Path("study.yaml").write_text(STUDY)
    answer = topopt("study", "study.yaml", "--jobs", 1)
    assert answer.exit_code == 0, answer.output
    assert "2 trials" in Path("results/signs/report.md").read_text("utf-8")


@pytest.mark.parametrize("name", ["chosen_pixels", "enhancer_distance", "mollified_digits"])
def test_the_gradients_of_our_own_nets_of_torch_are_called_right(
    name: str, topopt: Callable[..., Result]
) -> None:
    pytest.importorskip("torch")
    pytest.importorskip("sklearn")
    answer = topopt("check", PROBLEMS / f"{name}.yaml")
    assert answer.exit_code == 0, answer.output
    assert "in double precision" in answer.output
    assert "ok      rate 2.0" in answer.output


def test_a_game_is_not_tested_and_says_why(topopt: Callable[..., Result]) -> None:
    pytest.importorskip("torch")
    pytest.importorskip("sklearn")
    answer = topopt("check", PROBLEMS / "digit_duel.yaml")
    assert answer.exit_code == 0, answer.output
    assert "not tested (each player descends a loss of its own)" in answer.output
