"""Seconds of everything but the state solve: filter, projection, stiffness, energies, log, optimiser, loop.

    python tests/benchmarks/bench_rest.py 2400x800 2400x800@6 128x64x64

(behind @ the radius of the filter in cells, else .04 of the length, and 5.1 in 3-D)

The solver is replaced by one that returns the same displacements at once; all around it, and the cells'
energies, is real. Each part is booked without the parts inside it, so that the lines add up to the
iteration; what the optimiser spends in evaluating the volume anew stands in lines of its own. The last lines
are references from the same run (a streaming triad, real transforms of the padded field as scipy does them)
and the memory: what a run holds and its peak, in bytes per cell, and the growth of the process.
"""

from __future__ import annotations

import itertools
import json
import resource
import sys
import time
import tracemalloc
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from statistics import median
from typing import Any
from unittest.mock import patch

import numpy as np
from bench_direct import half_mbb
from scipy import fft

import topopt as to
import topopt.entry
import topopt.problem
import topopt.stages.equilibrium
from topopt.fem import Structure
from topopt.parameters import Array
from topopt.solvers import Multigrid
from topopt.stages.equilibrium import Equilibrium
from topopt.stages.filters import Cone
from topopt.stages.interpolation import Simp
from topopt.stages.projections import Tanh
from topopt.stages.responses import Compliance, Mean

DEFAULT = ("2400x800", "2400x800@6", "128x64x64", "128x64x64@2.5")
GOAL = {"2400x800": 0.18, "128x64x64": 0.05}
WARMUP, COUNTED = 2, 4


@dataclass(frozen=True)
class Given:
    """A solver that knows the answer, whatever the moduli are."""

    structure: Structure

    def factor(self, operator: object) -> Given:
        """Do nothing."""
        return self

    def solve(self, rhs: Array) -> Array:
        """Return the displacements that are given once and for all."""
        return displaced(self.structure)


def displaced(structure: Structure, kept: dict[Structure, Array] = {}) -> Array:  # noqa: B006
    """A bent beam with a ripple, which makes some cells work a million times as hard as others."""
    if structure not in kept:
        axes = [np.linspace(0.0, 1.0, n) for n in structure.grid.nodes_shape]
        x, y, *_ = np.meshgrid(*axes, indexing="ij", sparse=True)
        ripple = 1e-3 * np.sin(40.0 * x * y), 1e-3 * np.cos(30.0 * y)
        bent = [(0.5 - y) * x + ripple[0], 0.5 * x**2 + ripple[1], 0.1 * x * y]
        shape = structure.grid.nodes_shape
        field = np.stack([np.broadcast_to(u, shape).ravel() for u in bent[: structure.ndim]], axis=1)
        kept[structure] = field.reshape(-1, 1)
        kept[structure].flags.writeable = False
    return kept[structure]


def beam(cells: tuple[int, ...], radius: float | None = None, solver: Multigrid | None = None) -> to.Problem:
    """A beam with filter and projection, whose state is given unless there is a solver."""
    structure = half_mbb(cells)
    domain = to.Domain(structure.grid)
    radius = radius or (0.04 * cells[0] if len(cells) == 2 else 5.1)
    chain = to.Chain(
        [
            ("filtered", to.Cone(domain, radius)),
            ("physical", to.Tanh(8.0)),
            ("stiffness", to.Simp()),
            ("displacement", Equilibrium(structure, solver or Given(structure))),
            ("compliance", to.Compliance(structure)),
            ("volume", to.Mean(domain), "physical"),
        ]
    )
    return to.Problem(chain, domain, "compliance", {"volume": 0.3})


class Ledger:
    """Seconds by part; a part that runs inside another is not counted twice."""

    def __init__(self) -> None:
        self.spent: dict[str, float] = defaultdict(float)
        self.open = ["loop"]
        self.since = time.perf_counter()

    def turn(self) -> None:
        """Book the time since the last turn on what is open."""
        now = time.perf_counter()
        names = [name for name in self.open[1:] if name == "optimizer"] + [self.open[-1]]
        self.spent[" > ".join(dict.fromkeys(names))] += now - self.since
        self.since = now

    def booking(self, name: str, function: Callable[..., Any], back: str = "") -> Callable[..., Any]:
        """Return a function that books its time, and that of the pullback it returns."""

        def wrapped(*args: Any, **kwargs: Any) -> Any:
            self.turn()
            self.open.append(name)
            try:
                result = function(*args, **kwargs)
            finally:
                self.turn()
                self.open.pop()
            return (result[0], self.booking(back, result[1])) if back else result

        return wrapped


@contextmanager
def booked(ledger: Ledger, optimizer: to.OC | to.MMA) -> Iterator[None]:
    """Book the parts of an iteration while the body runs."""
    stages = {Cone: "filter", Tanh: "projection", Simp: "stiffness", Equilibrium: "state"}
    stages |= {Mean: "volume", Compliance: "compliance"}
    with ExitStack() as stack:
        for stage, name in stages.items():
            stack.enter_context(
                patch.object(stage, "vjp", ledger.booking(f"{name}", stage.vjp, f"{name} back"))
            )
        for place, name, part in (
            (Tanh, "__call__", "projection"),
            (topopt.stages.equilibrium, "energies", "energies"),
            (topopt.problem, "signals", "log: signals"),
            (topopt.problem, "interface", "log: interface"),
            (topopt.problem, "discreteness", "log: discreteness"),
            (topopt.entry, "read", "log: read"),
            (type(optimizer), "step", "optimizer"),
            (to.Problem, "evaluate", "evaluate"),
        ):
            stack.enter_context(patch.object(place, name, ledger.booking(part, getattr(place, name))))
        yield


def measure(cells: tuple[int, ...], radius: float | None, optimizer: to.OC | to.MMA) -> dict[str, Any]:
    """Run some design iterations and return the seconds of their parts."""
    problem = beam(cells, radius)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    stop = to.Stop(change=0, iterations=WARMUP + COUNTED)
    driven = to.Continuation({"physical.beta": to.Constant(8.0)})
    steps = to.optimize(problem, optimizer, driven, stop)
    total, busy, parts = [], [], defaultdict(list)
    for number in range(WARMUP + COUNTED):
        ledger = Ledger()
        with booked(ledger, optimizer):
            start, cpu = time.perf_counter(), time.process_time()
            next(steps)
            wall, cpu = time.perf_counter() - start, time.process_time() - cpu
        ledger.turn()
        if number >= WARMUP:
            total.append(wall)
            busy.append(cpu)
            for name in {**parts, **ledger.spent}:
                parts[name].append(ledger.spent.get(name, 0.0))
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    name = "x".join(map(str, cells))
    shown = {part: round(median(values), 4) for part, values in parts.items()}
    return {
        "cells": name,
        "radius": radius,
        "optimizer": type(optimizer).__name__,
        "iteration_s": round(median(total), 4),
        "processor_s": round(median(busy), 4),
        "goal_s": GOAL.get(name),
        "parts": dict(sorted(shown.items(), key=lambda item: -item[1])),
        "rss_growth_bytes_per_cell": round(1024 * grown / problem.grid.n_cells),
    }


def references(cells: tuple[int, ...]) -> dict[str, Any]:
    """Time a triad and scipy's transforms on fields of this size."""
    n = int(np.prod(cells))
    a, b, c = (np.full(8 * n, float(i)) for i in range(3))

    def triad() -> None:
        np.multiply(b, 3.0, out=a)
        np.add(a, c, out=a)

    padded = [fft.next_fast_len(m + 5, real=True) for m in cells]
    field = np.random.default_rng(0).random(padded)
    there_and_back = lambda workers: fft.irfftn(fft.rfftn(field, workers=workers), padded, workers=workers)  # noqa: E731
    return {
        "reference": "x".join(map(str, cells)),
        "numpy_triad_GB_per_s": round(5 * a.nbytes / shortest(triad) / 1e9, 1),
        "transform_there_and_back_s": round(shortest(lambda: there_and_back(1)), 4),
        "the_same_on_all_cores_s": round(shortest(lambda: there_and_back(-1)), 4),
    }


def shortest(action: Callable[[], object]) -> float:
    """Return the shortest wall time of a few runs."""
    times = []
    for _ in range(4):
        start = time.perf_counter()
        action()
        times.append(time.perf_counter() - start)
    return min(times)


def memory(cells: tuple[int, ...], optimizer: to.OC | to.MMA) -> dict[str, Any]:
    """Return bytes per cell: what a run holds between iterations, caches included, and its peaks."""
    empty_caches()
    tracemalloc.start()
    problem = beam(cells)
    n, held = problem.grid.n_cells, 0
    displaced(problem.chain["displacement"].stage.structure)  # type: ignore[attr-defined]
    steps = to.optimize(problem, optimizer)
    next(steps)
    begun = tracemalloc.get_traced_memory()[1]
    tracemalloc.reset_peak()
    for _step in itertools.islice(steps, 2):
        held = tracemalloc.get_traced_memory()[0]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return {
        "memory": "x".join(map(str, cells)),
        "optimizer": type(optimizer).__name__,
        "held_bytes_per_cell": round(held / n),
        "peak_bytes_per_cell": round(peak / n),
        "peak_of_the_start_bytes_per_cell": round(begun / n),
    }


def empty_caches() -> None:
    """Forget what earlier runs computed once and for all."""
    displaced.__defaults__[0].clear()  # type: ignore[index]
    for module in [module for name, module in sys.modules.items() if name.startswith("topopt.")]:
        for thing in vars(module).values():
            if hasattr(thing, "cache_clear"):
                thing.cache_clear()


def main() -> None:
    """Print one JSON object per grid and optimiser, and the references."""
    for text in sys.argv[1:] or DEFAULT:
        size, _, radius = text.partition("@")
        cells = tuple(map(int, size.split("x")))
        for optimizer in (to.OC(), to.MMA()):
            print(json.dumps(measure(cells, float(radius or 0) or None, optimizer), indent=1), flush=True)
            print(json.dumps(memory(cells, optimizer)), flush=True)
        print(json.dumps(references(cells)), flush=True)


if __name__ == "__main__":
    main()
