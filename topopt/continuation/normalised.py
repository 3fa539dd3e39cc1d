"""A limit on a smooth stand-in, set anew so that what it stands for is limited: the norm for the peak."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from topopt.continuation.schedules import Schedule
from topopt.errors import InputError, suggestion
from topopt.history import History
from topopt.parameters import NonNegative, Positive, UnitOpen

__all__ = ["Normalised"]

MISSED = 0.02
"""A relative excess of the extreme over its target above which that counts as missed."""


@dataclass(frozen=True)
class Normalised(Schedule):
    """A limit that follows ``target smooth / extreme``, damped: ``p <- p**(1 - share) (that)**share``.

    A power norm of the stress lies above its peak by a factor that depends on the design and changes slowly
    as it settles. The limit on the norm is the target times the factor that the log has, and the peak
    itself ends at the target. It begins `margin` times above the target, since a norm of many equal
    stresses lies far above them.

    Parameters
    ----------
    target : float
        What the extreme shall not exceed.
    extreme, smooth : str
        The responses that are the extreme itself and its smooth stand-in.
    share : float
        Weight of the last iteration.
    margin : float
        What the limit begins with, over the target.
    tolerance : float
        A limit that would change by no more than this share of itself counts as settled.

    References
    ----------
    Le, Norato, Bruns, Ha and Tortorelli 2010, doi:10.1007/s00158-009-0440-y, section 4

    Examples
    --------
    >>> from topopt.history import Iteration
    >>> log = History([Iteration(1, 9.0, responses={"peak": 1.0, "norm": 1.44})])
    >>> Normalised(2.0, "peak", "norm")([2.0], log).__round__(6)
    2.4
    """

    reads: ClassVar[tuple[str, ...]] = ("extreme", "smooth")

    target: Positive
    extreme: str
    smooth: str
    share: UnitOpen = 0.5
    margin: Positive = 1.5
    tolerance: NonNegative = 0.01

    @property
    def final(self) -> float:  # type: ignore[override]
        """The target, were the stand-in exact; what the limit will be at last only the log can tell."""
        return self.target

    def __call__(self, past: Sequence[float], history: History) -> float:
        """Return the limit that the log suggests."""
        if not past:
            return self.margin * self.target
        return float(past[-1] ** (1.0 - self.share) * self._wanted(past, history) ** self.share)

    def settled(self, past: Sequence[float], history: History) -> bool:
        """Return whether the limit is what it should be, or decides nothing."""
        return bool(past) and math.isclose(self._wanted(past, history), past[-1], rel_tol=self.tolerance)

    def missed(self, past: Sequence[float], history: History) -> str | None:
        """Return by how much the extreme exceeds its target; None if by less than two hundredths."""
        found = self._responses(history)[0] if history else self.target
        if found <= (1.0 + MISSED) * self.target:
            return None
        return f"'{self.extreme}' is {found:.4g}, its target of {self.target:g} is missed"

    def _wanted(self, past: Sequence[float], history: History) -> float:
        """Return the limit that would be exact for the last design."""
        extreme, smooth = self._responses(history)
        return self.target * smooth / extreme if extreme > 0 else past[-1]

    def _responses(self, history: History) -> tuple[float, float]:
        """Return the extreme and its stand-in in the last iteration."""
        found = history[-1].responses
        for name in (self.extreme, self.smooth):
            if name not in found:
                raise InputError(f"Normalised: no response '{name}' in the log: {suggestion(name, found)}")
        return found[self.extreme], found[self.smooth]
