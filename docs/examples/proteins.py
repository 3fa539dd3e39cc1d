"""What touches this residue in the folded protein, up to 383 residues back? Four cells, one question.

``python docs/examples/proteins.py`` takes about two minutes on two cores and leaves its picture in
results/proteins/; ``--seeds 5`` repeats it from five starts, and goes on where it was; ``--quick`` takes a
few seconds and learns nothing.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from matplotlib.figure import Figure

import topopt as to
from topopt.figures import save
from topopt.figures.style import CYCLE, GREY, canvas, styled
from topopt.files.markdown import markdown_table
from topopt.nets.models import ProteinContacts
from topopt.nets.proteins import BINS
from topopt.nets.replicates import Replicates, replicates
from topopt.nets.torch.recall import surviving
from topopt.study import Outcome, SharpAccuracy, Study

Cell = Literal["rnn", "lstm", "lstm_forget", "lstm_chrono"]
CELLS: dict[str, Cell] = {
    "RNN": "rnn",
    "LSTM, forget 0": "lstm",
    "LSTM, forget 1": "lstm_forget",
    "LSTM, chrono": "lstm_chrono",
}
BATCHES = to.Continuation({"batch": to.Counter(), "optimizer.rate": to.Geometric(0.003, 0.0003, over=1500)})


@dataclass(frozen=True, eq=False)
class Found:
    """What became of one cell by separation: powers of ten at the start, right answers at the end."""

    gradients: Replicates
    accuracies: Replicates


def study(seeds: int, budget: int) -> Study:
    """Return the study: every cell from every start, one budget of batches for all."""
    nets = {
        f"{name}, start {seed}": ProteinContacts(cell, seed=seed)
        for seed in range(seeds)
        for name, cell in CELLS.items()
    }
    adam = to.Adam(clip=1.0)
    return Study(
        nets, {"batches": BATCHES}, optimizer=adam, budget=budget, every=budget, yardstick=SharpAccuracy()
    )


def measured(whole: Study, outcomes: Sequence[Outcome], folder: Path) -> dict[str, Found]:
    """Return, by cell, what reaches the partner at first, and what was learnt in the end."""
    gradients, accuracies = [], []
    for outcome in outcomes:
        name = outcome.problem.rpartition(", start")[0]
        net = whole.problems[outcome.problem]
        assert isinstance(net, ProteinContacts)
        reader = net.model.loaded(net.initial())
        gradients.append((name, [surviving(reader, apart) for apart in BINS]))
        with np.load(folder / outcome.folder / "design.npz") as arrays:
            accuracies.append((name, list(net.model.accuracies(arrays["x"]).values())))
    drawn, learnt = replicates(gradients), replicates(accuracies)
    return {name: Found(drawn[name], learnt[name]) for name in CELLS}


@styled
def picture(found: Mapping[str, Found]) -> Figure:
    """Draw gradient and accuracy by separation, the mean and, thin, every start."""
    figure = canvas(height=3.6)
    left, right = figure.subplots(1, 2)
    for number, ((name, one), colour) in enumerate(zip(found.items(), CYCLE, strict=False)):
        place = np.arange(len(BINS)) + 0.07 * (number - 1.5)  # side by side, where several are right always
        for axes, values in ((left, one.gradients), (right, one.accuracies)):
            axes.plot(place, values.mean, "o-", color=colour, label=name, ms=4)
            axes.plot(place, values.values.T, color=colour, alpha=0.35, lw=0.7)
    right.axhline(0.5, color=GREY, lw=0.8, ls=":")
    left.set(title="Gradient at the partner over gradient at the end, as drawn", ylabel="powers of ten")
    right.set(title="Right answers on unseen chains, after training", ylim=(0.4, 1.03))
    for axes in (left, right):
        axes.set_xticks(range(len(BINS)), [f"{low}-{high}" for low, high in BINS], fontsize=8)
        axes.set_xlabel("residues between the two")
    left.legend(loc="lower left")
    return figure


def table(found: Mapping[str, Found]) -> str:
    """Return both as Markdown: powers of ten; right answers, the mean and in brackets the worst start."""
    rows = []
    for name, one in found.items():
        rows.append([name, "gradient, powers of ten", *(f"{mean:.1f}" for mean in one.gradients.mean)])
        rows.append(["", "right answers", *one.accuracies.cells()])
    return markdown_table(["cell", "", *(f"{low}-{high}" for low, high in BINS)], rows)


def main() -> None:
    """Carry the study out, draw it and print its table."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--seeds", type=int, default=1)
    asked.add_argument("--quick", action="store_true")
    options = asked.parse_args()
    folder = Path("results") / ("proteins_quick" if options.quick else "proteins")
    whole = study(1, 4) if options.quick else study(options.seeds, 1500)
    found = measured(whole, whole.run(folder), folder)
    save(picture(found), folder / "proteins.png")
    print(table(found))
    print(f"The picture is {folder / 'proteins.png'}")


if __name__ == "__main__":
    main()
