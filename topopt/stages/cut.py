"""Infinite sharpness at equal volume: the largest entries are one, what ties at the cut shares the rest."""

from __future__ import annotations

import math

import numpy as np

from topopt.parameters import Array

__all__ = ["cut", "limit", "tied_mean"]


def limit(t: Array) -> Array:
    """Return 1 above the cut, 0 below, and what is left of the volume on it.

    Parameters
    ----------
    t : array
        Entries from 0 to 1.
    """
    eta = cut(t)
    above, tied = t > eta, t == eta
    left = (float(t.sum()) - np.count_nonzero(above)) / np.count_nonzero(tied)
    return np.where(above, 1.0, np.where(tied, min(max(left, 0.0), 1.0), 0.0))


def tied_mean(v: Array, t: Array) -> float:
    """Return the mean cotangent on the cut, which moves with the volume; 0 where it has no room to move.

    An entry of 0 or 1 is on the cut only where all entries are: then the volume does not determine it.

    Parameters
    ----------
    v : array
        Derivative with respect to the limit.
    t : array
        Entries from 0 to 1.
    """
    eta = cut(t)
    return float(v[t == eta].mean()) if 0.0 < eta < 1.0 else 0.0


def cut(t: Array) -> float:
    """Return the entry above which lie as many entries as the volume fills, ties apart.

    Parameters
    ----------
    t : array
        Entries from 0 to 1.
    """
    filled = min(max(math.floor(t.sum()), 0), t.size - 1)
    return float(np.partition(t, t.size - 1 - filled)[t.size - 1 - filled])
