"""One iteration as one line, cut to the width of the terminal, the least important first."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator

from topopt.run import Step

__all__ = ["duration", "progress_line"]


def progress_line(step: Step, budget: int, remaining: float | None = None, width: int | None = None) -> str:
    """Return one iteration as a line of text.

    Parameters
    ----------
    step : Step
        The iteration.
    budget : int
        The most iterations there can be.
    remaining : float, optional
        Seconds left if the whole budget is spent.
    width : int, optional
        Characters that fit; parts are left out until the line does.
    """
    parts = list(_parts(step, budget, remaining))
    line = "  ".join(text for _, text in parts)
    for least in sorted({rank for rank, _ in parts}, reverse=True):
        if width is None or len(line) <= width:
            return line
        line = "  ".join(text for rank, text in parts if rank < least)
    return line[:width]


def _parts(step: Step, budget: int, remaining: float | None) -> Iterator[tuple[int, str]]:
    """Yield the parts of the line in order, each with its rank: 1 is left out last."""
    it = step.iteration
    # Trailing zeros ("#") and widths keep the columns where they are from one iteration to the next.
    yield 0, f"{it.number:{len(str(budget))}d}/{budget}"
    yield 1, f"objective {it.objective:#.5g}"
    for name in step.evaluation.constraint_names:
        if name in it.responses:
            yield 3, f"{name} {it.responses[name]:#.4g}"
    short = {name: name.rpartition(".")[2] for name in it.parameters}
    shared = Counter(short.values())
    for name, value in it.parameters.items():
        rank = 6 if name.startswith("optimizer.") else 2
        yield rank, f"{short[name] if shared[short[name]] == 1 else name} {value:#.4g}"
    if "discreteness" in it.measures:
        yield 4, f"M_nd {100 * it.measures['discreteness']:4.1f} %"
    if "attenuation" in it.vanishing:
        yield 5, f"survival {10 ** it.vanishing['attenuation']:<#5.3g}"
    yield 7, f"change {it.change:#.2g}"
    if remaining is not None and step.reason is None:
        yield 3, f"at most {duration(remaining)} left"


def duration(seconds: float) -> str:
    """Write seconds for people."""
    if seconds < 90:
        return f"{math.ceil(seconds)} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
