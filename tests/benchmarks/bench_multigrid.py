"""Seconds, iterations and bytes of the multigrid solver beside a triad and CHOLMOD; to be run, not tested.

    python tests/benchmarks/bench_multigrid.py 64x32x32 300x100 --moduli final.npy

Prints one JSON object per measurement. Times are minima; what to judge by are the ratios: `of_triad` is the
share of the memory bandwidth that the compulsory traffic of K u makes up, `times_cholmod` how much longer
CHOLMOD takes for the same moduli. Without a file the design is a black-and-white frame of bars, of volume .12
(3-D) or .5 (2-D).
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
import numpy as np
import psutil
from numba import njit, prange

from topopt.fem import PointLoad, StiffnessOperator, Structure, Support
from topopt.grid import Grid
from topopt.parameters import Array
from topopt.regions import Box, Plane, Point
from topopt.solvers import Cholmod, Multigrid
from topopt.solvers.matrixfree.operator import MatrixFree
from topopt.solvers.matrixfree.sweep import APPLY

DEFAULT = ("300x100", "600x200", "1200x400", "32x16x16", "64x32x32", "96x48x48", "128x64x64")
DIRECT = {2: 250_000, 3: 30_000}
"""Unknowns up to which CHOLMOD is run beside it."""


def structure_of(cells: tuple[int, ...]) -> Structure:
    """Half an MBB beam in 2-D; in 3-D a cantilever of 2 x 1 x 1, pulled down along its lower edge."""
    if len(cells) == 3:
        grid = Grid(cells, (2.0, 1.0, 1.0))
        edge = Box((2.0 - 1e-6, -1.0, -1e-6), (2.0 + 1e-6, 2.0, 1e-6))
        return Structure(grid, (Support(Plane(x=0.0)),), (PointLoad(edge, (0.0, 0.0, -1.0)),))
    grid = Grid(cells)
    supports = (Support(Plane(x=0.0), "x"), Support(Point((grid.size[0], 0.0)), "y"))
    return Structure(grid, supports, (PointLoad(Point((0.0, grid.size[1])), (0.0, -1.0)),))


def frame(grid: Grid) -> Array:
    """Return moduli of bars a quarter of the height apart, all black or white, faces and loads included."""
    pitch = grid.size[-1] / 4.0
    distance = np.sort(np.abs((grid.centres + pitch / 2.0) % pitch - pitch / 2.0), axis=1)[:, grid.ndim - 2]
    volume = 0.5 if grid.ndim == 2 else 0.12
    return np.where(distance <= np.quantile(distance, volume), 1.0, 1e-9)


@njit(parallel=True, fastmath=True)  # type: ignore[untyped-decorator]
def triad(a: Any, b: Any, c: Any) -> None:
    """Do a = b + 3 c."""
    for i in prange(a.size):
        a[i] = b[i] + 3.0 * c[i]


def shortest(action: Callable[[], Any], repeats: int) -> float:
    """Return the shortest wall time of a few runs."""
    best = np.inf
    for _ in range(repeats):
        start = time.perf_counter()
        action()
        best = min(best, time.perf_counter() - start)
    return float(best)


def bandwidth(bytes_of_vectors: int) -> float:
    """Return GB/s of a triad on vectors of a total size, 24 bytes an entry."""
    a, b, c = np.zeros((3, max(bytes_of_vectors // 24, 1000)))
    triad(a, b, c)
    return 24e-9 * len(a) / shortest(lambda: triad(a, b, c), 20)


def operator_rates(structure: Structure, moduli: Array) -> dict[str, Any]:
    """Time K u; the compulsory traffic is u, y twice (it is read before it is written) and the moduli."""
    out: dict[str, Any] = {}
    every = numba.get_num_threads()
    for kind in (np.float32, np.float64):
        operator = MatrixFree.of(structure, moduli, kind)
        u, y = (operator.lattice.vector(kind) for _ in range(2))
        u[:] = np.random.default_rng(0).random(len(u))
        traffic = u.itemsize * (3 * len(u) + operator.lattice.n)
        for threads in sorted({1, every}):
            numba.set_num_threads(threads)
            operator.run(APPLY, u, y)
            seconds = shortest(lambda: operator.run(APPLY, u, y), 20)  # noqa: B023
            share = 1e-9 * traffic / seconds / bandwidth(traffic)
            row = {"ms": 1e3 * seconds, "gdof_per_s": 1e-9 * structure.n_dofs / seconds, "of_triad": share}
            out[f"{np.dtype(kind)}_{threads}"] = {name: round(value, 3) for name, value in row.items()}
        numba.set_num_threads(every)
    return out


def measure(cells: tuple[int, ...], moduli: Array | None, tolerance: float, repeats: int) -> dict[str, Any]:
    """Time operator, setup and solve on one grid."""
    structure = structure_of(cells)
    moduli = frame(structure.grid) if moduli is None else moduli
    operator = StiffnessOperator(structure, moduli)
    solver = Multigrid(tolerance=tolerance)
    start = time.perf_counter()
    solver.factor(operator).solve(structure.forces)
    first = time.perf_counter() - start
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    setup = shortest(lambda: solver.factor(operator), repeats)
    factor = solver.factor(operator)
    solve = shortest(lambda: factor.solve(structure.forces), repeats)
    iterations = factor.outcomes[0].iterations
    row: dict[str, Any] = {
        "grid": "x".join(map(str, cells)), "unknowns": structure.n_dofs, "first_run_s": round(first, 3),
        "setup_s": round(setup, 4), "solve_s": round(solve, 4), "iterations": iterations,
        "ms_per_iteration": round(1e3 * solve / max(iterations, 1), 3),
        "residual": factor.outcomes[0].residual, "process_peak_gb": round(before / 1e6, 3),
        "triad_gb_per_s": round(bandwidth(960_000_000), 1),
    }  # fmt: skip
    if structure.n_dofs <= DIRECT[structure.ndim]:
        Cholmod().factor(operator)
        direct = shortest(lambda: Cholmod().factor(operator).solve(structure.forces), max(repeats // 2, 1))
        row |= {"cholmod_s": round(direct, 4), "times_cholmod": round(direct / (setup + solve), 2)}
    row["operator"] = operator_rates(structure, moduli)
    return row


def main() -> None:
    """Measure grids given like ``300x100``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("grids", nargs="*", default=DEFAULT)
    parser.add_argument("--moduli", type=Path, help="a .npy file of moduli, shape of the only grid")
    parser.add_argument("--tolerance", type=float, default=1e-5)
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    load = psutil.getloadavg()[0]
    print(json.dumps({"cores": psutil.cpu_count(), "load": load, "threads": numba.get_num_threads()}))
    moduli = None if arguments.moduli is None else np.load(arguments.moduli).astype(np.float64).ravel()
    for text in arguments.grids:
        cells = tuple(int(count) for count in text.split("x"))
        print(json.dumps(measure(cells, moduli, arguments.tolerance, arguments.repeats)), flush=True)


if __name__ == "__main__":
    main()
