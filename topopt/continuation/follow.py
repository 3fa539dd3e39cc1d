"""A parameter that goes where another leads, so that one controller drives both."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from topopt.continuation.schedules import Schedule
from topopt.errors import InputError
from topopt.history import History

__all__ = ["Follow"]


@dataclass(frozen=True)
class Follow(Schedule):
    """A power of another parameter, or a way of its own that is walked while the other walks its way.

    Without `start` and `final` the value is ``factor * leader ** power``: by default the leader's own, with
    ``power=-1`` a learning rate that falls as a sharpness grows.

    With `start` and `final` the value runs from one to the other while the leader runs, in equal ratios,
    through `between`: ``Follow("physical.beta", start=1, final=3, between=(1, 16))`` raises a penalty to 3 by
    the time the sharpness has reached 16, half of the way at a sharpness of 4.

    Parameters
    ----------
    leader : str
        The parameter that is followed; it has a schedule of its own.
    start, final : float, optional
        The ends of the way; both or neither.
    between : pair of float
        Where the leader begins and ends it; positive.
    factor, power : float
        Of the leader's value, where there is no way of its own.
    """

    leader: str
    start: float | None = None
    final: float | None = None  # type: ignore[assignment]
    between: tuple[float, ...] = (1.0, 64.0)
    factor: float = 1.0
    power: float = 1.0

    def __post_init__(self) -> None:
        """Refuse half a way."""
        given = [value for value in (self.start, self.final) if value is not None]
        if len(given) == 1 or not all(math.isfinite(value) for value in given):
            raise InputError("Follow: give finite start and final, or neither to copy the leader")
        if given and (self.factor, self.power) != (1.0, 1.0):
            raise InputError("Follow: give start and final, or factor and power, not both")
        if not (math.isfinite(self.factor) and math.isfinite(self.power)):
            raise InputError(f"Follow: expected finite factor and power, got {self.factor}, {self.power}")
        low, high = self.between if len(self.between) == 2 else (0.0, 0.0)
        positive = 0 < low < math.inf and 0 < high < math.inf
        # neighbouring numbers differ while their logarithms, which `at` walks between, do not
        if not positive or math.log(low) == math.log(high):
            raise InputError(f"Follow.between: expected two positive, different values, got {self.between!r}")

    def __call__(self, past: Sequence[float], history: History) -> float:
        """Return the value for the leader's last one; a continuation asks `at`, with the coming one."""
        led = history.values(self.leader)
        return self.at(led[-1] if led else self.between[0])

    def at(self, lead: float) -> float:
        """Return the value that goes with one of the leader's."""
        if self.start is None:
            if lead <= 0 and self.power != 1.0:
                raise InputError(f"Follow: '{self.leader}' is {lead:g}, which has no power {self.power:g}")
            return float(self.factor * lead**self.power)
        low, high = (math.log(value) for value in self.between)
        walked = ((math.log(lead) if lead > 0 else -math.inf) - low) / (high - low)
        share = min(1.0, max(0.0, walked))
        return self.start + share * (cast(float, self.final) - self.start)

    def settled(self, past: Sequence[float], history: History) -> bool:
        """Return True: the leader decides."""
        return True
