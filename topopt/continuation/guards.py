"""Guards: what no schedule may do to a sharpness, however it was made."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass

from topopt.continuation.follow import Follow
from topopt.continuation.schedules import Schedule
from topopt.errors import InputError
from topopt.history import History
from topopt.measures import RESOLVED
from topopt.parameters import Checked, NonNegative, Positive

__all__ = ["Guard", "Guarded"]

NEAR = 1.01
"""A cap that is less than a hundredth above the value counts as reached: it is measured and trembles."""


@dataclass(frozen=True)
class Guard(Checked):
    """Bounds on the rise of a sharpness, read from the log; falling is always allowed.

    Parameters
    ----------
    hold : float
        Stand while the design's non-discreteness M_nd is at most this: it is black and white already. 0
        switches the guard off, as for the next.
    interface : float
        Stand where the projection's interface would become thinner than so many cells, measured on the
        filtered field's real slope: beyond, the sensitivities are a lottery between cell centres.
    growth : float
        Largest relative growth in an iteration; inf for any.
    """

    hold: NonNegative = 0.005
    interface: NonNegative = RESOLVED
    growth: Positive = math.inf

    def __call__(self, wish: float, past: Sequence[float], history: History) -> float:
        """Return what the guard makes of a wish.

        Parameters
        ----------
        wish : float
            What a schedule wants for the coming iteration.
        past : sequence of float
            The values the parameter has had.
        history : History
            The log so far.
        """
        if not past or wish <= past[-1]:
            return wish
        if self.holds(past, history):
            return past[-1]
        fastest = past[-1] * (1.0 + self.growth) if past[-1] > 0 else math.inf
        return min(wish, self.cap(past, history), fastest)

    def holds(self, past: Sequence[float], history: History) -> bool:
        """Return whether the design is as black and white, or its interface as thin, as it may become."""
        if not past:
            return False
        grey = history[-1].measures.get("discreteness", math.inf)
        black_and_white = self.hold > 0 and grey <= self.hold
        return black_and_white or self.cap(past, history) < NEAR * past[-1]

    def cap(self, past: Sequence[float], history: History) -> float:
        """Return the sharpness at which the interface is as thin as allowed; inf if the log cannot tell.

        Sharpness times width is a property of the filtered field: the inverse of its steepest slope, about
        the radius in cells for the hat filter. The alarm `unresolved` rings a little further on.
        """
        width = history[-1].measures.get("interface", math.inf)
        if not (self.interface > 0 and math.isfinite(width) and 0 < past[-1] < math.inf):
            return math.inf
        return past[-1] * width / self.interface


@dataclass(frozen=True)
class Guarded(Schedule):
    """A schedule within bounds.

    Parameters
    ----------
    schedule : Schedule
        What proposes the values. It goes on counting where it is held back, and is caught up with.
    guard : Guard
        What bounds them.
    """

    schedule: Schedule
    guard: Guard = Guard()

    def __post_init__(self) -> None:
        """Refuse what is no schedule, or has no way of its own."""
        super().__post_init__()
        if isinstance(self.schedule, Follow) or not isinstance(self.schedule, Schedule):
            raise InputError(
                f"Guarded: expected a schedule with a way of its own, got {self.schedule!r}; "
                "guard the leader of one that follows"
            )
        if not isinstance(self.guard, Guard):
            raise InputError(f"Guarded: expected a Guard, got {self.guard!r}")

    @property
    def final(self) -> float:  # type: ignore[override]
        """The schedule's final value; a guard may end the run below it."""
        return self.schedule.final

    def __call__(self, past: Sequence[float], history: History) -> float:
        """Return the schedule's value as far as the guard allows."""
        return self.guard(self.schedule(past, history), past, history)

    def settled(self, past: Sequence[float], history: History) -> bool:
        """Return whether the schedule has arrived, or the guard would let it go no further."""
        return self.schedule.settled(past, history) or self.guard.holds(past, history)

    def missed(self, past: Sequence[float], history: History) -> str | None:
        """Return what the schedule inside missed."""
        return self.schedule.missed(past, history)

    def driving(self, parameter: str) -> Guarded:
        """Return the same for the schedule inside."""
        return dataclasses.replace(self, schedule=self.schedule.driving(parameter))
