"""What a net came to from several starts: on average, at worst, and each time."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from topopt.errors import InputError
from topopt.parameters import Array

__all__ = ["Replicates", "replicates"]

Better = Literal["high", "low"]


@dataclass(frozen=True, eq=False)
class Replicates:
    """A measure, or several side by side, of one net from several starts.

    Chance is in the weights that a net begins with and in its batches. One run shows what can happen; only
    several show what does, and the worst of them is what to count on.

    Parameters
    ----------
    values : array, shape (starts, ...)
        One row a start.
    better : {"high", "low"}
        Which end is good: that of accuracies, or that of losses and distances.

    Raises
    ------
    InputError
        If there is no start.

    Examples
    --------
    >>> right = Replicates([[1.0, 0.9], [0.9, 0.5]])
    >>> right.mean.round(2), right.worst
    (array([0.95, 0.7 ]), array([0.9, 0.5]))
    >>> right.cells()
    ['0.95 (0.90)', '0.70 (0.50)']
    >>> Replicates([3.0, 5.0, 4.0], "low").columns(1)
    ['4.0', '5.0', '3.0, 5.0, 4.0']
    """

    values: Array
    better: Better = "high"

    def __init__(self, values: ArrayLike, better: Better = "high") -> None:
        """Take rows of numbers."""
        rows = np.array(values, dtype=np.float64)
        if rows.ndim == 0 or len(rows) == 0:
            raise InputError(f"Replicates: expected one row a start, got shape {rows.shape}")
        if better not in ("high", "low"):
            raise InputError(f"Replicates.better: expected 'high' or 'low', got {better!r}")
        object.__setattr__(self, "values", rows)
        object.__setattr__(self, "better", better)

    @property
    def mean(self) -> Array:
        """The mean of all starts, shape (...)."""
        return np.asarray(self.values.mean(axis=0))

    @property
    def worst(self) -> Array:
        """The worst start, each measure for itself, shape (...)."""
        return np.asarray(self.values.min(axis=0) if self.better == "high" else self.values.max(axis=0))

    @property
    def best(self) -> Array:
        """The best start, each measure for itself, shape (...)."""
        return np.asarray(self.values.max(axis=0) if self.better == "high" else self.values.min(axis=0))

    def cells(self, decimals: int = 2) -> list[str]:
        """Return the mean of every measure, and in brackets the worst, as text."""
        pairs = zip(self.mean.ravel(), self.worst.ravel(), strict=True)
        return [f"{mean:.{decimals}f} ({worst:.{decimals}f})" for mean, worst in pairs]

    def columns(self, decimals: int = 2) -> list[str]:
        """Return mean, worst and every start of a single measure, as text."""
        if self.values.ndim != 1:
            raise InputError(f"Replicates.columns: is for one measure, got shape {self.values.shape}")
        each = ", ".join(f"{value:.{decimals}f}" for value in self.values)
        return [f"{self.mean:.{decimals}f}", f"{self.worst:.{decimals}f}", each]


def replicates(pairs: Iterable[tuple[str, Any]], better: Better = "high") -> dict[str, Replicates]:
    """Gather what was measured by what it was measured of, in order of appearance.

    Parameters
    ----------
    pairs : iterable of (str, array)
        A name and what one start came to; a name comes once a start.
    better : {"high", "low"}
        As for `Replicates`.

    Examples
    --------
    >>> found = replicates([("rnn", 0.5), ("lstm", 0.9), ("rnn", 0.7), ("lstm", 1.0)])
    >>> {name: one.cells() for name, one in found.items()}
    {'rnn': ['0.60 (0.50)'], 'lstm': ['0.95 (0.90)']}
    """
    rows: dict[str, list[Any]] = {}
    for name, value in pairs:
        rows.setdefault(name, []).append(value)
    return {name: Replicates(values, better) for name, values in rows.items()}
