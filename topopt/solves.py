"""What iterative solvers begin with and leave: the states of one evaluation, and counts of the work."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from topopt.parameters import Array

__all__ = ["Solves", "begun", "current"]


@dataclass(eq=False)
class Solves:
    """The iterative solves of one evaluation, in their order.

    A chain solves in the same order every time, so that the n-th state of an evaluation is near the n-th of
    the one before, for states and adjoint states of every load case and every variant of a design.

    Parameters
    ----------
    last, older : sequence of array
        The `states` of the evaluation before, and of the one before that.
    progress : float
        Root mean square change of the model's output in the iteration before; inf in front of the first one,
        nan where nothing is known of it.

    Attributes
    ----------
    states : list of array
        Solutions so far, shape (n_dofs, k) each; whoever solves next from a near design begins with them.
    iterations, climbs : int
        Cycles spent so far, and rungs of the ladder climbed.
    tolerance, error : float
        The largest of all solves: what the residuals ended under, and what may be wrong with the
        sensitivities, as a share of the energy.
    """

    last: Sequence[Array] = ()
    older: Sequence[Array] = ()
    progress: float = math.nan
    states: list[Array] = field(default_factory=list)
    iterations: int = 0
    climbs: int = 0
    tolerance: float = 0.0
    error: float = 0.0

    def guesses(self, shape: tuple[int, ...]) -> list[Array]:
        """Return what the next solve may begin with, the nearest first; only what has that shape."""
        number = len(self.states)
        known = [states[number] for states in (self.last, self.older) if number < len(states)]
        return [state for state in known if state.shape == shape]

    def columns(self) -> dict[str, float]:
        """Return what the log says of the solves; nothing if there was none."""
        if not self.states:
            return {}
        return {
            "iterations": float(self.iterations),
            "climbs": float(self.climbs),
            "tolerance": self.tolerance,
            "error": self.error,
        }


_current: ContextVar[Solves | None] = ContextVar("solves", default=None)


@contextmanager
def begun(
    last: Sequence[Array] = (), older: Sequence[Array] = (), progress: float = math.nan
) -> Iterator[Solves]:
    """Collect the solves of the body, which begin with states that are known.

    Parameters
    ----------
    last, older, progress
        As for `Solves`.
    """
    solves = Solves(last, older, progress)
    token = _current.set(solves)
    try:
        yield solves
    finally:
        _current.reset(token)


def current() -> Solves:
    """Return where solves are collected now; outside of `begun` a place that nobody looks at."""
    return _current.get() or Solves()
