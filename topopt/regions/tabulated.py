"""A region that numbers describe rather than a formula: two are equal if their numbers are."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np

from topopt.regions.region import Region

__all__ = ["Tabulated"]


@dataclass(frozen=True, eq=False)
class Tabulated(Region):
    """A region that holds arrays; what derives from it is a ``@dataclass(frozen=True, eq=False)`` too.

    It is compared and hashed by its fields, arrays by a digest of shape and content that is computed once. A
    field that says nothing about the place, such as a name, is declared with ``field(compare=False)``.
    """

    def __eq__(self, other: object) -> bool:
        """Compare the fields."""
        return isinstance(other, Tabulated) and type(other) is type(self) and other._key == self._key

    def __hash__(self) -> int:
        """Hash the fields."""
        return hash(self._key)

    @functools.cached_property
    def _key(self) -> tuple[Any, ...]:
        """What makes two of these equal."""
        values = (getattr(self, field.name) for field in dataclasses.fields(self) if field.compare)
        return tuple(_digest(value) if isinstance(value, np.ndarray) else value for value in values)


def _digest(array: np.ndarray[Any, Any]) -> tuple[tuple[int, ...], str]:
    """Return what tells an array from others of its type."""
    return array.shape, hashlib.blake2b(np.ascontiguousarray(array).tobytes()).hexdigest()
