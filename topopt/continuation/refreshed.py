"""The limit on the dilated volume that gives the nominal design its target, refreshed as they drift apart."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from topopt.continuation.schedules import Count, Schedule
from topopt.errors import InputError, suggestion
from topopt.history import History
from topopt.parameters import NonNegative, Positive, UnitOpen

__all__ = ["Refreshed"]

ACTIVE = 0.05
"""Where the dilated volume is less than its limit by more than this share, the limit is not what decides."""
MISSED = 0.01
"""A relative error of the nominal volume above which its target counts as missed."""


@dataclass(frozen=True)
class Refreshed(Schedule):
    """A limit that is set anew after each `every` iterations: ``target V_dilated / V_nominal``.

    A robust design is limited by the volume of its dilated variant, but its nominal variant is what gets
    built. The limit begins at the target; each refresh reads both volumes of the last iteration in the log.

    On a coarse grid the ratio of the volumes leaps with the design, and the limit would swing to and fro. So
    a refresh changes it by no more than `step`, less with every turn it has taken. A limit that the dilated
    design stays below decides nothing: it stands, unless the nominal one is above its target. Where the
    target is missed in the end, the run's reason says so.

    Parameters
    ----------
    target : float
        The volume that the nominal design shall have, as a share.
    nominal, dilated : str
        The responses that are the volumes of the two variants.
    every : int
        Iterations between refreshes.
    tolerance : float
        A limit that would change by no more than this share of itself is left as it is, and counts as
        settled.
    step : float
        Largest relative change in a refresh; divided by ``1 + turns`` where the limit has turned so often.

    References
    ----------
    Wang, Lazarov & Sigmund 2011, doi:10.1007/s00158-010-0602-y, section 5.2: every 20 iterations.

    Examples
    --------
    >>> from topopt.history import Iteration
    >>> log = History([Iteration(1, 9.0, responses={"volume": 0.40, "dilated_volume": 0.5})])
    >>> Refreshed(0.4, "volume", "dilated_volume", every=1, step=0.5)([0.4], log)
    0.5
    """

    reads: ClassVar[tuple[str, ...]] = ("nominal", "dilated")

    target: UnitOpen
    nominal: str
    dilated: str
    every: Count = 20
    tolerance: NonNegative = 1e-3
    step: Positive = 0.1

    @property
    def final(self) -> float:  # type: ignore[override]
        """The target, where the variants are one: what the limit will be at last, only the log can tell."""
        return self.target

    def __call__(self, past: Sequence[float], history: History) -> float:
        """Refresh the limit if it is time and worth it."""
        if not past:
            return self.target
        if len(past) % self.every or self._fits(past, history):
            return past[-1]
        bound = self.step / (1 + _turns(past))
        ratio = self._wanted(past, history) / past[-1]
        return min(1.0, past[-1] * min(max(ratio, 1.0 / (1.0 + bound)), 1.0 + bound))

    def settled(self, past: Sequence[float], history: History) -> bool:
        """Return whether the limit gives the nominal design its volume already, or decides nothing."""
        return bool(past) and self._fits(past, history)

    def missed(self, past: Sequence[float], history: History) -> str | None:
        """Return by how much the nominal design missed its volume; None if it has it to a hundredth."""
        volume = self._volumes(history)[0] if history else self.target
        if math.isclose(volume, self.target, rel_tol=MISSED):
            return None
        return f"'{self.nominal}' is {volume:.4g}, its target of {self.target:g} is missed"

    def _fits(self, past: Sequence[float], history: History) -> bool:
        """Return whether a refresh would change next to nothing."""
        return math.isclose(self._wanted(past, history), past[-1], rel_tol=self.tolerance)

    def _wanted(self, past: Sequence[float], history: History) -> float:
        """Return the limit as a refresh would set it; the whole domain is the most that it allows."""
        nominal, dilated = self._volumes(history)
        idle = dilated < (1.0 - ACTIVE) * past[-1] and nominal <= self.target
        if nominal <= 0.0 or idle:
            return past[-1]
        return min(1.0, self.target * dilated / nominal)

    def _volumes(self, history: History) -> tuple[float, float]:
        """Return the volumes of the nominal and the dilated design in the last iteration."""
        volumes = history[-1].responses
        for name in (self.nominal, self.dilated):
            if name not in volumes:
                raise InputError(f"Refreshed: no response '{name}' in the log: {suggestion(name, volumes)}")
        return volumes[self.nominal], volumes[self.dilated]


def _turns(past: Sequence[float]) -> int:
    """Return how often a parameter has changed its direction."""
    moves = [after - before for before, after in itertools.pairwise(past) if after != before]
    return sum(one * other < 0.0 for one, other in itertools.pairwise(moves))
