"""A schedule is a pure function of the log so far, giving one number, with a final value."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import annotated_types as at

from topopt.errors import InputError
from topopt.history import History
from topopt.parameters import NonNegative, Positive, checked

__all__ = [
    "Constant",
    "Geometric",
    "Linear",
    "Petsc",
    "Schedule",
    "Settling",
    "Staircase",
    "Steps",
    "Top99neo",
]

Count = Annotated[int, at.Ge(1)]


class Schedule(ABC):
    """A rule for one parameter.

    Write one as a frozen dataclass with a field (or property) `final` and a method `__call__`. There is no
    hidden counter: the same log gives the same number.
    """

    final: float

    def __post_init__(self) -> None:
        """Check that numbers lie in their bounds."""
        checked(self)

    @abstractmethod
    def __call__(self, past: Sequence[float], history: History) -> float:
        """Return the parameter's value for the coming iteration.

        Parameters
        ----------
        past : sequence of float
            The values the parameter has had, one an iteration; empty before the first.
        history : History
            The log so far.
        """

    def settled(self, past: Sequence[float]) -> bool:
        """Return whether the last iteration ran at the final value."""
        return bool(past) and past[-1] == self.final


@dataclass(frozen=True)
class Constant(Schedule):
    """One value throughout: ``p(k) = value``."""

    value: float

    @property
    def final(self) -> float:  # type: ignore[override]
        """The value."""
        return self.value

    def __call__(self, past: Sequence[float], history: History) -> float:
        """Return the value."""
        return self.value


@dataclass(frozen=True)
class Linear(Schedule):
    """A straight ramp: ``p(k) = start + (final - start) min(1, k / over)``."""

    start: float
    final: float
    over: Count = 100

    def __call__(self, past: Sequence[float], history: History) -> float:
        """Return the ramp after ``len(past)`` iterations."""
        if len(past) >= self.over:
            return self.final
        return self.start + (self.final - self.start) * len(past) / self.over


@dataclass(frozen=True)
class Geometric(Schedule):
    """A ramp of constant growth: ``p(k) = start (final / start)^min(1, k / over)``."""

    start: Positive
    final: Positive
    over: Count = 100

    def __call__(self, past: Sequence[float], history: History) -> float:
        """Return the ramp after ``len(past)`` iterations."""
        if len(past) >= self.over:
            return self.final
        return float(self.start * (self.final / self.start) ** (len(past) / self.over))


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
        _require_progress(self.start, self.final, self.factor, self.step)

    def __call__(self, past: Sequence[float], history: History) -> float:
        """Step up after each `every` iterations."""
        if not past:
            return self.start
        if len(past) % self.every:
            return past[-1]
        return _stepped(past[-1], self.final, self.factor, self.step)


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
        _require_progress(self.start, self.final, self.factor, self.step)

    def __call__(self, past: Sequence[float], history: History) -> float:
        """Step up if the last iteration changed little or the value has stood long enough."""
        if not past:
            return self.start
        if history[-1].change <= self.change or _standing(past) >= self.every:
            return _stepped(past[-1], self.final, self.factor, self.step)
        return past[-1]


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
        _require_progress(self.start, self.final, 1.0, self.step)

    def __call__(self, past: Sequence[float], history: History) -> float:
        """Step up in front of iteration ``len(past) + 1``."""
        if not past:
            return self.start
        if len(past) >= self.first and len(past) % self.every == 0:
            return _stepped(past[-1], self.final, 1.0, self.step)
        return past[-1]


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

    def __call__(self, past: Sequence[float], history: History) -> float:
        """Step up if the design is feasible and has settled, or it is time."""
        if not past:
            return self.start
        last = history[-1]
        due = last.change < self.change or len(past) % self.every == 0
        if not due or last.violation > self.feasible:
            return past[-1]
        grown = past[-1] + 1.0 if past[-1] < 7.0 else past[-1] * 1.2
        return min(grown, self.final)


@dataclass(frozen=True)
class Steps(Schedule):
    """A list of values, each held for so many iterations; the last may be infinite.

    Parameters
    ----------
    values : sequence of float
        At least one.
    every : int or sequence of int
        Iterations at each value; the last value is held for ever.
    """

    values: tuple[float, ...]
    every: int | tuple[int, ...] = 50

    def __post_init__(self) -> None:
        """Normalise to tuples and refuse lists that do not fit."""
        values = tuple(float(v) for v in self.values)
        if not values or any(v != v for v in values):
            raise InputError(f"steps.values: expected at least one number, got {self.values}")
        holds = self.every
        if isinstance(holds, int):
            holds = (holds,) * (len(values) - 1)
        holds = tuple(holds)
        if len(holds) not in (len(values) - 1, len(values)) or any(n < 1 for n in holds):
            raise InputError(f"steps.every: expected an integer >= 1, or one for each value, got {self.every}")
        object.__setattr__(self, "values", values)
        object.__setattr__(self, "every", self.every if isinstance(self.every, int) else holds)

    @property
    def final(self) -> float:  # type: ignore[override]
        """The last value."""
        return self.values[-1]

    def __call__(self, past: Sequence[float], history: History) -> float:
        """Return the value whose turn it is."""
        holds = [self.every] * len(self.values) if isinstance(self.every, int) else self.every
        end = 0
        for value, hold in zip(self.values[:-1], holds, strict=False):
            end += hold
            if len(past) < end:
                return value
        return self.values[-1]


def _standing(past: Sequence[float]) -> int:
    """Return for how many iterations the last value has stood."""
    count = 0
    for value in reversed(past):
        if value != past[-1]:
            break
        count += 1
    return count


def _stepped(value: float, final: float, factor: float, step: float) -> float:
    """Return the next stair, not beyond the final value."""
    grown = value * factor + step
    return min(grown, final) if final >= value else max(grown, final)


def _require_progress(start: float, final: float, factor: float, step: float) -> None:
    """Refuse stairs that lead away from the final value or nowhere."""
    grown = start * factor + step
    if start != final and (grown - start) * (final - start) <= 0:
        raise InputError(
            f"stairs from {start:g} by factor {factor:g} and step {step:g} never reach {final:g}; "
            "change the sign of the step or take the reciprocal of the factor"
        )
