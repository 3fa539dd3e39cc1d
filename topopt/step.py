"""What the loop hands out after each iteration, and what it goes on from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from topopt.evaluation import Evaluation
from topopt.history import History, Iteration
from topopt.parameters import Array

__all__ = ["Snapshot", "Step"]


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
        The model's output for the design that was accepted last, to tell progress by.
    anchor : array, optional
        The design that a roll-back would go back to, shape (n,).
    evaluated : array, optional
        The design of the log's last iteration, shape (n,), where it may be wanted again.
    states, older : tuple of array
        What iterative solvers found last and the time before, and begin with next, see `topopt.solves`.
    best : array, optional
        The design that ended the best round of a continuation that has several, shape (n,).
    """

    history: History
    x: Array
    state: Any
    output: Array | None = None
    anchor: Array | None = None
    evaluated: Array | None = None
    states: tuple[Array, ...] = ()
    older: tuple[Array, ...] = ()
    best: Array | None = None


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
        What the model said of it, but for the signals: the log has read them, and they would keep as much
        memory as a whole evaluation takes while the next one is under way.
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
