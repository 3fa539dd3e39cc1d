"""Nets and games in plain numpy whose signal dies, each against its cure."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from topopt.continuation import Constant, Continuation, Follow, Geometric, Schedule, Survival
from topopt.evaluation import Model
from topopt.figures.strength import Strength
from topopt.nets import SignGate, StraightThrough, digits, sign_net
from topopt.nets.dirac import DiracGan
from topopt.nets.flossing import Flossing
from topopt.nets.models import SteeredChain
from topopt.nets.recurrent import LSTM, RNN, Cell, chrono, costate_path
from topopt.optimizers import Adam
from topopt.parameters import Array
from topopt.run import Step, Stop, solve

__all__ = ["LONG", "critic", "flossed", "long", "neuron", "passed", "random_bases", "signs", "steered"]


LONG = 50_000
"""Steps of a long path."""


def _run(model: Model, schedules: dict[str, Schedule], iterations: int, optimizer: Adam) -> Step:
    """Run so many iterations and return the last."""
    return solve(model, optimizer, Continuation(schedules), Stop(change=0, iterations=iterations))


def signs() -> Strength:
    """Measure four layers of signs on digits, at the end: sharp from the start, and under the gate."""
    train, held_out = digits(600)
    names = ["logits", *(f"{kind}{layer}" for layer in (4, 3, 2, 1) for kind in ("code", "score"))]
    sharp, soft = StraightThrough(500.0, math.inf), StraightThrough(1.0)
    ways: tuple[tuple[Schedule, StraightThrough], ...] = (Constant(500.0), sharp), (Survival(), soft)
    ends = []
    for schedule, gate in ways:
        rules = {"code1.beta": schedule}
        rules |= {f"code{k}.beta": Follow("code1.beta") for k in (2, 3, 4)}
        net = sign_net(train, held_out, (16,) * 4, gate)
        ends.append(_run(net, rules, 250, Adam(rate=0.02, clip=1.0)))
    right = [100.0 * end.iteration.measures["sharp"] for end in ends]
    return Strength(
        "sign net", "survival gate, soft way back", "tanh(500 z) in four layers",
        "share of entries alive, at the end", f"{right[1]:.0f} % right instead of {right[0]:.0f} %",
        _alive(ends[0], names), _alive(ends[1], names),
    )  # fmt: skip


def _alive(step: Step, names: Sequence[str]) -> Array:
    """Return the share of entries that carry anything, powers of ten."""
    log = step.iteration.stages
    return np.log10(np.maximum([1.0 - log[name]["dead3"] for name in names], 1e-6))


def steered() -> Strength:
    """Measure a chain of masses that is steered to rest, with force at its price and a hundred times it."""
    chain, steps = SteeredChain(), 400
    plain = chain.model
    seed = np.random.default_rng(0).normal(size=len(plain.start))
    lost = []
    for weight in (1.0, 100.0):
        plant = plain.weighted(weight)
        log = plant.sensitivity(seed, steps, plant.riccati(steps)).log_norms
        lost.append((log - log[-1])[::-1])
    ways: tuple[Schedule, ...] = Constant(1.0), Geometric(100.0, 1.0, over=150)
    ends = [_run(chain, {"effort.weight": way}, 300, Adam(rate=0.05)) for way in ways]
    excess = [end.iteration.measures["excess"] for end in ends]
    return Strength(
        "control, 400 steps", "effort from 100 to 1", "the best feedback, which forgets",
        "costate, first over last step",
        f"nothing: {excess[1]:.0e} above Riccati's cost, {excess[0]:.0e} without", lost[0], lost[1],
    )  # fmt: skip


def passed(cell: Cell, drives: Array, units: int) -> Array:
    """Return what is left of a costate on its way back through a path, powers of ten.

    Parameters
    ----------
    cell : Cell
        With outputs of so many `units`.
    drives : array, shape (steps, batch, inputs)
        The inputs.
    units : int
        Of the cell.
    """
    seed = np.zeros(cell.rest(drives.shape[1]).shape)
    seed[:, :units] = np.random.default_rng(1).normal(size=(drives.shape[1], units))
    log = costate_path(cell, drives, seed).log_norms
    return np.asarray((log - log[-1])[:: -max(1, len(log) // 400)])


def random_bases(steps: int) -> Array:
    """Return bases at random, shape (steps, 2, 4)."""
    return np.eye(4)[np.random.default_rng(0).integers(0, 4, size=(steps, 2))]


def long() -> Strength:
    """Measure a dependency of 50,000 steps."""
    bases, plain = random_bases(LONG), LSTM.drawn(4, 32)
    before, after = (passed(cell, bases, 32) for cell in (plain, chrono(plain, LONG)))
    return Strength(
        "LSTM, 50,000 steps", "chrono initialisation", "gates that forget", "costate, first over last step",
        f"{before[-1]:,.0f} decades become {after[-1]:.1f}", before, after,
    )  # fmt: skip


def flossed() -> Strength:
    """Measure a driven RNN over 300 steps."""
    random = np.random.default_rng(0)
    cell = RNN.drawn(1, 32)
    model = Flossing(cell, random.normal(size=(55, 1)), count=12)
    weights = _run(model, {}, 300, Adam(rate=2e-3)).x
    noise = random.normal(size=(300, 1, 1))
    before, after = (passed(one, noise, 32) for one in (cell, model.made(weights)))
    return Strength(
        "RNN, 300 steps", "gradient flossing", "contracting dynamics", "costate, first over last step",
        f"{before[-1]:,.0f} decades become {after[-1]:.1f}", before, after,
    )  # fmt: skip


def critic() -> Strength:
    """Measure a generator in front of a critic that becomes sure of itself."""
    game, sure = DiracGan(), np.linspace(0.0, 40.0, 81)
    losses = (game.saturating, game.alternative)
    before, after = (
        np.log10([loss(1.0, psi) / psi if psi else 0.5 for psi in sure]) + math.log10(2.0) for loss in losses
    )
    return Strength(
        "GAN, sure critic", "non-saturating loss", "the critic's logistic", "generator's gradient over slope",
        f"a gradient {10 ** (after[-1] - before[-1]):.2g} times as large", before, after,
    )  # fmt: skip


def neuron() -> Strength:
    """Measure a saturated neuron, and the mean over softer ones."""
    slopes = 2.0 ** np.linspace(0.0, 5.0, 81)

    def steep(beta: float) -> float:
        return float(SignGate(beta).vjp(np.ones(1))[1](np.ones(1))[0][0])

    before = np.array([math.log10(steep(beta)) for beta in slopes])
    softer = [np.mean([steep(beta * 2.0 ** (-0.5 * k)) for k in range(17)]) for beta in slopes]
    before, after = before - before[0], np.log10(softer) - before[0]
    return Strength(
        "saliency, slope to 32", "continuation on the slope", "saturated neuron",
        "what the explanation sees, over the gradient at slope 1",
        f"a slope {10 ** (after[-1] - before[-1]):.2g} times as large", before, after,
    )  # fmt: skip
