"""What else the log makes possible: rivals of the survival gate, each ten lines, compared in Python.

All but doubling lead the penalty as the default does, from 1 to 3 while the sharpness goes from 1 to 2.

``python docs/examples/gates.py`` takes about ten minutes on two cores; its table stands in docs/study.md.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import topopt as to
from topopt.continuation.controllers import GREY, RESTLESS, Controller
from topopt.files import read

BENCHMARKS = Path(__file__).parents[2] / "problems" / "benchmarks"
BETA, PENALTY = "physical.beta", "stiffness.penal"
RISING = to.Follow(BETA, start=1.0, final=3.0, between=(1.0, 2.0))


def grown(rule: to.Survival, before: float, last: to.Iteration, calm: float) -> float:
    """Return the gate's wish, with another measure of calm."""
    gate = min(1.0, 10.0 ** last.vanishing["attenuation"] / rule.survival)
    formed = max(GREY, 1.0 - last.measures["discreteness"])
    return before * (1.0 + rule.growth * gate * max(RESTLESS, calm) * formed)


@dataclass(frozen=True)
class BySurvivors(Controller):
    """Grow by the share of what survives now that would survive a sharpness a quarter higher."""

    growth: float = 0.05

    def wish(self, past: Sequence[float], history: to.History) -> float:
        ahead = history[-1].vanishing.get(f"ahead:{BETA}:1.25", 1.0)
        return past[-1] * (1.0 + self.growth * min(1.0, max(0.1, (ahead - 0.6) / 0.25)))


@dataclass(frozen=True)
class ByLatentResidual(Controller):
    """Grow at full speed only once the design has settled behind the projection's back."""

    growth: float = 0.06
    latent: float = 0.15

    def wish(self, past: Sequence[float], history: to.History) -> float:
        latent = history[-1].vanishing["latent_residual"]
        return past[-1] * (1.0 + self.growth * min(1.0, max(0.1, self.latent / max(latent, 1e-9))))


@dataclass(frozen=True)
class Blind(to.Survival):
    """The gate without an eye for grey, by its settings of old."""

    growth: float = 0.15
    rest: float = 0.1

    def wish(self, past: Sequence[float], history: to.History) -> float:
        last = history[-1]
        gate = min(1.0, 10.0 ** last.vanishing["attenuation"] / self.survival)
        calm = 1.0 - abs(last.actual) / (self.change * abs(last.objective))
        return past[-1] * (1.0 + self.growth * gate * max(self.rest, calm))


@dataclass(frozen=True)
class Greyest(Blind):
    """The gate, far slower while the design is grey."""

    growth: float = 0.07

    def wish(self, past: Sequence[float], history: to.History) -> float:
        grey = history[-1].measures["discreteness"]
        return past[-1] + (super().wish(past, history) - past[-1]) * max(GREY, (1.0 - grey) ** 2)


@dataclass(frozen=True)
class Thin(to.Survival):
    """The gate, at half speed where the interface falls between the cells' centres."""

    sampled: float = 0.45

    def wish(self, past: Sequence[float], history: to.History) -> float:
        width = history[-1].measures.get("interface", math.inf)
        slow = min(1.0, max(0.5, width / self.sampled))
        return past[-1] + (super().wish(past, history) - past[-1]) * slow


@dataclass(frozen=True)
class ByGain(to.Survival):
    """The gate, calm where the optimiser expects little of its step, whatever the objective does."""

    growth: float = 0.1
    gain: float = 0.01

    def wish(self, past: Sequence[float], history: to.History) -> float:
        last = history[-1]
        calm = 1.0 - abs(last.predicted) / (self.gain * abs(last.objective))
        return grown(self, past[-1], last, calm)


@dataclass(frozen=True)
class ByRest(to.Survival):
    """The gate, calm where the densities rest."""

    growth: float = 0.12
    rest: float = 0.03

    def wish(self, past: Sequence[float], history: to.History) -> float:
        last = history[-1]
        calm = 0.0 if math.isnan(last.progress) else 1.0 - last.progress / self.rest
        return grown(self, past[-1], last, calm)


RIVALS: dict[str, to.Schedule] = {
    "survival gate": to.Survival(),
    "growth 20 %": to.Survival(growth=0.2),
    "growth 12 %": to.Survival(growth=0.12),
    "blind to grey": Blind(),
    "far slower while grey": Greyest(),
    "slower where thin": Thin(),
    "blind to grey and to unrest": Blind(growth=0.05, survival=0.3, change=1e9),
    "by survivors ahead": BySurvivors(),
    "by latent residual": ByLatentResidual(),
    "by the step's gain": ByGain(),
    "by the densities' rest": ByRest(),
    "linked": to.Linked(),
    "homotopy": to.Homotopy(),
}
DOUBLING = to.Continuation({BETA: to.Staircase(1, 64, 2, every=50)})


def main() -> None:
    """Run every rival on two beams, and on the fine one from three starts."""
    continuations = {name: to.Continuation({BETA: rule, PENALTY: RISING}) for name, rule in RIVALS.items()}
    continuations["doubling every 50, penalty held"] = DOUBLING
    outcomes: list[to.Outcome] = []
    for name, starts in {"mbb_50": 0, "mbb_30": 0, "mbb_fine": 2}.items():
        problem = read(BENCHMARKS / f"{name}.yaml").problem
        study = to.Study({name: problem}, continuations, to.Starts(perturbed=starts))
        outcomes += study.run(Path("results") / "gates" / name)
    comparison = to.Comparison(tuple(outcomes))
    print("| rival | above best, mean | worst | solves to 5 %, M_nd < 2 %, on each |")
    print("| :-- | --: | --: | :-- |")
    for standing in comparison.standings():
        ratios = [row.ratio for row in standing.rows]
        solves = ", ".join(f"{row.solves(0.05, black=True):.0f}" for row in standing.rows)
        mean = 100 * (sum(ratios) / len(ratios) - 1)
        print(f"| {standing.continuation} | {mean:.2f} % | {100 * (max(ratios) - 1):.2f} % | {solves} |")


if __name__ == "__main__":
    main()
