"""Outcomes made up by hand, to be compared."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from topopt.continuation import USUAL, Continuation, Geometric, Schedule, Survival
from topopt.history import History, Iteration
from topopt.study.outcome import Judgement, Outcome

INF = math.inf
RAMP = Continuation({"physical.beta": Geometric(1.0, 32.0, 60)})


def usual(schedules: Mapping[str, Schedule]) -> Continuation:
    """Return schedules with the settings that a file gets which names no sharpness."""
    return dataclasses.replace(USUAL, schedules=schedules)


GATE = usual({"physical.beta": Survival()})


def trial(
    continuation: str,
    value: float | None,
    problem: str = "beam",
    start: str = "uniform",
    solves: tuple[int, int, int] = (20, 40, 60),
    grey: float = 0.01,
    alarms: tuple[tuple[str, int], ...] = (),
    **other: Any,
) -> Outcome:
    """Return an outcome that comes down to a value; inf ends in a broken design, None in an error.

    The first judged design is 50 % above the value, the second 4 %, the last has it.
    """
    history = History(
        Iteration(k, 100.0, solves=k, alarms=tuple(name for name, first in alarms if k >= first))
        for k in range(1, solves[-1] + 1)
    )
    if value is None:
        reason = "NumericalError: the field is not finite"
        return Outcome(problem, continuation, start, reason, crashed=True, history=history, **other)
    way = [value + share * abs(value) if math.isfinite(value) else INF for share in (0.5, 0.04, 0.0)]
    fault = "" if math.isfinite(value) else "no path from load to support"
    judged = tuple(
        Judgement(at, at, f01, f01 * 1.01, nd, fault)
        for at, f01, nd in zip(solves, way, (0.3, 0.1, grey), strict=True)
    )
    other = {"settled": True} | other
    return Outcome(problem, continuation, start, "settled", judgements=judged, history=history, **other)


def drawn(outcome: Outcome, ndim: int = 2, beta: float = 8.0) -> Outcome:
    """Return an outcome with a design to draw and a vanishing log."""
    shape = (12, 6, 4)[:ndim]
    density = np.random.default_rng(3).random(shape)
    history = History()
    for k in range(1, 7):
        dead = min(0.99, beta * k / 100)
        stages = {
            name: {"attenuation": fade, "dead3": dead if fade else 0.0, "norm": 0.0, "participation": 0.5}
            for name, fade in (("design", -dead), ("filtered", -dead), ("physical", 0.0))
        }
        history.append(Iteration(
            k, 100.0, solves=10 * k, parameters={"physical.beta": beta if k < 5 else INF}, stages=stages,
            vanishing={"attenuation": -dead, "dead3": dead}, alarms=("freeze",) if dead > 0.5 else (),
        ))  # fmt: skip
    return dataclasses.replace(outcome, density=density, history=history)
