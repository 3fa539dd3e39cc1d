"""How long an optimiser thinks: milliseconds per step on a compliance-like problem.

Run with ``python tests/benchmarks/bench_optimizers.py``; one thread shows most
(``OPENBLAS_NUM_THREADS=1``).
"""

from __future__ import annotations

import time

import numpy as np
from scipy.ndimage import uniform_filter1d

from topopt.evaluation import Evaluation
from topopt.optimizers import MMA, OC, Optimizer
from topopt.parameters import Array

STEPS = 12


def _evaluation(x: Array, load: Array, m: int) -> Evaluation:
    """Return a separable compliance with a filtered volume and m - 1 weighted ones."""
    n = x.size
    weights = np.ones((m, n)) + 0.5 * np.sin(np.arange(m)[:, None] * np.linspace(0.0, 9.0, n))

    def constraints(design: Array) -> Array:
        return weights @ uniform_filter1d(design, 9, mode="wrap") / (0.4 * n) - 1.0

    stiffness = 1e-6 + x**3
    jacobian = uniform_filter1d(weights, 9, mode="wrap", axis=1) / (0.4 * n)
    gradient = -3.0 * load * x**2 / stiffness**2
    objective = float(np.sum(load / stiffness))
    return Evaluation(objective, gradient, constraints(x), jacobian, recheck=constraints)


def bench(optimizer: Optimizer, n: int, m: int) -> tuple[float, float]:
    """Return the median and the largest time of a step in milliseconds."""
    load = np.random.default_rng(0).random(n) ** 4
    x = np.full(n, 0.4)
    state = optimizer.init(x, np.full(n, 1e-3), np.ones(n))
    times = []
    for _ in range(STEPS):
        evaluation = _evaluation(x, load, m)
        start = time.perf_counter()
        x, state = optimizer.step(x, evaluation, state)
        times.append(1e3 * (time.perf_counter() - start))
    return float(np.median(times)), max(times)


if __name__ == "__main__":
    for n in (30_000, 1_000_000):
        for optimizer, m in ((OC(), 1), (MMA(), 1), (MMA(), 4)):
            median, worst = bench(optimizer, n, m)
            name = type(optimizer).__name__
            print(f"{name:4} n = {n:9,d}  m = {m}:  {median:8.1f} ms a step, at most {worst:8.1f} ms")
