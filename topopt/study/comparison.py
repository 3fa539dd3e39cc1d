"""Outcomes side by side: who came how near to the best known, at what cost, and who failed."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from topopt.continuation import Continuation
from topopt.diagnosis import findings
from topopt.errors import InputError, suggestion
from topopt.figures.comparison import Curve
from topopt.study.outcome import Outcome
from topopt.study.profiles import curve, ratio
from topopt.study.roles import is_default, is_gate, is_ramp
from topopt.study.standing import Row, Standing

__all__ = ["TIE", "Comparison"]

TIE = 0.005
"""Values that differ by less than this share are called tied."""


@dataclass(frozen=True, eq=False)
class Comparison:
    """What a study found.

    Parameters
    ----------
    outcomes : sequence of Outcome
        One a trial; the order gives problems, continuations and starts their order.
    known : mapping, optional
        By problem, a best value known from elsewhere; used where it is better than what the trials found.

    Raises
    ------
    InputError
        If there is no outcome, a trial comes twice, or a best value is of an unknown problem.
    """

    outcomes: Sequence[Outcome]
    known: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check that there is something to compare."""
        object.__setattr__(self, "outcomes", tuple(self.outcomes))
        if not self.outcomes:
            raise InputError("comparison: there is no outcome; run the study first")
        seen: set[tuple[str, str, str]] = set()
        for outcome in self.outcomes:
            key = (outcome.problem, outcome.continuation, outcome.start)
            if key in seen:
                raise InputError(
                    f"comparison: the trial {' / '.join(key)} comes twice; give it a name of its own"
                )
            seen.add(key)
        for problem, value in self.known.items():
            if not math.isfinite(value):
                raise InputError(f"comparison: the best known of '{problem}' must be finite, got {value}")
            if problem not in self.problems:
                raise InputError(
                    f"comparison: no problem '{problem}' to know the best of: "
                    f"{suggestion(problem, self.problems)}"
                )

    @cached_property
    def problems(self) -> tuple[str, ...]:
        """Their names."""
        return tuple(dict.fromkeys(outcome.problem for outcome in self.outcomes))

    @cached_property
    def continuations(self) -> tuple[str, ...]:
        """Their names, best first over everything."""
        return tuple(standing.continuation for standing in self.standings())

    @cached_property
    def default(self) -> str | None:
        """The continuation that is the default of every problem file, or else the first survival gate.

        Of several that which drives the most parameters: in a file that names no continuation the gate leads
        the penalty, too. None if there is neither; only outcomes tell that know their schedules.
        """
        led = {outcome.continuation: len(outcome.schedules.schedules)
               for outcome in self.outcomes if outcome.schedules is not None}  # fmt: skip
        playing = [*self._playing(is_default)] or [*self._playing(is_gate)][:1]
        return max(playing, key=lambda name: led[name], default=None)

    @cached_property
    def ramps(self) -> tuple[str, ...]:
        """The continuations that are plain ramps, best first."""
        return tuple(sorted(self._playing(is_ramp), key=self.continuations.index))

    @cached_property
    def cases(self) -> tuple[tuple[str, str], ...]:
        """Every problem and start that something was run on."""
        return tuple(dict.fromkeys((outcome.problem, outcome.start) for outcome in self.outcomes))

    @cached_property
    def best(self) -> Mapping[str, float]:
        """The best value known of every problem; inf if all its trials failed."""
        found = dict.fromkeys(self.problems, math.inf) | dict(self.known)
        for outcome in self.outcomes:
            if math.isfinite(outcome.value):
                found[outcome.problem] = min(found[outcome.problem], outcome.value)
        return found

    @cached_property
    def rows(self) -> tuple[Row, ...]:
        """Every trial, problem by problem, best first; of failures, the one that got farther first."""
        made = [self._row(outcome) for outcome in self.outcomes]
        place = {problem: number for number, problem in enumerate(self.problems)}
        return tuple(sorted(made, key=lambda row: (place[row.outcome.problem], row.ratio, row.solves(0.05),
                                                   -row.spent if row.failed else row.spent)))  # fmt: skip

    def on(self, problem: str) -> tuple[Row, ...]:
        """Return the trials of a problem, best first."""
        return tuple(row for row in self.rows if row.outcome.problem == problem)

    def standings(self, problem: str | None = None) -> tuple[Standing, ...]:
        """Return the continuations, best first, over one problem or over everything.

        Those come first that ran on all cases, then those with fewer failures, then the smaller geometric
        mean of the ratios of the other trials.
        """
        rows = self.rows if problem is None else self.on(problem)
        n_cases = sum(problem in (None, name) for name, _ in self.cases)
        names = dict.fromkeys(o.continuation for o in self.outcomes if problem in (None, o.problem))
        made = []
        for name in names:
            mine = tuple(row for row in rows if row.outcome.continuation == name)
            made.append(Standing(name, mine, n_cases - len(mine)))
        return tuple(sorted(made, key=lambda standing: standing.rank))

    @cached_property
    def ranked(self) -> tuple[Standing, ...]:
        """The continuations that ran on all cases, best first: only these can be compared over everything."""
        return tuple(standing for standing in self.standings() if not standing.missing)

    @cached_property
    def unranked(self) -> tuple[Standing, ...]:
        """The continuations that lack a case, those that lack fewest first."""
        return tuple(standing for standing in self.standings() if standing.missing)

    def tied(self, one: Standing, other: Standing) -> bool:
        """Return whether two continuations ran on all cases, failed equally often and end within the tie."""
        low, high = sorted((one.sound_ratio, other.sound_ratio))
        alike = one.failures == other.failures and not one.missing and not other.missing
        return alike and high < low * (1.0 + TIE)

    def performance(self) -> dict[str, Curve]:
        """Return the performance profile of every continuation, over all cases: ratio to the best known."""
        return self._profile(lambda row: row.ratio)

    def data(self, within: float = 0.05, black: bool = False) -> dict[str, Curve]:
        """Return the data profile of every continuation, over all cases: state solves to within a share.

        Parameters
        ----------
        within : float
            Of the best known.
        black : bool
            Whether M_nd below 2 % is demanded as well.
        """
        return self._profile(lambda row: row.solves(within, black))

    @property
    def grey_known(self) -> bool:
        """Whether M_nd was measured at all."""
        return any(math.isfinite(j.discreteness) for outcome in self.outcomes for j in outcome.judgements)

    @property
    def limits_known(self) -> bool:
        """Whether there are limits that the yardstick does not keep by itself."""
        return any(outcome.limits for outcome in self.outcomes)

    def _playing(self, part: Callable[[Continuation], bool]) -> Iterator[str]:
        """Yield the continuations that play a part on every problem, in the order of the outcomes."""
        for name in dict.fromkeys(outcome.continuation for outcome in self.outcomes):
            told = [outcome.schedules for outcome in self.outcomes if outcome.continuation == name]
            if all(schedules is not None and part(schedules) for schedules in told):
                yield name

    def _profile(self, amount: Callable[[Row], float]) -> dict[str, Curve]:
        """Return a curve a continuation; a case that it was not run on counts like a failure."""
        return {
            standing.continuation: curve([*map(amount, standing.rows), *[math.inf] * standing.missing])
            for standing in self.standings()
        }

    def _row(self, outcome: Outcome) -> Row:
        """Return a trial with its place among the others."""
        best = self.best[outcome.problem]
        found = ratio(outcome.value, best)
        return Row(outcome, best, found, self._lead(outcome), tuple(findings(outcome.history)))

    def _lead(self, outcome: Outcome) -> str:
        """Return ``win``, ``tie`` or nothing, among the trials of the same problem and start."""
        peers = self._peers(outcome)
        first = min((peer.value for peer in peers if math.isfinite(peer.value)), default=math.inf)
        leading = [peer for peer in peers if ratio(peer.value, first) < 1.0 + TIE]
        if outcome not in leading or len(peers) == 1:
            return ""
        return "win" if len(leading) == 1 else "tie"

    def _peers(self, outcome: Outcome) -> list[Outcome]:
        """Return the trials of the same problem and start, this one included."""
        return [o for o in self.outcomes if (o.problem, o.start) == (outcome.problem, outcome.start)]
