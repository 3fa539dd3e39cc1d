"""Direct solvers and multigrid side by side in 2-D, on one black-and-white frame, and what `auto` takes.

    python tests/benchmarks/bench_solvers.py 300x100 600x200

For every grid and solver a fresh process: analysis once, then the shortest of a few refactorisations with
their solves; multigrid sets up and solves to 1e-5 from nothing. PARDISO is run where `pypardiso` is
installed, which is Intel's MKL and no dependency of this package. A direct solver is left out where its
estimate exceeds the memory. `times_best` is the ratio to the fastest of the row's grid.
"""

from __future__ import annotations

import importlib.util
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import psutil
from bench_multigrid import frame, structure_of
from scipy import sparse

from topopt.errors import TooLargeError
from topopt.fem import StiffnessOperator, Structure
from topopt.parameters import Array
from topopt.solvers import Multigrid, choose
from topopt.solvers.choose import available_bytes

DEFAULT = ("300x100", "600x200", "1200x400", "2400x800", "4000x2000")
SOLVERS = ("cholmod", "pardiso", "multigrid")
GROWTH = 1.3
"""Memory of PARDISO over that of CHOLMOD, at most."""


def repeated(action: Callable[[], Any], budget: float = 20.0) -> float:
    """Return the shortest wall time of up to five runs that together stay near a budget of seconds."""
    times: list[float] = []
    while len(times) < 2 or (len(times) < 5 and sum(times) < budget):
        start = time.perf_counter()
        action()
        times.append(time.perf_counter() - start)
    return min(times)


def direct(operator: StiffnessOperator, forces: Array) -> tuple[float, float, Array]:
    """Time CHOLMOD by this package's own wrapper: analysis, then factor and solve."""
    start = time.perf_counter()
    solution = choose(operator.system, "cholmod").solver.factor(operator).solve(forces)
    first = time.perf_counter() - start
    solver = choose(operator.system, "cholmod").solver
    again = repeated(lambda: solver.factor(operator).solve(forces))
    return max(first - again, 0.0), again, solution


def pardiso(operator: StiffnessOperator, forces: Array) -> tuple[float, float, Array]:
    """Time MKL PARDISO on the same triangle, symmetric and positive definite."""
    from pypardiso import PyPardisoSolver

    upper = sparse.csr_matrix(operator.matrix.T)  # the lower triangle by columns is the upper one by rows
    rhs = np.ascontiguousarray(forces[operator.system.free, 0])
    solver = PyPardisoSolver(mtype=2)

    def phase(number: int) -> Array:
        solver.set_phase(number)
        return solver._call_pardiso(upper, rhs)  # type: ignore[no-any-return]

    start = time.perf_counter()
    phase(11)
    analysis = time.perf_counter() - start
    again = repeated(lambda: (phase(22), phase(33)))
    solution = np.zeros(forces.shape)
    solution[operator.system.free, 0] = phase(33)
    return analysis, again, solution


def multigrid(operator: StiffnessOperator, forces: Array) -> tuple[float, float, Array, int]:
    """Time set-up and solve from nothing."""
    solver = Multigrid()
    small = structure_of((16, 16))
    solver.factor(StiffnessOperator(small, np.ones(small.grid.n_cells))).solve(small.forces)  # compiles
    start = time.perf_counter()
    factor = solver.factor(operator)
    solution = factor.solve(forces)
    first = time.perf_counter() - start
    again = repeated(lambda: solver.factor(operator).solve(forces))
    return max(first - again, 0.0), again, solution, factor.work.iterations


def one(name: str, text: str) -> dict[str, Any]:
    """Measure a solver on a grid in this process."""
    structure = structure_of(tuple(map(int, text.split("x"))))
    row: dict[str, Any] = {"grid": text, "unknowns": structure.n_dofs, "solver": name}
    refused = _refused(structure, name)
    if refused:
        return row | {"left_out": refused}
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    operator = StiffnessOperator(structure, frame(structure.grid))
    measure = {"cholmod": direct, "pardiso": pardiso, "multigrid": multigrid}[name]
    measured = measure(operator, structure.forces)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    row |= {"once_s": measured[0], "again_s": measured[1]}
    row["compliance"] = float(np.vdot(structure.forces, measured[2]))
    row["grown_gb"] = (peak - before) / 1e6
    if len(measured) > 3:
        row["iterations"] = measured[3]
    return row


def _refused(structure: Structure, name: str) -> str:
    """Say why a solver is left out, or nothing."""
    if name == "pardiso" and importlib.util.find_spec("pypardiso") is None:
        return "pypardiso is not installed"
    if name == "multigrid":
        return ""
    try:
        needed = GROWTH * choose(structure, "cholmod").bytes_estimated if name == "pardiso" else 0.0
        choose(structure, "cholmod")
    except TooLargeError as error:
        return str(error)
    return f"{needed / 1e9:.0f} GB do not fit" if needed > available_bytes() else ""


def main() -> None:
    """Measure every solver on every grid."""
    if sys.argv[1:2] == ["--one"]:
        print(json.dumps(one(sys.argv[2], sys.argv[3])))
        return
    print(json.dumps({"cores": psutil.cpu_count(), "load": psutil.getloadavg()[0]}))
    for text in sys.argv[1:] or DEFAULT:
        rows = []
        for name in SOLVERS:
            command = [sys.executable, __file__, "--one", name, text]
            said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
            rows.append(json.loads(said.splitlines()[-1]))
        best = min(row["again_s"] for row in rows if "again_s" in row)
        for row in rows:
            if "again_s" in row:
                row["times_best"] = row["again_s"] / best
            shown = {key: round(x, 4) if isinstance(x, float) else x for key, x in row.items()}
            print(json.dumps(shown), flush=True)
        structure = structure_of(tuple(map(int, text.split("x"))))
        print(json.dumps({"grid": text, "auto": choose(structure).reason}), flush=True)


if __name__ == "__main__":
    main()
