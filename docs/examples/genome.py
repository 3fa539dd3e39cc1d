"""Which enhancer began a window of *E. coli*, asked 50,000 bases further on: words, and distance as a ramp.

``python docs/examples/genome.py`` takes about four minutes on two cores and leaves its picture in
results/genome/; ``--seeds 5`` repeats it from five starts, and goes on where it was; ``--quick`` takes half a
minute and learns nothing.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

import topopt as to
from topopt.figures import save
from topopt.figures.style import CYCLE, GREY, canvas, styled
from topopt.files.markdown import markdown_table
from topopt.nets.genomes import Enhancers, genome
from topopt.nets.models import EnhancerDistance
from topopt.nets.replicates import Replicates, replicates
from topopt.nets.torch.distance import lambda_path, right
from topopt.parameters import Array, Positive
from topopt.study import Outcome, Study
from topopt.study.yardstick import Score

ADAM = to.Adam(rate=0.003, clip=1.0)
FAR, FLAT = 50_000.0, 3200.0
"""Bases to which the distance is doubled, by words and base by base."""


@dataclass(frozen=True)
class Read:
    """The yardstick: one over the share of right answers so many bases away, on genome that was held out."""

    distance: Positive
    windows: int = 208

    def judge(
        self, model: to.Model, x: Array, evaluation: to.Evaluation, parameters: Mapping[str, float]
    ) -> Score:
        """Return one over the share."""
        return Score(1.0 / share(model, x, self.distance, self.windows))


def share(model: to.Model, x: Array, distance: float, windows: int) -> float:
    """Return the share of windows of so many bases that are read right, on genome that was held out."""
    assert isinstance(model, EnhancerDistance)
    return right(model.model.loaded(x), Enhancers(), round(distance), windows, seed=1)


def ramped(start: float, final: float, every: int) -> to.Continuation:
    """Return a distance that is doubled, batch after batch."""
    doubled = to.Staircase(start, final, factor=2.0, every=every)
    return to.Continuation({"distance": doubled, "batch": to.Counter()})


def begun_at(distance: float) -> to.Continuation:
    """Return the distance from the start on."""
    return to.Continuation({"distance": to.Constant(distance), "batch": to.Counter()})


def studies(seeds: int, words: int, bases: int, windows: int) -> dict[str, Study]:
    """Return four studies: by words and base by base, each as a ramp and with as many bases read from afar.

    Parameters
    ----------
    seeds : int
        Starts of each.
    words, bases : int
        Batches at every distance of the two ramps.
    windows : int
        That judge.
    """

    def of(flat: bool, way: str, schedules: to.Continuation, budget: int, distance: float) -> Study:
        kind = "base by base" if flat else "words"
        readers = {
            f"{kind}, {cell.upper()}, {way}, start {seed}": EnhancerDistance(cell, words=not flat, seed=seed)
            for seed in range(seeds)
            for cell in ("rnn", "lstm")
        }
        ways = {way: schedules}
        return Study(
            readers, ways, optimizer=ADAM, budget=budget, every=budget, yardstick=Read(distance, windows)
        )

    far, near = sum((2, 4, 8, 16, 32, 50)) / 50, sum((1, 2, 4, 8, 16, 32)) / 32
    return {
        "words_ramp": of(False, "doubled", ramped(2000.0, FAR, words), 6 * words, FAR),
        "words_far": of(False, "from the start", begun_at(FAR), round(far * words), FAR),
        "bases_ramp": of(True, "doubled", ramped(100.0, FLAT, bases), 6 * bases, FLAT),
        "bases_far": of(True, "from the start", begun_at(FLAT), round(near * bases), FLAT),
    }


@dataclass(frozen=True, eq=False)
class Learnt:
    """How far a reader reads: the loss at every distance as it was taught, right answers at the longest."""

    distances: tuple[float, ...]
    losses: Replicates
    right: Replicates


def measured(found: Mapping[str, Sequence[Outcome]]) -> dict[str, Learnt]:
    """Return what every reader had learnt."""
    losses, shares, distances = [], [], {}
    for outcome in (outcome for outcomes in found.values() for outcome in outcomes):
        name = outcome.problem.rpartition(", start")[0]
        taught = distances[name] = tuple(sorted(set(outcome.history.values("distance"))))
        losses.append((name, [last_loss(outcome, distance) for distance in taught]))
        shares.append((name, 1.0 / outcome.value))
    by_distance, at_end = replicates(losses, better="low"), replicates(shares)
    return {name: Learnt(distances[name], by_distance[name], at_end[name]) for name in distances}


def last_loss(outcome: Outcome, distance: float) -> float:
    """Return the mean loss of the last third of the batches at a distance; each has its own windows."""
    log = outcome.history
    losses = log.column("objective")[np.asarray(log.values("distance")) == distance]
    return float(losses[-(len(losses) // 3 + 1) :].mean())


def paths(steps: int) -> Iterator[tuple[str, Array, Array]]:
    """Yield, cell by cell, bases back and log10 of the costate, as it is drawn, along phage lambda."""
    for name in ("RNN", "RNN, orthogonal", "LSTM", "LSTM, chrono"):
        found = lambda_path(name, steps)
        log = found.path.log_norms
        yield f"base by base, {name}", found.steps[-1] - found.steps, log - log[-1]


def word_paths() -> Iterator[tuple[str, Array, Array]]:
    """Yield the same of fifty words: what the log says of every step of the cell, at the first batch."""
    for kind in ("rnn", "lstm"):
        model = EnhancerDistance(kind)
        signals = model.evaluate(model.initial(), {"distance": FAR, "batch": 0.0}).signals
        assert signals is not None
        steps = [signals.cotangents[f"cell.cell[{k}]"] for k in range(50)]
        log_norms = np.array([np.log10(np.linalg.norm(costate)) for costate in steps])
        yield f"words, {kind.upper()}", 1000.0 * np.arange(49, -1, -1), log_norms - log_norms[-1]


@styled
def picture(costates: Sequence[tuple[str, Array, Array]], learnt: Mapping[str, Learnt]) -> Figure:
    """Draw what is left of a costate so many bases back, and how far each reader reads."""
    figure = canvas(height=4.6)
    left, right_axes = figure.subplots(1, 2)
    colours = {"RNN": CYCLE[0], "LSTM": CYCLE[1], "RNN, orthogonal": CYCLE[2], "LSTM, chrono": CYCLE[3]}
    for name, back, lost in costates:
        kind, _, cell = name.partition(", ")
        look = {"ls": "-", "color": colours[cell]} if kind != "words" else {"ls": "none", "marker": "."}
        if kind == "words":
            look["color"] = CYCLE[4] if cell == "RNN" else CYCLE[5]
        left.plot(back / 1000.0, lost, label=name, **look)
    left.set_yscale("symlog", linthresh=1.0)
    left.set(title="log10 of the costate, as drawn", xlabel="thousand bases back")
    left.legend(fontsize=7.5, loc="center right", bbox_to_anchor=(1.0, 0.42))
    for name, one in learnt.items():
        colour = CYCLE[0] if "RNN" in name else CYCLE[1]
        look = {"marker": "o" if "words" in name else "s", "ls": "-" if "doubled" in name else "none"}
        face = colour if "doubled" in name else "white"
        place = np.array(one.distances) * (0.97 if "RNN" in name else 1.03)  # side by side
        right_axes.plot(place, one.losses.mean, color=colour, mfc=face, ms=5, label=name, **look)
        right_axes.vlines(place, one.losses.best, one.losses.worst, color=colour, lw=0.8)
    right_axes.axhline(np.log(2.0), color=GREY, lw=0.8, ls=":")
    right_axes.set(xscale="log", ylim=(-0.05, 1.3), xlabel="bases between enhancer and question")
    ticks = (100, 400, 1600, 4000, 16_000, 50_000)
    right_axes.set_xticks(ticks, [f"{tick:,}" for tick in ticks], fontsize=8)
    right_axes.minorticks_off()
    right_axes.set_title("Loss as each distance was taught; dotted, guessing")
    figure.legend(*right_axes.get_legend_handles_labels(), loc="outside lower center", ncols=3, fontsize=8)
    return figure


def table(learnt: Mapping[str, Learnt]) -> str:
    """Return as Markdown how well every reader reads: the mean, and in brackets the worst start."""
    rows = []
    for name, one in learnt.items():
        pairs = zip(one.distances, one.losses.cells(), strict=True)
        losses = ", ".join(f"{distance:,.0f}: {loss}" for distance, loss in pairs)
        rows.append([name, losses, *one.right.columns()])
    return markdown_table(["reader", "loss, by distance", "right, mean", "worst", "every start"], rows)


def main() -> None:
    """Follow the costates, carry the studies out, draw both and print them."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--seeds", type=int, default=1)
    asked.add_argument("--quick", action="store_true")
    options = asked.parse_args()
    folder = Path("results") / ("genome_quick" if options.quick else "genome")
    windows = 16 if options.quick else 208
    whole = studies(1, 1, 1, windows) if options.quick else studies(options.seeds, 75, 150, windows)
    costates = [*paths(3000 if options.quick else len(genome("lambda"))), *word_paths()]
    for name, back, lost in costates:
        print(f"{name}: {-lost[0]:,.1f} decades lost over {back[0]:,.0f} bases")
    learnt = measured({name: study.run(folder / name) for name, study in whole.items()})
    save(picture(costates, learnt), folder / "genome.png")
    print(table(learnt))
    print(f"The picture is {folder / 'genome.png'}")


if __name__ == "__main__":
    main()
