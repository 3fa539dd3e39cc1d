"""What is written down of one turn of the loop: numbers, names, and the alarms that ring."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from topopt.errors import InputError
from topopt.evaluation import Bounds, Evaluation
from topopt.history import History, Iteration
from topopt.kernels import twin
from topopt.parameters import Array
from topopt.threads import each
from topopt.vanishing import alarms, read

__all__ = ["Turn", "entry"]


@dataclass(frozen=True, eq=False)
class Turn:
    """One turn of the loop: a design, what the model says of it, and where the optimiser goes from there.

    Attributes
    ----------
    x : array, shape (n,)
        The design.
    bounds : Bounds
        In which it lives.
    parameters : mapping
        Scheduled parameters by name.
    evaluation : Evaluation
        Of the design at the parameters.
    following : array, shape (n,)
        The design that comes next.
    multipliers : array, shape (k + m,)
        The optimiser's.
    move : float
        Largest change of a variable that the optimiser allows, as a share of its range.
    refused : bool
        Whether the optimiser refused the design.
    """

    x: Array
    bounds: Bounds
    parameters: Mapping[str, float]
    evaluation: Evaluation
    following: Array
    multipliers: Array
    move: float = math.inf
    refused: bool = False


def entry(turn: Turn, history: History, output: Array | None, restored: int) -> Iteration:
    """Return the log's entry for one turn of the loop, but for the seconds that it took.

    Parameters
    ----------
    turn : Turn
        What happened.
    history : History
        The log so far.
    output : array, optional
        The model's output to tell progress by, that of the design accepted last.
    restored : int
        The iteration whose design this one starts again from, 0 if there is none.

    Raises
    ------
    InputError
        If the model names more or fewer constraints or rivals than it has.
    """
    evaluation = turn.evaluation
    fields = turn.x, turn.following, turn.bounds.lower, turn.bounds.upper, evaluation.gradient
    measured = _stepped.of(turn.x.size)
    moves = each(lambda at: measured(*(field[at] for field in fields)), turn.x.size)
    before = history[:restored] if restored else history
    reading = read(turn.x, evaluation, turn.multipliers, turn.bounds)
    objective = None if turn.refused else evaluation.objective
    return Iteration(
        number=len(history) + 1,
        objective=evaluation.objective,
        violation=float(evaluation.constraints.max(initial=-math.inf)),
        change=max(share for share, _ in moves),
        move=turn.move,
        progress=math.nan if turn.refused else _distance(output, evaluation.output),
        actual=evaluation.objective - before[-1].objective if before else math.nan,
        predicted=sum(gain for _, gain in moves),
        parameters=turn.parameters,
        responses=evaluation.responses,
        multipliers=dict(zip(_multiplier_names(evaluation), turn.multipliers.tolist(), strict=True)),
        measures=evaluation.measures,
        vanishing=reading.total,
        stages=reading.stages,
        alarms=alarms(reading, evaluation.measures, objective, before, turn.parameters),
        solves=(history[-1].solves if history else 0) + evaluation.solves,
        restored=restored,
        refused=turn.refused,
    )


def _distance(before: Array | None, now: Array | None) -> float:
    """Return the root mean square difference of two outputs, nan where there are not two."""
    if before is None or now is None:
        return math.nan

    def square(at: slice) -> float:
        difference = now[at] - before[at]
        return float(difference @ difference)

    return math.sqrt(sum(each(square, now.size)) / now.size)


@twin("sizes.stepped")
def _stepped(x: Array, following: Array, lower: Array, upper: Array, gradient: Array) -> tuple[float, float]:
    """Return the largest move in a piece, as a share of the range, and what the gradient predicts of it."""
    move = following - x
    share = np.abs(move) / Bounds(lower, upper).ranges
    return float(share.max()), float(gradient @ move)


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
