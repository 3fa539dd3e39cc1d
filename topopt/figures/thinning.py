"""Few points that stand for many, spread evenly."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from topopt.parameters import Array

__all__ = ["thinned"]


def thinned(points: Array, pitch: float) -> NDArray[np.intp]:
    """Return the numbers of some of the points, about a pitch apart, ends kept.

    They lie on evenly chosen lines of the lattice of points; where there is none, they are spread well.

    Parameters
    ----------
    points : array, shape (n, ndim)
        To choose from.
    pitch : float
        In the unit of the points.

    Returns
    -------
    array, shape (k,)
        Ascending.
    """
    kept = np.ones(len(points), dtype=bool)
    for column in np.round(points / (1e-6 * pitch)).T:
        levels = np.unique(column)
        kept &= np.isin(column, levels[_evenly(len(levels) - 1, (levels[-1] - levels[0]) * 1e-6)])
    extent = np.ptp(points, axis=0) / pitch
    enough = min(len(points), 1 + 0.5 * float(extent.max()))
    return np.flatnonzero(kept) if np.count_nonzero(kept) >= enough else _spread(points, pitch)


def _evenly(intervals: int, wanted: float) -> NDArray[np.intp]:
    """Return ascending numbers from 0 to `intervals`, in about `wanted` steps, equal ones if possible."""
    if intervals == 0:
        return np.zeros(1, dtype=np.intp)
    wanted = min(max(wanted, 1.0), float(intervals))
    divisors = [n for n in range(1, intervals + 1) if intervals % n == 0]
    best = min(divisors, key=lambda n: abs(np.log(n / wanted)))
    count = best if 0.6 < best / wanted < 1.7 else int(np.ceil(wanted))
    return np.unique(np.round(np.linspace(0, intervals, count + 1)).astype(np.intp))


def _spread(points: Array, pitch: float) -> NDArray[np.intp]:
    """Return points at least a pitch apart, each the farthest from those before it."""
    chosen = [0]
    distance = np.linalg.norm(points - points[0], axis=1)
    while distance.max() >= pitch and len(chosen) < 200:
        chosen.append(int(distance.argmax()))
        distance = np.minimum(distance, np.linalg.norm(points - points[chosen[-1]], axis=1))
    return np.array(sorted(chosen), dtype=np.intp)
