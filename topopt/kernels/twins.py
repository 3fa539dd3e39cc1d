"""A formula in numpy and its compiled twin: short fields take the one, long fields the other."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType
from typing import Any, Generic, TypeVar

__all__ = ["LONG", "Twin", "is_long", "twin"]

LONG = 30_000
"""Entries from which a field is worth compiled passes."""

F = TypeVar("F", bound=Callable[..., Any])


def is_long(n: int) -> bool:
    """Return whether a field of `n` entries is worth compiled passes."""
    return n >= LONG


@dataclass(frozen=True)
class Twin(Generic[F]):
    """A formula in numpy, which is the reference, and where its compiled twin is.

    Attributes
    ----------
    plain : callable
        The formula in numpy.
    compiled : str
        ``module.function`` in this room, which takes and returns the same; numba is imported with it.
    """

    plain: F
    compiled: str

    def of(self, n: int, fits: bool = True) -> F:
        """Return the form for a field of `n` entries; it may be given the field in pieces.

        Parameters
        ----------
        n : int
            Length of the whole field.
        fits : bool
            Whether the compiled twin, which may do a special case only, can do this one.
        """
        return self.loaded() if fits and is_long(n) else self.plain

    def loaded(self) -> F:
        """Import the compiled twin."""
        module, _, name = self.compiled.partition(".")
        function: F = getattr(_imported(module), name)
        return function


@functools.cache
def _imported(module: str) -> ModuleType:
    """Return a module of this room."""
    return import_module(f"{__package__}.{module}")


def twin(compiled: str) -> Callable[[F], Twin[F]]:
    """Decorate a formula in numpy with the name of its compiled twin.

    Parameters
    ----------
    compiled : str
        See `Twin`.
    """
    return lambda plain: Twin(plain, compiled)
