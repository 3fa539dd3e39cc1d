"""Flossing to the edge of chaos: a sign that was shown 20 or 40 steps ago, and when it is recalled.

``python docs/examples/edge_of_chaos.py`` takes some four minutes for five starts, ``--quick`` a few seconds
for one, in which little is learnt.
"""

from __future__ import annotations

import sys

import numpy as np

import topopt as to
from topopt.files.markdown import markdown_table
from topopt.nets.flossing import Flossing
from topopt.nets.recurrent import RNN, costate_path
from topopt.nets.replicates import Replicates
from topopt.parameters import Array

QUICK = "--quick" in sys.argv
STARTS, UNITS, BATCH, FLOSS, MOST = (1, 16, 8, 100, 5) if QUICK else (5, 64, 32, 400, 800)
DELAYS = 20, 40


def flossed(cell: RNN, seed: int) -> RNN:
    """Return the cell after steps that push its first 16 exponents to zero."""
    drives = np.random.default_rng(seed).normal(size=(55, 1))
    model = Flossing(cell, drives, count=16)
    *_, last = to.optimize(model, to.Adam(rate=1e-3), stop=to.Stop(change=0, iterations=FLOSS))
    print(
        f"  exponents {last.iteration.measures['smallest']:.3f} to {last.iteration.measures['largest']:.3f}"
    )
    return model.made(last.x)


def lost(cell: RNN) -> float:
    """Return how many decades a costate loses over 300 steps of noise."""
    random = np.random.default_rng(7)
    return costate_path(cell, random.normal(size=(300, 1, 1)), random.normal(size=(1, UNITS))).lost


def batches(cell: RNN, delay: int, seed: int) -> int:
    """Learn to recall a sign after a delay; return the batches until 97 % are right, `MOST` at most."""
    random = np.random.default_rng(seed)
    x = np.concatenate([cell.weights, random.normal(size=UNITS) / np.sqrt(UNITS), [0.0]])
    adam, right = to.Adam(rate=1e-3, clip=1.0), 0.0
    box = np.full(x.size, 10.0)
    state = adam.init(x, -box, box)
    for number in range(1, MOST + 1):
        sign = random.choice([-1.0, 1.0], size=BATCH)
        drives = 0.1 * random.normal(size=(delay + 1, BATCH, 1))
        drives[0, :, 0] = sign
        loss, gradient, accuracy = recalled(x, drives, sign)
        right = 0.9 * right + 0.1 * accuracy
        if right > 0.97:
            return number
        x, state = adam.step(x, to.Evaluation(loss, gradient, np.zeros(0), np.zeros((0, x.size))), state)
    return MOST


def recalled(x: Array, drives: Array, sign: Array) -> tuple[float, Array, float]:
    """Return logistic loss, gradient and accuracy of a readout at the last step."""
    n = UNITS * UNITS
    cell = RNN(x[:n].reshape(UNITS, UNITS), x[n : n + UNITS].reshape(1, UNITS), x[n + UNITS : n + 2 * UNITS])
    readout, offset = x[-UNITS - 1 : -1], x[-1]
    h, pullbacks = cell.rest(len(sign)), []
    for drive in drives:
        h, pullback = cell.vjp(h, drive)
        pullbacks.append(pullback)
    score = sign * (h @ readout + offset)
    slope = -sign / (1.0 + np.exp(score)) / len(sign)
    v, gradient = np.outer(slope, readout), np.zeros(x.size)
    gradient[-UNITS - 1 : -1], gradient[-1] = slope @ h, slope.sum()
    for pullback in reversed(pullbacks):
        v, part = pullback(v)
        gradient[: part.size] += part
    return float(np.logaddexp(0.0, -score).mean()), gradient, float((score > 0).mean())


def main() -> None:
    """Compare default nets with the same after flossing."""
    found: dict[str, list[tuple[float, ...]]] = {"as drawn": [], "flossed": []}
    for seed in range(STARTS):
        plain = RNN.drawn(1, UNITS, seed)
        for name, cell in (("as drawn", plain), ("flossed", flossed(plain, seed))):
            taken = tuple(batches(cell, delay, seed) for delay in DELAYS)
            found[name].append((lost(cell), *taken))
            recalled_after = ", ".join(
                f"{delay} steps back: {count} batches" for delay, count in zip(DELAYS, taken, strict=True)
            )
            print(
                f"seed {seed}, {name}: {found[name][-1][0]:.1f} decades lost over 300 steps; {recalled_after}"
            )
    rows = [
        [
            name,
            *Replicates([run[:1] for run in runs], "low").cells(1),
            *Replicates([run[1:] for run in runs], "low").cells(0),
        ]
        for name, runs in found.items()
    ]
    head = ["net", "decades, 300 steps", *(f"batches, {delay} steps back" for delay in DELAYS)]
    print(markdown_table(head, rows))


if __name__ == "__main__":
    main()
