"""What a run goes back to: the design in front of what shattered it, in the end that of a better round."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import NamedTuple

from topopt.continuation import Continuation
from topopt.errors import InputError
from topopt.history import History, Iteration
from topopt.optimizers import Optimizer
from topopt.parameters import Array, model_parameters
from topopt.step import Snapshot
from topopt.stopping import StopRule, room

__all__ = ["Return", "begun_again", "ending", "kept", "returning"]


class Return(NamedTuple):
    """An earlier design that comes next, in place of a new one."""

    number: int
    """Of the iteration that evaluated it."""
    parameters: Mapping[str, float]
    """With which it is evaluated now."""
    width: float | None
    """How far a variable may be trusted to move from there, as a share of its range; None: as at first."""


def returning(history: History, continuation: Continuation, stop: StopRule) -> Return | None:
    """Return what the coming iteration goes back to, None if it goes on.

    A roll-back goes back in the middle of a run. A run that is about to end with a round that is worse than
    an earlier one, or that its budget cuts short, goes back to the end of that one, and ends with it.

    Parameters
    ----------
    history : History
        The log so far.
    continuation : Continuation
        What has rounds, and a roll-back.
    stop : callable
        When to end.
    """
    end = _better_end(history, continuation, stop)
    if end is not None:
        return Return(end.number, dict(end.parameters), None)
    rollback = continuation.rollback
    number = rollback.target(history) if rollback else None
    if rollback is None or number is None:
        return None
    parameters = continuation.at(history, room(stop, history))
    return Return(number, parameters, rollback.width(model_parameters(parameters), history))


def begun_again(now: Snapshot, back: Return, rule: Optimizer) -> Snapshot:
    """Return the snapshot in front of an iteration that goes back.

    Parameters
    ----------
    now : Snapshot
        In front of it as if it went on.
    back : Return
        What it goes back to.
    rule : Optimizer
        What forgets what it knew of designs that are gone.

    Raises
    ------
    InputError
        If the snapshot was made by a run that could not go back.
    """
    x = _known(now.kept, back.number)
    # What was undone is no measure of progress.
    return dataclasses.replace(now, x=x, state=rule.renewed(x, now.state, back.width), output=None)


def kept(now: Snapshot, history: History, continuation: Continuation, stop: StopRule) -> dict[int, Array]:
    """Return the designs that may come again, by the numbers of the iterations that evaluated them.

    Parameters
    ----------
    now : Snapshot
        In front of the last iteration, with the design that this evaluated.
    history : History
        The log with that iteration.
    continuation, stop
        As for `returning`.

    Raises
    ------
    InputError
        If one is missing, because the snapshot was made by a run that could not go back.
    """
    if continuation.rollback is None and continuation.rounds == 1:
        return {}
    last = len(history)
    designs = {**now.kept, last: now.x}
    wanted = {last, continuation.best(history, room(stop, history))}
    if continuation.rollback is not None:
        wanted.add(continuation.rollback.anchor(history))
    return {number: _known(designs, number) for number in wanted if number is not None}


def ending(history: History, continuation: Continuation, stop: StopRule) -> str | None:
    """Return why a run with this log ends, with what its schedules missed; None while it goes on.

    Parameters
    ----------
    history, continuation, stop
        As for `returning`.
    """
    back = continuation.brought_back(history)
    is_back = back is not None and back is history[-1]
    if not is_back and _better_end(history, continuation, stop):
        return None
    log = history[:-1] if is_back else history
    left = room(stop, log)
    reason = stop(log, continuation.settled(log, left))
    if reason is None:
        return None
    sentences = [reason, *continuation.missed(log, left)]
    if back is not None and is_back:
        sentences.append(f"the design of iteration {back.restored}, which ended a better round, is back")
    return "; ".join(sentences)


def _better_end(history: History, continuation: Continuation, stop: StopRule) -> Iteration | None:
    """Return the iteration that ended a better round, where a run is about to end; None otherwise."""
    if continuation.rounds == 1 or not history:
        return None
    left = room(stop, history)
    number = continuation.better(history, left)
    if number is None or stop(history, continuation.settled(history, left)) is None:
        return None
    return history[number - 1]


def _known(designs: Mapping[int, Array], number: int) -> Array:
    """Refuse to go on without a design that may come again."""
    if number not in designs:
        raise InputError(
            f"snapshot: made without this roll-back or these rounds: the design of iteration {number}, to "
            "which it may have to go back, is missing; go on without them"
        )
    return designs[number]
