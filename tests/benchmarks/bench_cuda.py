"""Multigrid on a graphics card beside the same on the processor; to be run, not tested.

    python tests/benchmarks/bench_cuda.py 64x32x32 128x64x64

First the numbers: solves on small grids with voids, springs and odd supports must be those of the host. Then
K u in billions of unknowns a second, beside a triad on the card; a solve from nothing of the black-and-white
frame of `bench_multigrid.py`; and ten design iterations of the cantilever of `bench_anchors.py`, of which the
median counts, with the card (and up to two million unknowns with the host) as solver. Prints JSON, a line a
measurement, and keeps all of it in results/benchmarks/.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import time
from datetime import UTC, datetime
from statistics import median
from typing import Any

import numpy as np
from bench_anchors import ITERATIONS, RESULTS, problem
from bench_multigrid import frame, shortest, structure_of

import topopt as to
from topopt.fem import Material, PointLoad, StiffnessOperator, Structure, Support
from topopt.grid import Grid
from topopt.parameters import Array
from topopt.regions import Plane, Point
from topopt.solvers import Multigrid
from topopt.solvers.cuda.device import SIMULATED, card_available
from topopt.solvers.matrixfree.sweep import APPLY
from topopt.solvers.multigrid.scaled import Scaled

DEFAULT = ("300x100", "1200x400", "64x32x32", "96x48x48", "128x64x64", "256x128x128", "512x256x256")
CHECKED = ((33, 21), (61, 40), (16, 9, 8), (7, 7, 30))
BESIDE, ITERATED = 2_000_000, 20_000_000
"""Unknowns up to which the host does the same beside it, and up to which designs are iterated at all."""


def sprung(cells: tuple[int, ...]) -> Structure:
    """Return a body on a roller, on a single node off every coarse one, and on springs."""
    grid = Grid(cells)
    supports = (
        Support(Plane(x=0.0), "x"),
        Support(Point((1.0,) * grid.ndim)),
        Support(Plane(y=0.0), spring=0.5),
    )
    load = PointLoad(Point(grid.size), (0.3, -1.0, 0.5)[: grid.ndim])
    return Structure(grid, supports, (load,), Material(poisson=0.2))


def checked(cells: tuple[int, ...]) -> dict[str, Any]:
    """Compare a solve on the card with the host's; stop if they differ."""
    structure, random = sprung(cells), np.random.default_rng(0)
    moduli = np.where(random.random(structure.grid.n_cells) < 0.3, 1e-6, 0.5)
    operator, found, cycles = StiffnessOperator(structure, moduli), [], []
    for device in ("cpu", "cuda"):
        factor = Multigrid(tolerance=1e-9, coarsest=300, device=device).factor(operator)
        found.append(factor.solve(structure.forces))
        cycles.append(factor.work.iterations)
    off = float(np.abs(found[1] - found[0]).max() / np.abs(found[0]).max())
    if not off < 1e-6 or abs(cycles[0] - cycles[1]) > 0.1 * max(cycles):
        raise SystemExit(f"{cells}: card and host differ by {off:.1e} after {cycles} cycles")
    return {"checked": "x".join(map(str, cells)), "difference": off, "cycles": cycles}


def rates(structure: Structure, moduli: Array) -> dict[str, Any]:
    """Time K u on the finest lattice in both precisions, and a triad on vectors of its length."""
    from numba import cuda

    from topopt.solvers.cuda.card import Card, _cast
    from topopt.solvers.cuda.kernels import kernels
    from topopt.solvers.cuda.vectors import _direction, grid_for, zeros

    out: dict[str, Any] = {}
    exact = Card().exact(Scaled(structure, moduli))
    lattice = exact.lattice
    for kind in (np.float32, np.float64):
        operator = _cast(exact, kernels(np.dtype(kind), lattice.components, lattice.ndim), kind)
        u, y = (zeros(lattice.n * lattice.components, kind) for _ in range(2))
        empty = u[:0]

        def product() -> None:
            for _ in range(20):
                operator.kernels.product[grid_for(lattice.n)](  # noqa: B023
                    u, y, empty, empty, empty, operator.free, operator.springs, operator.moduli,  # noqa: B023
                    operator.matrix, *lattice.sizes, APPLY, kind(0), kind(0),  # noqa: B023
                )  # fmt: skip
            cuda.synchronize()

        def triad() -> None:
            for _ in range(20):
                _direction[grid_for(u.size)](2.0, u, y)  # noqa: B023
            cuda.synchronize()

        product()
        triad()
        seconds, stream = shortest(product, 3) / 20, shortest(triad, 3) / 20
        traffic = u.dtype.itemsize * (2 * u.size + lattice.n)
        out[str(np.dtype(kind))] = {
            "ms": 1e3 * seconds,
            "gdof_per_s": 1e-9 * u.size / seconds,
            "triad_gb_per_s": 3e-9 * u.dtype.itemsize * u.size / stream,
            "of_triad": traffic / seconds / (3 * u.dtype.itemsize * u.size / stream),
        }
    return out


def solved(structure: Structure, moduli: Array) -> dict[str, Any]:
    """Time set-up and solve from nothing to 1e-5."""
    operator, solver = StiffnessOperator(structure, moduli), Multigrid(device="cuda")
    solver.factor(operator).solve(structure.forces)
    start = time.perf_counter()
    factor = solver.factor(operator)
    built = time.perf_counter()
    factor.solve(structure.forces)
    end = time.perf_counter()
    return {"setup_s": built - start, "solve_s": end - built, "cycles": factor.work.iterations}


def iterated(cells: tuple[int, ...], device: str) -> dict[str, Any]:
    """Time design iterations, and the parts of the last."""
    model, seconds, cycles = problem(cells, Multigrid(device=device)), [], []
    steps = to.optimize(model, to.OC(), stop=to.Stop(change=0, iterations=ITERATIONS))
    for _ in range(ITERATIONS):
        start = time.perf_counter()
        step = next(steps)
        seconds.append(time.perf_counter() - start)
        cycles.append(step.iteration.solver.get("iterations", 0.0))
    return {
        "iteration_s": median(seconds[1:]), "first_s": seconds[0], "cycles": cycles,
        "parts_s": dict(step.iteration.seconds), "objective": step.iteration.objective,
    }  # fmt: skip


def measure(text: str) -> dict[str, Any]:
    """Measure a grid."""
    cells = tuple(map(int, text.split("x")))
    structure = structure_of(cells)
    moduli = frame(structure.grid)
    row: dict[str, Any] = {"grid": text, "unknowns": structure.n_dofs}
    row |= {"operator": rates(structure, moduli), "frame": solved(structure, moduli)}
    if structure.n_dofs <= ITERATED:
        row["cuda"] = iterated(cells, "cuda")
    if structure.n_dofs <= BESIDE:
        row["cpu"] = iterated(cells, "cpu")
    return row


def main() -> None:
    """Measure grids given like ``64x32x32``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("grids", nargs="*", default=DEFAULT)
    grids = parser.parse_args().grids
    if SIMULATED or not card_available():
        print("no graphics card here: nothing to measure")
        return
    from numba import cuda

    name = cuda.get_current_device().name
    card = name.decode() if isinstance(name, bytes) else str(name)
    about = {"card": card, "when": datetime.now(UTC).isoformat(timespec="seconds"), "python": sys.version}
    slug = re.sub(r"\W+", "-", card).strip("-").lower()
    rows = [checked(cells) for cells in CHECKED]
    print(json.dumps(about | {"rows": rows}), flush=True)
    for small in ((40, 16), (16, 8, 8)):
        for device in ("cpu", "cuda"):
            iterated(small, device)  # kernels are compiled here
    for text in grids:
        rows.append(measure(text))
        print(json.dumps(rows[-1]), flush=True)
        RESULTS.mkdir(parents=True, exist_ok=True)
        file = RESULTS / f"{slug}.json"
        file.write_text(json.dumps({"about": about, "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
