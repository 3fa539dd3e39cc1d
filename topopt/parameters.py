"""A parameter is a bounded field of a frozen dataclass; its bounds stand in its annotation."""

from __future__ import annotations

import dataclasses
import functools
import math
import numbers
import typing
from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

import annotated_types as at
import numpy as np
from numpy.typing import NDArray

from topopt.errors import ParameterError, suggestion

__all__ = [
    "OPTIMIZER",
    "Amount",
    "Array",
    "Checked",
    "Finite",
    "NonNegative",
    "Positive",
    "PositiveAmount",
    "Unit",
    "UnitOpen",
    "checked",
    "frozen",
    "is_count",
    "is_frozen",
    "model_parameters",
    "replaced",
    "scalars",
]

T = TypeVar("T")
Array = NDArray[np.float64]
OPTIMIZER = "optimizer."
"""What the names of an optimiser's parameters begin with; all others are the model's."""


def frozen(array: Array) -> Array:
    """Make an array read-only and return it: whoever gets it may keep it."""
    array.flags.writeable = False
    return array


def is_frozen(value: Any) -> bool:
    """Return whether an array owns its numbers and is read-only, so that it may be kept."""
    return type(value) is np.ndarray and value.flags.owndata and not value.flags.writeable


def is_count(value: object) -> bool:
    """Return whether a value is an integer of at least 1."""
    return isinstance(value, numbers.Integral) and not isinstance(value, bool) and int(value) >= 1


Positive = Annotated[float, at.Gt(0)]
Finite = Annotated[float, at.Lt(math.inf), at.Gt(-math.inf)]
Amount = Annotated[float, at.Ge(0), at.Lt(math.inf)]
PositiveAmount = Annotated[float, at.Gt(0), at.Lt(math.inf)]
"""Of something physical, of which there is not infinitely much; a sharpness may be infinite."""
NonNegative = Annotated[float, at.Ge(0)]
Unit = Annotated[float, at.Ge(0), at.Le(1)]
UnitOpen = Annotated[float, at.Gt(0), at.Lt(1)]

_RELATIONS: dict[type, tuple[str, str]] = {
    at.Gt: ("gt", ">"),
    at.Ge: ("ge", ">="),
    at.Lt: ("lt", "<"),
    at.Le: ("le", "<="),
}


@functools.cache
def _hints(cls: Any) -> dict[str, tuple[Any, tuple[Any, ...]]]:
    """Return, by field name, the plain type and the bounds of each field of a dataclass."""
    hints = typing.get_type_hints(cls, include_extras=True)
    table = {}
    for field in dataclasses.fields(cls):
        hint = hints[field.name]
        bounds = tuple(getattr(hint, "__metadata__", ()))
        table[field.name] = (hint.__origin__ if bounds else hint, bounds)
    return table


def checked(instance: Any) -> None:
    """Refuse a dataclass whose numbers are not numbers or leave their bounds.

    Parameters
    ----------
    instance : dataclass
        Call this from ``__post_init__``.

    Raises
    ------
    ParameterError
        Naming class, field, bound and value; all bad fields at once.
    """
    mistakes = []
    cls: Any = type(instance)
    for name, (kind, bounds) in _hints(cls).items():
        if kind not in (float, int):
            continue
        value = getattr(instance, name)
        where = f"{type(instance).__name__}.{name}"
        wanted = numbers.Integral if kind is int else numbers.Real
        if isinstance(value, bool | np.bool_) or not isinstance(value, wanted):
            noun = "an integer" if kind is int else "a number"
            mistakes.append(f"{where}: expected {noun}, got {value!r}")
            continue
        if math.isnan(value):
            mistakes.append(f"{where}: expected a number, got nan")
            continue
        for bound in bounds:
            attribute, sign = _RELATIONS[type(bound)]
            limit = getattr(bound, attribute)
            if not _holds(float(value), sign, limit):
                mistakes.append(f"{where}: expected a value {sign} {limit:g}, got {value:g}")
                break
    if mistakes:
        raise ParameterError("; ".join(mistakes))


class Checked:
    """A frozen dataclass whose numbers lie in their bounds; one whose numbers do not is refused."""

    def __post_init__(self) -> None:
        """Look at every number."""
        checked(self)


def _holds(value: float, sign: str, limit: float) -> bool:
    """Evaluate ``value sign limit``."""
    if sign == ">":
        return value > limit
    if sign == ">=":
        return value >= limit
    if sign == "<":
        return value < limit
    return value <= limit


def scalars(instance: Any) -> dict[str, float]:
    """Return the fields that may be scheduled: the float fields, by name.

    Examples
    --------
    >>> @dataclasses.dataclass(frozen=True)
    ... class Slope:
    ...     beta: Positive = 2.0
    ...     kind: str = "tanh"
    >>> scalars(Slope())
    {'beta': 2.0}
    """
    cls: Any = type(instance)
    return {name: float(getattr(instance, name)) for name, (kind, _) in _hints(cls).items() if kind is float}


def replaced(instance: T, changes: dict[str, float], owner: str) -> T:
    """Return a copy with some float fields changed; unknown names come back with a suggestion."""
    valid = scalars(instance)
    for name in changes:
        if name not in valid:
            hint = suggestion(f"{owner}.{name}", [f"{owner}.{field}" for field in valid])
            raise ParameterError(f"'{owner}.{name}' is not a parameter: {hint}")
    try:
        return typing.cast(T, dataclasses.replace(typing.cast(Any, instance), **changes))
    except ParameterError as error:
        raise ParameterError(f"'{owner}': {error}") from error


def model_parameters(parameters: Mapping[str, float]) -> dict[str, float]:
    """Return the parameters that are the model's.

    Parameters
    ----------
    parameters : mapping
        Values by name.
    """
    return {name: value for name, value in parameters.items() if not name.startswith(OPTIMIZER)}
