"""First guesses: the last solutions of a system, by right-hand side."""

from __future__ import annotations

import functools
from collections import OrderedDict

from topopt.fem.assembly import System
from topopt.parameters import Array

__all__ = ["Memory", "memory"]

REMEMBERED = 8
"""Solutions that are kept."""


class Memory:
    """The last solutions, by right-hand side."""

    def __init__(self) -> None:
        self._solutions: OrderedDict[int, Array] = OrderedDict()

    def recalled(self, key: int) -> Array | None:
        """Return the last solution for a right-hand side, if it is still there."""
        return self._solutions.get(key)

    def keep(self, key: int, solution: Array) -> None:
        """Keep a solution, and forget the oldest."""
        self._solutions[key] = solution
        self._solutions.move_to_end(key)
        while len(self._solutions) > REMEMBERED:
            self._solutions.popitem(last=False)


@functools.lru_cache(maxsize=2)
def memory(system: System) -> Memory:
    """Return the solutions that a system has seen."""
    return Memory()
