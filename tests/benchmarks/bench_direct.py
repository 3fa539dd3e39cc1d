"""Seconds of the direct path: pattern, assembly, bare CHOLMOD, our factor, adjoint; to be run, not tested.

    python tests/benchmarks/bench_direct.py 150x50 300x100 48x24x24

Prints one JSON object per grid; the ratio `ours_over_bare` is what to judge by.
"""

from __future__ import annotations

import gc
import json
import platform
import resource
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import psutil
from sksparse import cholmod

from topopt.fem import PointLoad, StiffnessOperator, Structure, Support
from topopt.fem.assembly import pattern
from topopt.grid import Grid
from topopt.parameters import Array
from topopt.regions import Plane, Point
from topopt.solvers import Cholmod, choose
from topopt.stages.equilibrium import Equilibrium
from topopt.stages.responses import Compliance

DEFAULT = ("150x50", "300x100", "600x200", "1200x400", "48x24x24")


def half_mbb(cells: tuple[int, ...]) -> Structure:
    """Half an MBB beam in 2-D, a cantilever in 3-D."""
    grid = Grid(cells)
    if grid.ndim == 3:
        load = PointLoad(Point(grid.size), (0.0, -1.0, 0.0))
        return Structure(grid, (Support(Plane(x=0.0)),), (load,))
    supports = (Support(Plane(x=0.0), "x"), Support(Point((grid.size[0], 0.0)), "y"))
    return Structure(grid, supports, (PointLoad(Point((0.0, grid.size[1])), (0.0, -1.0)),))


def smooth_moduli(structure: Structure) -> Array:
    """A grey beam with holes: about as uneven as a design half-way."""
    phases = [np.sin(12.0 * x / structure.grid.size[-1]) for x in structure.grid.centres.T]
    density = np.clip(0.5 + np.prod(phases, axis=0), 0.0, 1.0)
    return 1e-9 + density**3 * (1 - 1e-9)


def seconds(action: Callable[[], Any], repeats: int) -> float:
    """Return the shortest wall time of a few runs."""
    best = np.inf
    for _ in range(repeats):
        gc.collect()
        start = time.perf_counter()
        result = action()
        best = min(best, time.perf_counter() - start)
        del result
    return round(best, 4)


def bare_cholmod(structure: Structure, operator: StiffnessOperator, repeats: int) -> dict[str, float]:
    """Time CHOLMOD refactoring in place, without any of our code around it."""
    forces = structure.forces[structure.free]
    ordering = "amd" if structure.ndim == 2 else "metis"
    start = time.perf_counter()
    factor = cholmod.analyze(operator.matrix, mode="supernodal", ordering_method=ordering)
    analyse = round(time.perf_counter() - start, 4)

    def both() -> Any:
        factor.cholesky_inplace(operator.matrix)
        return factor.solve_A(forces)

    both()
    solve = seconds(lambda: factor.solve_A(forces), 3)
    return {"analyse": analyse, "bare": seconds(both, repeats), "bare_solve": solve}


def measure(cells: tuple[int, ...]) -> dict[str, Any]:
    """Time every part on one grid."""
    structure = half_mbb(cells)
    moduli = smooth_moduli(structure)
    repeats = 5 if structure.n_dofs < 300_000 and structure.ndim == 2 else 2
    row: dict[str, Any] = {"grid": "x".join(map(str, cells)), "unknowns": structure.n_dofs}
    row["pattern"] = seconds(lambda: pattern(structure), 1)
    row["assembly"] = seconds(lambda: pattern(structure).matrix(moduli), 5)
    operator = StiffnessOperator(structure, moduli)
    row["apply"] = seconds(lambda: operator.apply(structure.forces), 5)
    row |= bare_cholmod(structure, operator, repeats)

    def ours() -> Any:
        return Cholmod().factor(StiffnessOperator(structure, moduli)).solve(structure.forces)

    ours()
    row["ours_with_assembly"] = seconds(ours, repeats)
    row["ours_over_bare"] = round(row["ours_with_assembly"] / row["bare"], 3)
    stage, response = Equilibrium(structure), Compliance(structure)

    def iteration() -> Any:
        u, pull = stage.vjp(moduli)
        _, back = response.vjp(u)
        return pull(*back(np.ones(())))

    iteration()
    row["stage_and_pullback"] = seconds(iteration, repeats)
    choice = choose(structure)
    row["seconds_estimated"] = round(choice.seconds_estimated, 3)
    row["gigabytes_estimated"] = round(choice.bytes_estimated / 1e9, 3)
    row["gigabytes_peak_of_process"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6, 3)
    return row


def main(grids: list[str]) -> None:
    """Measure grids given like ``300x100``."""
    load = psutil.getloadavg()[0]
    versions = {"python": platform.python_version(), "numpy": np.__version__}
    print(json.dumps({"cores": psutil.cpu_count(), "load": load, **versions}))
    for text in grids or DEFAULT:
        print(json.dumps(measure(tuple(int(count) for count in text.split("x")))), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
