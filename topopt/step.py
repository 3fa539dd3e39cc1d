"""What the loop hands out after each iteration, and what it goes on from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
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
        The design that comes next, unless the log says that an earlier one comes again.
    state : object
        The optimiser's memory.
    output : array, optional
        The model's output for the design that was accepted last, to tell progress by.
    kept : mapping
        Designs that may come again, by the numbers of the iterations that evaluated them; shape (n,) each.
    states, older : tuple of array
        What iterative solvers found last and the time before, and begin with next, see `topopt.solves`.
    """

    history: History
    x: Array
    state: Any
    output: Array | None = None
    kept: Mapping[int, Array] = field(default_factory=dict)
    states: tuple[Array, ...] = ()
    older: tuple[Array, ...] = ()


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
