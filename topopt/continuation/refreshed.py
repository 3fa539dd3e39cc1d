"""The limit on the dilated volume that gives the nominal design its target, refreshed as they drift apart."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from topopt.continuation.schedules import Count, Schedule
from topopt.errors import InputError, suggestion
from topopt.history import History
from topopt.parameters import NonNegative, UnitOpen

__all__ = ["Refreshed"]


@dataclass(frozen=True)
class Refreshed(Schedule):
    """A limit that is set anew after each `every` iterations: ``target V_dilated / V_nominal``.

    A robust design is limited by the volume of its dilated variant, but its nominal variant is what gets
    built. The limit begins at the target; each refresh reads both volumes of the last iteration in the log.

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

    References
    ----------
    Wang, Lazarov & Sigmund 2011, doi:10.1007/s00158-010-0602-y, section 5.2: every 20 iterations.

    Examples
    --------
    >>> from topopt.history import Iteration
    >>> log = History([Iteration(1, 9.0, responses={"volume": 0.40, "dilated_volume": 0.5})])
    >>> Refreshed(0.4, "volume", "dilated_volume", every=1)([0.4], log)
    0.5
    """

    target: UnitOpen
    nominal: str
    dilated: str
    every: Count = 20
    tolerance: NonNegative = 1e-3

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
        return self._wanted(past, history)

    def settled(self, past: Sequence[float], history: History) -> bool:
        """Return whether the limit gives the nominal design its volume already."""
        return bool(past) and self._fits(past, history)

    def _fits(self, past: Sequence[float], history: History) -> bool:
        """Return whether a refresh would change next to nothing."""
        return math.isclose(self._wanted(past, history), past[-1], rel_tol=self.tolerance)

    def _wanted(self, past: Sequence[float], history: History) -> float:
        """Return the limit as a refresh would set it; the whole domain is the most that it allows."""
        volumes = history[-1].responses
        for name in (self.nominal, self.dilated):
            if name not in volumes:
                raise InputError(f"Refreshed: no response '{name}' in the log: {suggestion(name, volumes)}")
        if volumes[self.nominal] <= 0.0:
            return past[-1]
        return min(1.0, self.target * volumes[self.dilated] / volumes[self.nominal])
