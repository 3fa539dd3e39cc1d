"""What a response may be: bounds in the user's units, as normalised constraints and as parameters."""

from __future__ import annotations

import dataclasses
import math
import numbers
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from topopt.errors import InputError, ParameterError

__all__ = ["PREFIX", "Limit", "Side", "bounded", "limit_from", "parameter_names", "sides"]

PREFIX = "limits."
"""In front of the names of limits that are parameters."""


@dataclass(frozen=True)
class Limit:
    """Bounds on a response, in the user's units; give one or both.

    Parameters
    ----------
    upper, lower : float, optional
        The response must stay between them.
    """

    upper: float | None = None
    lower: float | None = None

    def __post_init__(self) -> None:
        """Refuse a limit that limits nothing or cannot be met."""
        given = [bound for bound in (self.lower, self.upper) if bound is not None]
        if not given or not all(math.isfinite(bound) for bound in given) or given != sorted(given):
            raise InputError(f"limit: expected finite lower <= upper, at least one of them, got {self}")


@dataclass(frozen=True)
class Side:
    """One side of a limit as a constraint: ``factor (value - bound) <= 0``.

    Attributes
    ----------
    name : str
        The response's, with ``.lower`` behind it where the bound is a lower one.
    response : str
        What is limited.
    factor : float
        Normalises the constraint by the size of its bound, and turns a lower one round.
    bound : float
        In the user's units.
    """

    name: str
    response: str
    factor: float
    bound: float


def limit_from(name: str, value: object) -> Limit:
    """Return what stands for a limit as one.

    Parameters
    ----------
    name : str
        What is limited.
    value : float or Limit
        A number is an upper limit.

    Raises
    ------
    InputError
        If it is neither.
    """
    if isinstance(value, Limit):
        return value
    if isinstance(value, numbers.Real) and not isinstance(value, bool):
        return Limit(upper=float(value))
    raise InputError(f"limits: '{name}': expected a number or a Limit, got {value!r}")


def parameter_names(response: str) -> dict[str, str]:
    """Return the names that the bounds of a limit have as parameters, by field.

    Parameters
    ----------
    response : str
        What is limited.

    Examples
    --------
    >>> parameter_names("volume")
    {'upper': 'limits.volume', 'lower': 'limits.volume.lower'}
    """
    return {"upper": f"{PREFIX}{response}", "lower": f"{PREFIX}{response}.lower"}


def bounded(response: str, limit: Limit, parameters: Mapping[str, float], share: bool) -> Limit:
    """Return a limit at the bounds that parameters give it.

    Parameters
    ----------
    response : str
        What is limited.
    limit : Limit
        As the problem states it.
    parameters : mapping
        Bounds by name of parameter; others are overlooked.
    share : bool
        Whether the response is a mean density. Its bound may be 1, where a schedule begins that takes volume
        away; as a limit that stays, this would be none.

    Raises
    ------
    ParameterError
        If a bound is not finite, no share though it should be one, or on the wrong side of the other.
    """
    names = parameter_names(response)
    given = {field: parameters[name] for field, name in names.items() if name in parameters}
    for field, bound in given.items():
        if share and not 0 < bound <= 1:
            raise ParameterError(f"{names[field]}: expected a mean density > 0 and <= 1, got {bound:g}")
    try:
        return dataclasses.replace(limit, **given) if given else limit
    except InputError as error:
        raise ParameterError(f"{PREFIX}{response}: {error}") from None


def sides(limits: Iterable[tuple[str, Limit]]) -> Iterator[Side]:
    """Walk the sides of limits, each normalised by the size of its bound.

    Parameters
    ----------
    limits : iterable of tuple
        Responses and what they may be.
    """
    for response, limit in limits:
        if limit.upper is not None:
            yield Side(response, response, 1.0 / (abs(limit.upper) or 1.0), limit.upper)
        if limit.lower is not None:
            yield Side(f"{response}.lower", response, -1.0 / (abs(limit.lower) or 1.0), limit.lower)
