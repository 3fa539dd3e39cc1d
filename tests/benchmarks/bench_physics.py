"""Which share of an iteration's processor time each physics spends outside its factorisations and solves.

    python tests/benchmarks/bench_physics.py 300x100 compliance buckling

Half an MBB beam under a filter of 0.04 of its length and a projection at beta = 8, MMA; all that a direct
solver does, and ARPACK's own steps, count as the solver's. What is left is assembly, sensitivities, filter,
optimiser and log. The median over the iterations.
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
from scipy.sparse import linalg

import topopt as to
from topopt.solvers import Cholmod
from topopt.solvers.protocol import DirectFactor

GOAL = 0.2
ITERATIONS, WARM = 9, 3
Links = list[tuple[Any, ...]]
Make = Callable[[to.Structure, to.Domain], tuple[Links, Any, dict[str, float]]]


def compliance(beam: to.Structure, domain: to.Domain) -> tuple[Links, Any, dict[str, float]]:
    """The plain problem."""
    return [*stiff(beam), ("compliance", to.Compliance(beam))], "compliance", {}


def mechanism(beam: to.Structure, domain: to.Domain) -> tuple[Links, Any, dict[str, float]]:
    """A displacement away from the load: a second solve."""
    middle = to.Point((0.5 * domain.grid.size[0], 0.0))
    return [*stiff(beam), ("output", to.Displacement(beam, middle, (1.0, 0.0)))], "output", {}


def heat(beam: to.Structure, domain: to.Domain) -> tuple[Links, Any, dict[str, float]]:
    """Area to a short edge."""
    height = domain.grid.size[1]
    sink = to.Box((0.0, 0.4 * height), (0.0, 0.6 * height))
    temperature = to.Conduction(domain, sink=sink, solver="cholmod")
    links = [("conducting", to.Simp(e_min=1e-3)), ("temperature", temperature)]
    return [*links, ("mean", to.MeanTemperature(domain))], "mean", {}


def weight(beam: to.Structure, domain: to.Domain) -> tuple[Links, Any, dict[str, float]]:
    """Loads that the density makes."""
    links = [
        ("stiffness", to.Ramp(e_min=1e-6)),
        ("weight", to.SelfWeight(beam), "physical"),
        ("displacement", to.Equilibrium(beam, "cholmod"), ("stiffness", "weight")),
        ("work", to.TotalWork(beam), ("displacement", "weight")),
    ]
    return links, "work", {}


def turn(beam: to.Structure, domain: to.Domain) -> tuple[Links, Any, dict[str, float]]:
    """Loads that the density makes as it turns about a corner."""
    links = [
        ("stiffness", to.Ramp(e_min=1e-6)),
        ("pull", to.Centrifugal(beam, (0.0, 0.0), speed=1e-2), "physical"),
        ("displacement", to.Equilibrium(beam, "cholmod"), ("stiffness", "pull")),
        ("work", to.TotalWork(beam), ("displacement", "pull")),
    ]
    return links, "work", {}


def warmth(beam: to.Structure, domain: to.Domain) -> tuple[Links, Any, dict[str, float]]:
    """Heat and what it pushes: a factorisation of either, and a second solve for both."""
    height = domain.grid.size[1]
    middle = to.Point((0.5 * domain.grid.size[0], 0.0))
    sink = to.Box((0.0, 0.4 * height), (0.0, 0.6 * height))
    links = [
        ("conducting", to.Ramp(e_min=1e-3)),
        ("temperature", to.Conduction(domain, sink=sink, solver="cholmod")),
        ("stiffness", to.Ramp(e_min=1e-6), "physical"),
        ("expansion", to.ThermalLoad(beam, 1e-6), ("temperature", "stiffness")),
        ("displacement", to.Equilibrium(beam, "cholmod"), ("stiffness", "expansion")),
        ("output", to.Displacement(beam, middle, (0.0, -1.0))),
    ]
    return links, "output", {}


def stress(beam: to.Structure, domain: to.Domain) -> tuple[Links, Any, dict[str, float]]:
    """Compliance under a limit on a norm of the stress."""
    links = [
        *stiff(beam),
        ("stress", to.VonMises(beam), ("displacement", "physical")),
        ("norm", to.PowerNorm(8.0)),
        ("compliance", to.Compliance(beam), "displacement"),
    ]
    return links, "compliance", {"norm": 10.0}


def frequencies(beam: to.Structure, domain: to.Domain) -> tuple[Links, Any, dict[str, float]]:
    """The six lowest eigenvalues."""
    links = [
        ("stiffness", to.Simp()),
        ("masses", to.Masses(), "physical"),
        ("squares", to.Frequencies(beam, 6, solver="cholmod"), ("stiffness", "masses")),
        ("lowest", to.PowerNorm(-8.0)),
        ("loss", to.Scaled(-1.0)),
    ]
    return links, "loss", {}


def buckling(beam: to.Structure, domain: to.Domain) -> tuple[Links, Any, dict[str, float]]:
    """Compliance under a limit on the six largest inverse load factors."""
    links = [
        ("stiffness", to.Simp(e_min=1e-6)),
        ("displacement", to.Equilibrium(beam, "cholmod")),
        ("stressed", to.Simp(e_min=1e-15), "physical"),
        ("inverse", to.BucklingFactors(beam, 6, solver="cholmod"), ("stiffness", "stressed", "displacement")),
        ("norm", to.PowerNorm(8.0)),
        ("compliance", to.Compliance(beam), "displacement"),
    ]
    return links, "compliance", {"norm": 1e4}


def response(beam: to.Structure, domain: to.Domain) -> tuple[Links, Any, dict[str, float]]:
    """The swing at one frequency."""
    links = [
        ("stiffness", to.Simp()),
        ("masses", to.Masses(), "physical"),
        ("swing", to.DynamicCompliance(beam, 1e-3), ("stiffness", "masses")),
    ]
    return links, "swing", {}


def stiff(beam: to.Structure) -> Links:
    """What most of them begin with."""
    return [("stiffness", to.Simp()), ("displacement", to.Equilibrium(beam, "cholmod"))]


PHYSICS = (
    compliance, mechanism, heat, weight, turn, warmth, stress, frequencies, buckling, response,
)  # fmt: skip


@contextmanager
def booked(spent: dict[str, float]) -> Iterator[None]:
    """Book processor time of what counts as the solver's while the body runs; nested calls count once."""
    inside: list[str] = []

    def booking(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            if inside:
                return function(*args, **kwargs)
            inside.append(name)
            start = time.process_time()
            try:
                return function(*args, **kwargs)
            finally:
                spent[name] += time.process_time() - start
                inside.pop()

        return wrapped

    def complex_factor(*args: Any, **kwargs: Any) -> Any:
        factor = booking("factor", splu)(*args, **kwargs)
        return type("Factor", (), {"solve": staticmethod(booking("solve", factor.solve))})

    splu, factored = linalg.splu, Cholmod.factor

    def real_factor(solver: Cholmod, operator: Any) -> Any:
        operator.matrix  # noqa: B018 - assembly is not the solver's
        return booking("factor", factored)(solver, operator)

    with (
        patch.object(Cholmod, "factor", real_factor),
        patch.object(DirectFactor, "solve", booking("solve", DirectFactor.solve)),
        patch("scipy.sparse.linalg.splu", complex_factor),
        patch("scipy.sparse.linalg.eigsh", booking("eigsh", linalg.eigsh)),
    ):
        yield


def measure(cells: tuple[int, ...], make: Make) -> dict[str, Any]:
    """Run some design iterations and book their parts."""
    beam = half_mbb(cells)
    domain = to.Domain(beam.grid)
    links, objective, limits = make(beam, domain)
    begun = [("filtered", to.Cone(domain, 0.04 * cells[0])), ("physical", to.Tanh(8.0))]
    chain = to.Chain([*begun, *links, ("volume", to.Mean(domain), "physical")])
    problem = to.Problem(chain, domain, objective, {"volume": 0.5, **limits})
    rows, totals = [], []
    steps = to.optimize(problem, to.MMA(), stop=to.Stop(change=0, iterations=ITERATIONS + WARM))
    for number in range(ITERATIONS + WARM):
        spent: dict[str, float] = defaultdict(float)
        with booked(spent):
            start = time.process_time()
            next(steps)
            total = time.process_time() - start
        if number >= WARM:
            rows.append({name: value / total for name, value in spent.items()})
            totals.append(total)
    shares = {name: median(row.get(name, 0.0) for row in rows) for name in sorted(rows[0])}
    outside = median(1.0 - sum(row.get(name, 0.0) for name in ("factor", "solve", "eigsh")) for row in rows)
    return {
        "physics": make.__name__,
        "cells": "x".join(map(str, cells)),
        "iteration_cpu_s": round(median(totals), 4),
        "outside": round(outside, 3),
        "goal": GOAL,
        "shares": {name: round(value, 3) for name, value in shares.items()},
    }


def main() -> None:
    """Print one JSON object per physics."""
    print(json.dumps({"machine": platform.processor() or platform.machine(), "numpy": np.__version__}))
    given = sys.argv[1:]
    sizes = [word for word in given if "x" in word and word[0].isdigit()] or ["300x100"]
    wanted = [make for make in PHYSICS if not set(given) - set(sizes) or make.__name__ in given]
    for text in sizes:
        for make in wanted:
            print(json.dumps(measure(tuple(map(int, text.split("x"))), make)), flush=True)


if __name__ == "__main__":
    main()
