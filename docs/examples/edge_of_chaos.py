"""Flossing to the edge of chaos: a sign that was shown 20 or 40 steps ago, which a default RNN cannot learn.

``python docs/examples/edge_of_chaos.py`` takes about two minutes on two cores, ``--quick`` a few
seconds, in which little is learnt.
"""

from __future__ import annotations

import sys

import numpy as np

import topopt as to
from topopt.nets.flossing import Flossing
from topopt.nets.recurrent import RNN, costate_path
from topopt.parameters import Array

QUICK = "--quick" in sys.argv
UNITS, BATCH, FLOSS, MOST = (16, 8, 100, 5) if QUICK else (64, 32, 400, 800)


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
    """Compare a default net with the same after flossing."""
    for seed in (0,) if QUICK else (0, 1):
        plain = RNN.drawn(1, UNITS, seed)
        for name, cell in (("as drawn", plain), ("flossed", flossed(plain, seed))):
            taken = ", ".join(
                f"{delay} steps back: {batches(cell, delay, seed)} batches" for delay in (20, 40)
            )
            print(f"seed {seed}, {name}: {lost(cell):.1f} decades lost over 300 steps; {taken}")


if __name__ == "__main__":
    main()
