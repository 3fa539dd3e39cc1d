"""Seconds of a whole design iteration beside the bare CHOLMOD factor-and-solve of the same matrix.

    python tests/benchmarks/bench_iteration.py 150x50 300x100

MBB half-beam, density filter of 0.04 nelx, tanh projection at beta = 8, OC and MMA. Each iteration is
followed by one bare refactorisation and solve of the very matrix that it used. `ratio` is the median over the
iterations of wall time, `cpu_ratio` that of processor time, which other programs on the machine disturb less.
The shares are those of an iteration's wall time.
"""

from __future__ import annotations

import json
import platform
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from statistics import median
from typing import Any
from unittest.mock import patch

import numpy as np
from bench_direct import half_mbb
from sksparse import cholmod

import topopt as to
from topopt.fem import StiffnessOperator
from topopt.solvers import Cholmod
from topopt.solvers.protocol import DirectFactor
from topopt.stages.equilibrium import energies
from topopt.stages.filters import Cone

DEFAULT = ("150x50", "300x100", "600x200", "1200x400")
GOAL = 1.25


def beam(cells: tuple[int, ...]) -> to.Problem:
    """The half MBB beam with filter and projection."""
    structure = half_mbb(cells)
    domain = to.Domain(structure.grid)
    chain = to.Chain(
        [
            ("filtered", to.Cone(domain, 0.04 * cells[0])),
            ("physical", to.Tanh(8.0)),
            ("stiffness", to.Simp()),
            ("displacement", to.Equilibrium(structure, "cholmod")),
            ("compliance", to.Compliance(structure)),
            ("volume", to.Mean(domain), "physical"),
        ]
    )
    return to.Problem(chain, domain, "compliance", {"volume": 0.5})


@contextmanager
def timed(spent: dict[str, float]) -> Iterator[None]:
    """Book the seconds of the parts of an iteration while the body runs."""

    def booking(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            start = time.perf_counter()
            try:
                return function(*args, **kwargs)
            finally:
                spent[name] += time.perf_counter() - start

        return wrapped

    matrix = StiffnessOperator.__dict__["matrix"]
    cone = Cone.vjp

    def filtering(stage: Cone, *inputs: Any) -> Any:
        output, pullback = booking("filter", cone)(stage, *inputs)
        return output, booking("filter", pullback)

    def factoring(solver: Cholmod, operator: StiffnessOperator) -> Any:
        booking("assembly", lambda: operator.matrix)()
        return booking("factor", type(solver).__dict__["_bench_factor"])(solver, operator)

    Cholmod._bench_factor = Cholmod.factor  # type: ignore[attr-defined]
    with (
        patch.object(StiffnessOperator, "matrix", matrix),
        patch.object(Cone, "vjp", filtering),
        patch.object(Cholmod, "factor", factoring),
        patch.object(DirectFactor, "solve", booking("solve", DirectFactor.solve)),
        patch("topopt.stages.equilibrium.energies", booking("energies", energies)),
    ):
        yield
    del Cholmod._bench_factor  # type: ignore[attr-defined]


def measure(cells: tuple[int, ...], optimizer: to.OC | to.MMA, iterations: int) -> dict[str, Any]:
    """Run some design iterations, each followed by the bare solver on the same matrix."""
    problem = beam(cells)
    structure = problem.chain["displacement"].stage.structure  # type: ignore[attr-defined]
    forces = structure.forces[structure.free]
    factor = None
    walls, bares, ratios, cpu_ratios = [], [], [], []
    spent: dict[str, float] = defaultdict(float)
    steps = to.optimize(problem, optimizer, stop=to.Stop(change=0, iterations=iterations + 3))
    for number in range(iterations + 3):
        with timed(spent):
            start, cpu = time.perf_counter(), time.process_time()
            step = next(steps)
            wall, cpu = time.perf_counter() - start, time.process_time() - cpu
        for name in ("optimizer", "log"):
            spent[name] += step.iteration.seconds[name]
        matrix = StiffnessOperator(structure, problem.tape(step.x)["stiffness"]).matrix
        if factor is None:
            factor = cholmod.analyze(matrix, mode="supernodal", ordering_method="amd")
            factor.cholesky_inplace(matrix)
        start, bare_cpu = time.perf_counter(), time.process_time()
        factor.cholesky_inplace(matrix)
        factor.solve_A(forces)
        bare, bare_cpu = time.perf_counter() - start, time.process_time() - bare_cpu
        if number < 3:  # the first iterations fill caches
            spent.clear()
            continue
        walls.append(wall)
        bares.append(bare)
        ratios.append(wall / bare)
        cpu_ratios.append(cpu / bare_cpu)
    shares = {name: round(value / sum(walls), 3) for name, value in sorted(spent.items())}
    return {
        "cells": "x".join(map(str, cells)),
        "optimizer": type(optimizer).__name__,
        "iteration_s": round(median(walls), 4),
        "bare_s": round(median(bares), 4),
        "ratio": round(median(ratios), 3),
        "cpu_ratio": round(median(cpu_ratios), 3),
        "goal": GOAL,
        "shares": shares | {"rest": round(1 - sum(shares.values()), 3)},
    }


def main() -> None:
    """Print one JSON object per grid and optimiser."""
    print(json.dumps({"machine": platform.processor() or platform.machine(), "numpy": np.__version__}))
    for text in sys.argv[1:] or DEFAULT:
        cells = tuple(map(int, text.split("x")))
        count = 12 if np.prod(cells) < 200_000 else 5
        for optimizer in (to.OC(), to.MMA()):
            print(json.dumps(measure(cells, optimizer, count)), flush=True)


if __name__ == "__main__":
    main()
