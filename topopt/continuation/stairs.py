"""Stairs: schedules that step up when it is time, or when the design has settled.

They count and read the log, not the values that the parameter has had: a guard may hold those back.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from topopt.continuation.schedules import Count, Schedule, require_finite
from topopt.errors import InputError
from topopt.history import History
from topopt.parameters import NonNegative, Positive

__all__ = ["Petsc", "Settling", "Staircase", "Top99neo"]


@dataclass(frozen=True)
class Staircase(Schedule):
    """A step every so many iterations: ``p <- p factor + step`` after each `every`, until `final`.

    The classical doubling is ``Staircase(start=1, final=64, factor=2, every=50)``.
    """

    start: float = 1.0
    final: float = 64.0
    factor: Positive = 2.0
    step: float = 0.0
    every: Count = 50

    def __post_init__(self) -> None:
        """Refuse a staircase that never arrives."""
        super().__post_init__()
        _require_progress(self, self.factor, self.step)

    def __call__(self, past: Sequence[float], history: History) -> float:
        """Step up after each `every` iterations."""
        return _climbed(self.start, len(past) // self.every, self._next)

    def _next(self, value: float) -> float:
        """Return the next stair."""
        return _stepped(value, self.final, self.factor, self.step)


@dataclass(frozen=True)
class Settling(Schedule):
    """A step when the design has settled, or after so many iterations at one value.

    The rule of the 88-line code's projection variant is the default: double when the largest change of a
    variable is at most 0.01 or after 50 iterations (Andreassen et al. 2011, doi:10.1007/s00158-010-0594-7).
    """

    start: float = 1.0
    final: float = 512.0
    factor: Positive = 2.0
    step: float = 0.0
    change: NonNegative = 0.01
    every: Count = 50

    def __post_init__(self) -> None:
        """Refuse a staircase that never arrives."""
        super().__post_init__()
        _require_progress(self, self.factor, self.step)

    def __call__(self, past: Sequence[float], history: History) -> float:
        """Step up if an iteration changed little or the value has stood long enough."""
        value, stood = self.start, 0
        for iteration in history[len(history) - len(past) :]:
            stood += 1
            if iteration.calm(self.change) or stood >= self.every:
                value, stood = _stepped(value, self.final, self.factor, self.step), 0
        return value


@dataclass(frozen=True)
class Top99neo(Schedule):
    """The rule of top99neo: add `step` at every iteration number divisible by `every`, from `first` on.

    Ferrari & Sigmund 2020, doi:10.1007/s00158-020-02629-w.
    """

    start: float = 2.0
    final: float = 16.0
    step: float = 2.0
    every: Count = 25
    first: Count = 1

    def __post_init__(self) -> None:
        """Refuse a staircase that never arrives."""
        super().__post_init__()
        _require_progress(self, 1.0, self.step)

    def __call__(self, past: Sequence[float], history: History) -> float:
        """Step up in front of iteration ``len(past) + 1``."""
        passed_over = (self.first - 1) // self.every
        return _climbed(self.start, max(0, len(past) // self.every - passed_over), self._next)

    def _next(self, value: float) -> float:
        """Return the next stair."""
        return _stepped(value, self.final, 1.0, self.step)


@dataclass(frozen=True)
class Petsc(Schedule):
    """The rule of TopOpt_in_PETSc: +1 below 7, then times 1.2, when settled or every tenth iteration.

    It waits for the constraints: they must hold to `feasible`. Aage, Andreassen & Lazarov 2015,
    doi:10.1007/s00158-014-1157-0.
    """

    start: Positive = 1.0
    final: Positive = 64.0
    change: NonNegative = 0.01
    every: Count = 10
    feasible: NonNegative = 1e-6

    def __post_init__(self) -> None:
        """Refuse what this rule cannot reach: it only grows."""
        super().__post_init__()
        require_finite(self, self.start, self.final)
        if self.final < self.start:
            raise InputError(f"Petsc: grows only, from {self.start:g} it never reaches {self.final:g}")

    def __call__(self, past: Sequence[float], history: History) -> float:
        """Step up after each iteration that left the design feasible and settled, or when it is time."""
        value = self.start
        for count, iteration in enumerate(history[len(history) - len(past) :], start=1):
            due = iteration.calm(self.change) or count % self.every == 0
            if due and iteration.violation <= self.feasible:
                value = min(value + 1.0 if value < 7.0 else value * 1.2, self.final)
        return value


def _climbed(start: float, stairs: int, step: Callable[[float], float]) -> float:
    """Return the value so many stairs up, or that at which they end."""
    value = start
    for _ in range(stairs):
        above = step(value)
        if above == value:
            break
        value = above
    return value


def _stepped(value: float, final: float, factor: float, step: float) -> float:
    """Return the next stair, not beyond the final value."""
    grown = value * factor + step
    return grown if (grown - value) * (final - grown) > 0 else final


def _require_progress(schedule: Staircase | Settling | Top99neo, factor: float, step: float) -> None:
    """Refuse stairs that lead away from the final value, or come to rest before it.

    The rise ``(factor - 1) p + step`` is linear in p: where it points to the final value at both ends, it
    does so, by a least amount, in between.
    """
    start, final = schedule.start, schedule.final
    require_finite(schedule, start, final)
    rises = [p * factor + step - p for p in (start, final)]
    if start != final and not all(rise * (final - start) > 0 for rise in rises):
        raise InputError(
            f"{type(schedule).__name__}: stairs from {start:g} by factor {factor:g} and step {step:g} "
            f"never reach {final:g}; change the sign of the step or take the reciprocal of the factor"
        )
