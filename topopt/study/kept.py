"""What a problem's limits come to once the design is black and white, and on finer cells."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from topopt.cells import Flags
from topopt.continuation import Continuation, Normalised
from topopt.design import Design
from topopt.errors import ChainError, NumericalError
from topopt.evaluation import Evaluation, Model
from topopt.limits import PREFIX
from topopt.problem import Problem
from topopt.study.yardstick import Score, Threshold, Yardstick, determined, floored

__all__ = ["SLACK", "Kept", "Stated", "beside", "kept", "responses", "stated"]

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

    @property
    def complaint(self) -> str:
        """What is wrong with it; empty if the last design keeps the limit."""
        return "" if self.holds else f"{self.limit}: {self.verdict}"

    def facts(self) -> dict[str, Any]:
        """Return all of it as plain data, of which `told` makes it again."""
        found = {"values": list(self.values), "holds": self.holds, "fault": self.fault}
        return {**dataclasses.asdict(self.limit), **found}

    @classmethod
    def told(cls, facts: Mapping[str, Any]) -> Self:
        """Return what `facts` was made of.

        Raises
        ------
        KeyError, TypeError, ValueError
            If something is missing or of another type.
        """
        limit = Stated(str(facts["response"]), float(facts["bound"]), bool(facts["lower"]))
        values = tuple(None if value is None else float(value) for value in facts["values"])
        if not values:
            raise ValueError(f"no values of {limit}")
        return cls(limit, values, str(facts["fault"]))


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


def kept(
    limits: Iterable[Stated], evaluation: Evaluation, *designs: tuple[Problem, Flags]
) -> tuple[Kept, ...]:
    """Return what limits come to for a run's own design, and for black-and-white ones.

    Parameters
    ----------
    limits : iterable of Stated
        What may be.
    evaluation : Evaluation
        Of the run's own design.
    *designs : tuple of Problem and array of bool, shape (n_cells,)
        What it is a design for, and which cells are solid.
    """
    limits = tuple(limits)
    wanted = [limit.response for limit in limits]
    own = {name: Score(evaluation.responses[name]) for name in wanted}
    found = [own, *(responses(*design, wanted) for design in designs)]
    rows = {limit: [one[limit.response] for one in found] for limit in limits}
    return tuple(
        Kept(limit, tuple(None if score.fault else score.value for score in row), row[-1].fault)
        for limit, row in rows.items()
    )


def beside(
    model: Model,
    yardstick: Yardstick,
    continuation: Continuation,
    evaluation: Evaluation,
    parameters: Mapping[str, float],
) -> tuple[Kept, ...]:
    """Return what the limits come to that a yardstick does not keep by itself, on the design that it values.

    Parameters
    ----------
    model : Model
        What the trial works on.
    yardstick : Yardstick
        What judges it.
    continuation : Continuation
        What the trial ran under.
    evaluation : Evaluation
        Of its final design.
    parameters : mapping
        The model's last ones.

    Returns
    -------
    tuple of Kept
        For the grey and for the black-and-white design; none if nothing is made black and white.
    """
    if not isinstance(model, Problem) or not isinstance(yardstick, Threshold):
        return ()
    if not isinstance(evaluation.picture, Design):
        return ()
    held = yardstick.volume_limit(model)
    others = [
        limit
        for limit in stated(model, continuation, parameters)
        if limit.lower or held is None or limit.response != held[0]
    ]
    if not others:
        return ()
    return kept(others, evaluation, (model, yardstick.solid(model, evaluation.picture.density)))


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
