"""What a run goes back to: the design in front of what shattered it, and at the end a better round's."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from topopt.continuation import Continuation
from topopt.errors import InputError
from topopt.history import History, Iteration
from topopt.optimizers import Optimizer
from topopt.parameters import Array
from topopt.step import Snapshot
from topopt.stopping import StopRule, room

__all__ = ["OPTIMIZER", "ending", "model_parameters", "prepared", "restored", "returning"]

OPTIMIZER = "optimizer."
"""What the names of an optimiser's parameters begin with."""


def returning(history: History, continuation: Continuation, stop: StopRule) -> Iteration | None:
    """Return the iteration whose design comes once more, for a run to end with.

    A run that is about to end with a round that is no better than an earlier one, or that was cut short, ends
    with the earlier one's design instead; that costs one more iteration.

    Parameters
    ----------
    history : History
        The log so far.
    continuation : Continuation
        What has rounds.
    stop : callable
        When to end.

    Returns
    -------
    Iteration or None
        None if the run goes on, or has the best of its rounds.
    """
    if continuation.rounds == 1 or not history:
        return None
    left = room(stop, history)
    number = continuation.better(history, left)
    if number is None or stop(history, continuation.settled(history, left)) is None:
        return None
    return history[number - 1]


def restored(history: History, continuation: Continuation, stop: StopRule) -> int:
    """Return the number of the iteration whose design comes next again, 0 if it is a new one.

    Parameters
    ----------
    history, continuation, stop
        As for `returning`.
    """
    back = returning(history, continuation, stop)
    if back is not None:
        return back.number
    return continuation.rollback.target(history) or 0 if continuation.rollback else 0


def ending(history: History, continuation: Continuation, stop: StopRule) -> str | None:
    """Return why a run with this log ends, with what its schedules missed; None while it goes on.

    Parameters
    ----------
    history, continuation, stop
        As for `returning`.
    """
    back = continuation.brought_back(history)
    if back is None or back is not history[-1]:
        back = None
        if returning(history, continuation, stop):
            return None
    log = history[:-1] if back else history
    left = room(stop, log)
    reason = stop(log, continuation.settled(log, left))
    said = [f"the design of iteration {back.restored}, which ended a better round, is back"] if back else []
    return reason and "; ".join([reason, *continuation.missed(log, left), *said])


def prepared(
    now: Snapshot, after: Snapshot, continuation: Continuation, stop: StopRule, rule: Optimizer
) -> Snapshot:
    """Return what comes next, with the designs that are worth going back to, or one of them in its place.

    Parameters
    ----------
    now, after : Snapshot
        In front of the last iteration and behind it.
    continuation : Continuation
        What may be gone back in.
    stop : callable
        When to end.
    rule : Optimizer
        What forgets what it knew of a design that is gone.
    """
    if continuation.rollback is None and continuation.rounds == 1:
        return after
    left = room(stop, after.history)
    after = dataclasses.replace(after, evaluated=now.x)
    designs = _at_hand(now, after, continuation, stop)
    number = continuation.best(after.history, left)
    if number is not None:
        after = dataclasses.replace(after, best=_known(designs, number, "rounds"))
    back = returning(after.history, continuation, stop)
    if back is not None:
        return _begun_again(after, _known(designs, back.number, "rounds"), rule, None)
    rollback = continuation.rollback
    number = rollback.anchor(after.history) if rollback else None
    if rollback is None or number is None:
        return after
    after = dataclasses.replace(after, anchor=_known(designs, number, "a roll-back"))
    if rollback.target(after.history) is None:
        return after
    parameters = model_parameters(continuation.at(after.history, left))
    return _begun_again(after, designs[number], rule, rollback.width(parameters, after.history))


def _at_hand(
    now: Snapshot, after: Snapshot, continuation: Continuation, stop: StopRule
) -> dict[int | None, Array]:
    """Return the designs that are kept, by the numbers of the iterations that evaluated them."""
    log = now.history
    kept = [
        (continuation.best(log, room(stop, log)), now.best),
        (continuation.rollback.anchor(log) if continuation.rollback else None, now.anchor),
        (len(log), now.evaluated),
        (len(after.history), after.evaluated),
    ]
    return {number: design for number, design in kept if design is not None}


def _begun_again(after: Snapshot, x: Array, rule: Optimizer, width: float | None) -> Snapshot:
    """Return a snapshot in which an earlier design comes next; what was undone is no measure of progress."""
    return dataclasses.replace(after, x=x, state=rule.renewed(x, after.state, width), output=None)


def _known(designs: Mapping[int | None, Array], number: int, what: str) -> Array:
    """Refuse to go on without a design that may be wanted."""
    if number not in designs:
        raise InputError(
            f"snapshot: made without {what}, so that the design of iteration {number}, to which it may have "
            f"to go back, is missing; go on without {what}"
        )
    return designs[number]


def model_parameters(parameters: Mapping[str, float]) -> dict[str, float]:
    """Return the scheduled parameters that are the model's.

    Parameters
    ----------
    parameters : mapping
        Values by name.
    """
    return {name: value for name, value in parameters.items() if not name.startswith(OPTIMIZER)}
