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
    guesses : sequence of array
        The `states` of the evaluation before.
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

    guesses: Sequence[Array] = ()
    progress: float = math.nan
    states: list[Array] = field(default_factory=list)
    iterations: int = 0
    climbs: int = 0
    tolerance: float = 0.0
    error: float = 0.0

    def guess(self, shape: tuple[int, ...]) -> Array | None:
        """Return what the next solve may begin with, None if nothing of that shape is known."""
        number = len(self.states)
        known = self.guesses[number] if number < len(self.guesses) else None
        return known if known is not None and known.shape == shape else None

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
def begun(guesses: Sequence[Array] = (), progress: float = math.nan) -> Iterator[Solves]:
    """Collect the solves of the body; what it evaluates begins with the guesses.

    Parameters
    ----------
    guesses, progress
        As for `Solves`.
    """
    solves = Solves(guesses, progress)
    token = _current.set(solves)
    try:
        yield solves
    finally:
        _current.reset(token)


def current() -> Solves:
    """Return where solves are collected now; outside of `begun` a place that nobody looks at."""
    return _current.get() or Solves()
