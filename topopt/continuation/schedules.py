"""A schedule is a pure function of the log so far, giving one number, with a final value."""

from __future__ import annotations

import itertools
import math
import numbers
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, cast

import annotated_types as at

from topopt.errors import InputError
from topopt.history import History
from topopt.parameters import Checked, Positive, is_count

__all__ = [
    "Constant",
    "Count",
    "Counter",
    "Geometric",
    "Linear",
    "Power",
    "Schedule",
    "Steps",
    "require_finite",
]

Count = Annotated[int, at.Ge(1)]
"""A number of iterations."""


class Schedule(Checked, ABC):
    """A rule for one parameter.

    Write one as a frozen dataclass with a field (or property) `final` and a method `__call__`. There is no
    hidden counter: the same log gives the same number.
    """

    reads: ClassVar[tuple[str, ...]] = ()
    """Fields that name responses which the schedule looks up in the log."""

    final: float

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

    def settled(self, past: Sequence[float], history: History) -> bool:
        """Return whether the last iteration ran at the final value."""
        return bool(past) and past[-1] == self.final

    def missed(self, past: Sequence[float], history: History) -> str | None:
        """Return a sentence on what the schedule is for and did not bring about; None if all is well."""
        return None

    def driving(self, parameter: str) -> Schedule:
        """Return the schedule as the one of that parameter, whose name it may need to read the log."""
        return self


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

    def __post_init__(self) -> None:
        """Refuse a ramp to infinity."""
        super().__post_init__()
        require_finite(self, self.start, self.final)

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

    def __post_init__(self) -> None:
        """Refuse a ramp to infinity."""
        super().__post_init__()
        require_finite(self, self.start, self.final)

    def __call__(self, past: Sequence[float], history: History) -> float:
        """Return the ramp after ``len(past)`` iterations."""
        if len(past) >= self.over:
            return self.final
        value = float(self.start * (self.final / self.start) ** (len(past) / self.over))
        # The power may round past an end that is closer than its last digit.
        return min(max(value, min(self.start, self.final)), max(self.start, self.final))


@dataclass(frozen=True)
class Power(Schedule):
    """HashNet's growth by a root of time, in steps: ``p(k) = min(final, start (1 + gamma k)^power)``.

    Between two multiples of `every` the value of the first is kept. With the paper's numbers, which are the
    defaults, it is at 3.2 after two thousand iterations and at 64 after 819,000.

    Parameters
    ----------
    start, final : float
        The first value and the last.
    gamma : float
        Growth of what the power is taken of, an iteration.
    power : float
        The power.
    every : int
        Iterations at each value.

    References
    ----------
    Cao, Long, Wang and Yu 2017, HashNet, arXiv:1702.00758; the numbers are those of the authors' code,
    github.com/thuml/HashNet, ``pytorch/src/network.py``.
    """

    start: Positive = 1.0
    final: Positive = 64.0
    gamma: Positive = 0.005
    power: Positive = 0.5
    every: Count = 200

    def __post_init__(self) -> None:
        """Refuse what it cannot reach: it only grows."""
        super().__post_init__()
        require_finite(self, self.start, self.final)
        if self.final < self.start:
            raise InputError(f"Power: grows only, from {self.start:g} it never reaches {self.final:g}")

    def __call__(self, past: Sequence[float], history: History) -> float:
        """Return the value of the last multiple of `every`."""
        grown = self.power * math.log1p(self.gamma * (len(past) // self.every * self.every))
        if grown >= math.log(self.final / self.start):  # so that nothing overflows
            return self.final
        return min(self.start * math.exp(grown), self.final)


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
        values = tuple(self.values) if isinstance(self.values, Iterable) else ()
        if not values or not all(isinstance(v, numbers.Real) and not math.isnan(v) for v in values):
            raise InputError(f"Steps.values: expected a list of at least one number, got {self.values!r}")
        holds = tuple(self.every) if isinstance(self.every, Iterable) else (self.every,) * len(values)
        if len(holds) not in (len(values) - 1, len(values)) or not all(map(is_count, holds)):
            raise InputError(
                f"Steps.every: expected an integer >= 1, or one for each value, got {self.every!r}"
            )
        object.__setattr__(self, "values", tuple(float(v) for v in values))
        object.__setattr__(self, "every", tuple(int(hold) for hold in holds))

    @property
    def final(self) -> float:  # type: ignore[override]
        """The last value."""
        return self.values[-1]

    def __call__(self, past: Sequence[float], history: History) -> float:
        """Return the value whose turn it is."""
        return next((value for value, end in self._ends() if len(past) < end), self.values[-1])

    def settled(self, past: Sequence[float], history: History) -> bool:
        """Return whether it is the last value's turn, and not an equal one's before it, and it was taken."""
        due = len(past) > max((end for _, end in self._ends()), default=0)
        return due and super().settled(past, history)

    def _ends(self) -> Iterator[tuple[float, int]]:
        """Yield each value but the last with the number of iterations after which it goes."""
        holds = cast("tuple[int, ...]", self.every)  # `__post_init__` saw to it
        return zip(self.values[:-1], itertools.accumulate(holds), strict=False)


@dataclass(frozen=True)
class Counter(Schedule):
    """One more an iteration: ``p(k) = start + k``, for what is numbered, such as the batches of a net.

    It has no end, and nothing waits for it.
    """

    start: float = 0.0

    @property
    def final(self) -> float:  # type: ignore[override]
        """The first value; there is no last."""
        return self.start

    def __call__(self, past: Sequence[float], history: History) -> float:
        """Return the number of this iteration."""
        return self.start + len(past)

    def settled(self, past: Sequence[float], history: History) -> bool:
        """Return that it holds nothing up."""
        return True


def require_finite(schedule: Schedule, start: float, final: float) -> None:
    """Refuse a start or an end that no ramp and no stairs can reach.

    Raises
    ------
    InputError
        If one of them is infinite.
    """
    if not (math.isfinite(start) and math.isfinite(final)):
        raise InputError(
            f"{type(schedule).__name__}: cannot run from {start:g} to {final:g}; "
            "list the values in Steps, whose last may be infinite"
        )
