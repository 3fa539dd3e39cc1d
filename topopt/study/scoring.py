"""One number for a continuation: the area under its data profile on a logarithmic axis of state solves."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from topopt.errors import InputError, TopoptError
from topopt.study.outcome import Outcome
from topopt.study.profiles import solves_to

__all__ = ["Case", "Target", "grain", "score", "target_of"]


@dataclass(frozen=True)
class Case:
    """How soon a problem was solved from a start.

    Attributes
    ----------
    problem, start : str
        Their names.
    solves : float
        State solves spent at the first judgement that was good enough; inf if none was.
    before : float
        Those at the judgement before that, which was not: the truth lies between the two.
    value : float
        Of the final design.
    """

    problem: str
    start: str
    solves: float
    before: float = 1.0
    value: float = math.inf


@dataclass(frozen=True)
class Target:
    """What counts as solved.

    Attributes
    ----------
    best : mapping
        The reference value by problem.
    within : float
        The share of its magnitude that a value may lie above it.
    black : bool
        Whether M_nd below 2 % is demanded as well.
    """

    best: Mapping[str, float]
    within: float = 0.01
    black: bool = True

    __hash__ = None  # type: ignore[assignment]

    def case(self, outcome: Outcome) -> Case:
        """Return how soon a trial solved its problem; never, if its final design is broken."""
        solves = math.inf
        if math.isfinite(outcome.value):
            solves = solves_to(outcome.judgements, self.best[outcome.problem], self.within, self.black)
        before = max((j.solves for j in outcome.judgements if j.solves < solves), default=1)
        return Case(outcome.problem, outcome.start, solves, float(before), outcome.value)


def target_of(outcomes: Sequence[Outcome], within: float) -> Target:
    """Return as the target the best values that a study has found.

    Parameters
    ----------
    outcomes : sequence of Outcome
        Of the study as it is. Where no model tells its M_nd, none is asked for.
    within : float
        See `Target`.

    Raises
    ------
    TopoptError
        If every trial of a problem failed, naming all such problems.
    """
    best: dict[str, float] = {}
    for outcome in outcomes:
        best[outcome.problem] = min(best.get(outcome.problem, math.inf), outcome.value)
    unknown = [f"'{problem}'" for problem, value in best.items() if not math.isfinite(value)]
    if unknown:
        raise TopoptError(
            f"no trial of the study ended with a sound design on {', '.join(unknown)}, so there is nothing "
            "to come near to; put a continuation into the study that does"
        )
    known = any(math.isfinite(judged.discreteness) for outcome in outcomes for judged in outcome.judgements)
    return Target(best, within, black=known)


def score(cases: Iterable[Case], budget: int) -> float:
    """Return the area under the data profile on a logarithmic axis from 1 state solve to the budget.

    That is the mean over the cases of ``max(0, 1 - log(solves) / log(budget))``: 1 is solved at once, 0 never
    or not before the budget's end. Halving the solves of all cases adds ``log 2 / log(budget)``, whether they
    were many or few.

    Parameters
    ----------
    cases : iterable of Case
        All; those never solved count.
    budget : int
        State solves, at least 2.

    Raises
    ------
    InputError
        If there is no case, or the budget leaves no axis.

    Examples
    --------
    >>> cases = [Case("beam", "uniform", 10.0), Case("bracket", "uniform", float("inf"))]
    >>> score(cases, 100)
    0.25
    """
    return _mean([_height(case.solves, budget) for case in cases])


def grain(cases: Iterable[Case], budget: int) -> float:
    """Return how much larger the score might be if designs had been judged in every iteration.

    Scores that differ by less cannot be told apart.

    Examples
    --------
    >>> grain([Case("beam", "uniform", 10.0, 10.0 ** 0.5)], 100)
    0.25
    """
    return _mean(
        [
            _height(case.before, budget) - _height(case.solves, budget) if math.isfinite(case.solves) else 0.0
            for case in cases
        ]
    )


def _height(solves: float, budget: int) -> float:
    """Return what a case adds to the area."""
    if budget < 2:
        raise InputError(f"score: expected a budget of at least 2 state solves, got {budget}")
    return min(1.0, max(0.0, 1.0 - math.log(max(solves, 1.0)) / math.log(budget)))


def _mean(heights: Sequence[float]) -> float:
    """Return a mean."""
    if not heights:
        raise InputError("score: there is no case")
    return math.fsum(heights) / len(heights)
