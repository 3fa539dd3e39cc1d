"""A row of springs that writes down every evaluation, takes its time and breaks where it is told to."""

from __future__ import annotations

import json
import os
import sys
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from topopt.continuation import Continuation, Staircase
from topopt.design import Design
from topopt.errors import NumericalError
from topopt.evaluation import Bounds, Evaluation, Model
from topopt.grid import Grid
from topopt.measures import discreteness
from topopt.optimizers import MMA
from topopt.parameters import Array
from topopt.study.stop import FairStop
from topopt.study.trial import Trial, carried_out
from topopt.study.yardstick import Score

GRID = Grid((12, 4))


@dataclass(frozen=True)
class Springs:
    """Springs in a row, each as stiff as a power of its variable."""

    log: str = os.devnull
    name: str = "springs"
    pause: float = 0.0
    breaks_at: float = 2.0
    breaks_by: str = "NumericalError"

    def initial(self) -> Array:
        return np.full(GRID.n_cells, 0.4)

    def bounds(self) -> Bounds:
        return Bounds(np.zeros(GRID.n_cells), np.ones(GRID.n_cells))

    def parameters(self) -> dict[str, float]:
        return {"power": 1.0}

    def evaluate(self, x: Array, parameters: Mapping[str, float]) -> Evaluation:
        with open(self.log, "a") as file:
            file.write(f"{self.name}\n")
        time.sleep(self.pause)
        power, n = parameters.get("power", 1.0), x.size
        if power > self.breaks_at:
            errors = {"NumericalError": NumericalError, "MemoryError": MemoryError, "KeyError": KeyError}
            raise errors[self.breaks_by](f"power {power:g} is too much")
        weights = 0.1 + 9.0 * np.sin(np.arange(n) / 3) ** 2
        rho = x**power
        return Evaluation(
            objective=float((weights / (0.1 + rho)).sum()),
            gradient=-weights / (0.1 + rho) ** 2 * power * np.maximum(x, 1e-9) ** (power - 1.0),
            constraints=np.array([x.mean() / 0.4 - 1.0]),
            jacobian=np.full((1, n), 1.0 / (0.4 * n)),
            constraint_names=("volume",),
            output=rho,
            measures={"discreteness": discreteness(rho)},
            solves=1,
            picture=Design(GRID, rho),
        )


@dataclass(frozen=True)
class Listening(Springs):
    """Writes down which signals its process has blocked."""

    def evaluate(self, x: Array, parameters: Mapping[str, float]) -> Evaluation:
        status = Path("/proc/self/status").read_text().splitlines()
        blocked = next(line.split()[1] for line in status if line.startswith("SigBlk"))
        Path(self.name).write_text(blocked)
        return super().evaluate(x, parameters)


@dataclass(frozen=True)
class Rounded:
    """Judges the densities after rounding; none solid is a fault."""

    def judge(self, model: Model, x: Array, evaluation: Evaluation, parameters: Mapping[str, float]) -> Score:
        assert evaluation.output is not None
        solid = np.round(evaluation.output)
        value = float((1.0 / (0.1 + solid)).sum()) + 1e-3 * float(evaluation.output @ evaluation.output) / 3.0
        return Score(value) if solid.any() else Score(float("inf"), "nothing is solid")


def rising() -> Continuation:
    """Return a schedule that changes the problem on the way."""
    return Continuation({"power": Staircase(1.0, 1.3, factor=1.05, every=3)})


def trial(model: Model | None = None, budget: int = 12, **names: str) -> Trial:
    """Return a trial of springs."""
    names = {"problem": "springs", "continuation": "rising", "start": "uniform"} | names
    return Trial(
        **names,
        model=model or Springs(),
        optimizer=MMA(),
        schedules=rising(),
        stop=FairStop(budget),
        yardstick=Rounded(),
        every=4,
    )


def exact(outcome: Any) -> dict[str, Any]:
    """Return all of an outcome that must not depend on clocks and places, floats digit for digit."""
    rows = [
        {k: v for k, v in it.row().items() if not k.startswith("seconds:")}
        | {"stages": json.dumps(it.stage_rows())}
        for it in outcome.history
    ]
    density = None if outcome.density is None else (outcome.density.shape, outcome.density.tobytes())
    told = {k: v for k, v in vars(outcome).items() if k not in ("history", "density", "seconds", "folder")}
    return told | {"judgements": repr(outcome.judgements), "history": rows, "density": density}


def evaluations(log: Path) -> Counter[str]:
    """Return how often each model was evaluated."""
    return Counter(log.read_text().split()) if log.exists() else Counter()


if __name__ == "__main__":
    carried_out(trial(Springs(log=sys.argv[2], pause=float(sys.argv[3])), budget=40), Path(sys.argv[1]))
