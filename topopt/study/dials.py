"""The numbers of a continuation that may be turned, and the ranges in which they are."""

from __future__ import annotations

import dataclasses
import math
import typing
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from topopt.continuation import Continuation, Guarded
from topopt.errors import InputError, ParameterError, suggestion

__all__ = ["Dial", "Range", "dials_of", "parsed_ranges", "turned"]

DIGITS = 4
"""Significant digits of a number that is tried: what is printed is what ran."""


@dataclass(frozen=True)
class Range:
    """Between which numbers one is varied.

    Parameters
    ----------
    low, high : float
        The ends, both included.
    log : bool
        Whether factors count, and not differences.

    Raises
    ------
    InputError
        If that is no range.
    """

    low: float
    high: float
    log: bool = False

    def __post_init__(self) -> None:
        """Refuse what is empty, endless, or has no logarithm."""
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low < self.high):
            raise InputError(f"expected two finite numbers, low < high, got {self.low:g}:{self.high:g}")
        if self.log and self.low <= 0:
            raise InputError(f"a logarithmic range begins above 0, got {self.low:g}:{self.high:g}")

    def __contains__(self, value: float) -> bool:
        return self.low <= value <= self.high


@dataclass(frozen=True)
class Dial:
    """A number of a continuation that is varied.

    Attributes
    ----------
    path : str
        Its name, such as ``physical.beta.growth``.
    place : tuple of str
        The same in parts: the parameter, ``guard`` if it is one of the guard's, the field.
    range : Range
        Where it is varied.
    whole : bool
        Whether it is an integer.
    present : float
        What it is now.
    """

    path: str
    place: tuple[str, ...]
    range: Range
    whole: bool
    present: float

    def rounded(self, value: float) -> float:
        """Return a value with the digits that it is tried with, within the range."""
        if self.whole:
            return int(value)
        return min(max(float(f"{value:.{DIGITS}g}"), self.range.low), self.range.high)


def parsed_ranges(texts: Iterable[str]) -> tuple[dict[str, Range], list[str]]:
    """Return the ranges that a command line gives, and a sentence for each that is none.

    Parameters
    ----------
    texts : iterable of str
        ``PARAMETER.FIELD=LOW:HIGH``, with ``:log`` behind it where factors count.

    Examples
    --------
    >>> parsed_ranges(["physical.beta.growth=0.02:0.15:log"])
    ({'physical.beta.growth': Range(low=0.02, high=0.15, log=True)}, [])
    """
    ranges: dict[str, Range] = {}
    mistakes = []
    for text in texts:
        path, _, said = text.partition("=")
        low, *rest = said.split(":")
        try:
            if not path.strip() or len(rest) not in (1, 2) or rest[1:] not in ([], ["log"]):
                raise ValueError("wrong form")
            ends = float(low), float(rest[0])
        except ValueError:
            form = "expected PARAMETER.FIELD=LOW:HIGH or LOW:HIGH:log, such as physical.beta.growth=0.02:0.15"
            mistakes.append(f"--over {text}: {form}")
            continue
        try:
            if path.strip() in ranges:
                raise InputError("given twice")
            ranges[path.strip()] = Range(*ends, log=len(rest) == 2)
        except InputError as error:
            mistakes.append(f"--over {text}: {error}")
    return ranges, mistakes


def dials_of(
    continuation: Continuation, over: Mapping[str, Range], parameters: Collection[str]
) -> tuple[Dial, ...]:
    """Return what is varied of a continuation.

    Parameters
    ----------
    continuation : Continuation
        As it is now.
    over : mapping
        Ranges by the name of the number.
    parameters : collection of str
        Whose schedules may be varied.

    Raises
    ------
    InputError
        With a line for each mistake: a name that is not there, an end out of its bounds.
    """
    known = {
        ".".join((*place, field)): (place, field, kind, part)
        for place, part in _parts(continuation)
        if place[0] in parameters
        for field, kind in _numbers(part).items()
    }
    mistakes = [] if over else ["nothing to vary: name a number and its range"]
    found = []
    for path, span in over.items():
        if path not in known:
            hint = suggestion(path, known) if known else "it names no schedule; write the schedule out"
            mistakes.append(f"{path}: no number of this continuation: {hint}")
            continue
        place, field, kind, part = known[path]
        complaint = _complaint(part, field, kind, span)
        mistakes += [f"{path}: {complaint}"] if complaint else []
        found.append(Dial(path, (*place, field), span, kind is int, getattr(part, field)))
    if mistakes:
        raise InputError("\n".join(mistakes))
    return tuple(found)


def turned(continuation: Continuation, values: Mapping[tuple[str, ...], float]) -> Continuation:
    """Return a continuation with some of its numbers set anew.

    Parameters
    ----------
    continuation : Continuation
        As it is now.
    values : mapping
        Numbers by `Dial.place`.

    Raises
    ------
    InputError
        If they do not fit together.
    """
    changes: dict[tuple[str, ...], dict[str, Any]] = {}
    for (*place, field), value in values.items():
        changes.setdefault(tuple(place), {})[field] = value
    schedules: dict[str, Any] = dict(continuation.schedules)
    for where, part in _parts(continuation):
        made: Any = dataclasses.replace(part, **changes.get(where, {}))
        whole = schedules[where[0]]
        if isinstance(whole, Guarded):
            made = dataclasses.replace(whole, **{"guard" if len(where) > 1 else "schedule": made})
        schedules[where[0]] = made
    return dataclasses.replace(continuation, schedules=schedules)


def _parts(continuation: Continuation) -> list[tuple[tuple[str, ...], Any]]:
    """Return the schedules and their guards, by place."""
    parts: list[tuple[tuple[str, ...], Any]] = []
    for name, schedule in continuation.schedules.items():
        if isinstance(schedule, Guarded):
            parts += [((name,), schedule.schedule), ((name, "guard"), schedule.guard)]
        else:
            parts.append(((name,), schedule))
    return [(place, part) for place, part in parts if dataclasses.is_dataclass(part)]


def _numbers(part: Any) -> dict[str, type]:
    """Return the fields of a schedule or guard that are one number, with the kind of number."""
    kinds = typing.get_type_hints(type(part))
    names = [field.name for field in dataclasses.fields(part) if field.init]
    return {name: kinds[name] for name in names if kinds[name] in (float, int)}


def _complaint(part: Any, field: str, kind: type, span: Range) -> str:
    """Return what is wrong with the ends of a range; nothing if they lie in the field's bounds."""
    ends: list[float] = [span.low, span.high]
    if kind is int:
        if not all(float(end).is_integer() for end in ends):
            return f"it is an integer, so are the ends of its range; got {span.low:g}:{span.high:g}"
        ends = [int(end) for end in ends]
    for end in ends:
        try:
            dataclasses.replace(part, **{field: end})
        except ParameterError as error:
            return str(error).removeprefix(f"{type(part).__name__}.{field}: ")
        except InputError:
            continue  # it does not go with the present value of another number, which may be varied, too
    return ""
