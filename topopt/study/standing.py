"""A trial, and a continuation over many trials, as they stand in the ranking."""

from __future__ import annotations

import math
from dataclasses import dataclass

from topopt.diagnosis import Finding
from topopt.study.outcome import Outcome
from topopt.study.profiles import geometric_mean, solves_to

__all__ = ["Row", "Standing"]


@dataclass(frozen=True, eq=False)
class Row:
    """A trial in the ranking.

    Attributes
    ----------
    outcome : Outcome
        What it left.
    best : float
        The best value known of its problem; inf if every trial of it failed.
    ratio : float
        Of the final value to the best known; inf for a failure.
    lead : str
        ``win`` if it is the best of its problem and start, ``tie`` if others are within the tie of the best
        and it is among them; empty if it is behind, or failed, or ran alone.
    alarms : tuple of Finding
        Those that rang, with the first iteration.
    """

    outcome: Outcome
    best: float
    ratio: float
    lead: str
    alarms: tuple[Finding, ...]

    @property
    def failed(self) -> bool:
        """Whether it ended in an error or with a broken design."""
        return self.outcome.failed

    @property
    def why(self) -> str:
        """What went wrong, for a failure; else empty."""
        return self.outcome.why

    @property
    def spent(self) -> int:
        """State solves in all, as far as they are known."""
        judged = self.outcome.judgements[-1].solves if self.outcome.judgements else 0
        return max(judged, self.outcome.history[-1].solves if len(self.outcome.history) else 0)

    def solves(self, within: float, black: bool = False) -> float:
        """Return the state solves until the design was within a share of the best known; inf for a failure.

        Parameters
        ----------
        within : float
            Such as 0.05.
        black : bool
            Whether M_nd below 2 % is demanded as well.
        """
        if self.failed:
            return math.inf
        return solves_to(self.outcome.judgements, self.best, within, black)


@dataclass(frozen=True, eq=False)
class Standing:
    """A continuation in the ranking, over one problem's starts or over everything.

    Attributes
    ----------
    continuation : str
        Its name.
    rows : tuple of Row
        Its trials.
    missing : int
        Cases, a problem and a start each, that others ran and this one did not.
    """

    continuation: str
    rows: tuple[Row, ...]
    missing: int = 0

    @property
    def failures(self) -> int:
        """How many trials failed."""
        return sum(row.failed for row in self.rows)

    @property
    def wins(self) -> int:
        """How many cases it won alone."""
        return sum(row.lead == "win" for row in self.rows)

    @property
    def ties(self) -> int:
        """In how many cases it was tied for the best."""
        return sum(row.lead == "tie" for row in self.rows)

    @property
    def unsettled(self) -> int:
        """How many trials that did not fail ended before the continuation had."""
        return sum(not row.failed and not row.outcome.settled for row in self.rows)

    @property
    def ratio(self) -> float:
        """The geometric mean of the ratios; inf if a trial failed."""
        return geometric_mean([row.ratio for row in self.rows])

    @property
    def sound_ratio(self) -> float:
        """The same over the trials that did not fail; nan if all did."""
        return geometric_mean([row.ratio for row in self.rows if not row.failed])

    @property
    def worst(self) -> float:
        """The largest ratio."""
        return max((row.ratio for row in self.rows), default=math.nan)

    def solves(self, within: float, black: bool = False) -> float:
        """Return the median over the cases of solves to within a share; inf where most never get there."""
        every = [row.solves(within, black) for row in self.rows] + [math.inf] * self.missing
        # The upper of the two in the middle: a half that got there is not most of them.
        return sorted(every)[len(every) // 2] if every else math.inf

    @property
    def rank(self) -> tuple[float, ...]:
        """To sort by: what is missing, what failed, the ratio, then the cost."""
        sound = self.sound_ratio
        return (
            self.missing, self.failures, math.inf if math.isnan(sound) else sound, self.solves(0.05),
            sum(row.spent for row in self.rows),
        )  # fmt: skip
