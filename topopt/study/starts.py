"""Where trials begin: at the problem's own start, and at others: with noise, or from another seed."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Protocol, runtime_checkable

import annotated_types as at
import numpy as np

from topopt.errors import InputError
from topopt.evaluation import Model
from topopt.grid import Grid
from topopt.parameters import Array, Unit, checked
from topopt.problem import Problem

__all__ = ["Starts"]

UNIFORM = "uniform"


@runtime_checkable
class Seeded(Protocol):
    """A net whose first weights are drawn."""

    seed: int

    def drawn_from(self, seed: int) -> Model:
        """Return the same net with other first weights."""


@dataclass(frozen=True)
class Starts:
    """The problem's own start, called ``uniform``, and perturbed ones, ``perturbed-1``, ``perturbed-2``, ...

    Nets begin with weights that are drawn. Theirs are called by their seed, ``seed-0`` if that is their own;
    the perturbed ones have the seeds that follow.

    Parameters
    ----------
    uniform : bool
        Whether there is a trial from the problem's own start.
    perturbed : int
        How many perturbed ones there are.
    noise : float
        Of designs: each designed cell's density is moved by about this at most, up or down, independently of
        its neighbours and never beyond 0 and 1, so that the mean (on a mesh by volume) stays as it was.
    seed : int
        Of the first noise of designs; the next counts on.
    """

    uniform: bool = True
    perturbed: Annotated[int, at.Ge(0)] = 0
    noise: Unit = 0.1
    seed: Annotated[int, at.Ge(0)] = 0

    def __post_init__(self) -> None:
        """Check that numbers lie in their bounds, and that there is a start."""
        checked(self)
        if not self.uniform and not self.perturbed:
            raise InputError("starts: there is none; say uniform=True or perturbed=1")

    def of(self, model: Model) -> Iterator[tuple[str, Model]]:
        """Yield the model at each start, with the start's name.

        Raises
        ------
        InputError
            If perturbed starts are wanted of a model that is no `topopt.Problem`, nor a net with a seed.
        """
        if isinstance(model, Seeded):
            for seed in range(model.seed + (not self.uniform), model.seed + 1 + self.perturbed):
                yield f"seed-{seed}", model.drawn_from(seed)
            return
        if self.uniform:
            yield UNIFORM, model
        for number in range(1, self.perturbed + 1):
            if not isinstance(model, Problem):
                raise InputError(
                    f"starts: only a topopt.Problem or a net can be perturbed, got a {type(model).__name__}; "
                    "say Starts(perturbed=0), and list the model once for every start that it shall have"
                )
            yield f"perturbed-{number}", dataclasses.replace(model, start=self._perturbed(model, number))

    def _perturbed(self, problem: Problem, number: int) -> Array:
        """Return the problem's start with noise, shape (n_cells,)."""
        start = np.array(problem.start, dtype=np.float64)
        domain = problem.domain
        designed = domain.active
        volumes = None if isinstance(domain.mesh, Grid) else domain.mesh.volumes[designed]
        noise = np.random.default_rng(self.seed + number - 1).uniform(-1.0, 1.0, start.size)
        noisy = start + self.noise * noise
        mean = float(np.average(start[designed], weights=volumes))
        start[designed] = _with_mean(noisy[designed], mean, volumes)
        return start


def _with_mean(values: Array, mean: float, weights: Array | None) -> Array:
    """Shift values so that their mean is the given one after what lies outside 0 to 1 is cut off."""
    low, high = -1.0 - float(values.max()), 1.0 - float(values.min())
    for _ in range(60):
        middle = 0.5 * (low + high)
        if np.average(np.clip(values + middle, 0.0, 1.0), weights=weights) < mean:
            low = middle
        else:
            high = middle
    return np.asarray(np.clip(values + high, 0.0, 1.0))
