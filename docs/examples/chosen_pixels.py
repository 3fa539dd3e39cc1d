"""Which ten of 64 pixels tell digits apart? Six ways to cool a choice that has no derivative, in one study.

``python docs/examples/chosen_pixels.py`` takes four minutes on two cores and leaves a report like that of a
bridge, and its picture, in results/chosen_pixels/; ``--quick`` takes half a minute and learns less.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

import topopt as to
from topopt.figures import save
from topopt.figures.style import CYCLE, INK, canvas, styled
from topopt.files.markdown import markdown_table
from topopt.nets.models import ChosenPixels
from topopt.nets.replicates import Replicates
from topopt.parameters import Array
from topopt.study import Comparison, Outcome, SharpAccuracy, Study, write_report

EYES = 10


def cooled(schedule: to.Schedule) -> to.Continuation:
    """Return a schedule for the temperature, batch after batch."""
    return to.Continuation({"temperature": schedule, "batch": to.Counter()})


def study(seeds: int, budget: int) -> Study:
    """Return the study: from so many starts, one budget of batches for all."""
    short, long = budget // 5, (budget * 4) // 5
    ways = {
        "cold, 0.1": cooled(to.Constant(0.1)),
        "constant, 1": cooled(to.Constant(1.0)),
        "warm, 10": cooled(to.Constant(10.0)),
        "short ramp, 10 to 0.1": cooled(to.Geometric(10.0, 0.1, over=short)),
        "long ramp, 10 to 0.1": cooled(to.Geometric(10.0, 0.1, over=long)),
        "long ramp, 5 to 0.3": cooled(to.Geometric(5.0, 0.3, over=long)),
    }
    eyes = {f"start {seed}": ChosenPixels(count=EYES, seed=seed) for seed in range(seeds)}
    return Study(
        eyes, ways, optimizer=to.Adam(rate=0.01), budget=budget, every=budget, yardstick=SharpAccuracy()
    )


def by_way(outcomes: Sequence[Outcome]) -> dict[str, list[Outcome]]:
    """Return the outcomes by continuation."""
    ways = dict.fromkeys(outcome.continuation for outcome in outcomes)
    return {way: [outcome for outcome in outcomes if outcome.continuation == way] for way in ways}


def blindness(seed: int, temperatures: Array, batches: int = 20) -> Array:
    """Return the choice's typical slope over its largest, powers of ten, by temperature, at the start."""
    net = ChosenPixels(count=EYES, seed=seed)
    x, choices = net.initial(), EYES * 64  # the choices come first among the weights
    found = []
    for temperature in temperatures:
        slopes = [
            np.abs(net.evaluate(x, {"temperature": temperature, "batch": float(batch)}).gradient[:choices])
            for batch in range(1, batches + 1)
        ]
        found.append(np.median([np.log10(max(np.median(slope) / slope.max(), 1e-300)) for slope in slopes]))
    return np.array(found)


@styled
def picture(found: Mapping[str, Sequence[Outcome]]) -> Figure:
    """Draw what is left of a typical slope as a choice cools, and how many digits are right as it does."""
    figure = canvas(height=4.0)
    left, right = figure.subplots(1, 2)
    temperatures = np.geomspace(10.0, 0.1, 21)
    left.plot(temperatures, blindness(0, temperatures), "o-", color=INK, ms=3)
    left.set(xscale="log", xlabel="temperature", ylabel="powers of ten")
    left.set_title("Median of 640 slopes over the largest, at the start")
    left.invert_xaxis()
    for (way, outcomes), colour in zip(found.items(), CYCLE, strict=True):
        sharp = np.array([outcome.history.column("measures:sharp") for outcome in outcomes])
        logged = np.flatnonzero(np.isfinite(sharp[0]))
        shares = sharp[:, logged]
        right.plot(logged, shares.mean(axis=0), color=colour, label=way)
        right.fill_between(logged, shares.min(axis=0), shares.max(axis=0), color=colour, alpha=0.12, lw=0)
    right.set(title="Right answers, every eye on one pixel", xlabel="batch", ylim=(0, 1))
    figure.legend(*right.get_legend_handles_labels(), loc="outside lower center", ncols=3, fontsize=8)
    return figure


def table(found: Mapping[str, Sequence[Outcome]]) -> str:
    """Return as Markdown how many digits were right with hard choices."""
    rows = [
        [way, *Replicates([1.0 / outcome.value for outcome in outcomes]).columns()]
        for way, outcomes in found.items()
    ]
    return markdown_table(["temperature", "right, mean", "worst", "every start"], rows)


def main() -> None:
    """Carry the study out, write the report, draw the picture and print the table."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--seeds", type=int, default=5)
    asked.add_argument("--quick", action="store_true")
    options = asked.parse_args()
    folder = Path("results") / ("chosen_pixels_quick" if options.quick else "chosen_pixels")
    whole = study(1, 30) if options.quick else study(options.seeds, 1500)
    outcomes = whole.run(folder)
    found = by_way(outcomes)
    save(picture(found), folder / "chosen_pixels.png")
    report = write_report(Comparison(tuple(outcomes)), folder, "chosen_pixels")
    print(table(found))
    print("\n".join(report.verdict))
    print(f"The report is {report.html}")


if __name__ == "__main__":
    main()
