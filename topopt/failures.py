"""What went wrong in a run, by name, with the iteration and the parameters at which it began."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from topopt.continuation.rollback import without_undone
from topopt.history import History, Iteration, jumps
from topopt.parameters import OPTIMIZER
from topopt.vanishing import OPEN, WINDOW

__all__ = [
    "BROKEN", "DEATHS", "Failure", "Finding", "Jump", "failures", "findings", "jump", "weakest",
]  # fmt: skip

STALL = "stall"
DEATHS = ("freeze", "concentration", "masked", STALL)
"""Failures in which the sensitivities no longer tell the optimiser what to do."""
BROKEN = (*DEATHS, "blow-up")
"""Failures that spoil the design; an interface that is too thin merely may."""


@dataclass(frozen=True)
class Finding:
    """One alarm over a run.

    Attributes
    ----------
    alarm : str
        Its name.
    first, last : int
        Iterations in which it rang first and last.
    count : int
        In how many iterations it rang.
    """

    alarm: str
    first: int
    last: int
    count: int


@dataclass(frozen=True)
class Failure:
    """What went wrong, and where it began.

    Attributes
    ----------
    name : str
        That of an alarm, or ``stall``: the run stopped as settled, and the design is far from done.
    iteration : int
        In which it began.
    parameters : mapping
        At which, by name.
    """

    name: str
    iteration: int
    parameters: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Jump:
    """A leap of a parameter from one iteration to the next.

    Attributes
    ----------
    name : str
        Of the parameter.
    iteration : int
        The first at the new value.
    before, after : float
        The values.
    """

    name: str
    iteration: int
    before: float
    after: float

    @property
    def size(self) -> float:
        """Its ratio as a logarithm, without sign."""
        return abs(math.log(self.after / self.before))


def findings(history: History) -> list[Finding]:
    """Return the alarms that rang, in the order of their first ring."""
    rings: dict[str, list[int]] = {}
    for iteration in history:
        for alarm in iteration.alarms:
            rings.setdefault(alarm, []).append(iteration.number)
    found = [Finding(alarm, numbers[0], numbers[-1], len(numbers)) for alarm, numbers in rings.items()]
    return sorted(found, key=lambda finding: finding.first)


def failures(
    history: History, reason: str | None = None, standing: Mapping[str, float] | None = None
) -> list[Failure]:
    """Return what went wrong in a run: what spoils a design before what merely may, the earliest first.

    Parameters
    ----------
    history : History
        The log.
    reason : str, optional
        Why the run stopped.
    standing : mapping, optional
        Parameters that no schedule drives, by name, so that they can be named as well.

    Returns
    -------
    list of Failure
        Empty for a run in which nothing went wrong.
    """
    # what was undone has spoilt nothing
    began = {found.alarm: found.first for found in findings(without_undone(history))}
    stalled = _stalled(history, reason)
    if stalled is not None and not any(alarm in history[-1].alarms for alarm in DEATHS):
        began[STALL] = stalled

    def gravity(name: str) -> tuple[int, int]:
        # What is left after a blow-up is dead, and what died in an early one was stalled from then on: it
        # counts from the change that brought it about, if there was one.
        rank = (name == STALL) + 2 * (name not in BROKEN)
        early = name == "blow-up" and _changed(history, began[name])
        return rank, began[name] - (WINDOW if early else 0)

    return [_failure(name, began[name], history, standing or {}) for name in sorted(began, key=gravity)]


def jump(failure: Failure, history: History) -> Jump | None:
    """Return the largest leap of a parameter of the model in the last iterations up to where a failure began.

    Parameters
    ----------
    failure : Failure
        What went wrong.
    history : History
        The log.

    Returns
    -------
    Jump or None
        None where no parameter changed by more than a tenth.
    """
    place = failure.iteration - history[0].number
    leaps = [
        Jump(name, after.number, value, then)
        for before, after in itertools.pairwise(history[max(0, place - WINDOW) : place + 1])
        for name, (value, then) in jumps(before.parameters, after.parameters).items()
        if 0 < value < math.inf and then > 0 and not name.startswith(OPTIMIZER)
    ]
    return max(leaps, key=lambda leap: leap.size, default=None)


def weakest(history: History) -> Iteration | None:
    """Return the iteration in which the smallest share of the sensitivity reached the design.

    None if the model gave no signals.
    """
    logged = [it for it in history if not math.isnan(it.vanishing.get("attenuation", math.nan))]
    return min(logged, key=lambda it: it.vanishing["attenuation"], default=None)


def _changed(history: History, number: int) -> bool:
    """Return whether a parameter changed in the last iterations up to one of a number."""
    place = number - history[0].number
    lately = history[max(0, place - WINDOW) : place + 1]
    return any(before.parameters != after.parameters for before, after in itertools.pairwise(lately))


def _failure(name: str, number: int, history: History, standing: Mapping[str, float]) -> Failure:
    """Return a failure with the parameters at which it began."""
    return Failure(name, number, {**standing, **history[number - history[0].number].parameters})


def _stalled(history: History, reason: str | None) -> int | None:
    """Return since which iteration a run that stopped as settled was far from done to its end."""
    if not (history and reason and reason.startswith("settled")):
        return None
    since = None
    for iteration in reversed(history):
        if not iteration.vanishing.get("latent_residual", 0.0) > OPEN:
            break
        since = iteration.number
    return since
