"""Objectives of whole problem files after 100 iterations, with multigrid beside the direct solver.

    python tests/benchmarks/bench_same_designs.py mbb bridge cantilever_3d

Prints one JSON object a file: the objectives, their relative difference (the goal is 1e-3) and how far the
designs are apart, for a fixed tolerance and for one that follows the design.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

import topopt as to
from topopt.files import read

PROBLEMS = Path(__file__).parents[2] / "problems"
DEFAULT = ("mbb", "bridge", "cantilever_3d")
SETTINGS = {
    "direct": "cholmod",
    "fixed": "{name: multigrid, tolerance: 1.0e-5}",
    "follows": "{name: multigrid, follow: true}",
}
ITERATIONS = 100


def ended(name: str, solver: str) -> to.Step:
    """Return the last step of a run."""
    job = read(PROBLEMS / f"{name}.yaml", [f"chain.displacement.solver={solver}"])
    return to.solve(job.problem, job.optimizer, job.continuation, to.Stop(iterations=ITERATIONS, change=0.0))


def compared(name: str) -> dict[str, Any]:
    """Run a file with every solver."""
    exact = ended(name, SETTINGS["direct"])
    row: dict[str, Any] = {"problem": name, "direct": exact.iteration.objective}
    for kind in ("fixed", "follows"):
        found = ended(name, SETTINGS[kind])
        cycles = found.history.column("solver:iterations")
        row[kind] = {
            "objective": found.iteration.objective,
            "relative_difference": abs(found.iteration.objective / exact.iteration.objective - 1.0),
            "mean_density_difference": float(np.abs(found.x - exact.x).mean()),
            "cycles_an_iteration": float(np.mean(cycles)),
            "most_cycles": float(np.max(cycles)),
            "climbs": float(found.history.column("solver:climbs").sum()),
        }
    return row


if __name__ == "__main__":
    for problem in sys.argv[1:] or DEFAULT:
        print(json.dumps(compared(problem)), flush=True)
