"""Roll-back: a change of parameters that shatters the design is taken back, and tried again half as fast."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

import annotated_types as at

from topopt.history import History, Iteration
from topopt.parameters import Positive, checked

__all__ = ["Rollback"]

FEASIBLE = 1e-2
"""Only a design that holds its constraints to a hundredth is worth going back to."""
GENTLEST = 0.01
"""Where no parameter grows by this share in an iteration, growth is not what shatters the design."""


@dataclass(frozen=True)
class Rollback:
    """When to go back to the design in front of a change of parameters.

    All of it follows from the log, in which an iteration that starts again from an earlier design names it
    (`Iteration.restored`). Schedules then see the log without what was undone. The price of a roll-back is
    one kept vector and the iterations since the change, at most `patience`. Only growth can be halved: if the
    objective rises after a parameter fell, became infinite or grew by less than a hundredth an iteration,
    nothing is taken back, so that no attempt is made twice.

    Parameters
    ----------
    rise : float
        Relative rise of the objective that is too much.
    patience : int
        For how many iterations after a change the objective is compared with the one in front of it.
    """

    rise: Positive = 0.05
    patience: Annotated[int, at.Ge(1)] = 5

    def __post_init__(self) -> None:
        """Check that numbers lie in their bounds."""
        checked(self)

    def standing(self, history: History) -> History:
        """Return the log without the iterations that were undone, the pending ones included."""
        log = _standing(history)
        back = self._undoing(log)
        return History(log if back is None else log[: back + 1])

    def target(self, history: History) -> int | None:
        """Return the number of the iteration whose design comes next again; None to go on."""
        log = _standing(history)
        back = self._undoing(log)
        return None if back is None else log[back].number

    def anchor(self, history: History) -> int | None:
        """Return the number of the iteration whose design is worth keeping for now, None if none is."""
        log = _standing(history)
        held = self._held(log)
        return None if held is None else log[held].number

    def limited(self, wishes: Mapping[str, float], history: History) -> dict[str, float]:
        """Return the wishes, growing at most half as fast as what had to be undone.

        Parameters
        ----------
        wishes : mapping
            Values for the coming iteration by name of parameter.
        history : History
            The log, with what was undone.
        """
        standing = self.standing(history)
        if len(standing) == len(history) or not standing:
            return dict(wishes)
        before = standing[-1].parameters
        paces = _undone_paces(history, self.target(history))
        values = dict(wishes)
        for name, pace in paces.items():
            known, wish = before.get(name, 0.0), wishes.get(name, math.nan)
            if known > 0 and wish > known:
                values[name] = min(wish, known * math.exp(0.5 * pace))
        return values

    def _held(self, log: list[Iteration]) -> int | None:
        """Return the place of the iteration in front of the change that is being watched."""
        held: int | None = None
        for place in range(1, len(log)):
            if held is not None and place - held > self.patience:
                held = None
            changed = log[place].parameters != log[place - 1].parameters
            if held is None and changed and log[place - 1].violation <= FEASIBLE:
                held = place - 1
        return held

    def _undoing(self, log: list[Iteration]) -> int | None:
        """Return the place to go back to, if the last iteration rose too far above it."""
        held = self._held(log)
        if held is None:
            return None
        before, now = log[held].objective, log[-1].objective
        rose = now - before > self.rise * abs(before)
        fastest = max(_paces(log[held:]).values(), default=0.0)
        return held if rose and fastest > math.log1p(GENTLEST) else None


def _standing(history: History) -> list[Iteration]:
    """Return the iterations that were not undone."""
    log: list[Iteration] = []
    for iteration in history:
        if iteration.restored:
            log = [earlier for earlier in log if earlier.number <= iteration.restored]
        log.append(iteration)
    return log


def _undone_paces(history: History, pending: int | None) -> dict[str, float]:
    """Return the fastest growth (a logarithm) of each parameter in the gentlest attempt that was undone."""
    paces: dict[str, float] = {}
    log: list[Iteration] = []
    for iteration, restored in [*((it, it.restored) for it in history), (None, pending)]:
        if restored:
            undone = [earlier for earlier in log if earlier.number >= restored]
            for name, pace in _paces(undone).items():
                if pace > 0:
                    paces[name] = min(pace, paces.get(name, math.inf))
            log = [earlier for earlier in log if earlier.number <= restored]
        if iteration is not None:
            log.append(iteration)
    return paces


def _paces(log: list[Iteration]) -> dict[str, float]:
    """Return the fastest growth (a logarithm) of each parameter on a stretch of at least two iterations."""
    return {
        name: max(_growth(before, after, name) for before, after in itertools.pairwise(log))
        for name in log[0].parameters
    }


def _growth(before: Iteration, after: Iteration, name: str) -> float:
    """Return the logarithm of a positive parameter's ratio between two iterations, 0 where it has none."""
    first, then = before.parameters[name], after.parameters.get(name, 0.0)
    return math.log(then / first) if first > 0 and 0 < then < math.inf else 0.0
