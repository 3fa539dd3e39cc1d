"""Benchmarks still run: on the smallest grids, for their figures mean nothing here."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.mark.parametrize(
    "command",
    [
        "rest 60x20",
        "direct 60x20",
        "solvers 60x20",
        "multigrid 16x8x8",
        "physics 40x20",
        "growth 32x16x16 --iterations 2",
    ],
)
def test_a_benchmark_runs_and_prints_its_figures(command: str) -> None:
    if command.split()[0] in {"direct", "solvers", "physics"}:
        pytest.importorskip("sksparse")
    name, *arguments = command.split()
    script = BENCHMARKS / f"bench_{name}.py"
    done = subprocess.run(
        [sys.executable, str(script), *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    begun = done.stdout.index("{")
    json.JSONDecoder().raw_decode(done.stdout[begun:])
