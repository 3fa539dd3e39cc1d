"""A generator of digits against a critic that was trained ahead of it: what brings a silent critic to speak.

``python docs/examples/digit_duel.py`` takes about four minutes on two cores and leaves its picture and a
report like that of a bridge in results/digit_duel/; ``--seeds 5`` repeats it from five starts, and goes on
where it was; ``--rates`` finds every loss its rate again, from a start that is not among them; ``--quick``
takes half a minute and learns nothing.
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
from topopt.nets.models import DigitDuel
from topopt.nets.replicates import Replicates
from topopt.parameters import Array
from topopt.study import Comparison, FairStop, Outcome, SharpAccuracy, Trial, carry_out, write_report

BUDGET = 2000
ASIDE = 100
"""The start that rates are found from; it is in no table of starts."""
RULES: dict[str, to.Sgd | to.Adam] = {"SGD": to.Sgd(), "Adam": to.Adam(first=0.5)}
RATES = {"SGD": (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0), "Adam": (0.0003, 0.001, 0.003, 0.01)}


@dataclass(frozen=True)
class Way:
    """A loss, a rule of descent, the rate that was found for both, and noise from a level to a level."""

    loss: Literal["saturating", "non_saturating", "wasserstein"]
    rule: str
    rate: float
    noise: tuple[float, float] = (0.0, 0.0)

    def continuation(self, budget: int, rate: float) -> to.Continuation:
        """Return a game whose critic is trained alone for the first half of it.

        Averages of the gradient begin anew when the generator does: those of a thousand batches in which it
        had none would make its first steps under Adam thirteen times too long.
        """
        schedules: dict[str, to.Schedule] = {
            "pace": to.Steps((0.0, 1.0), every=budget // 2),
            "batch": to.Counter(),
            "optimizer.rate": to.Constant(rate),
        }
        if any(self.noise):
            schedules["sigma"] = to.Linear(*self.noise, over=budget)
        return to.Continuation(schedules, memory="reset")

    def trial(self, name: str, seed: int, budget: int, rate: float) -> Trial:
        """Return the game from a start."""
        return Trial(
            "digits",
            name,
            f"start {seed}",
            DigitDuel(self.loss, seed),
            RULES[self.rule],
            self.continuation(budget, rate),
            FairStop(budget),
            SharpAccuracy(),
            every=budget,
        )


WAYS = {  # constant noise has the rate that was found for 1 to 0
    "saturating": Way("saturating", "SGD", 0.003),
    "saturating, noise 1 to 0": Way("saturating", "SGD", 0.003, (1.0, 0.0)),
    "saturating, constant noise 1": Way("saturating", "SGD", 0.003, (1.0, 1.0)),
    "non-saturating": Way("non_saturating", "SGD", 0.3),
    "Wasserstein": Way("wasserstein", "SGD", 0.03),
    "saturating, Adam": Way("saturating", "Adam", 0.001),
    "non-saturating, Adam": Way("non_saturating", "Adam", 0.003),
}


def distance(outcome: Outcome) -> float:
    """Return how far made digits are from real ones in the end; the yardstick is one plus that."""
    return outcome.value - 1.0


def by_rate(folder: Path, budget: int) -> str:
    """Return as Markdown how far every loss came at every rate, from the start that is kept aside."""
    sought = {name: WAYS[name] for name in WAYS if "noise" not in name or name.endswith("1 to 0")}
    trials = [
        way.trial(f"{name}, rate {rate}", ASIDE, budget, rate)
        for name, way in sought.items()
        for rate in RATES[way.rule]
    ]
    found = {outcome.continuation: distance(outcome) for outcome in carry_out(trials, folder)}
    rows = [
        [name, ", ".join(f"{rate}: {found[f'{name}, rate {rate}']:.1f}" for rate in RATES[way.rule])]
        for name, way in sought.items()
    ]
    return markdown_table(["what is played", "distance, by rate"], rows)


def by_way(outcomes: Sequence[Outcome]) -> dict[str, list[Outcome]]:
    """Return the outcomes by what was played."""
    return {name: [outcome for outcome in outcomes if outcome.continuation == name] for name in WAYS}


@styled
def picture(ways: Mapping[str, Sequence[Outcome]]) -> Figure:
    """Draw the generator's gradient, batch by batch, and how far its digits are from real ones at last."""
    figure = canvas(height=4.2)
    left, right = figure.subplots(1, 2)
    for number, (way, outcomes) in enumerate(ways.items()):
        colour, style = CYCLE[number % len(CYCLE)], "-" if number < len(CYCLE) else "--"
        logged, values = logs(outcomes, "generator")
        left.plot(logged, values.mean(axis=0), color=colour, ls=style, lw=1.4, label=way)
        left.fill_between(logged, values.min(axis=0), values.max(axis=0), color=colour, alpha=0.1, lw=0)
        ends = [distance(outcome) for outcome in outcomes]
        face = colour if number < len(CYCLE) else "white"
        right.plot(ends, np.full(len(ends), number), "o", color=colour, mfc=face, ms=5)
        right.plot(np.mean(ends), number, "|", color=colour, ms=18, mew=2)
    left.axvline(len(outcomes[0].history) // 2, color=GREY, lw=0.6, ls=":")
    left.set(title="Norm of the generator's own gradient", ylabel="powers of ten", xlabel="batch")
    right.set(xscale="log", title="In the end: every start, and their mean", yticks=range(len(ways)))
    right.set_xlabel("Fréchet distance of made digits from real ones")
    right.set_xticks((3, 6, 12, 25, 50), ["3", "6", "12", "25", "50"])
    right.minorticks_off()
    right.set_yticklabels(ways, fontsize=8)
    right.invert_yaxis()
    figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=4, fontsize=8)
    return figure


def logs(outcomes: Sequence[Outcome], measure: str) -> tuple[Array, Array]:
    """Return the batches at which a measure was logged, and it, shape (starts, batches)."""
    values = np.array([outcome.history.column(f"measures:{measure}") for outcome in outcomes])
    logged = np.flatnonzero(np.isfinite(values).all(axis=0))
    return logged, values[:, logged]


def lead(outcome: Outcome) -> float:
    """Return what the generator's gradient gained while the critic was trained alone, powers of ten."""
    logged, (values,) = logs([outcome], "generator")
    alone = values[logged <= len(outcome.history) // 2]
    return float(alone[-1] - alone[0])


def table(ways: Mapping[str, Sequence[Outcome]]) -> str:
    """Return as Markdown what the lead cost the gradient, and how far made digits were in the end."""
    rows = []
    for way, outcomes in ways.items():
        gained = Replicates([lead(outcome) for outcome in outcomes])
        apart = Replicates([distance(outcome) for outcome in outcomes], better="low")
        rows.append([way, f"{WAYS[way].rate}", f"{gained.mean:+.1f}", *apart.columns(1)])
    head = [
        "what is played",
        "rate",
        "gradient after the lead, decades",
        "distance, mean",
        "worst",
        "every start",
    ]
    return markdown_table(head, rows)


def main() -> None:
    """Play, write the report, draw the picture and print the table."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--seeds", type=int, default=1)
    asked.add_argument("--rates", action="store_true")
    asked.add_argument("--quick", action="store_true")
    options = asked.parse_args()
    seeds, budget = (1, 24) if options.quick else (options.seeds, BUDGET)
    folder = Path("results") / ("digit_duel_quick" if options.quick else "digit_duel")
    if options.rates:
        print(by_rate(folder / "rates", budget))
        return
    trials = [way.trial(name, seed, budget, way.rate) for seed in range(seeds) for name, way in WAYS.items()]
    outcomes = carry_out(trials, folder)
    ways = by_way(outcomes)
    save(picture(ways), folder / "digit_duel.png")
    report = write_report(Comparison(tuple(outcomes)), folder, "digit_duel")
    print(table(ways))
    print("\n".join(report.verdict))
    print(f"The report is {report.html}")


if __name__ == "__main__":
    main()
