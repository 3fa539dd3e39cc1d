"""The program as a user starts it: in an empty folder, with a starter file that is quick to run."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from tests.beams import BEAM, MBB
from topopt.cli.app import app

SMALL = ("--set", "grid.cells=[40,20]", "--set", "stop.iterations=3")
QUICK = (*SMALL, "--no-figures")
PROGRAM = (sys.executable, "-c", "from topopt.cli import main; main()")


@pytest.fixture(name="topopt")
def topopt_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Return a function that runs a command line in a fresh folder; a bug's traceback fails the test."""
    monkeypatch.chdir(tmp_path)
    return lambda *words: CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)


@pytest.fixture
def problem(topopt: Callable[..., Result]) -> Path:
    """Return the starter file in the folder."""
    assert topopt("new", "problem.yaml").exit_code == 0
    return Path("problem.yaml")


@pytest.fixture
def study(topopt: Callable[..., Result], request: pytest.FixtureRequest) -> Path:
    """Return a file with the study of the test's module, two beams beside it, in the folder."""
    Path("beam.yaml").write_text(BEAM)
    Path("mbb.yaml").write_text(MBB)
    Path("study.yaml").write_text(request.module.STUDY)
    return Path("study.yaml")


@pytest.fixture
def finished(topopt: Callable[..., Result], problem: Path) -> Path:
    """Return the folder of a run that has ended, without figures."""
    assert topopt("run", problem, *QUICK).exit_code == 0
    return Path("results/problem")


@pytest.fixture
def small() -> tuple[str, ...]:
    return SMALL


@pytest.fixture
def quick() -> tuple[str, ...]:
    return QUICK


@pytest.fixture
def program() -> tuple[str, ...]:
    """Return the words that start the program as a process of its own."""
    return PROGRAM


@pytest.fixture
def surroundings() -> dict[str, str]:
    """Return the environment of such a process."""
    return os.environ | {"OPENBLAS_NUM_THREADS": "1"}
