"""How a comparison writes its numbers and its lists: alike in tables, captions and sentences."""

from __future__ import annotations

import math
from collections.abc import Sequence

from topopt.study.standing import Row

__all__ = ["above", "counted", "listed", "named", "number", "per_cent", "rung"]

ABSENT = "—"
NEVER = "∞"


def number(value: float) -> str:
    """Return a value with five digits.

    Examples
    --------
    >>> number(203.12345), number(-1.1), number(float("inf")), number(float("nan"))
    ('203.12', '-1.1', '∞', '—')
    """
    if math.isnan(value):
        return ABSENT
    return f"{value:.5g}" if math.isfinite(value) else NEVER


def per_cent(share: float) -> str:
    """Return a share in per cent, to three digits or a hundredth.

    Examples
    --------
    >>> per_cent(0.0123), per_cent(0.00456), per_cent(0.00004), per_cent(0.0), per_cent(41.3)
    ('1.23 %', '0.46 %', '< 0.01 %', '0 %', '4,130 %')
    """
    if math.isnan(share):
        return ABSENT
    if not math.isfinite(share):
        return NEVER
    if 0 < share < 1e-4:
        return "< 0.01 %"
    if share >= 1.0:
        return f"{100 * share:,.0f} %"
    return f"{100 * share:.2f}".rstrip("0").rstrip(".") + " %" if share < 0.01 else f"{100 * share:.3g} %"


def above(ratio: float) -> str:
    """Return how far above the best known a value is.

    Examples
    --------
    >>> above(1.0), above(1.034), above(float("inf"))
    ('best', '+3.4 %', '∞')
    """
    if ratio == 1.0:
        return "best"
    written = per_cent(ratio - 1.0)
    return f"+{written}" if written[0].isdigit() else written


def counted(solves: float) -> str:
    """Return a number of state solves.

    Examples
    --------
    >>> counted(75.0), counted(float("inf"))
    ('75', 'never')
    """
    return f"{solves:.0f}" if math.isfinite(solves) else "never"


def named(name: str) -> str:
    """Return a name as it stands in a sentence: in quotes where a comma would split it.

    Examples
    --------
    >>> named("survival"), named("1, 2, 4")
    ('survival', '"1, 2, 4"')
    """
    return f'"{name}"' if "," in name or ";" in name else name


def listed(words: Sequence[str], most: int = 6) -> str:
    """Return words as they are listed in a sentence, those beyond a number counted only.

    Examples
    --------
    >>> listed(["a"]), listed(["a", "b", "c"]), listed(["a", "b", "c", "d"], most=2)
    ('a', 'a, b and c', 'a, b and 2 more')
    """
    shown = list(words) if len(words) <= most else [*words[:most], f"{len(words) - most} more"]
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}" if shown else ""


def rung(row: Row) -> str:
    """Return a trial's alarms, each with the iteration at which it rang first; empty if none did."""
    return ", ".join(f"{alarm.alarm} from {alarm.first}" for alarm in row.alarms)
