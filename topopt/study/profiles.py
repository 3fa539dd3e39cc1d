"""How often and how soon: shares of cases near to the best, or solved within so many state solves."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from topopt.errors import InputError
from topopt.figures.comparison import Curve
from topopt.study.outcome import Judgement

__all__ = ["BLACK", "curve", "geometric_mean", "ratio", "solves_to"]

BLACK = 0.02
"""A design with an M_nd below this counts as black and white."""


def ratio(value: float, best: float) -> float:
    """Return how a value compares with the best: 1 is as good, 1.05 is 5 % of the best's magnitude above it.

    For a positive objective that is value / best; the form also holds for an objective below zero, such as
    the displacement of a mechanism.

    Raises
    ------
    InputError
        If the best is neither finite nor inf.

    Examples
    --------
    >>> round(ratio(210.0, 200.0), 12), ratio(-0.75, -1.0), ratio(float("inf"), 200.0)
    (1.05, 1.25, inf)
    """
    if math.isnan(best) or best == -math.inf:
        raise InputError(f"ratio: expected a finite best value, or inf where there is none, got {best}")
    if not math.isfinite(value) or math.isinf(best):
        return math.inf
    if value == best:
        return 1.0
    return 1.0 + (value - best) / abs(best) if best else math.copysign(math.inf, value)


def geometric_mean(ratios: ArrayLike) -> float:
    """Return the geometric mean; inf if one ratio is, nan if there is none.

    Examples
    --------
    >>> round(geometric_mean([1.0, 4.0]), 12), geometric_mean([1.0, float("inf")])
    (2.0, inf)
    """
    numbers = np.asarray(ratios, dtype=np.float64)
    return float(np.exp(np.log(numbers).mean())) if numbers.size else math.nan


def curve(amounts: ArrayLike) -> Curve:
    """Return the profile of one continuation: at each limit, the share of cases whose amount is within it.

    With ratios to the best as amounts this is the performance profile of Dolan and Moré 2002,
    doi:10.1007/s101070100263; with state solves it is the data profile of Moré and Wild 2009,
    doi:10.1137/080724083, whose unit here is one state solve. A failure is inf: it is never within a limit
    and never dropped from the share.

    Parameters
    ----------
    amounts : array, shape (n_cases,)
        Ratios to the best, or state solves; inf for a failure.

    Raises
    ------
    InputError
        If there is no case, or an amount is nan.

    Examples
    --------
    >>> curve([1.0, 1.2, float("inf"), 1.0])([1.0, 1.1, 2.0]).tolist()
    [0.5, 0.5, 0.75]
    """
    numbers = np.asarray(amounts, dtype=np.float64).ravel()
    if not numbers.size:
        raise InputError("profile: there is no case; hand in one amount a case, inf for a failure")
    if np.isnan(numbers).any():
        raise InputError("profile: an amount is nan; a failure counts as inf and is never dropped")
    at, counts = np.unique(numbers[np.isfinite(numbers)], return_counts=True)
    return Curve(at, np.cumsum(counts) / numbers.size)


def solves_to(judgements: Sequence[Judgement], best: float, within: float, black: bool = False) -> float:
    """Return the state solves spent at the first judgement that is good enough; inf if none is.

    Parameters
    ----------
    judgements : sequence of Judgement
        In order.
    best : float
        The best value known.
    within : float
        The share of the best's magnitude that a value may lie above it, such as 0.05.
    black : bool
        Whether the design must also have been black and white before it was made so: M_nd below 2 %. Where
        that is not known, it counts as not met.

    Examples
    --------
    >>> on_the_way = [Judgement(10, 10, 240.0, 210.0, 0.3), Judgement(20, 20, 204.0, 205.0, 0.1)]
    >>> solves_to(on_the_way, 200.0, 0.05), solves_to(on_the_way, 200.0, 0.05, black=True)
    (20.0, inf)
    """
    for judged in judgements:
        near = ratio(judged.value, best) <= 1.0 + within
        if near and (not black or judged.discreteness < BLACK):
            return float(judged.solves)
    return math.inf
