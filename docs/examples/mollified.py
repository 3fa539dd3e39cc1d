"""A deep net of sigmoids that learns only if it begins soft; mollified, beside a short ramp and fixed values.

``python docs/examples/mollified.py`` takes two minutes for five starts and leaves its picture in
results/mollified/; ``--quick`` takes a few seconds. Needs torch.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

import topopt as to
from topopt.figures import save
from topopt.figures.style import CYCLE, INK, canvas, styled
from topopt.files.markdown import markdown_table
from topopt.history import Iteration
from topopt.nets.models import MollifiedDigits
from topopt.nets.replicates import Replicates
from topopt.parameters import Array

RECENT = 20
"""Batches over which the loss is averaged in the picture."""


@dataclass(frozen=True, eq=False)
class Learnt:
    """One run: its log, and the accuracy of the net as it is, on digits held out."""

    history: to.History
    right: float


def ways(batches: int) -> dict[str, to.Schedule]:
    """Return what the softness may do in so many batches."""
    return {
        "annealed": to.Linear(5.0, 0.0, over=batches * 8 // 10),
        "a short ramp": to.Linear(5.0, 0.0, over=batches // 20),
        "never soft": to.Constant(0.0),
        "always soft": to.Constant(1.0),
    }


def learnt(net: MollifiedDigits, softness: to.Schedule, batches: int) -> Learnt:
    """Learn so many batches."""
    continuation = to.Continuation({"softness": softness, "batch": to.Counter()})
    stop = to.Stop(change=0.0, iterations=batches)
    last = to.solve(net, to.Adam(rate=0.003, clip=1.0), continuation, stop)
    return Learnt(last.history, net.sharp_accuracy(last.x))


def way_back(iteration: Iteration) -> Array:
    """Return log10 of the costate's norm behind every layer, the last first, over that behind the last."""
    names = [name for name in reversed(iteration.stages) if name != "weights"]
    norms = np.array([iteration.stages[name]["norm"] for name in names])
    return norms - norms[0]


@styled
def picture(found: Mapping[str, Sequence[Learnt]]) -> Figure:
    """Draw what is left of the signal by layer, then the loss and the right answers as each way learns."""
    figure = canvas(height=3.9)
    left, middle, right = figure.subplots(1, 3)
    lasting = [it for it in found["annealed"][0].history if it.stages][-1]
    never, soft = (found[way][0].history[0] for way in ("never soft", "annealed"))
    for one, label, style, colour in (
        (never, "as it is, first batch", "o-", CYCLE[2]),
        (soft, "softness 5, first batch", "o-", CYCLE[0]),
        (lasting, f"annealed to 0, batch {lasting.number - 1}", "s--", INK),
    ):
        left.plot(way_back(one), style, color=colour, ms=3, label=label)
    left.set(xlabel="layers back from the answer", title="log10 of the costate over the last")
    left.legend(frameon=False, fontsize=7.5, loc="lower left")
    for (way, runs), colour in zip(found.items(), CYCLE, strict=False):
        losses = np.array([run.history.column("objective") for run in runs])
        recent = np.array([np.convolve(loss, np.ones(RECENT) / RECENT, "valid") for loss in losses])
        sharp = np.array([run.history.column("measures:sharp") for run in runs])
        logged = np.flatnonzero(np.isfinite(sharp[0]))
        for axes, at, values in (
            (middle, np.arange(RECENT - 1, losses.shape[1]), recent),
            (right, logged, sharp[:, logged]),
        ):
            axes.plot(at, values.mean(axis=0), color=colour, label=way)
            axes.fill_between(at, values.min(axis=0), values.max(axis=0), color=colour, alpha=0.15, lw=0)
    middle.set(xlabel="batch", ylim=(0, 2.6), title=f"Loss, mean of {RECENT} batches")
    right.set(xlabel="batch", ylim=(0, 1), title="Right answers of the net as it is")
    figure.legend(*right.get_legend_handles_labels(), loc="outside lower center", ncols=4, fontsize=8)
    return figure


def main() -> None:
    """Learn by every way, judge without noise and copies, and draw what happened."""
    quick = "--quick" in sys.argv
    batches, depth, seeds = (200, 5, 1) if quick else (600, 8, 5)
    found = {
        name: [learnt(MollifiedDigits(depth, seed=seed), softness, batches) for seed in range(seeds)]
        for name, softness in ways(batches).items()
    }
    rows = [
        [
            name,
            *Replicates([-way_back(run.history[0])[-1] for run in runs], "low").cells(1),
            *Replicates([run.right for run in runs]).columns(3),
        ]
        for name, runs in found.items()
    ]
    print(markdown_table(["softness", "decades lost at first", "right, mean", "worst", "every start"], rows))
    folder = Path("results") / ("mollified_quick" if quick else "mollified")
    folder.mkdir(parents=True, exist_ok=True)
    save(picture(found), folder / "mollified.png")


if __name__ == "__main__":
    main()
