"""A run that is really killed, again and again, ends as if nothing had happened."""

from __future__ import annotations

import contextlib
import csv
import io
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from topopt.continuation import Continuation, Staircase
from topopt.design import Design
from topopt.evaluation import Bounds, Evaluation
from topopt.files.folder import Recording, RunFolder
from topopt.files.status import read_status
from topopt.grid import Grid
from topopt.optimizers import MMA
from topopt.parameters import Array
from topopt.run import Stop

ITERATIONS = 150
KILLS = 12


@dataclass(frozen=True)
class Springs:
    """A row of springs, big enough that a kill often hits a write."""

    grid: Grid = Grid((120, 50))

    def initial(self) -> Array:
        return np.full(self.grid.n_cells, 0.4)

    def bounds(self) -> Bounds:
        return Bounds(np.zeros(self.grid.n_cells), np.ones(self.grid.n_cells))

    def parameters(self) -> dict[str, float]:
        return {"power": 1.0}

    def evaluate(self, x: Array, parameters: Mapping[str, float]) -> Evaluation:
        power, n = parameters["power"], x.size
        weights = 0.1 + 9.0 * np.sin(np.arange(n) / 30) ** 2
        rho = x**power
        return Evaluation(
            objective=float((weights / (0.1 + rho)).sum()),
            gradient=-weights / (0.1 + rho) ** 2 * power * x ** (power - 1.0),
            constraints=np.array([x.mean() / 0.4 - 1.0]),
            jacobian=np.full((1, n), 1.0 / (0.4 * n)),
            constraint_names=("volume",),
            output=rho,
            picture=Design(self.grid, rho),
        )


def run(path: Path) -> None:
    """Run, or go on with, the row of springs."""
    every = Recording(frames_every=2)
    folder = RunFolder.open(path) if (path / "run.json").exists() else None
    with folder or RunFolder.create(path.parent, path.name, recording=every) as folder:
        rules = Continuation({"power": Staircase(1.0, 1.3, factor=1.02, every=10)})
        for step in folder.steps(Springs(), MMA(), rules, Stop(change=0.0, iterations=ITERATIONS)):
            last = step
        folder.finish(last)


def results(path: Path) -> dict[str, Any]:
    """Return all that must not depend on the kills."""
    table = csv.DictReader(io.StringIO((path / "history.csv").read_text()))
    rows = [{k: v for k, v in row.items() if not k.startswith("seconds:")} for row in table]
    files = ["vanishing.csv", "design.npz", "design.svg", "design.stl", *sorted(path.glob("frames/*"))]
    hidden = [file.name for file in path.rglob(".*")]
    return {"rows": rows, "hidden": hidden} | {str(Path(f).name): (path / f).read_bytes() for f in files}


def started(path: Path) -> subprocess.Popen[bytes]:
    """Start this file as a process of its own."""
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1"}
    return subprocess.Popen([sys.executable, __file__, str(path)], env=environment)


def iterations(path: Path) -> int:
    """Return how many whole rows are on record."""
    with contextlib.suppress(FileNotFoundError):
        return (path / "history.csv").read_bytes().count(b"\n") - 1
    return -1


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="only Unix has SIGKILL")
def test_killed_a_dozen_times_at_random_moments(tmp_path: Path) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    moments = random.Random(seed)
    path, unbroken = tmp_path / "killed" / "springs", tmp_path / "unbroken" / "springs"
    kept = []
    for kill in range(KILLS):
        child, goal = started(path), (kill + 1) * (ITERATIONS - 20) // KILLS
        deadline = time.monotonic() + 60
        while iterations(path) < goal and child.poll() is None and time.monotonic() < deadline:
            time.sleep(0.002)
        time.sleep(moments.uniform(0.0, 0.02))
        seen = iterations(path)
        child.send_signal(signal.SIGKILL)
        assert child.wait() == -signal.SIGKILL, "it ended before it could be killed"
        assert read_status(path).state == "interrupted"
        with RunFolder.open(path) as folder:
            kept.append(len(folder.history) - seen)
            assert kept[-1] >= -1, "more than one iteration was lost"
    assert started(path).wait() == 0
    assert started(unbroken).wait() == 0
    assert read_status(path).state == "finished"
    assert results(path) == results(unbroken)
    assert len(results(path)["rows"]) == ITERATIONS


if __name__ == "__main__":
    run(Path(sys.argv[1]))
