"""A continuation maps parameter names to schedules, and says what happens where a parameter jumps."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, get_args

from topopt.continuation.follow import Follow
from topopt.continuation.rollback import FEASIBLE, Rollback, without_undone
from topopt.continuation.schedules import Counter, Schedule
from topopt.errors import InputError, ParameterError, suggestion
from topopt.history import History, Iteration, jumps
from topopt.parameters import is_count

__all__ = ["USUAL", "Continuation", "Memory"]

Memory = Literal["keep", "damp", "reset"]
REST = 6
"""Iterations without a change of any parameter, counters aside, after which a settled round ends."""


class _Round(NamedTuple):
    """Where a log has come to."""

    log: History
    """What belongs to the present round."""
    number: int
    """Of the present round, from 1."""
    last: bool
    """Whether no other will begin."""
    ends: tuple[Iteration, ...]
    """The last iterations of those that are over."""


@dataclass(frozen=True)
class Continuation:
    """Schedules by parameter name.

    Parameters
    ----------
    schedules : mapping
        For example ``{"physical.beta": Staircase(1, 64), "optimizer.move": Linear(0.2, 0.05)}``.
    memory : str
        What becomes of the optimiser's memory where a parameter of the model jumps by more than a tenth:
        ``keep`` it; ``reset`` it to that of a first step; ``damp`` it, so that the next step is as short as
        0.5 / (p + 1) of a variable's range for a parameter that jumps to p (Guest, Asadpoure & Ha 2011,
        doi:10.1007/s00158-011-0676-z, use that for the projection's sharpness).
    rollback : Rollback, optional
        Take back what shatters the design; without it nothing is taken back.
    rounds : int
        How often the schedules go their way. A round ends when they have settled and, counters aside, stood
        for six iterations; the next begins with their first values and the design that came out, if the
        budget leaves it as many iterations as that one took. What was decided too soon, while all was grey,
        is decided again by a design that knows its bars.

    Examples
    --------
    >>> from topopt.continuation import Staircase
    >>> Continuation({"physical.beta": Staircase(1.0, 64.0)}).at(History())
    {'physical.beta': 1.0}
    """

    schedules: Mapping[str, Schedule] = field(default_factory=dict)
    memory: Memory = "keep"
    rollback: Rollback | None = None
    rounds: int = 1

    def __post_init__(self) -> None:
        """Refuse what is no schedule, and followers that nobody leads."""
        for name, schedule in self.schedules.items():
            if not isinstance(schedule, Schedule):
                raise InputError(f"continuation of '{name}': expected a Schedule, got {schedule!r}")
        bound = {name: schedule.driving(name) for name, schedule in self.schedules.items()}
        object.__setattr__(self, "schedules", bound)
        leaders = [name for name, rule in bound.items() if not isinstance(rule, Follow)]
        for name, rule in bound.items():
            if isinstance(rule, Follow) and rule.leader not in leaders:
                hint = suggestion(rule.leader, leaders)
                raise InputError(
                    f"continuation of '{name}': follows '{rule.leader}', which has no way of its own: {hint}"
                )
        if self.memory not in get_args(Memory):
            raise InputError(f"continuation: memory is keep, damp or reset, got {self.memory!r}")
        if self.rollback is not None and not isinstance(self.rollback, Rollback):
            raise InputError(f"continuation: expected a Rollback or None, got {self.rollback!r}")
        if not is_count(self.rounds):
            raise InputError(f"continuation: rounds is an integer >= 1, got {self.rounds!r}")

    def __hash__(self) -> int:
        """Go by the names of what is driven, and by the settings: what is read in a log is known by it."""
        return hash((frozenset(self.schedules), self.memory, self.rollback, self.rounds))

    def at(self, history: History, room: float = math.inf) -> dict[str, float]:
        """Return the parameters for the iteration that follows the log.

        Parameters
        ----------
        history : History
            The log so far.
        room : float
            Iterations that the budget leaves.
        """
        log = self._round(history, room).log
        values = {
            name: float(rule(log.values(name), log))
            for name, rule in self.schedules.items()
            if not isinstance(rule, Follow)
        }
        if self.rollback is not None and log:
            values = self.rollback.limited(values, history)
        return {
            name: rule.at(values[rule.leader]) if isinstance(rule, Follow) else values[name]
            for name, rule in self.schedules.items()
        }

    def settled(self, history: History, room: float = math.inf) -> bool:
        """Return whether every parameter was at its final value in the last iteration, or is held for good.

        What holds it is a guard, or a roll-back that nothing gentler avoids. Only the last round can settle.

        Parameters
        ----------
        history, room
            As for `at`.
        """
        now = self._round(history, room)
        return now.last and self._arrived(now.log, history)

    def best(self, history: History, room: float = math.inf) -> int | None:
        """Return the number of the iteration that ended the best of the rounds that are over.

        None if none is, and once one was brought back.

        Parameters
        ----------
        history, room
            As for `at`.
        """
        if self.brought_back(history):
            return None
        ends = [end for end in self._round(history, room).ends if _holds(end)]
        return min(ends, key=lambda end: end.objective).number if ends else None

    def better(self, history: History, room: float = math.inf) -> int | None:
        """Return the number of the iteration that ended an earlier, better round; None if there is none.

        A round that the budget cuts short is worse than one that is over. What a stop rule of another kind
        ends in the middle is what it asked for.

        Parameters
        ----------
        history, room
            As for `at`.
        """
        number = self.best(history, room)
        if number is None or number == len(history):
            return None
        now, settled = history[-1], self.settled(history, room)
        if not settled and room >= 1.0:
            return None
        good = settled and _holds(now) and now.objective <= history[number - 1].objective
        return None if good else number

    def brought_back(self, history: History) -> Iteration | None:
        """Return the iteration that brought back the end of an earlier round, None if there is none.

        It has that end's parameters, and another round had begun before it.

        Parameters
        ----------
        history : History
            The log so far.
        """
        first = history[0].parameters if history else {}
        for iteration in history if self.rounds > 1 else ():
            place = iteration.restored
            again = place and iteration.parameters == history[place - 1].parameters
            if again and history[place].parameters == first != iteration.parameters:
                return iteration
        return None

    def jump(self, history: History, parameters: Mapping[str, float]) -> float | None:
        """Return the size of what a parameter jumps to, the largest of several; None if none does.

        Parameters
        ----------
        history : History
            The log so far.
        parameters : mapping
            The model's parameters in the coming iteration.
        """
        leaps = jumps(self._before(history), parameters)
        return max((abs(value) for _, value in leaps.values()), default=None)

    def moved(self, history: History, parameters: Mapping[str, float]) -> bool:
        """Return whether a parameter changes at all in the coming iteration.

        Parameters
        ----------
        history, parameters
            As for `jump`.
        """
        before = self._before(history)
        return any(name in before and before[name] != value for name, value in parameters.items())

    def missed(self, history: History, room: float = math.inf) -> list[str]:
        """Return a sentence for every schedule that did not bring about what it is for.

        Parameters
        ----------
        history, room
            As for `at`.
        """
        log, number, last, _ = self._round(history, room)
        found = ((name, rule.missed(log.values(name), log)) for name, rule in self.schedules.items())
        sentences = [f"{name}: {sentence}" for name, sentence in found if sentence]
        if self.rounds > 1 and not (last and self._arrived(log, history)):
            before = f", begun after iteration {log[0].number - 1}" if log and log[0].number > 1 else ""
            sentences.append(f"it ended in round {number} of {self.rounds}{before}")
        elif number < self.rounds and not self.brought_back(history) and not self._starts_as_it_stands(log):
            sentences.append(f"the budget left no room for round {number + 1} of {self.rounds}")
        return sentences

    def require(self, valid: Iterable[str]) -> None:
        """Refuse schedules for parameters that do not exist.

        Raises
        ------
        ParameterError
            Naming every unknown parameter, each with a suggestion.
        """
        names = list(valid)
        unknown = [name for name in self.schedules if name not in names]
        if unknown:
            raise ParameterError(
                "; ".join(
                    f"'{name}' is not a parameter that can be scheduled: {suggestion(name, names)}"
                    for name in unknown
                )
            )

    def _before(self, history: History) -> Mapping[str, float]:
        """Return the parameters of the iteration that the coming one follows."""
        log = self._standing(history)
        return log[-1].parameters if log else {}

    def _round(self, history: History, room: float) -> _Round:
        """Return the part of the log that belongs to the present round, and what was and is to come."""
        return history.once((self, "round", room), lambda log: self._walked(log, room))

    def _walked(self, history: History, room: float) -> _Round:
        """Walk the log, round by round."""
        log = self._standing(history)
        ends: tuple[Iteration, ...] = ()
        over = self.brought_back(history) is not None
        while len(ends) + 1 < self.rounds and (end := self._end_of_round(log, history)):
            if end == len(log):
                taken = log[-1].number - log[0].number + 1
                if over or room < taken or self._starts_as_it_stands(log):
                    return _Round(log, len(ends) + 1, True, ends)
            ends, log = (*ends, log[end - 1]), log[end:]
        return _Round(log, len(ends) + 1, over or len(ends) + 1 == self.rounds, ends)

    def _end_of_round(self, log: History, history: History) -> int | None:
        """Return where in a log the first round, settled and at rest, gave way to the next, or now may."""
        # a counter never rests, and waits for nothing
        names = [name for name, rule in self.schedules.items() if not isinstance(rule, Counter)]
        rested, first, last, over = 0, None, None, False
        for end, iteration in enumerate(log, start=1):
            now = [iteration.parameters.get(name) for name in names]
            if over and now != last:
                if now == first:
                    return end - 1
                over = False
            rested, first, last = rested + 1 if now == last else 1, first or now, now
            over = over or (rested >= REST and self._arrived(log[:end], history[: iteration.number]))
        return len(log) if over else None

    def _starts_as_it_stands(self, log: History) -> bool:
        """Return whether another round would begin with what there is, and so change nothing."""
        first = {
            name: rule([], History())
            for name, rule in self.schedules.items()
            if not isinstance(rule, Counter | Follow)
        }
        return all(log[-1].parameters.get(name) == value for name, value in first.items())

    def _arrived(self, log: History, history: History) -> bool:
        """Return whether every parameter is at its final value at the end of a log, or is held."""
        rules = self.schedules.items()
        moving = {name for name, rule in rules if not rule.settled(log.values(name), log)}
        return not moving or (self.rollback is not None and moving <= self.rollback.held(history))

    def _standing(self, history: History) -> History:
        """Return the log without what was undone."""
        return self.rollback.standing(history) if self.rollback else without_undone(history)


def _holds(iteration: Iteration) -> bool:
    """Return whether a design is one to end with: done, and within its constraints."""
    fair = not iteration.refused and iteration.violation <= FEASIBLE
    return fair and math.isfinite(iteration.objective)


USUAL = Continuation(rollback=Rollback(rise=0.03, grey=0.05), rounds=2)
"""The settings of what a file gets that names no sharpness; see `docs/study.md` for the others tried."""
