"""What the vanishing log costs: its share of an iteration of the half MBB beam at 300 x 100 cells."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import numpy as np

import topopt as to
from topopt.measures import discreteness
from topopt.problem import Problem
from topopt.signals import signals
from topopt.vanishing import alarms, read

TARGET = 0.03
# Processor time, not wall time: a busy machine stretches a long iteration more than a short reduction.
# Keep BLAS on one thread (OPENBLAS_NUM_THREADS=1), or the threads add up.


def beam(nx: int, ny: int) -> Problem:
    """Return the half MBB beam with a density filter and a tanh projection."""
    grid = to.Grid((nx, ny))
    domain = to.Domain(grid)
    supports = (to.Support(to.Plane(x=0.0), "x"), to.Support(to.Point((nx, 0.0)), "y"))
    structure = to.Structure(grid, supports, (to.PointLoad(to.Point((0.0, ny)), (0.0, -1.0)),))
    chain = to.Chain(
        [
            ("filtered", to.Cone(domain, 0.04 * nx)),
            ("physical", to.Tanh(beta=8.0)),
            ("stiffness", to.Simp()),
            ("displacement", to.Equilibrium(structure)),
            ("compliance", to.Compliance(structure)),
            ("volume", to.Mean(domain), "physical"),
        ]
    )
    return to.Problem(chain, domain, "compliance", {"volume": 0.5})


def seconds(function: Callable[[], object], repeats: int) -> float:
    """Return the median processor time of a call."""
    times = []
    for _ in range(repeats):
        start = time.process_time()
        function()
        times.append(time.process_time() - start)
    return statistics.median(times)


def main() -> None:
    """Print what an iteration takes and what the log adds to it."""
    problem, parameters = beam(300, 100), {"physical.beta": 8.0}
    continuation = to.Continuation({"physical.beta": to.Constant(8.0)})
    times, clock = [], time.process_time()
    steps = to.optimize(problem, to.MMA(), continuation, to.Stop(change=0.0, iterations=15))
    for step in steps:  # noqa: B007 (the last one is read below)
        times.append(time.process_time() - clock)
        clock = time.process_time()
    whole = statistics.median(times[3:])
    x, history = step.x, step.history
    evaluation = problem.evaluate(x, parameters)  # that of the step has forgotten its signals
    assert evaluation.signals is not None
    multipliers = np.array(list(step.iteration.multipliers.values()))
    tape = problem.tape(x, parameters)
    objective = tape.sensitivities("compliance")
    rows = problem._constraint_sensitivities(tape, problem.sides(parameters))
    reading = read(x, evaluation, multipliers, problem.bounds())
    parts = {
        "signals": lambda: signals(tape, objective, rows, parameters, problem._cut),
        "read": lambda: read(x, evaluation, multipliers, problem.bounds()),
        "alarms": lambda: alarms(reading, evaluation.measures, 1.0, history, history[-1].parameters),
        "interface": lambda: problem._interfaces(tape),
        "discreteness": lambda: discreteness(tape["physical"]),
    }
    print(f"iteration at 300 x 100      {1e3 * whole:8.2f} ms (median of {len(times) - 3})")
    total = 0.0
    for name, part in parts.items():
        taken = seconds(part, 50)
        total += taken
        print(f"  {name:<24} {1e3 * taken:8.3f} ms  {taken / whole:6.2%}")
    print(
        f"  all together             {1e3 * total:8.3f} ms  {total / whole:6.2%}  (goal: under {TARGET:.0%})"
    )


if __name__ == "__main__":
    main()
