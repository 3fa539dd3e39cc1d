"""Seconds of a whole design iteration beside the anchors of the field, with a triad measured in the same run.

    python tests/benchmarks/bench_anchors.py 64x32x32 300x100

In 3-D the cantilever of 2 x 1 x 1 clamped at one end and loaded along an edge: volume .12, filter radius .08,
penalty 3; in 2-D the half MBB beam, volume .5, radius 0.04 nelx. OC, solver `auto`, ten iterations from the
uniform design; the median of the second to the last counts, compiling apart. Every grid has a fresh process.
The anchors were measured elsewhere, on two cores of one and the same machine: TopOpt_in_PETSc with two ranks
(Aage, Andreassen & Lazarov 2015, doi:10.1007/s00158-014-1157-0), TopOpt-in-OpenMP with two threads (Träff et
al. 2023, doi:10.1016/j.cma.2023.116043), in 2-D the fastest Python package and CHOLMOD's refactorisation and
solve. A reference from another machine is no reference: beside how many times ours an anchor is stands how
many it would be if that machine's memory were as fast as this one's. All of them stream long vectors;
`of_triad` tells how fast this machine is.

Prints a table and leaves one JSON file a machine in results/benchmarks/.
"""

from __future__ import annotations

import json
import platform
import re
import resource
import subprocess
import sys
import time
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from statistics import mean, median
from typing import Any

import numba
import psutil
from bench_multigrid import bandwidth, structure_of

import topopt as to
from topopt.files.environment import environment
from topopt.solvers import Solver, choose

DEFAULT = ("64x32x32", "96x48x48", "128x64x64", "150x50", "300x100", "600x200", "1200x400", "2400x800")
ANCHORS: dict[str, dict[str, float]] = {
    "64x32x32": {"PETSc": 1.70, "OpenMP C": 1.81, "prototype": 0.072, "goal": 0.05},
    "96x48x48": {"PETSc": 5.9, "OpenMP C": 5.25, "prototype": 0.24, "goal": 0.15},
    "128x64x64": {"PETSc": 15.2, "OpenMP C": 12.1, "prototype": 0.59, "goal": 0.35},
    "256x128x128": {"goal": 3.5},
    "150x50": {"best Python package": 0.027},
    "300x100": {"best Python package": 0.118, "CHOLMOD": 0.16, "goal": 0.025},
    "600x200": {"best Python package": 0.66, "CHOLMOD": 0.78, "goal": 0.07},
    "1200x400": {"CHOLMOD": 2.99, "goal": 0.3},
    "2400x800": {"CHOLMOD": 14.4, "PARDISO": 13.2, "goal": 1.2},
}
ELSEWHERE = 60.0
"""GB/s of a triad on the machine of the anchors and goals: the median, 40 to 73 were seen."""
ITERATIONS = 10
RESULTS = Path(__file__).parents[2] / "results" / "benchmarks"


def problem(cells: tuple[int, ...], solver: str | Solver = "auto") -> to.Problem:
    """Cantilever or half beam."""
    structure = structure_of(cells)
    domain = to.Domain(structure.grid)
    radius, volume = (0.08, 0.12) if len(cells) == 3 else (0.04 * cells[0], 0.5)
    radius = max(radius, 1.5 * float(structure.grid.spacing.max()))
    chain = to.Chain(
        [
            ("filtered", to.Cone(domain, radius)),
            ("stiffness", to.Simp()),
            ("displacement", to.Equilibrium(structure, solver)),
            ("compliance", to.Compliance(structure)),
            ("volume", to.Mean(domain), "filtered"),
        ]
    )
    return to.Problem(chain, domain, "compliance", {"volume": volume}, density="filtered")


def one(text: str) -> dict[str, Any]:
    """Measure a grid in this process."""
    cells = tuple(map(int, text.split("x")))
    small = tuple(max(8, n // 4) for n in cells)
    for warm in (small, (60,) * len(cells) if len(cells) == 3 else (300, 200)):  # short and long passes
        for _ in islice(to.optimize(problem(warm), to.OC(), stop=to.Stop(change=0, iterations=9)), 2):
            pass
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    triad = bandwidth(480_000_000)
    there = max(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, before)
    model, seconds, cycles = problem(cells), [], []
    steps = to.optimize(model, to.OC(), stop=to.Stop(change=0, iterations=ITERATIONS))
    for _ in range(ITERATIONS):
        start = time.perf_counter()
        step = next(steps)
        seconds.append(time.perf_counter() - start)
        cycles.append(step.iteration.solver.get("iterations", 0.0))
    structure = model.chain["displacement"].stage.structure  # type: ignore[attr-defined]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {
        "grid": text, "unknowns": structure.n_dofs, "solver": choose(structure).reason,
        "iteration_s": median(seconds[1:]), "mean_s": mean(seconds[1:]),
        "shortest_s": min(seconds[1:]), "first_s": seconds[0],
        "cycles": cycles, "objective": step.iteration.objective, "peak_gb": peak * 1024e-9,
        # the triad's own vectors may hide what a small grid takes
        "grown_bytes_per_cell": 1024 * (peak - before) / structure.grid.n_cells if peak > there else None,
        "triad_gb_per_s": triad,
        # how many times over the state of this iteration could have streamed through memory
        "of_triad": 8e-9 * structure.n_dofs / triad / median(seconds[1:]),
    }  # fmt: skip


def table(rows: list[dict[str, Any]]) -> str:
    """Return the rows as Markdown."""
    lines = [
        "| grid | s (shortest) | cycles | anchors, s (times ours, at equal triads) | peak | triad |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        mine = row["iteration_s"]
        slower = ELSEWHERE / row["triad_gb_per_s"]
        anchors = "; ".join(
            f"{name} {s:g} ({s / mine:.2g}x, {slower * s / mine:.2g}x)"
            for name, s in ANCHORS.get(row["grid"], {}).items()
        )
        cycles = f"{row['cycles'][0]:.0f}, {mean(row['cycles'][1:]):.1f}" if any(row["cycles"]) else "direct"
        lines.append(
            f"| {row['grid']} | {mine:.3g} ({row['shortest_s']:.3g}) | {cycles} | {anchors} "
            f"| {row['peak_gb']:.2f} GB | {row['triad_gb_per_s']:.0f} GB/s |"
        )
    return "\n".join(lines)


def main() -> None:
    """Measure every grid in a process of its own."""
    if sys.argv[1:2] == ["--one"]:
        print(json.dumps(one(sys.argv[2])))
        return
    rows = []
    about = environment() | {"load": psutil.getloadavg()[0], "threads_used": numba.get_num_threads()}
    about.pop("command")
    for text in sys.argv[1:] or DEFAULT:
        command = [sys.executable, str(Path(__file__)), "--one", text]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        rows.append(json.loads(said.splitlines()[-1]))
        print(json.dumps(rows[-1]), flush=True)
    print(table(rows))
    machine = re.sub(r"\W+", "-", about["machine"]["processor"] or platform.machine()).strip("-").lower()
    RESULTS.mkdir(parents=True, exist_ok=True)
    file = RESULTS / f"{machine}-{numba.get_num_threads()}-threads.json"
    known = json.loads(file.read_text())["grids"] if file.is_file() else {}
    grids = known | {row["grid"]: row for row in rows}
    when = datetime.now(UTC).isoformat(timespec="seconds")
    file.write_text(json.dumps({"about": about, "when": when, "grids": grids}, indent=1) + "\n")
    print(f"kept in {file.relative_to(RESULTS.parents[1])}")


if __name__ == "__main__":
    main()
