"""The loop: look at the log, set the parameters, run, pull back, move, write it down."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np

from topopt import solves
from topopt.continuation import Continuation
from topopt.entry import Turn, entry
from topopt.errors import InputError
from topopt.evaluation import Bounds, Model
from topopt.history import History
from topopt.optimizers import MMA, Optimizer
from topopt.optimizers.honest import require_honest, verifies
from topopt.optimizers.protocol import Verifier
from topopt.parameters import OPTIMIZER, Array, model_parameters, replaced, scalars
from topopt.step import Snapshot, Step
from topopt.stopping import Stop, StopRule, room
from topopt.threads import alone
from topopt.turning_back import begun_again, ending, kept, returning

__all__ = [
    "Snapshot",
    "Step",
    "Stop",
    "StopRule",
    "ending",
    "model_parameters",
    "optimize",
    "schedulable",
    "solve",
]

LARGE = 1_000_000
"""Unknowns of a state from which on it is slimmed once it is the older one."""


@dataclass
class _Clock:
    """Seconds between marks, by name."""

    marks: dict[str, float] = field(default_factory=dict)
    last: float = field(default_factory=time.perf_counter)

    def mark(self, name: str) -> None:
        """Book the time since the last mark under a name."""
        now = time.perf_counter()
        self.marks[name], self.last = now - self.last, now


def schedulable(model: Model, optimizer: Optimizer) -> dict[str, float]:
    """Return every parameter that a continuation may drive, with its value."""
    return model.parameters() | {f"{OPTIMIZER}{name}": value for name, value in scalars(optimizer).items()}


def optimize(
    model: Model,
    optimizer: Optimizer = MMA(),
    continuation: Continuation = Continuation(),
    stop: StopRule = Stop(),
    snapshot: Snapshot | None = None,
) -> Iterator[Step]:
    """Improve a design; a generator, so that the caller's loop body replaces callbacks.

    Parameters
    ----------
    model : Model
        What is evaluated: a `topopt.Problem`, or anything with the same few methods.
    optimizer : Optimizer
        How the design moves.
    continuation : Continuation
        Schedules for parameters of the model and, as ``optimizer.<field>``, of the optimiser.
    stop : callable
        When to end, and why.
    snapshot : Snapshot, optional
        Go on from here; the result is that of the unbroken run, digit for digit.

    Yields
    ------
    Step
        One an iteration; the last has a `reason`.

    Raises
    ------
    ParameterError
        Before the first iteration, if a scheduled parameter does not exist.
    InputError
        If the optimiser checks its model against the objective, and a stage's pullback is no derivative; if
        the snapshot is that of a run that has ended by this stop rule.
    """
    _require_types(optimizer, continuation, stop)
    require_honest(model, optimizer)
    continuation.require(schedulable(model, optimizer))
    bounds = model.bounds()
    now = snapshot or _begun(model, optimizer, bounds)
    _require_more_to_do(now.history, continuation, stop)
    reason = None
    while reason is None:
        step = _iterated(model, optimizer, continuation, stop, bounds, now)
        yield step
        now, reason = step.snapshot, step.reason


def _iterated(
    model: Model,
    optimizer: Optimizer,
    continuation: Continuation,
    stop: StopRule,
    bounds: Bounds,
    now: Snapshot,
) -> Step:
    """Do one iteration; what only the log needs of it is forgotten."""
    with alone():
        clock = _Clock()
        back = returning(now.history, continuation, stop)
        parameters = back.parameters if back else continuation.at(now.history, room(stop, now.history))
        rule = replaced(optimizer, _optimizer_fields(parameters), "optimizer")
        now = begun_again(now, back, rule) if back else now
        with solves.begun(now.states, now.older, _progress(now.history)) as solved:
            evaluation = model.evaluate(now.x, model_parameters(parameters))
        clock.mark("evaluate")
        x, state = rule.step(now.x, evaluation, _remembered(now, rule, continuation, parameters))
        clock.mark("optimizer")
        move = scalars(rule).get("move", math.inf)
        refused = verifies(rule) and state.refused > 0
        turn = Turn(now.x, bounds, parameters, evaluation, x, state.multipliers, move, refused)
        written = entry(turn, now.history, now.output, restored=back.number if back else 0)
        clock.mark("log")
    seconds = {**evaluation.seconds, **clock.marks}
    iteration = dataclasses.replace(written, seconds=seconds, solver=solved.columns())
    history = History([*now.history, iteration])
    output = now.output if refused else evaluation.output
    again = kept(now, history, continuation, stop)
    after = Snapshot(history, x, state, output, again, tuple(solved.states), _slim(now.states))
    handed = dataclasses.replace(evaluation, signals=None)
    return Step(iteration, now.x, handed, after, ending(history, continuation, stop))


def solve(
    model: Model,
    optimizer: Optimizer = MMA(),
    continuation: Continuation = Continuation(),
    stop: StopRule = Stop(),
) -> Step:
    """Run `optimize` to its end and return the last step."""
    for step in optimize(model, optimizer, continuation, stop):
        last = step
    return last


def _progress(history: History) -> float:
    """Return how far the model's output moved last; inf in front of the first iteration."""
    return history[-1].progress if history else math.inf


def _require_types(optimizer: object, continuation: object, stop: object) -> None:
    """Refuse a class where an object is meant, a dict where a Continuation is, and the like."""
    if isinstance(optimizer, type) or not dataclasses.is_dataclass(optimizer):
        raise InputError(f"optimizer: expected an optimiser such as MMA(), got {optimizer!r}")
    if not isinstance(continuation, Continuation):
        raise InputError(f"continuation: expected Continuation({{name: schedule}}), got {continuation!r}")
    if isinstance(stop, type) or not callable(stop):
        raise InputError(f"stop: expected a rule such as Stop(iterations=100), got {stop!r}")


def _slim(states: tuple[Array, ...]) -> tuple[Array, ...]:
    """Return states as they are kept for one more iteration: only a direction is taken from them.

    Single precision does for that, and saves 12 bytes an element in space.
    """
    return tuple(state.astype(np.float32) if state.size > LARGE else state for state in states)


def _begun(model: Model, optimizer: Optimizer, bounds: Bounds) -> Snapshot:
    """Return the snapshot in front of the first iteration."""
    x = model.initial()
    return Snapshot(History(), x, optimizer.init(x, bounds.lower, bounds.upper))


def _require_more_to_do(history: History, continuation: Continuation, stop: StopRule) -> None:
    """Refuse to go on with a run that has ended by this stop rule."""
    reason = ending(history, continuation, stop) if history else None
    if reason is not None:
        raise InputError(
            f"snapshot: the run has ended after {len(history)} iterations ({reason}); give a stop rule that "
            "asks for more, or start without the snapshot"
        )


def _remembered(
    now: Snapshot, rule: Optimizer, continuation: Continuation, parameters: Mapping[str, float]
) -> Any:
    """Return the optimiser's memory, as the continuation wants it where a parameter of the model changes."""
    of_model = model_parameters(parameters)
    jump = continuation.jump(now.history, of_model)
    if jump is not None and continuation.memory != "keep":
        return rule.renewed(now.x, now.state, 0.5 / (jump + 1.0) if continuation.memory == "damp" else None)
    if verifies(rule) and continuation.moved(now.history, of_model):
        return cast(Verifier, rule).rebased(now.state)
    return now.state


def _optimizer_fields(parameters: Mapping[str, float]) -> dict[str, float]:
    """Return the scheduled parameters that are the optimiser's, by the names of its fields."""
    named = parameters.items()
    return {name.removeprefix(OPTIMIZER): value for name, value in named if name.startswith(OPTIMIZER)}
