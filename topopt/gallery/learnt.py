"""Nets of torch on genomes, proteins and digits: what reaches their far end before the cure, and after it."""

from __future__ import annotations

import numpy as np

from topopt.continuation import Constant, Continuation, Counter, Geometric, Schedule
from topopt.figures.strength import Strength
from topopt.nets.models import ChosenPixels, DigitDuel, EnhancerDistance
from topopt.nets.proteins import BINS
from topopt.nets.torch.distance import lambda_path
from topopt.nets.torch.recall import ContactReader, surviving
from topopt.optimizers import Adam
from topopt.parameters import Array
from topopt.run import Step, Stop, optimize, solve

__all__ = ["duel", "enhancer", "pixels", "protein"]

FAR = 50_000.0
MADE = 0.9
"""Share of the last accuracy with which a choice counts as made."""


def enhancer() -> Strength:
    """Measure an RNN over a whole genome, base by base and in words of a thousand bases."""
    log = lambda_path("RNN").path.log_norms
    before = (log - log[-1])[::-1]
    words = EnhancerDistance("rnn")
    signals = words.evaluate(words.initial(), {"distance": FAR, "batch": 0.0}).signals
    assert signals is not None
    steps = [signals.cotangents[f"cell.cell[{k}]"] for k in reversed(range(50))]
    norms = np.log10([float(np.linalg.norm(costate)) for costate in steps])
    after = norms - norms[0]
    return Strength(
        "RNN on a genome", "words of 1,000 bases, a rotation", "a path of 48,502 steps",
        "costate, first over last step", f"{before[-1]:,.0f} decades become {after[-1]:.1f}",
        before, after,
    )  # fmt: skip


def protein() -> Strength:
    """Measure two LSTMs at the partners of contacts, from the nearest to those 383 residues back.

    Of the biases that remember it takes the plainest, which are enough (docs/nets/proteins.md).
    """
    before, after = (
        np.array([0.0, *(surviving(ContactReader(cell), apart) for apart in BINS)])
        for cell in ("lstm", "lstm_forget")
    )
    return Strength(
        "protein contacts", "forget gates that add 1", "gates that forget", "gradient, partner over last",
        f"{before[-1]:.0f} decades become {after[-1]:.0f}, which is enough", before, after,
    )  # fmt: skip


def duel() -> Strength:
    """Measure a generator of digits while its critic is trained alone."""
    before, after = (_silenced(DigitDuel(loss)) for loss in ("saturating", "non_saturating"))
    return Strength(
        "GAN on digits", "non-saturating loss", "a critic 600 batches ahead", "its gradient over the first",
        f"a gradient {10 ** (after[-1] - before[-1]):.2g} times as large", before, after,
    )  # fmt: skip


def _silenced(game: DigitDuel) -> Array:
    """Return the generator's gradient, powers of ten of the first, as the critic learns."""
    alone = Continuation({"pace": Constant(0.0), "batch": Counter()})
    last = solve(game, Adam(rate=1e-3, first=0.5), alone, Stop(change=0, iterations=601))
    logged = last.history.column("measures:generator")
    logged = logged[np.isfinite(logged)]
    return np.asarray(logged - logged[0])


def pixels() -> Strength:
    """Measure a choice of ten pixels where the cooled one has been made, cold from the start and cooled."""
    eyes = ChosenPixels()
    ways: tuple[Schedule, ...] = Geometric(10.0, 0.1, over=1200), Constant(0.1)
    (cooled, last), (cold, lost) = (_chosen(eyes, schedule) for schedule in ways)
    made = next(step for step in cooled if _right(step) >= MADE * _right(cooled[-1]))
    same = next(step for step in cold if step.iteration.number == made.iteration.number)
    before, after = (_seen(eyes, step.x, step.iteration.parameters["temperature"]) for step in (same, made))
    right, wrong = (100 * eyes.sharp_accuracy(step.x) for step in (last, lost))
    return Strength(
        "chosen pixels", "temperature 10 to 0.1", "cold Gumbel softmax",
        f"median entry over the largest, batch {made.iteration.number - 1}",
        f"{right:.0f} % right instead of {wrong:.0f} %", before, after,
    )  # fmt: skip


def _seen(eyes: ChosenPixels, x: Array, temperature: float) -> Array:
    """Return, from the logits to the choice, how small a typical entry is to the largest, powers of ten."""
    found = []
    for number in range(0, 200, 20):  # the batches that are recorded
        evaluation = eyes.evaluate(x, {"temperature": temperature, "batch": float(number)})
        assert evaluation.signals is not None
        costates = evaluation.signals.cotangents
        choice = evaluation.gradient[: 64 * eyes.count]  # the choices come first among the weights
        sizes = [np.abs(costate) for costate in (costates["net.2"], costates["seen"], choice)]
        found.append([np.log10(max(np.median(size) / size.max(), 1e-300)) for size in sizes])
    return np.asarray(np.median(found, axis=0))


def _chosen(eyes: ChosenPixels, schedule: Schedule) -> tuple[list[Step], Step]:
    """Return those steps of 1,500 batches at which hard choices were judged, and the last."""
    cooled = Continuation({"temperature": schedule, "batch": Counter()})
    judged = []
    for step in optimize(eyes, Adam(rate=0.01), cooled, Stop(change=0, iterations=1500)):
        judged += [step] if step.iteration.measures else []
    return judged, step


def _right(step: Step) -> float:
    """Return the share of right answers with hard choices."""
    return step.iteration.measures["sharp"]
