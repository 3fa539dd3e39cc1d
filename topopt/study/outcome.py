"""What a trial leaves: how it was judged on its way, its log, its design, and why it ended."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from topopt.continuation import Continuation
from topopt.history import History
from topopt.parameters import Array
from topopt.study.kept import Kept

__all__ = ["Judgement", "Outcome"]


@dataclass(frozen=True)
class Judgement:
    """What the yardstick said of the design of one iteration.

    Attributes
    ----------
    iteration : int
        Counts from 1.
    solves : int
        State solves that the trial had spent by then; those of the yardstick are not among them.
    value : float
        The objective of the black-and-white design; inf if that is broken.
    grey : float
        The objective as the trial itself saw it.
    discreteness : float
        M_nd of the design before it was made black and white; nan if the model has no such measure.
    fault : str
        What is wrong with the black-and-white design; empty if it is sound.
    """

    iteration: int
    solves: int
    value: float
    grey: float
    discreteness: float = math.nan
    fault: str = ""


@dataclass(frozen=True, eq=False)
class Outcome:
    """One trial: a problem under a continuation from a start.

    Attributes
    ----------
    problem, continuation, start : str
        Their names.
    reason : str
        Why the trial ended; for one that crashed, the error.
    crashed : bool
        Whether it ended in an error; such a trial is a row like the others.
    settled : bool
        Whether the continuation had reached its end.
    memory : str
        What became of the optimiser's memory when a parameter jumped: keep, damp or reset.
    seconds : float
        Wall-clock time of the trial, the yardstick's left out.
    judgements : tuple of Judgement
        In order; the last is of the final design. Empty if the trial crashed before the first.
    history : History
        The log.
    density : array, shape (nx, ny) or (nx, ny, nz), optional
        The final design, before it was made black and white; of a mesh as square pixels.
    folder : str
        The run folder, relative to the study's; empty if there is none.
    schedules : Continuation, optional
        What it ran under, where that is known.
    limits : tuple of Kept
        What the limits come to that the yardstick does not keep by itself, for the final design and for that
        in black and white; none if there are none, or the trial is older than these.
    """

    problem: str
    continuation: str
    start: str
    reason: str
    crashed: bool = False
    settled: bool = False
    memory: str = "keep"
    seconds: float = 0.0
    judgements: tuple[Judgement, ...] = ()
    history: History = field(default_factory=History)
    density: Array | None = None
    folder: str = ""
    schedules: Continuation | None = None
    limits: tuple[Kept, ...] = ()

    @property
    def final(self) -> Judgement | None:
        """The judgement of the final design; None if the trial crashed before its end."""
        return self.judgements[-1] if self.judgements and not self.crashed else None

    @property
    def value(self) -> float:
        """The objective of the final black-and-white design; inf for a failure."""
        return self.final.value if self.final else math.inf

    @property
    def failed(self) -> bool:
        """Whether it ended in an error or with a broken design."""
        return not math.isfinite(self.value)

    @property
    def why(self) -> str:
        """What went wrong, for a failure; else empty."""
        if not self.failed:
            return ""
        return (self.final.fault if self.final else self.reason) or "no sound design at the end"

    @property
    def broken(self) -> tuple[str, ...]:
        """Which limits the final black-and-white design does not keep, and by how much."""
        return tuple(kept.complaint for kept in self.limits if kept.complaint)
