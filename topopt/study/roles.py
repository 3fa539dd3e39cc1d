"""Which part a continuation plays in a comparison, told by its schedules: the default or a plain ramp."""

from __future__ import annotations

import dataclasses

from topopt.continuation import (
    USUAL,
    Constant,
    Continuation,
    Follow,
    Geometric,
    Guarded,
    Linear,
    Schedule,
    Survival,
)

__all__ = ["is_default", "is_gate", "is_ramp"]


def is_gate(continuation: Continuation) -> bool:
    """Return whether the survival gate drives a parameter, whatever its settings.

    Parameters
    ----------
    continuation : Continuation
        What is looked at.
    """
    return any(isinstance(_bare(rule), Survival) for rule in continuation.schedules.values())


def is_default(continuation: Continuation) -> bool:
    """Return whether it is what a problem file gets that names no continuation: all of it as it comes.

    Parameters
    ----------
    continuation : Continuation
        What is looked at.
    """
    own = [rule for rule in continuation.schedules.values() if not isinstance(rule, Follow)]
    return own == [Survival()] and dataclasses.replace(continuation, schedules={}) == USUAL


def is_ramp(continuation: Continuation) -> bool:
    """Return whether it is a plain ramp: straight or of constant growth, once, and nothing reads the log.

    Parameters
    ----------
    continuation : Continuation
        What is looked at.
    """
    rules = continuation.schedules.values()
    moving = [rule for rule in rules if not isinstance(rule, Constant | Follow)]
    plain = all(isinstance(rule, Linear | Geometric) for rule in moving)
    return bool(moving) and plain and continuation.rollback is None and continuation.rounds == 1


def _bare(rule: Schedule) -> Schedule:
    """Return a schedule without its guard."""
    return rule.schedule if isinstance(rule, Guarded) else rule
