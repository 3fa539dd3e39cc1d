"""A generator of digits against a critic that was trained ahead of it: what brings a silent critic to speak.

``python docs/examples/digit_duel.py`` takes about four minutes on two cores and leaves its picture and a
report like that of a bridge in results/digit_duel/; ``--seeds 5`` repeats it from five starts, and goes on
where it was; ``--quick`` takes half a minute and learns nothing.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import get_args

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import topopt as to
from topopt.figures import save
from topopt.figures.style import CYCLE, GREY, canvas, styled
from topopt.nets.models import DigitDuel
from topopt.nets.torch.duel import Loss
from topopt.study import Comparison, Outcome, SharpAccuracy, Study, write_report

SGD = to.Sgd(rate=0.1)
SLOW = to.Sgd(rate=0.01)
"""For Wasserstein's critic, whose penalty makes it stiff: at a rate of 0.1 it diverges."""
ADAM = to.Adam(rate=1e-3, first=0.5)
SATURATING, ALTERNATIVE, WASSERSTEIN = get_args(Loss)


def played(budget: int, sigma: to.Schedule | None = None) -> to.Continuation:
    """Return a game whose critic is trained alone for a quarter of it, with a schedule for the noise."""
    pace = to.Steps((0.0, 1.0), every=budget // 4)
    noise = {} if sigma is None else {"sigma": sigma}
    return to.Continuation({"pace": pace, "batch": to.Counter()} | noise)


def studies(seeds: int, budget: int) -> dict[str, Study]:
    """Return four studies: noise on the saturating loss, two other losses, and two losses under Adam."""

    def of(losses: Sequence[Loss], ways: Mapping[str, to.Continuation], optimizer: to.Sgd | to.Adam) -> Study:
        duels = {f"{loss}, start {seed}": DigitDuel(loss, seed) for seed in range(seeds) for loss in losses}
        return Study(duels, ways, optimizer=optimizer, budget=budget, every=budget, yardstick=SharpAccuracy())

    noises = {
        "no noise": played(budget),
        "noise 2 to 0": played(budget, to.Linear(2.0, 0.0, over=budget)),
        "noise 1 to 0": played(budget, to.Linear(1.0, 0.0, over=budget)),
        "constant noise 1": played(budget, to.Constant(1.0)),
    }
    plain = {"no noise": played(budget)}
    return {
        "noise": of([SATURATING], noises, SGD),
        "losses": of([ALTERNATIVE], plain, SGD),
        "wasserstein": of([WASSERSTEIN], plain, SLOW),
        "adam": of([SATURATING, ALTERNATIVE], plain, ADAM),
    }


def by_way(found: Mapping[str, Sequence[Outcome]]) -> dict[str, list[Outcome]]:
    """Return the outcomes of all studies by what was tried."""
    ways: dict[str, list[Outcome]] = {}
    for study, outcomes in found.items():
        for outcome in outcomes:
            loss = outcome.problem.partition(",")[0].replace("_", "-")
            rule = ", Adam" if study == "adam" else ""
            noise = "" if outcome.continuation == "no noise" else f", {outcome.continuation}"
            ways.setdefault(f"{loss}{noise}{rule}", []).append(outcome)
    return ways


@styled
def picture(ways: Mapping[str, Sequence[Outcome]]) -> Figure:
    """Draw the generator's gradient, and how far its digits are from real ones, batch by batch."""
    figure = canvas(height=4.2)
    left, right = figure.subplots(1, 2)
    for number, (way, outcomes) in enumerate(ways.items()):
        colour, style = CYCLE[number % len(CYCLE)], "-" if number < len(CYCLE) else "--"
        for axes, measure in ((left, "generator"), (right, "frechet")):
            curve(axes, outcomes, measure, color=colour, ls=style, label=way)
    left.set(title="Norm of the generator's own gradient", ylabel="powers of ten", xlabel="batch")
    right.set(title="Fréchet distance of made digits from real ones", xlabel="batch", yscale="log")
    figure.legend(*right.get_legend_handles_labels(), loc="outside lower center", ncols=4, fontsize=8)
    return figure


def curve(axes: Axes, outcomes: Sequence[Outcome], measure: str, **look: str) -> None:
    """Draw the mean of a measure over all starts, and where the critic's lead ends."""
    values = np.array([outcome.history.column(f"measures:{measure}") for outcome in outcomes])
    logged = np.flatnonzero(np.isfinite(values[0]))
    axes.plot(logged, values[:, logged].mean(axis=0), lw=1.4, **look)  # type: ignore[arg-type]
    axes.axvline(values.shape[1] // 4, color=GREY, lw=0.6, ls=":")


def table(ways: Mapping[str, Sequence[Outcome]]) -> str:
    """Return as Markdown what the lead cost the gradient, and how far made digits were in the end."""
    lines = [
        "| what is played | gradient after the lead, decades | distance, mean | worst | every start |",
        "|---|--:|--:|--:|---|",
    ]
    for way, outcomes in ways.items():
        # the yardstick is one plus the distance
        apart = [outcome.value - 1.0 for outcome in outcomes]
        gained = np.mean([lead(outcome) for outcome in outcomes])
        each = ", ".join(f"{one:.1f}" for one in apart)
        lines.append(f"| {way} | {gained:+.1f} | {np.mean(apart):.1f} | {max(apart):.1f} | {each} |")
    return "\n".join(lines)


def lead(outcome: Outcome) -> float:
    """Return what the generator's gradient gained while the critic was trained alone, powers of ten."""
    logged = outcome.history.column("measures:generator")
    values = logged[: len(logged) // 4 + 1]
    values = values[np.isfinite(values)]
    return float(values[-1] - values[0])


def main() -> None:
    """Carry the studies out, write the report on noise, draw the picture and print the table."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--seeds", type=int, default=2)
    asked.add_argument("--quick", action="store_true")
    options = asked.parse_args()
    folder = Path("results") / ("digit_duel_quick" if options.quick else "digit_duel")
    whole = studies(1, 24) if options.quick else studies(options.seeds, 4000)
    found = {name: study.run(folder / name) for name, study in whole.items()}
    ways = by_way(found)
    save(picture(ways), folder / "digit_duel.png")
    report = write_report(Comparison(tuple(found["noise"])), folder, "digit_duel")
    print(table(ways))
    print("\n".join(report.verdict))
    print(f"The report is {report.html}")


if __name__ == "__main__":
    main()
