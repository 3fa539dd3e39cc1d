"""One accident, many systems: how a signal dies in each, and what is left of it after the cure."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Sequence

import numpy as np

from topopt.chain import Chain
from topopt.continuation import Constant, Continuation, Follow, Geometric, Schedule, Survival
from topopt.errors import MissingDependencyError
from topopt.fem import PointLoad, Structure, Support
from topopt.figures.strength import Strength
from topopt.grid import Domain, Grid
from topopt.nets import SignGate, digits, sign_net
from topopt.nets.dirac import DiracGan
from topopt.nets.flossing import Flossing
from topopt.nets.recurrent import LSTM, RNN, Cell, chrono, costate_path
from topopt.optimizers import MMA, Adam, Optimizer
from topopt.parameters import Array
from topopt.problem import Problem
from topopt.regions import Box, Plane, Point
from topopt.run import Step, Stop, solve
from topopt.stages import Compliance, Cone, Displacement, Equilibrium, Mean, Simp, Tanh

__all__ = ["gallery", "table"]

FIELDS = ("stiffness", "physical", "filtered", "design")


def gallery() -> Iterator[Strength]:
    """Yield every system, measured now; about a minute and a half on two cores.

    The sign net needs scikit-learn, and is left out without it.
    """
    yield _beam()
    yield _inverter()
    with contextlib.suppress(MissingDependencyError):
        yield _signs()
    yield _long()
    yield _flossed()
    yield _critic()
    yield _neuron()


def table(found: Sequence[Strength]) -> str:
    """Return as Markdown where each signal died, what measured it, what healed it and what that gained."""
    lines = [
        "| system | where the signal dies | measured as | left before, powers of ten | cure | left after "
        "| what it gained |",
        "|---|---|---|--:|---|--:|---|",
    ]
    lines += [
        f"| {one.system} | {one.died} | {one.measured} | {one.before[-1]:,.1f} | {one.cure} "
        f"| {one.after[-1]:,.1f} | {one.gained} |"
        for one in found
    ]
    return "\n".join(lines) + "\n"


def _attenuated(step: Step, names: Sequence[str]) -> Array:
    """Return how far each name's sensitivity lies below its reference, powers of ten."""
    log = step.iteration.stages
    return np.array([max(log[name]["attenuation"], -300.0) for name in names])


def _run(
    model: object, schedules: dict[str, Schedule], iterations: int, optimizer: Optimizer = MMA()
) -> Step:
    """Run so many iterations and return the last."""
    stop = Stop(change=0, iterations=iterations)
    return solve(model, optimizer, Continuation(schedules), stop)  # type: ignore[arg-type]


def _design(problem: Problem, unit: str, optimizer: Optimizer, final: float) -> tuple[Array, Array, str]:
    """Return a design's strengths if it starts sharp, and under the survival gate, and both ends."""
    sharp = _run(problem, {"physical.beta": Constant(64.0)}, 60, optimizer)
    first = _run(problem, {"physical.beta": Constant(64.0)}, 1, optimizer)
    gate = _run(problem, {"physical.beta": Survival(final=final)}, 150, optimizer)
    ends = f"{unit} {gate.iteration.objective:.4g} instead of {sharp.iteration.objective:.4g}"
    return _attenuated(first, FIELDS), _attenuated(gate, FIELDS), ends


def _beam() -> Strength:
    """Measure the MBB beam, sharp from the start."""
    grid = Grid((60, 20))
    domain = Domain(grid)
    supports = Support(Plane(x=0.0), "x"), Support(Point((60.0, 0.0)), "y")
    structure = Structure(grid, supports, (PointLoad(Point((0.0, 20.0)), (0.0, -1.0)),))
    chain = Chain(
        [
            ("filtered", Cone(domain, 2.4)),
            ("physical", Tanh(1.0)),
            ("stiffness", Simp()),
            ("displacement", Equilibrium(structure)),
            ("compliance", Compliance(structure)),
            ("volume", Mean(domain), "physical"),
        ]  # type: ignore[arg-type]
    )
    problem = Problem(chain, domain, "compliance", {"volume": 0.3})
    before, after, ends = _design(problem, "compliance", MMA(), 32.0)
    return Strength(
        "beam", "survival gate", "Heaviside projection", "sensitivity over its reference", ends, before, after
    )


def _inverter() -> Strength:
    """Measure the force inverter, sharp from the start."""
    grid = Grid((40, 20), (2.0, 1.0))
    domain = Domain(grid)
    into, out = Point((0.0, 1.0)), Point((2.0, 1.0))
    supports = (
        Support(Box((0.0, 0.0), (0.0, 0.05))),
        Support(Plane(y=1.0), "y"),
        Support(into, "x", spring=0.1),
        Support(out, "x", spring=0.1),
    )
    structure = Structure(grid, supports, (PointLoad(into, (1.0, 0.0)),))
    chain = Chain(
        [
            ("filtered", Cone(domain, 0.1)),
            ("physical", Tanh(1.0)),
            ("stiffness", Simp()),
            ("displacement", Equilibrium(structure)),
            ("output", Displacement(structure, out, (1.0, 0.0))),
            ("volume", Mean(domain), "physical"),
        ]  # type: ignore[arg-type]
    )
    problem = Problem(chain, domain, "output", {"volume": 0.3})
    before, after, ends = _design(problem, "output", MMA(move=0.1), 32.0)
    return Strength(
        "mechanism", "survival gate", "Heaviside projection", "sensitivity over its reference", ends, before,
        after,
    )  # fmt: skip


def _signs() -> Strength:
    """Measure four layers of signs on digits."""
    net = sign_net(*digits(600), (16,) * 4, SignGate())
    names = ["logits", *(f"{kind}{layer}" for layer in (4, 3, 2, 1) for kind in ("code", "score"))]

    def gates(schedule: Schedule, rate: float | None = None) -> dict[str, Schedule]:
        rules = {"code1.beta": schedule} | {f"code{k}.beta": Follow("code1.beta") for k in (2, 3, 4)}
        return rules | ({"optimizer.rate": Follow("code1.beta", factor=rate, power=-1.0)} if rate else {})

    adam = Adam(rate=0.02, clip=1.0)
    abrupt, ramp = gates(Constant(500.0)), gates(Geometric(1.0, 64.0, over=180), 0.02)
    begun = [_run(net, rules, 1, adam) for rules in (abrupt, ramp)]
    right = [_run(net, rules, 200, adam).iteration.measures["sharp"] for rules in (abrupt, ramp)]
    return Strength(
        "sign net", "ramp, step over slope", "tanh(500 z) in four layers", "share of entries alive",
        f"{100 * right[1]:.0f} % right instead of {100 * right[0]:.0f} %",
        _alive(begun[0], names), _alive(begun[1], names),
    )  # fmt: skip


def _alive(step: Step, names: Sequence[str]) -> Array:
    """Return the share of entries that carry anything, powers of ten."""
    log = step.iteration.stages
    return np.log10(np.maximum([1.0 - log[name]["dead3"] for name in names], 1e-6))


def _passed(cell: Cell, drives: Array, units: int) -> Array:
    """Return what is left of a costate on its way back through a path."""
    seed = np.zeros(cell.rest(drives.shape[1]).shape)
    seed[:, :units] = np.random.default_rng(1).normal(size=(drives.shape[1], units))
    log = costate_path(cell, drives, seed).log_norms
    return np.asarray((log - log[-1])[:: -max(1, len(log) // 400)])


def _long() -> Strength:
    """Measure a dependency of 50,000 steps."""
    steps = 50_000
    bases = np.eye(4)[np.random.default_rng(0).integers(0, 4, size=(steps, 2))]
    plain = LSTM.drawn(4, 16)
    before, after = (_passed(cell, bases, 16) for cell in (plain, chrono(plain, steps)))
    return Strength(
        "LSTM, 50,000 steps", "chrono initialisation", "gates that forget", "costate, first over last step",
        f"{before[-1]:,.0f} decades become {after[-1]:.1f}", before, after,
    )  # fmt: skip


def _flossed() -> Strength:
    """Measure a driven RNN over 300 steps."""
    random = np.random.default_rng(0)
    cell = RNN.drawn(1, 32)
    model = Flossing(cell, random.normal(size=(55, 1)), count=12)
    weights = _run(model, {}, 300, Adam(rate=2e-3)).x
    noise = random.normal(size=(300, 1, 1))
    before, after = (_passed(one, noise, 32) for one in (cell, model.made(weights)))
    return Strength(
        "RNN, 300 steps", "gradient flossing", "contracting dynamics", "costate, first over last step",
        f"{before[-1]:,.0f} decades become {after[-1]:.1f}", before, after,
    )  # fmt: skip


def _critic() -> Strength:
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


def _neuron() -> Strength:
    """Measure a saturated neuron, and the mean over softer ones."""
    slopes = 2.0 ** np.linspace(0.0, 5.0, 81)

    def steep(beta: float) -> float:
        return float(SignGate(beta).vjp(np.ones(1))[1](np.ones(1))[0][0])

    before = np.array([math.log10(steep(beta)) for beta in slopes])
    softer = [np.mean([steep(beta * 2.0 ** (-0.5 * k)) for k in range(17)]) for beta in slopes]
    after = np.log10(softer)
    return Strength(
        "saliency, slope to 32", "continuation on the slope", "saturated neuron", "what the explanation sees",
        f"a slope {10 ** (after[-1] - before[-1]):.2g} times as large", before - before[0], after - after[0],
    )  # fmt: skip
