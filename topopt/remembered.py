"""Memory of what was computed from arrays, by the numbers in them."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple, ParamSpec, TypeVar

import numpy as np

__all__ = ["remembered"]

P = ParamSpec("P")
T = TypeVar("T")


def remembered(maxsize: int) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Decorate a pure function so that its last results are kept, like `functools.lru_cache`.

    Arrays among its positional arguments count by their numbers, type and shape; the function gets copies of
    them, which are contiguous and read-only. What it returns is everybody's: make arrays read-only.

    Parameters
    ----------
    maxsize : int
        How many results are kept, with the numbers that they came from.

    Examples
    --------
    >>> @remembered(maxsize=1)
    ... def total(values):
    ...     print("adding")
    ...     return float(values.sum())
    >>> total(np.ones(3)), total(np.ones(3))
    adding
    (3.0, 3.0)
    """

    def decorate(function: Callable[P, T]) -> Callable[P, T]:
        compute: Callable[..., T] = function

        @functools.lru_cache(maxsize=maxsize)
        def kept(*given: Any) -> T:
            return compute(*(value.array if isinstance(value, _Numbers) else value for value in given))

        @functools.wraps(function)
        def found(*given: Any) -> T:
            return kept(*(_Numbers.of(value) if isinstance(value, np.ndarray) else value for value in given))

        found.cache_clear = kept.cache_clear  # type: ignore[attr-defined]
        return found  # type: ignore[return-value]

    return decorate


class _Numbers(NamedTuple):
    """An array as something that can be hashed and compared."""

    content: bytes
    kind: str
    shape: tuple[int, ...]

    @classmethod
    def of(cls, array: np.ndarray[Any, Any]) -> _Numbers:
        """Take the numbers of an array."""
        return cls(array.tobytes(), array.dtype.str, array.shape)

    @property
    def array(self) -> np.ndarray[Any, Any]:
        """The array again."""
        return np.frombuffer(self.content, self.kind).reshape(self.shape)
