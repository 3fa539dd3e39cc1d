"""Room to work in, kept until it is given back."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

__all__ = ["vacate", "workspace"]

P = ParamSpec("P")
T = TypeVar("T")

_workspaces: list[Callable[[], None]] = []
"""What empties each workspace."""


def workspace(maxsize: int) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Decorate what makes room to work in, so that who asks alike is given the same again.

    New memory costs as much as two passes through it. Whatever is in it means nothing to the next.

    Parameters
    ----------
    maxsize : int
        How many are kept, until `vacate`.
    """

    def decorate(function: Callable[P, T]) -> Callable[P, T]:
        kept = functools.lru_cache(maxsize=maxsize)(function)
        _workspaces.append(kept.cache_clear)
        return kept  # type: ignore[return-value]

    return decorate


def vacate() -> None:
    """Give back what all workspaces keep; who needs room next makes it anew.

    Examples
    --------
    >>> @workspace(maxsize=1)
    ... def room(size):
    ...     print("making room")
    ...     return bytearray(size)
    >>> _ = room(3), room(3)
    making room
    >>> vacate()
    >>> _ = room(3)
    making room
    """
    for empty in _workspaces:
        empty()
