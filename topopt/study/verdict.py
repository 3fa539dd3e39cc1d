"""The comparison in three sentences, every word of them from the numbers."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from topopt.study.comparison import TIE, Comparison
from topopt.study.standing import Row, Standing
from topopt.study.wording import counted, listed, named, number, per_cent
from topopt.vanishing import ALARMS

__all__ = ["verdict"]

NEAR = 0.05
"""Cost is counted until a design is within this share of the best known."""
CHEAPER = 0.75
"""A continuation that needs at most this share of another's state solves is worth a word."""


def verdict(comparison: Comparison) -> tuple[str, str, str]:
    """Say which continuation is best, what failed and how, and what a user should do.

    Parameters
    ----------
    comparison : Comparison
        Of at least one outcome.

    Returns
    -------
    tuple of str
        Three sentences.
    """
    return _best(comparison), _failed(comparison), _advice(comparison)


def _best(comparison: Comparison) -> str:
    """Say who is best, by how much and how much cheaper, among those that ran on all cases."""
    standings, over, absent = comparison.ranked, _over(comparison), _absent(comparison)
    if not standings:
        return f"No continuation was run {over}, so none is ranked: {_absent(comparison, lead='')}."
    tried = [row for standing in standings for row in standing.rows]
    if all(row.failed for row in tried):
        return f"No continuation leaves a sound design {over}: {_share(tried, 'failed')}{absent}."
    first = standings[0]
    if len(standings) == 1:
        return (
            f"Only {named(first.continuation)} was run {over}, so there is nothing to compare it with: "
            f"{_level(comparison, first)}{_cost(comparison, (first,))}{absent}."
        )
    leaders = _leaders(comparison)
    if len(leaders) > 1:
        all_tie = len(leaders) == len(standings) and not absent
        who = f"All {len(leaders)} continuations tie" if all_tie else (
            f"{listed([named(leader.continuation) for leader in leaders])} tie for the best"
        )  # fmt: skip
        apart = leaders[-1].sound_ratio / leaders[0].sound_ratio - 1.0
        return f"{who} {over}, within {per_cent(apart)} of each other{_cost(comparison, leaders)}{absent}."
    level = _level(comparison, first)
    ahead, cost = _lead(first, standings[1]), _cost(comparison, standings[:2])
    return f"{named(first.continuation)} is best {over}: {level}, {ahead}{cost}{absent}."


def _absent(comparison: Comparison, lead: str = "; not ranked: ") -> str:
    """Say who was not run on all cases, and on which; nothing if everybody was."""
    told = [f"{named(s.continuation)} (not run on {_lacking(comparison, s)})" for s in comparison.unranked]
    return f"{lead}{listed(told, 4)}" if told else ""


def _lacking(comparison: Comparison, standing: Standing) -> str:
    """Say on what a continuation was not run."""
    run = {(row.outcome.problem, row.outcome.start) for row in standing.rows}
    cases = [case for case in comparison.cases if case not in run]
    whole = [p for p in comparison.problems if {c for c in comparison.cases if c[0] == p} <= set(cases)]
    told = [*map(named, whole), *(f"{named(p)} from {start}" for p, start in cases if p not in whole)]
    return listed(told, 3)


def _over(comparison: Comparison) -> str:
    """Say what was compared on."""
    problems, n_starts = comparison.problems, len({start for _, start in comparison.cases})
    starts = f" from {n_starts} starts" if n_starts > 1 else ""
    return f"on {problems[0]}{starts}" if len(problems) == 1 else f"over all {len(problems)} problems{starts}"


def _level(comparison: Comparison, standing: Standing) -> str:
    """Say how well a continuation ends."""
    failed = (
        f"it failed in {standing.failures} of {len(standing.rows)} trials, and where it did not, "
        * bool(standing.failures)
    )
    if len(standing.rows) == 1:
        return f"{failed}its black-and-white design has the value {number(standing.rows[0].outcome.value)}"
    return f"{failed}its designs end {per_cent(standing.sound_ratio - 1.0)} above the best known on average"


def _lead(first: Standing, second: Standing) -> str:
    """Say by how much one is ahead of the next."""
    name = named(second.continuation)
    if second.failures > first.failures:
        return f"while the next, {name}, failed in {second.failures} of {len(second.rows)} trials"
    return f"{per_cent(second.sound_ratio / first.sound_ratio - 1.0)} better than the next, {name}"


def _cost(comparison: Comparison, standings: Sequence[Standing]) -> str:
    """Say how many state solves some continuations need, the cheapest first."""
    black = comparison.grey_known
    costs = sorted((standing.solves(NEAR, black), standing.continuation) for standing in standings)
    told = [f"{counted(cost)} for {named(name)}" for cost, name in costs if math.isfinite(cost)]
    never = [named(name) for cost, name in costs if not math.isfinite(cost)]
    if not told:
        return ""
    shown = told if len(told) <= 3 else [told[0], told[-1]]
    goal = f"{per_cent(NEAR)} of the best known{' with M_nd below 2 %' if black else ''}"
    several = len(comparison.cases) > 1
    lost = (
        f", while {listed(never, 3)} {'in most trials ' if several else ''}never got there" if never else ""
    )
    return f"; {'median state solves' if several else 'state solves'} to within {goal}: {listed(shown)}{lost}"


def _failed(comparison: Comparison) -> str:
    """Say what failed, and which alarms rang."""
    rows = comparison.rows
    failed = [row for row in rows if row.failed]
    unsettled = [row for row in rows if not row.failed and not row.outcome.settled]
    whose = " of the others" if failed else ""
    late = f"; {len(unsettled)}{whose} ended before the continuation had settled" if unsettled else ""
    if not failed:
        return f"No trial failed{_alarms(rows)}{late}."
    by_name: dict[str, list[Row]] = {}
    for row in failed:
        by_name.setdefault(row.outcome.continuation, []).append(row)
    worst = sorted(by_name.items(), key=lambda item: -len(item[1]))
    told = [f"{named(name)}{_where(comparison, mine)}{_how(mine)}" for name, mine in worst]
    return f"{_share(rows, 'failed').capitalize()}: {listed(told, 5)}{late}."


def _share(rows: Sequence[Row], verb: str) -> str:
    """Say how many trials failed."""
    n = sum(row.failed for row in rows)
    return f"all {n} trials {verb}" if n == len(rows) > 1 else f"{n} of {len(rows)} trials {verb}"


def _where(comparison: Comparison, rows: Sequence[Row]) -> str:
    """Say on which problems, unless there is only one."""
    problems = list(dict.fromkeys(row.outcome.problem for row in rows))
    if len(comparison.problems) == 1:
        return f" {len(rows)} times" if len(rows) > 1 else " once" if len(comparison.cases) > 1 else ""
    return " on every problem" if len(problems) == len(comparison.problems) else f" on {listed(problems, 3)}"


def _how(rows: Sequence[Row]) -> str:
    """Say which alarms announced it; if none did, what was wrong in the end."""
    first: dict[str, int] = {}
    for alarm in sorted((alarm for row in rows for alarm in row.alarms), key=lambda alarm: alarm.first):
        first.setdefault(alarm.alarm, alarm.first)
    if first:
        return " (" + ", ".join(f"{name} from iteration {k}" for name, k in first.items()) + ")"
    return f" ({_clause(rows[0].why)}; no alarm rang)"


def _clause(text: str) -> str:
    """Return a message as part of a sentence."""
    short = text.splitlines()[0].strip().rstrip(".")
    return short if len(short) <= 90 else short[:88].rsplit(" ", 1)[0] + " ..."


def _alarms(rows: Sequence[Row]) -> str:
    """Say which alarms rang, and in how many trials."""
    rang = Counter(alarm.alarm for row in rows for alarm in row.alarms)
    if not rang:
        return " and no alarm rang"
    told = [f"{name} in {count}" for name, count in rang.most_common()]
    return f"; alarms that rang, by trials of {len(rows)}: {listed(told)}"


def _advice(comparison: Comparison) -> str:
    """Say what to use, what is cheaper, and where a plain ramp is enough."""
    if all(row.failed for row in comparison.rows):
        return _no_advice(comparison)
    if not comparison.ranked:
        return (
            "Nothing can be recommended over all of them: run what is missing, or go by each problem alone."
        )
    if all(row.failed for standing in comparison.ranked for row in standing.rows):
        return "Nothing can be recommended: no trial was sound of those continuations that were run on all."
    leaders = _leaders(comparison)
    black = comparison.grey_known
    chosen = min(leaders, key=lambda standing: (standing.solves(NEAR, black), standing.rank))
    words = [f"Use {named(chosen.continuation)}: {_safe(comparison, chosen)}"]
    words += _cheaper(comparison, chosen) + _plain(comparison, chosen)
    return "; ".join(words) + "."


def _no_advice(comparison: Comparison) -> str:
    """Say that nothing can be advised, and what rang."""
    rang = Counter(alarm.alarm for row in comparison.rows for alarm in row.alarms)
    if not rang:
        why = _clause(comparison.rows[0].why)
        return f"Use none of them as it stands; no alarm rang, and the first trial ended with: {why}."
    name, count = rang.most_common(1)[0]
    meaning = f" ({ALARMS[name]})" if name in ALARMS else ""
    of_all = f"{count} of {len(comparison.rows)} trials"
    return f"Use none of them as it stands; the most frequent alarm was {name}, in {of_all}{meaning}."


def _safe(comparison: Comparison, standing: Standing) -> str:
    """Say what is known of a continuation's risk."""
    n = len(standing.rows)
    if standing.failures:
        return f"it failed in {standing.failures} of {n} trials{_no_better(comparison)}"
    if n == 1:
        return "it did not fail, but this was a single trial"
    worst = per_cent(standing.worst - 1.0)
    return f"it failed in none of {n} trials and ended at most {worst} above the best known"


def _no_better(comparison: Comparison) -> str:
    """Say that no other does better, where there is another to compare with."""
    return ", no other failed less" if len(comparison.ranked) > 1 else ""


def _cheaper(comparison: Comparison, chosen: Standing) -> list[str]:
    """Say which continuation that fails no more often comes near the best much sooner, if one does."""
    black = comparison.grey_known
    own = chosen.solves(NEAR, black)
    rivals = [s for s in comparison.ranked if s is not chosen and s.failures <= chosen.failures]
    if not rivals:
        return []
    fast = min(rivals, key=lambda standing: standing.solves(NEAR, black))
    cost = fast.solves(NEAR, black)
    if not math.isfinite(cost) or cost > CHEAPER * own:
        return []
    return [
        f"where state solves are dear, {named(fast.continuation)} is within {per_cent(NEAR)} of the best "
        f"after {counted(cost)} instead of {counted(own)}, but ends "
        f"{per_cent(fast.sound_ratio / chosen.sound_ratio - 1.0)} above it"
    ]


def _plain(comparison: Comparison, chosen: Standing) -> list[str]:
    """Say where a plain ramp does as well as the default, or better."""
    default = comparison.default
    if default is None or not comparison.ramps:
        return []
    found: dict[str, list[str]] = {}
    met = False
    for problem in comparison.problems:
        # Only with the same starts: where one was not run, it did neither better nor worse.
        by_name = {s.continuation: s for s in comparison.standings(problem) if not s.missing}
        for name in comparison.ramps if default in by_name else ():
            if name in by_name:
                met = True
                word = _against(by_name[name], by_name[default])
                if word:
                    found.setdefault(f"{named(name)} {word} {named(default)}", []).append(problem)
    if not met:
        return []
    if not found:
        return [f"no plain ramp ties with {named(default)} on any problem"]
    single = len(comparison.problems) == 1
    return [f"the plain {told}{'' if single else f' on {listed(where)}'}" for told, where in found.items()]


def _against(plain: Standing, default: Standing) -> str:
    """Say how a plain ramp does against the default on one problem; empty if it is behind."""
    if plain.failures > default.failures or math.isnan(plain.sound_ratio):
        return ""
    if plain.failures < default.failures or plain.sound_ratio * (1.0 + TIE) <= default.sound_ratio:
        return "beats"
    return "ties with" if plain.sound_ratio < default.sound_ratio * (1.0 + TIE) else ""


def _leaders(comparison: Comparison) -> tuple[Standing, ...]:
    """Return the first of those that ran on all cases, and all that tie with it."""
    first, *others = comparison.ranked
    return (first, *(other for other in others if comparison.tied(first, other)))
