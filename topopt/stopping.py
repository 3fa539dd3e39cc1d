"""When a run ends, and why: a rule reads the log and says so."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Protocol, runtime_checkable

import annotated_types as at

from topopt.history import History
from topopt.parameters import Checked, NonNegative

__all__ = ["Budgeted", "Stop", "StopRule", "room"]

StopRule = Callable[[History, bool], str | None]
"""From the log, and whether the continuation has settled, to a reason to stop or None."""


@runtime_checkable
class Budgeted(Protocol):
    """A stop rule that ends a run when a budget is spent."""

    def left(self, history: History) -> float:
        """Return how many iterations the budget leaves: less than one where it ends the run."""
        ...


def room(rule: StopRule, history: History) -> float:
    """Return how many iterations a stop rule leaves; inf for one that is not `Budgeted`.

    Parameters
    ----------
    rule : callable
        When to end.
    history : History
        The log so far.
    """
    return rule.left(history) if isinstance(rule, Budgeted) else math.inf


@dataclass(frozen=True)
class Stop(Checked):
    """Stop when the design has settled, never before the continuation has, or when the budget is spent.

    A design that the optimiser refused is none that has settled.

    Parameters
    ----------
    change : float
        Largest change of a variable that counts as settled; 0 switches the test off.
    progress : float
        Root mean square change of the output that counts as settled; 0 switches the test off.
    window : int
        For how many iterations in a row.
    iterations : int
        The budget; a design that is brought back from an earlier round costs one more.
    """

    change: NonNegative = 0.01
    progress: NonNegative = 0.0
    window: Annotated[int, at.Ge(1)] = 1
    iterations: Annotated[int, at.Ge(1)] = 400

    def __call__(self, history: History, settled: bool) -> str | None:
        """Return the reason to stop, or None to go on."""
        last = history[-self.window :]
        if settled and len(last) == self.window and all(it.parameters == last[-1].parameters for it in last):
            if "freeze" in last[-1].alarms and all(it.calm(self.change) for it in last):
                return "frozen: the sensitivities are dead, so nothing moves; this is not convergence"
            if self.change > 0 and all(it.calm(self.change) for it in last):
                return f"settled: no variable moves by more than {self.change:g}"
            if self.progress > 0 and all(it.progress <= self.progress for it in last):
                return f"settled: the output changes by no more than {self.progress:g} (root mean square)"
        if len(history) >= self.iterations:
            state = "" if settled else ", before the continuation had settled"
            return f"budget: {self.iterations} iterations spent{state}"
        return None

    def left(self, history: History) -> float:
        """Return what the budget leaves."""
        return self.iterations - len(history)
