"""Roll-back: what shatters the design is taken back, and tried again more gently."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, NamedTuple

import annotated_types as at

from topopt.history import History, Iteration
from topopt.parameters import Checked, Positive, Unit

__all__ = ["FEASIBLE", "Rollback", "without_undone"]

FEASIBLE = 1e-2
"""Only a design that holds its constraints to a hundredth is worth going back to."""
GENTLEST = math.log1p(0.0025)
"""Growth (a logarithm) in an iteration that is not halved again: what shatters at it, shatters at any."""
ATTEMPTS = 3
"""Restarts from one design at one set of parameters; each has half the steps of the one before."""


class _Watch(NamedTuple):
    """What a log says at its end of going back."""

    log: History
    """What was not undone, pending or not."""
    anchor: int | None
    """The place of the design that is worth going back to."""
    undo: bool
    """Whether to go back to it now."""


@dataclass(frozen=True)
class Rollback(Checked):
    """When to go back to a better design, and how gently to go on from it.

    After a change of parameters the design in front of it is watched over; where nothing changes, the best
    one so far. All of it follows from the log, in which an iteration that starts again from an earlier design
    names it (`Iteration.restored`). Schedules then see the log without what was undone. The price of a
    roll-back is one kept vector and the iterations since, at most `patience`.

    A change that was undone is tried again with at most half the growth an iteration. Where even a quarter of
    a per cent was too much, and where a jump to infinity was, the parameter stands for the rest of the run or
    until parameters begin anew. A parameter that falls cannot fall more gently for what is known here: its
    rises are let pass. A rise at constant parameters is tried again from the same design three times, each
    time with shorter steps.

    Parameters
    ----------
    rise : float
        Relative rise of the objective, above the least since the change, that is too much.
    patience : int
        For how many iterations a design is watched over.
    grey : float
        Only designs whose non-discreteness M_nd is at most this are watched over, and one that becomes greyer
        is let pass. While a design forms, its objective rises by design where a penalty does; one that is
        black and white and rises has lost a bar. A model without that measure is always watched over.
    """

    rise: Positive = 0.05
    patience: Annotated[int, at.Ge(1)] = 10
    grey: Unit = 1.0

    def standing(self, history: History) -> History:
        """Return the log without the iterations that were undone, the pending ones included."""
        log, anchor, undo = self._watch(history)
        return log[:] if anchor is None or not undo else log[: anchor + 1]

    def target(self, history: History) -> int | None:
        """Return the number of the iteration whose design comes next again; None to go on."""
        return self.anchor(history) if self._watch(history).undo else None

    def anchor(self, history: History) -> int | None:
        """Return the number of the iteration whose design is worth keeping for now, None if none is."""
        log, anchor, _ = self._watch(history)
        return None if anchor is None else log[anchor].number

    def limited(self, wishes: Mapping[str, float], history: History) -> dict[str, float]:
        """Return the wishes, growing at most half as fast as what had to be undone.

        Parameters
        ----------
        wishes : mapping
            Values for the coming iteration by name of parameter.
        history : History
            The log, with what was undone.
        """
        kept = self.standing(history)
        if len(kept) == len(history) or not kept:
            return dict(wishes)
        before = kept[-1].parameters
        values = dict(wishes)
        for name, paces in self._undone(history).items():
            known, wish = before.get(name, 0.0), wishes.get(name, math.nan)
            if known > 0 and wish > known and _is_exhausted(paces):
                values[name] = known
            elif 0 < known < wish < math.inf:
                values[name] = min(wish, known * math.exp(0.5 * min(paces)))
        return values

    def held(self, history: History) -> frozenset[str]:
        """Return the names of the parameters that may not grow any more, however gently."""
        return frozenset(name for name, paces in self._undone(history).items() if _is_exhausted(paces))

    def width(self, parameters: Mapping[str, float], history: History) -> float:
        """Return how far, as a share of its range, a variable may be trusted to move in a retry.

        It is ``0.5 / (1 + p)`` for the largest parameter p, as where a jump damps the memory, and half of
        that for each attempt from the same design at the same parameters.

        Parameters
        ----------
        parameters : mapping
            The model's in the retry.
        history : History
            The log, whose last iteration is to be undone.
        """
        log, anchor, _ = self._watch(history)
        tried = 0 if anchor is None else _attempts(log[anchor], history)
        return 0.5**tried * 0.5 / (1.0 + max(map(abs, parameters.values()), default=0.0))

    def _undone(self, history: History) -> dict[str, list[float]]:
        """Return the fastest growth of each parameter in every attempt that was undone, or now is."""
        return history.once((self, "undone"), lambda log: _undone_paces(log, self.target(log)))

    def _watch(self, history: History) -> _Watch:
        """Return what the log says, which every question is answered by."""
        return history.once((self, "watch"), self._watched)

    def _watched(self, history: History) -> _Watch:
        """Walk the log that stands, and choose what is worth going back to.

        It is always the last design or the last but one when it is chosen: no other is kept. What is undone
        leaves the log that stands, so that only its last iteration can be one that is to be undone. A grey
        design ends the watch.
        """
        log = without_undone(history)
        anchor: int | None = None
        change, undo, least = False, False, math.inf
        for place, now in enumerate(log):
            if self._is_grey(now):
                anchor, undo = None, False
                continue
            before = log[place - 1] if place else now
            changed = now.parameters != before.parameters
            watched = anchor is not None and place - anchor <= self.patience
            if now.restored and place:
                anchor, change, watched, least = place - 1, changed, True, before.objective
            elif _anew(log[0], before, now):
                anchor, change, watched, least = None, False, False, math.inf
            elif changed and not (watched and change):
                anchor, watched = (place - 1, True) if self._is_sound(before) else (None, False)
                change, least = True, before.objective
            rose = watched and not now.refused and now.objective - least > self.rise * abs(least)
            undo = rose and self._may_help(log[anchor : place + 1], change, history)
            if not self._is_sound(now) or undo:
                continue
            # What was watched over for long enough gives way, and what rises in spite of all is let pass.
            if (
                anchor is None
                or rose
                or place - anchor >= self.patience
                or not (change or least < now.objective)
            ):
                anchor, change, least = place, False, now.objective
            least = min(least, now.objective)
        return _Watch(log, anchor, undo)

    def _is_grey(self, iteration: Iteration) -> bool:
        """Return whether a design is too grey to be watched over."""
        return iteration.measures.get("discreteness", 0.0) > self.grey

    def _is_sound(self, iteration: Iteration) -> bool:
        """Return whether a design may be gone back to: done, within its constraints, and not refused."""
        return iteration.violation <= FEASIBLE and not iteration.refused and not self._is_grey(iteration)

    def _may_help(self, since: History, change: bool, history: History) -> bool:
        """Return whether a retry differs from what was tried: by gentler growth, or by shorter steps."""
        if change:
            return max(_paces(since).values(), default=0.0) > 0.0
        return _attempts(since[0], history) < ATTEMPTS


def _anew(first: Iteration, before: Iteration, now: Iteration) -> bool:
    """Return whether parameters begin anew: fall, and none rises, or go back to their first values."""
    falls = all(now.parameters.get(name, value) <= value for name, value in before.parameters.items())
    return before.parameters != now.parameters and (falls or now.parameters == first.parameters)


def _is_exhausted(paces: list[float]) -> bool:
    """Return whether half of the gentlest growth that had to be undone is not worth trying."""
    return min(paces) <= GENTLEST or max(paces) == math.inf


def _attempts(anchor: Iteration, history: History) -> int:
    """Return how often the run has started again from a design at the parameters it had."""
    again = (it for it in history if it.restored == anchor.number)
    return sum(it.parameters == anchor.parameters for it in again)


def without_undone(history: History) -> History:
    """Return the iterations that were not undone.

    Parameters
    ----------
    history : History
        The log, whose iterations name what they start again from.
    """
    log: list[Iteration] = []
    for iteration in history:
        if iteration.restored:
            log = [earlier for earlier in log if earlier.number <= iteration.restored]
        log.append(iteration)
    return History(log)


def _undone_paces(history: History, pending: int | None) -> dict[str, list[float]]:
    """Return the fastest growth (a logarithm) of each parameter in every attempt that was undone."""
    paces: dict[str, list[float]] = {}
    log: list[Iteration] = []
    for iteration, restored in [*((it, it.restored) for it in history), (None, pending)]:
        if restored:
            undone = [earlier for earlier in log if earlier.number >= restored]
            for name, pace in _paces(undone).items():
                if pace > 0:
                    paces.setdefault(name, []).append(pace)
            log = [earlier for earlier in log if earlier.number <= restored]
        elif log and iteration is not None and _anew(history[0], log[-1], iteration):
            paces.clear()
        if iteration is not None:
            log.append(iteration)
    return paces


def _paces(log: Sequence[Iteration]) -> dict[str, float]:
    """Return the fastest growth (a logarithm) of each parameter on a stretch of the log."""
    return {
        name: max((_growth(before, after, name) for before, after in itertools.pairwise(log)), default=0.0)
        for name in log[0].parameters
    }


def _growth(before: Iteration, after: Iteration, name: str) -> float:
    """Return the logarithm of a positive parameter's ratio between two iterations, 0 where it has none."""
    first, then = before.parameters[name], after.parameters.get(name, 0.0)
    if not (0 < first < math.inf and then > 0):
        return 0.0
    return math.log(then / first) if then < math.inf else math.inf
