"""Fit the costs that `solver: auto` weighs: seconds and bytes of CHOLMOD and multigrid over the unknowns.

    python tests/benchmarks/fit_solvers.py            # measures, fits, prints the table for choose.py
    python tests/benchmarks/fit_solvers.py --quick    # the small grids only

Each measurement is a fresh process: a frame of bars in void (as in `bench_multigrid`), one run to analyse,
then the shortest of three. Seconds are those of one factor and one solve, to 1e-5 from nothing for multigrid;
bytes are the growth of the largest resident size, the pattern included, the compiler not. The powers of the
bytes are those of theory, n^1.1 for n log n and n^(4/3) for CHOLMOD, 1 for multigrid; what stands in front of
them is fitted, and the law of the seconds by least squares in logarithms. Of multigrid's bytes an unknown the
largest is printed, that of the smallest grid; choose.py has that of the largest and a fixed part instead.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

GRIDS = {
    "cholmod": ("120x40", "300x100", "600x200", "1200x400", "16x8x8", "24x12x12", "32x16x16", "40x20x20"),
    "multigrid": (
        "120x40", "300x100", "600x200", "1200x400", "2400x800",
        "16x8x8", "24x12x12", "32x16x16", "48x24x24", "64x32x32", "96x48x48", "128x64x64",
    ),
}  # fmt: skip
QUICK = ("120x40", "300x100", "16x8x8", "24x12x12", "32x16x16")
POWERS = {("cholmod", 2): 1.1, ("cholmod", 3): 4 / 3, ("multigrid", 2): 1.0, ("multigrid", 3): 1.0}


def one(name: str, grid: str) -> dict[str, Any]:
    """Measure in this process."""
    from bench_multigrid import frame, structure_of

    from topopt.fem import StiffnessOperator
    from topopt.solvers import SOLVERS

    structure = structure_of(tuple(map(int, grid.split("x"))))
    moduli, forces, solver = frame(structure.grid), structure.forces, SOLVERS[name]()
    small = structure_of((8,) * structure.ndim)
    solver.factor(StiffnessOperator(small, np.ones(small.grid.n_cells))).solve(small.forces)  # compiles
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    times = []
    for _ in range(4):
        start = time.perf_counter()
        solver.factor(StiffnessOperator(structure, moduli)).solve(forces)
        times.append(time.perf_counter() - start)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    return {
        "solver": name, "grid": grid, "ndim": structure.ndim, "unknowns": len(structure.free),
        "seconds": min(times[1:]), "bytes": 1024 * grown,
    }  # fmt: skip


def fitted(rows: list[dict[str, Any]]) -> dict[str, float]:
    """Return the constants of one solver in one dimension."""
    n, seconds, size = (
        np.array([row[k] for row in rows], dtype=float) for k in ("unknowns", "seconds", "bytes")
    )
    power = POWERS[rows[0]["solver"], rows[0]["ndim"]]
    exponent, work = np.polyfit(np.log(n), np.log(seconds), 1)
    found = {"work": float(np.exp(work)), "exponent": float(exponent)}
    if power == 1.0:
        return found | {"linear": float(np.max(size / n))}
    basis = np.stack([n**power, n], axis=1) / size[:, None]
    fill, linear = np.linalg.lstsq(basis, np.ones(len(n)), rcond=None)[0]
    return found | {"fill": float(fill), "linear": float(linear)}


def main() -> None:
    """Measure, fit and print."""
    if sys.argv[1:2] == ["--one"]:
        print(json.dumps(one(*sys.argv[2:4])))
        return
    quick = "--quick" in sys.argv
    rows: list[dict[str, Any]] = []
    for name, grids in GRIDS.items():
        for grid in grids:
            if quick and grid not in QUICK:
                continue
            command = [sys.executable, str(Path(__file__)), "--one", name, grid]
            said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
            rows.append(json.loads(said.splitlines()[-1]))
            print(json.dumps(rows[-1]), flush=True)
    for name, ndim in POWERS:
        some = [row for row in rows if (row["solver"], row["ndim"]) == (name, ndim)]
        if len(some) > 1:
            print(json.dumps({"solver": name, "ndim": ndim} | fitted(some)))


if __name__ == "__main__":
    main()
