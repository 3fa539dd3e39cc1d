"""Cycles of conjugate gradients as the grid grows, at the same stages of the same design.

    python tests/benchmarks/bench_growth.py 32x16x16 64x32x32 128x64x64 256x128x128   # whole runs
    python tests/benchmarks/bench_growth.py 512x256x256 --iterations 5                # does it fit?

Runs problems/cantilever_3d_fine.yaml on other grids, each in a fresh process. Prints cycles and seconds of
its iterations, and how many cycles a solve from nothing to 1e-5 takes on the design that it ends with, which
is black and white; `grown_bytes_per_cell` is the growth of the process after compiling.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

import topopt as to
from topopt.fem import StiffnessOperator
from topopt.files import read
from topopt.solvers import Multigrid

PROBLEM = Path(__file__).parents[2] / "problems" / "cantilever_3d_fine.yaml"
DEFAULT = ("32x16x16", "64x32x32", "128x64x64")


def run(text: str, iterations: int) -> dict[str, Any]:
    """Run a grid in this process."""
    for _ in to.optimize(opened("48x40x40").problem, to.OC(), stop=to.Stop(iterations=2, change=0.0)):
        pass  # compiles
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    job = opened(text)
    cycles, climbs, seconds, start = [], 0.0, [], time.perf_counter()
    stop = to.Stop(iterations=iterations, change=0.0)
    for step in to.optimize(job.problem, job.optimizer, job.continuation, stop):
        seconds.append(time.perf_counter() - start)
        cycles.append(int(step.iteration.solver["iterations"]))
        climbs += step.iteration.solver["climbs"]
        last, start = step.iteration, time.perf_counter()
        x, parameters = step.x, {n: v for n, v in last.parameters.items() if "." in n}
        del step
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    row = {
        "grid": text, "cells": job.problem.grid.n_cells, "objective": last.objective,
        "discreteness": last.measures["discreteness"], "cycles": cycles, "climbs": climbs,
        "iteration_s": median(seconds[1:] or seconds), "first_s": seconds[0],
        "longest_s": max(seconds[1:] or seconds), "peak_gb": peak / 1e6,
        "grown_bytes_per_cell": round(1024 * (peak - before) / job.problem.grid.n_cells),
    }  # fmt: skip
    print(json.dumps(row), flush=True)
    return row | cold(job.problem, x, parameters)


def cold(problem: to.Problem, x: Any, parameters: dict[str, float]) -> dict[str, Any]:
    """Solve from nothing on the design that the run has ended with."""
    chain = problem.chain.at(parameters).upto("stiffness")
    moduli = chain.run(problem.field(x))["stiffness"]
    structure = problem.chain["displacement"].stage.structure  # type: ignore[attr-defined]
    factor = Multigrid().factor(StiffnessOperator(structure, np.asarray(moduli)))
    factor.solve(structure.forces)
    return {"cycles_from_nothing": factor.work.iterations}


def opened(text: str) -> Any:
    """Return the problem on another grid."""
    return read(PROBLEM, [f"grid.cells=[{text.replace('x', ',')}]"])


def main() -> None:
    """Run every grid in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("grids", nargs="*", default=DEFAULT)
    parser.add_argument("--iterations", type=int, default=50)
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(run(arguments.grids[0], arguments.iterations)))
        return
    for text in arguments.grids:
        command = [sys.executable, __file__, "--one", text, "--iterations", str(arguments.iterations)]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        print(said.splitlines()[-1], flush=True)


if __name__ == "__main__":
    main()
