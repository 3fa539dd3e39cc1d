"""The loop: look at the log, set the parameters, run, pull back, move, write it down."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

import annotated_types as at
import numpy as np

from topopt.continuation import Continuation, Rollback
from topopt.errors import InputError
from topopt.evaluation import Bounds, Evaluation, Model
from topopt.history import History, Iteration
from topopt.optimizers import MMA, Optimizer
from topopt.optimizers.honest import require_honest
from topopt.parameters import Array, NonNegative, checked, replaced, scalars
from topopt.vanishing import alarms, read

__all__ = ["Snapshot", "Step", "Stop", "StopRule", "model_parameters", "optimize", "schedulable", "solve"]

_OPTIMIZER = "optimizer."

StopRule = Callable[[History, bool], str | None]
"""From the log, and whether the continuation has settled, to a reason to stop or None."""


@dataclass(frozen=True)
class Stop:
    """Stop when the design has settled, never before the continuation has, or when the budget is spent.

    Parameters
    ----------
    change : float
        Largest change of a variable that counts as settled; 0 switches the test off.
    progress : float
        Root mean square change of the output that counts as settled; 0 switches the test off.
    window : int
        For how many iterations in a row.
    iterations : int
        The budget.
    """

    change: NonNegative = 0.01
    progress: NonNegative = 0.0
    window: Annotated[int, at.Ge(1)] = 1
    iterations: Annotated[int, at.Ge(1)] = 400

    def __post_init__(self) -> None:
        """Check that numbers lie in their bounds."""
        checked(self)

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


@dataclass(frozen=True, eq=False)
class Snapshot:
    """All that a run needs in order to go on: the log, the next design, the optimiser's state.

    Attributes
    ----------
    history : History
        The log so far.
    x : array, shape (n,)
        The design that comes next.
    state : object
        The optimiser's memory.
    output : array, optional
        The model's last output, to tell progress by.
    anchor : array, optional
        The design that a roll-back would go back to, shape (n,).
    evaluated : array, optional
        The design of the log's last iteration, shape (n,), where a roll-back may want it.
    """

    history: History
    x: Array
    state: Any
    output: Array | None = None
    anchor: Array | None = None
    evaluated: Array | None = None


@dataclass(frozen=True, eq=False)
class Step:
    """What the loop gives to its caller after each iteration.

    Attributes
    ----------
    iteration : Iteration
        What was written down.
    x : array, shape (n,)
        The design that was evaluated.
    evaluation : Evaluation
        What the model said of it.
    snapshot : Snapshot
        From which the run can go on.
    reason : str or None
        Why the run ends here; None while it goes on.
    """

    iteration: Iteration
    x: Array
    evaluation: Evaluation
    snapshot: Snapshot
    reason: str | None = None

    @property
    def history(self) -> History:
        """The log up to this step."""
        return self.snapshot.history

    def _repr_png_(self) -> bytes | None:
        """Show the design in a notebook."""
        draw: Callable[[], bytes | None] | None = getattr(self.evaluation.picture, "_repr_png_", None)
        return draw() if draw else None


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
    return model.parameters() | {f"{_OPTIMIZER}{name}": value for name, value in scalars(optimizer).items()}


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
        If the optimiser checks its model against the objective, and a stage's pullback is no derivative.
    """
    _require_types(optimizer, continuation, stop)
    require_honest(model, optimizer)
    continuation.require(schedulable(model, optimizer))
    bounds = model.bounds()
    now = snapshot or _begun(model, optimizer, bounds)
    reason = None
    while reason is None:
        clock = _Clock()
        parameters = continuation.at(now.history)
        evaluation = model.evaluate(now.x, model_parameters(parameters))
        clock.mark("evaluate")
        rule = replaced(optimizer, _optimizer_fields(parameters), "optimizer")
        x, state = rule.step(now.x, evaluation, _remembered(now, rule, continuation, parameters))
        clock.mark("optimizer")
        restored = continuation.rollback.target(now.history) or 0 if continuation.rollback else 0
        iteration = _written_down(
            now, restored, parameters, evaluation, x, rule, state.multipliers, bounds, clock
        )
        history = now.history[:]
        history.append(iteration)
        reason = stop(history, continuation.settled(history))
        after = Snapshot(history, x, state, evaluation.output)
        if continuation.rollback is not None:
            after = _watched(now, dataclasses.replace(after, evaluated=now.x), continuation.rollback, rule)
        yield Step(iteration, now.x, evaluation, after, reason)
        now = after


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


def _require_types(optimizer: object, continuation: object, stop: object) -> None:
    """Refuse a class where an object is meant, a dict where a Continuation is, and the like."""
    if isinstance(optimizer, type) or not dataclasses.is_dataclass(optimizer):
        raise InputError(f"optimizer: expected an optimiser such as MMA(), got {optimizer!r}")
    if not isinstance(continuation, Continuation):
        raise InputError(f"continuation: expected Continuation({{name: schedule}}), got {continuation!r}")
    if isinstance(stop, type) or not callable(stop):
        raise InputError(f"stop: expected a rule such as Stop(iterations=100), got {stop!r}")


def _begun(model: Model, optimizer: Optimizer, bounds: Bounds) -> Snapshot:
    """Return the snapshot in front of the first iteration."""
    x = model.initial()
    return Snapshot(History(), x, optimizer.init(x, bounds.lower, bounds.upper))


def _remembered(
    now: Snapshot, rule: Optimizer, continuation: Continuation, parameters: Mapping[str, float]
) -> Any:
    """Return the optimiser's memory, as the continuation wants it where a parameter of the model jumps."""
    jump = continuation.jump(now.history, model_parameters(parameters))
    if jump is None or continuation.memory == "keep":
        return now.state
    return rule.renewed(now.x, now.state, 0.5 / (jump + 1.0) if continuation.memory == "damp" else None)


def _watched(now: Snapshot, after: Snapshot, rollback: Rollback, rule: Optimizer) -> Snapshot:
    """Return what comes next, with the design that is worth going back to, or that design itself."""
    number = rollback.anchor(after.history)
    if number is None:
        return after
    anchor = now.anchor if number == rollback.anchor(now.history) else now.evaluated
    if anchor is None:
        raise InputError(
            f"snapshot: made without a roll-back, so that the design of iteration {number}, to which it may "
            "have to go back, is missing; go on without a roll-back"
        )
    if rollback.target(after.history) is None:
        return dataclasses.replace(after, anchor=anchor)
    renewed = rule.renewed(anchor, after.state, None)
    # What was undone is nothing to tell progress by.
    return dataclasses.replace(after, x=anchor, state=renewed, output=None, anchor=anchor)


def model_parameters(parameters: Mapping[str, float]) -> dict[str, float]:
    """Return the scheduled parameters that are the model's."""
    return {name: value for name, value in parameters.items() if not name.startswith(_OPTIMIZER)}


def _optimizer_fields(parameters: Mapping[str, float]) -> dict[str, float]:
    """Return the scheduled parameters that are the optimiser's, by the names of its fields."""
    named = parameters.items()
    return {name.removeprefix(_OPTIMIZER): value for name, value in named if name.startswith(_OPTIMIZER)}


def _written_down(
    now: Snapshot,
    restored: int,
    parameters: Mapping[str, float],
    evaluation: Evaluation,
    x: Array,
    rule: Optimizer,
    multipliers: Array,
    bounds: Bounds,
    clock: _Clock,
) -> Iteration:
    """Return the log's entry for one iteration."""
    progress = math.nan
    if now.output is not None and evaluation.output is not None:
        difference = evaluation.output - now.output
        progress = math.sqrt(float(difference @ difference) / difference.size)
    history = now.history
    before = history[:restored] if restored else history
    changed = len(before) > 0 and before[-1].parameters != parameters
    reading = read(now.x, evaluation, multipliers, bounds)
    ringing = alarms(reading, evaluation.measures, evaluation.objective, changed, before)
    clock.mark("log")
    move = x - now.x
    return Iteration(
        number=len(history) + 1,
        objective=evaluation.objective,
        violation=float(evaluation.constraints.max(initial=-math.inf)),
        change=float((np.abs(move) / bounds.ranges).max()),
        move=scalars(rule).get("move", math.inf),
        progress=progress,
        actual=evaluation.objective - before[-1].objective if before else math.nan,
        predicted=float(evaluation.gradient @ move),
        parameters=parameters,
        responses=evaluation.responses,
        multipliers=dict(zip(_multiplier_names(evaluation), multipliers.tolist(), strict=True)),
        measures=evaluation.measures,
        vanishing=reading.total,
        seconds={**evaluation.seconds, **clock.marks},
        stages=reading.stages,
        alarms=ringing,
        solves=(history[-1].solves if history else 0) + evaluation.solves,
        restored=restored,
    )


def _multiplier_names(evaluation: Evaluation) -> list[str]:
    """Return one name a rival, ``minimise.<name>``, and one a constraint."""
    rivals = _names("rival", evaluation.rival_names, len(evaluation.rivals))
    constraints = _names("constraint", evaluation.constraint_names, len(evaluation.constraints))
    return [*(f"minimise.{name}" for name in rivals), *constraints]


def _names(kind: str, names: tuple[str, ...], count: int) -> tuple[str, ...]:
    """Return the names of rivals or constraints, numbers where the model gives none."""
    if names and len(names) != count:
        raise InputError(f"{kind}_names: expected {count} names, one a {kind}, got {names}")
    return names or tuple(f"{kind} {number}" for number in range(1, count + 1))
