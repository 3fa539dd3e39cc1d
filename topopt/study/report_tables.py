"""The tables of the report: who came how near to the best, at what cost, and what rang."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from topopt.study.comparison import Comparison
from topopt.study.document import Cell, Mark, Table
from topopt.study.outcome import Outcome
from topopt.study.standing import Row, Standing
from topopt.study.wording import above, counted, number, per_cent, rung

__all__ = ["TAUS", "overall_table", "problem_tables"]

TAUS = (0.01, 0.02, 0.05)
"""How near to the best a design must come for its state solves to be counted."""
_LIMITS = "other limits, black and white"
_BLACK = "to\u00a05\u00a0%, M_nd\u00a0<\u00a02\u00a0%"


def overall_table(comparison: Comparison) -> Table:
    """Return the ranking of the continuations over everything.

    Parameters
    ----------
    comparison : Comparison
        What to rank.
    """
    n = len(comparison.cases)
    caption = (
        f"Ranking over all {n} cases: fewest failures first, then the smallest geometric mean of the ratios "
        "to the best known, in brackets that of the trials that did not fail; 1= ties with the first. "
        "State solves are medians over the cases."
        if n > 1
        else "Ranking"
    )
    return _standings(comparison, comparison.standings(), caption)


def problem_tables(comparison: Comparison, problem: str) -> list[Table]:
    """Return the tables of one problem: its trials, and before them a summary if there are several starts.

    Parameters
    ----------
    comparison : Comparison
        What to rank.
    problem : str
        Its name.
    """
    rows = comparison.on(problem)
    starts = list(dict.fromkeys(row.outcome.start for row in rows))
    if len(starts) == 1:
        return [_trials(comparison, rows, f"Trials on {problem}, best first", starts=False)]
    summary = f"Ranking on {problem} over {len(starts)} starts; state solves are medians"
    return [
        _standings(comparison, comparison.standings(problem), summary),
        _trials(comparison, rows, f"All {len(rows)} trials on {problem}, best first", starts=True),
    ]


def _standings(comparison: Comparison, standings: Sequence[Standing], caption: str) -> Table:
    """Return a table of continuations."""
    black, limited = comparison.grey_known, comparison.limits_known
    head = (
        "place", "continuation", "above best, mean", "worst", "failed", "won", "tied",
        *(f"solves to\u00a0{_short(tau)}" for tau in TAUS), *([_BLACK] if black else []),
        "solves in\u00a0all", "not settled", *(["limits broken"] if limited else []),
        "memory", "alarms (trials)",
    )  # fmt: skip
    first = standings[0]
    rows = []
    for place, standing in enumerate(standings, 1):
        tied = standing is not first and comparison.tied(first, standing)
        mark: Mark = "" if standing.missing else "best" if standing is first else "tie" if tied else ""
        shown = "—" if standing.missing else "1=" if tied else str(place)
        rows.append(_standing(standing, shown, mark, black, limited))
    return Table(caption, head, tuple(rows), words=frozenset({1, len(head) - 2, len(head) - 1}))


def _standing(standing: Standing, place: str, mark: Mark, black: bool, limited: bool) -> tuple[Cell, ...]:
    """Return one continuation's cells."""
    n = len(standing.rows)
    missing = f" (+{standing.missing} not run)" if standing.missing else ""
    rang = Counter(alarm.alarm for row in standing.rows for alarm in row.alarms)
    failed: Mark = "failed" if standing.failures or standing.missing else ""
    return (
        Cell(place, mark), Cell(standing.continuation, mark), _mean(standing, mark), _ratio(standing.worst),
        Cell(f"{standing.failures} of {n}{missing}", failed or "quiet"),
        _count(standing.wins), _count(standing.ties),
        *(_solves(standing.solves(tau)) for tau in TAUS),
        *([_solves(standing.solves(TAUS[-1], black=True))] if black else []),
        Cell(str(sum(row.spent for row in standing.rows))), _count(standing.unsettled),
        *([_count(sum(bool(row.outcome.broken) for row in standing.rows))] if limited else []),
        Cell(", ".join(dict.fromkeys(row.outcome.memory for row in standing.rows)), "quiet"),
        Cell(", ".join(f"{alarm} ({count})" for alarm, count in rang.most_common()), "quiet"),
    )  # fmt: skip


def _mean(standing: Standing, mark: Mark) -> Cell:
    """Return the mean ratio; where trials failed, infinite, with the mean of the others beside it."""
    if not standing.failures:
        return Cell(above(standing.ratio), mark)
    sound = standing.sound_ratio
    return Cell("∞" if math.isnan(sound) else f"∞ ({above(sound)})", "failed")


def _trials(comparison: Comparison, rows: Sequence[Row], caption: str, starts: bool) -> Table:
    """Return a table of trials, folded where it only details another."""
    black, limited = comparison.grey_known, comparison.limits_known
    head = (
        "continuation", *(["start"] if starts else []), "f₀₁", "above best", "grey f",
        *(["M_nd"] if black else []), *(f"solves to\u00a0{_short(tau)}" for tau in TAUS),
        *([_BLACK] if black else []), "solves in\u00a0all", "settled", "memory",
        *([_LIMITS] if limited else []),
        "alarms, from iteration", "failed because",
    )  # fmt: skip
    cells = tuple(_trial(row, starts, black, limited) for row in rows)
    if not any(row.failed for row in rows):
        head, cells = head[:-1], tuple(line[:-1] for line in cells)
    named = {0, *([1] if starts else []), *range(head.index("settled"), len(head))}
    return Table(caption, head, cells, words=frozenset(named), folded=starts)


def _trial(row: Row, starts: bool, black: bool, limited: bool) -> tuple[Cell, ...]:
    """Return one trial's cells."""
    outcome = row.outcome
    last = outcome.judgements[-1] if outcome.judgements else None
    mark = _mark(row)
    settled = Cell("yes", "quiet") if outcome.settled else Cell("no", "quiet" if row.failed else "failed")
    return (
        Cell(outcome.continuation, mark), *([Cell(outcome.start, "quiet")] if starts else []),
        Cell(number(outcome.value), mark), _ratio(row.ratio, " (tie)" if row.lead == "tie" else ""),
        Cell(number(last.grey) if last else "—"),
        *([Cell(per_cent(last.discreteness) if last else "—")] if black else []),
        *(_solves(row.solves(tau)) for tau in TAUS),
        *([_solves(row.solves(TAUS[-1], black=True))] if black else []),
        Cell(str(row.spent)), settled, Cell(outcome.memory, "quiet"),
        *([_limits(outcome)] if limited else []),
        Cell(rung(row), "quiet"), Cell(row.why, "failed"),
    )  # fmt: skip


def _limits(outcome: Outcome) -> Cell:
    """Return what the black-and-white design makes of the other limits."""
    if not outcome.limits:
        return Cell("", "quiet")
    return Cell("; ".join(outcome.broken), "failed") if outcome.broken else Cell("hold", "quiet")


def _mark(row: Row) -> Mark:
    """Return how a trial's value is meant."""
    if row.failed:
        return "failed"
    return "best" if row.ratio == 1.0 else "tie" if row.lead == "tie" else ""


def _ratio(ratio: float, note: str = "") -> Cell:
    """Return how far above the best a value is."""
    mark: Mark = "best" if ratio == 1.0 else "tie" if note else "" if math.isfinite(ratio) else "failed"
    return Cell(above(ratio) + note, mark)


def _solves(solves: float) -> Cell:
    """Return a number of state solves."""
    return Cell(counted(solves), "" if math.isfinite(solves) else "quiet")


def _count(count: int) -> Cell:
    """Return a count, a zero less loud."""
    return Cell(str(count), "" if count else "quiet")


def _short(tau: float) -> str:
    """Return a tolerance as a column's head."""
    return f"{100 * tau:g} %"
