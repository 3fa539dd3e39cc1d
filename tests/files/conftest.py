"""A run that costs next to nothing: a filter, a projection, a sum in place of a structure."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from topopt.chain import Chain, Pullback, Stage
from topopt.continuation import Continuation, Staircase
from topopt.grid import Domain, Grid
from topopt.optimizers import MMA, OC
from topopt.parameters import Array
from topopt.problem import Problem
from topopt.run import Stop
from topopt.stages import Cone, Mean, Tanh


@dataclass(frozen=True, eq=False)
class Springs(Stage):
    """Springs in a row, each as stiff as its density: ``sum c / (0.1 + rho)``."""

    weights: Array

    def vjp(self, *inputs: Array) -> tuple[Array, Pullback]:
        (rho,) = inputs
        value = np.asarray((self.weights / (0.1 + rho)).sum())
        return value, lambda cotangent: (-cotangent * self.weights / (0.1 + rho) ** 2,)


def cheap(iterations: int = 8, cells: tuple[int, ...] = (6, 4), optimizer: Any = None) -> tuple[Any, ...]:
    """Return what `RunFolder.steps` takes: a run whose parameters change twice on the way."""
    grid = Grid(cells)
    weights = np.random.default_rng(7).random(grid.n_cells) + 0.1
    links = [
        ("filtered", Cone(Domain(grid), 1.8)),
        ("physical", Tanh(1.0)),
        ("work", Springs(weights)),
        ("volume", Mean(grid), "physical"),
    ]
    schedules = {
        "physical.beta": Staircase(1.0, 4.0, every=3),
        "optimizer.move": Staircase(0.5, 0.25, factor=0.5, every=4),
    }
    return (
        Problem(Chain(links), grid, "work", {"volume": 0.4}),
        MMA() if optimizer is None else optimizer,
        Continuation(schedules),
        Stop(change=0.0, iterations=iterations),
    )


def results(folder: Path) -> dict[str, Any]:
    """Return all that must not depend on where a run was interrupted."""
    table = csv.DictReader(io.StringIO((folder / "history.csv").read_text()))
    history = [{k: v for k, v in row.items() if not k.startswith("seconds:")} for row in table]
    names = ["vanishing.csv", "design.npz", *(f"frames/{p.name}" for p in sorted(folder.glob("frames/*")))]
    return {"history": history} | {name: (folder / name).read_bytes() for name in names}


@pytest.fixture(name="cheap", scope="session")
def cheap_run() -> Callable[..., tuple[Any, ...]]:
    return cheap


@pytest.fixture(name="results", scope="session")
def results_of() -> Callable[[Path], dict[str, Any]]:
    return results


@pytest.fixture(params=[MMA, OC])
def optimizer(request: pytest.FixtureRequest) -> Any:
    return request.param()
