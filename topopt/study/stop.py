"""The one stop test that every trial of a study is put to, whatever its continuation."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated

import annotated_types as at

from topopt.history import History, Iteration
from topopt.parameters import Checked, Positive, Unit

__all__ = ["FairStop"]


@dataclass(frozen=True)
class FairStop(Checked):
    """Stop when the design is at rest, black and white and its continuation at the end, or at the budget.

    Parameters
    ----------
    budget : int
        State solves, those of analyses that a schedule asks for included; a model that solves nothing
        counts one an iteration. No iteration begins that would exceed it, but that which brings back the
        design of an earlier round.
    progress : float
        Root mean square change of the output that counts as rest.
    window : int
        For how many iterations in a row, all with the same parameters.
    discreteness : float
        Largest M_nd that counts as black and white; a model without that measure is not asked for it.
    """

    budget: Annotated[int, at.Ge(1)] = 400
    progress: Positive = 1e-4
    window: Annotated[int, at.Ge(1)] = 5
    discreteness: Unit = 0.02

    def __call__(self, history: History, settled: bool) -> str | None:
        """Return the reason to stop, or None to go on."""
        if settled and self._rests(history):
            if all("freeze" in it.alarms for it in history[-self.window :]):
                return "frozen: the sensitivities are dead, so nothing moves; this is not convergence"
            if history[-1].measures.get("discreteness", 0.0) <= self.discreteness:
                return (
                    f"settled: black and white, and the output changes by less than {self.progress:g} "
                    "(root mean square)"
                )
        if self.left(history) < 1.0:
            spent = _spent(history)
            state = "" if settled else ", before the continuation had settled"
            return f"budget: {spent} of {self.budget} state solves spent{state}"
        return None

    def left(self, history: History) -> float:
        """Return how many iterations the budget leaves, if they cost what the last one did."""
        spent = _spent(history)
        cost = spent - _spent(history[:-1])
        if not cost:
            return math.inf if spent <= self.budget else 0.0
        return (self.budget - spent) / cost

    def _rests(self, history: History) -> bool:
        """Return whether nothing has changed for a whole window, neither parameters nor output."""
        last = history[-self.window :]
        return len(last) == self.window and all(self._still(it, last[-1]) for it in last)

    def _still(self, iteration: Iteration, last: Iteration) -> bool:
        """Return whether an iteration brought nothing new."""
        return iteration.parameters == last.parameters and iteration.progress < self.progress


def _spent(history: History) -> int:
    """Return how much of the budget is gone."""
    return max(history[-1].solves, len(history)) if len(history) else 0
