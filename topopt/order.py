"""Names that are read in the wrong order are found by what they are and how they are called."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

__all__ = ["reordered"]

SHORT = 3
"""A word of so few letters says nothing."""


def reordered(takes: Sequence[str], reads: Sequence[str], kinds: Sequence[str]) -> tuple[str, ...] | None:
    """Return the order that names were probably meant to be read in; None if there is no better one.

    An order is better if fewer names stand where another kind is taken than they are known to be; of two that
    are equal in this, if fewer bear the name of what is taken elsewhere. What is not known counts for any.

    Parameters
    ----------
    takes : sequence of str
        The kind that is taken at each place, such as ``moduli``.
    reads : sequence of str
        Names in the order that they are read in.
    kinds : sequence of str
        What each name is known to be; empty where that is not known.

    Examples
    --------
    >>> reordered(("moduli", "masses"), ("heavy", "stiff"), ("masses", "moduli"))
    ('stiff', 'heavy')
    >>> reordered(("moduli", "masses"), ("mass", "stiffness"), ("", ""))
    ('stiffness', 'mass')
    >>> reordered(("moduli", "masses"), ("stiffness", "mass"), ("", ""))
    """
    count = len(reads)
    if not 1 < count <= len(takes) or len(set(reads)) < count:
        return None

    def faults(order: Sequence[int]) -> tuple[int, int]:
        by_kind = by_name = 0
        for place, at in enumerate(order):
            by_kind += kinds[at] in takes and kinds[at] != takes[place]
            named = _named(reads[at], takes)
            by_name += bool(named) and takes[place] not in named
        return by_kind, by_name

    best = min(itertools.permutations(range(count)), key=faults)
    return tuple(reads[at] for at in best) if faults(best) < faults(range(count)) else None


def _named(name: str, takes: Sequence[str]) -> set[str]:
    """Return which of the kinds a name speaks of: ``mass`` and ``solid_masses`` of ``masses``."""
    words = [word for word in name.lower().split("_") if len(word) > SHORT]
    return {kind for kind in takes if any(kind.startswith(word) for word in words)}
