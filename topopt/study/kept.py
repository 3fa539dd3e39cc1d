"""What a problem's limits come to once the design is black and white, and on finer cells."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from topopt.cells import Flags
from topopt.continuation import Continuation, Normalised
from topopt.errors import ChainError, NumericalError
from topopt.limits import PREFIX
from topopt.problem import Problem
from topopt.study.yardstick import Score, Threshold, determined, floored

__all__ = ["SLACK", "Kept", "Stated", "responses", "stated"]

SLACK = 0.02
"""A limit counts as kept up to this share of its bound: a layer of cells more or less moves it by as much."""


@dataclass(frozen=True)
class Stated:
    """One side of a limit, as the user means it.

    Attributes
    ----------
    response : str
        What is limited; where a schedule lets a smooth stand-in follow the extreme, the extreme.
    bound : float
        In the user's units.
    lower : bool
        Whether it is a lower bound.
    """

    response: str
    bound: float
    lower: bool = False

    def __str__(self) -> str:
        """Name it as an inequality."""
        return f"{self.response} {'>=' if self.lower else '<='} {self.bound:.6g}"

    def excess(self, value: float) -> float:
        """Return by which share of the bound a value lies beyond it; negative where it does not."""
        return (self.bound - value if self.lower else value - self.bound) / (abs(self.bound) or 1.0)


@dataclass(frozen=True)
class Kept:
    """A limit, and what it limits for one design after the other.

    Attributes
    ----------
    limit : Stated
        What may be.
    values : tuple of float or None
        What is; None where that cannot be computed.
    fault : str
        Why not, for the last design; empty if it can.
    """

    limit: Stated
    values: tuple[float | None, ...]
    fault: str = ""

    @property
    def holds(self) -> bool | None:
        """Whether the last design keeps the limit; None if that cannot be computed."""
        value = self.values[-1]
        return None if value is None else self.limit.excess(value) <= SLACK

    @property
    def verdict(self) -> str:
        """The same in words."""
        value = self.values[-1]
        if value is None:
            return self.fault
        return "holds" if self.holds else f"broken by {100 * self.limit.excess(value):.3g} %"

    def facts(self) -> dict[str, Any]:
        """Return all of it as plain data."""
        found = {"values": list(self.values), "holds": self.holds, "fault": self.fault}
        return {**dataclasses.asdict(self.limit), **found}


def stated(
    problem: Problem, continuation: Continuation, parameters: Mapping[str, float]
) -> tuple[Stated, ...]:
    """Return the limits of a run as it ended.

    Parameters
    ----------
    problem : Problem
        Of the run.
    continuation : Continuation
        A limit on a smooth stand-in that it lets follow an extreme (`topopt.Normalised`) is the extreme's.
    parameters : mapping
        The model's last ones: bounds may be scheduled.
    """
    found = []
    for side in problem.sides(parameters):
        schedule = continuation.schedules.get(f"{PREFIX}{side.name}")
        if isinstance(schedule, Normalised):
            found.append(Stated(schedule.extreme, schedule.target))
        else:
            found.append(Stated(side.response, side.bound, lower=side.factor < 0))
    return tuple(found)


def responses(problem: Problem, solid: Flags, names: Iterable[str]) -> dict[str, Score]:
    """Return responses of a black-and-white design, each by itself: one that fails takes no other along.

    Parameters
    ----------
    problem : Problem
        What it is a design for; void cells get the yardstick's factor.
    solid : array of bool, shape (n_cells,)
        The design.
    names : iterable of str
        Responses that are wanted.

    Returns
    -------
    dict
        By name the value, or inf and why there is none.
    """
    return {name: _response(problem, solid, name) for name in dict.fromkeys(names)}


def _response(problem: Problem, solid: Flags, name: str) -> Score:
    """Return one response of a black-and-white design."""
    try:
        chain = determined(problem, name)
    except ChainError:
        return Score(math.inf, "does not follow from the density")
    try:
        tape = floored(chain, Threshold().e_min).run(solid.astype(np.float64))
    except NumericalError:
        return Score(math.inf, "its black-and-white design is broken")
    return Score(float(tape[name].item()))
