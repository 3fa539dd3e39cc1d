"""What a tuning found: suggestions best first, and whether the best one is worth a sentence."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from topopt.study.profiles import geometric_mean, ratio
from topopt.study.scoring import Case, Target, grain
from topopt.study.wording import counted, listed, named, per_cent

__all__ = ["Suggestion", "Tuned", "lines", "report", "table", "verdict"]

MOST = 10
"""Suggestions that a report lists; the table has all."""


@dataclass(frozen=True)
class Suggestion:
    """Numbers that were tried.

    Attributes
    ----------
    number : int
        Counts from 1; 0 are the present numbers.
    values : mapping
        By name.
    cases : tuple of Case
        How soon which problem was solved; empty if the numbers were refused.
    score : float
        See `topopt.study.scoring.score`; nan if the numbers were refused.
    refused : str
        Why they do not fit together; else empty.
    folder : str
        Where its trials are, in the tuning's folder; empty for the present numbers: the study ran them.
    """

    number: int
    values: Mapping[str, float]
    cases: tuple[Case, ...] = ()
    score: float = math.nan
    refused: str = ""
    folder: str = ""

    __hash__ = None  # type: ignore[assignment]

    def line(self) -> str:
        """Return score and numbers in one line."""
        numbers = "  ".join(f"{name} {value:.4g}" for name, value in self.values.items())
        return f"refused: {self.refused}" if self.refused else f"score {self.score:.4f}  {numbers}"


@dataclass(frozen=True, eq=False)
class Tuned:
    """What was tried, and by which measure.

    Attributes
    ----------
    continuation : str
        Whose numbers were varied.
    suggestions : tuple of Suggestion
        In order; the first are the present numbers.
    target : Target
        What counted as solved.
    budget : int
        State solves of a trial.
    folder : str
        Where all this is kept.
    text : str
        The continuation with the best numbers, to be copied.
    """

    continuation: str
    suggestions: tuple[Suggestion, ...]
    target: Target
    budget: int
    folder: str = ""
    text: str = ""

    @cached_property
    def ranking(self) -> tuple[Suggestion, ...]:
        """The suggestions, best first; of equal ones the earlier, and the present numbers before all."""
        return tuple(sorted(
            self.suggestions, key=lambda s: (bool(s.refused), -s.score if not s.refused else 0.0, s.number)
        ))  # fmt: skip

    @property
    def present(self) -> Suggestion:
        """The numbers before."""
        return self.suggestions[0]

    @property
    def best(self) -> Suggestion:
        """The numbers with the highest score."""
        return self.ranking[0]

    @property
    def tie(self) -> float:
        """Scores nearer than this to that of the present numbers cannot be told from it."""
        return max(grain(self.present.cases, self.budget), grain(self.best.cases, self.budget))


def report(tuned: Tuned) -> str:
    """Return everything that is to be said of a tuning, as text."""
    paragraphs = ["\n".join(lines(tuned)), "\n".join(verdict(tuned))]
    if tuned.best is not tuned.present:
        paragraphs.append(tuned.text.rstrip("\n"))
    return "\n\n".join(paragraphs)


def lines(tuned: Tuned) -> list[str]:
    """Return the suggestions as the lines of a table, best first, the present numbers always among them."""
    ranked = tuned.ranking
    shown = [s for place, s in enumerate(ranked) if place < MOST or s is tuned.present]
    problems = list(dict.fromkeys(case.problem for case in tuned.present.cases))
    rows = [["", "score", *tuned.present.values, *problems]]
    for suggestion in shown:
        name = f"#{suggestion.number}" if suggestion.number else "present"
        numbers = [f"{value:.4g}" for value in suggestion.values.values()]
        rows.append([name, f"{suggestion.score:.4f}", *numbers, *_solves(suggestion.cases, problems)])
        if suggestion.refused:
            rows[-1][1:2] = ["refused"]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    written = ["  ".join(f"{word:>{wide}}" for word, wide in zip(row, widths, strict=True)) for row in rows]
    return [*written, *([f"... and {len(ranked) - len(shown)} more"] if len(shown) < len(ranked) else [])]


def verdict(tuned: Tuned) -> list[str]:
    """Say in sentences what came of it, without claiming more."""
    best, present, n_cases = tuned.best, tuned.present, len(tuned.present.cases)
    black = " with M_nd below 2 %" if tuned.target.black else ""
    said = [
        f"Score: area under the data profile of state solves until a design is within "
        f"{per_cent(tuned.target.within)} of the best that the study found{black}, on a logarithmic axis "
        f"up to the budget of {tuned.budget}; {n_cases} {'case' if n_cases == 1 else 'cases'}."
    ]
    count = len(tuned.suggestions) - 1
    tried = f"{count} suggestion{'s' if count != 1 else ''}"
    said += _outdone(tuned)
    if best.score == 0:
        return [*said, "Nothing was solved within the budget, so there is nothing to choose by: allow more "
                "state solves, or a larger share above the best."]  # fmt: skip
    if best is present:
        return [*said, f"None of {tried} did better than the present numbers: keep them."]
    said.append(f"The best of {tried} scores {best.score:.4f}, the present numbers "
                f"{present.score:.4f}: {_compared(present.cases, best.cases)}.")  # fmt: skip
    if best.score - present.score <= tuned.tie:
        said.append(f"That is a tie, and the present numbers do as well: designs are judged every few "
                    f"iterations only, and scores within {tuned.tie:.4f} cannot be told apart.")  # fmt: skip
    said.append("It was chosen on these very problems and starts, which is no claim for others: try it on "
                "problems that it has not seen before you rely on it.")  # fmt: skip
    return said


def table(tuned: Tuned) -> str:
    """Return all suggestions as CSV, best first, a column for each number and each case."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    cases = [f"{case.problem} / {case.start}" for case in tuned.present.cases]
    writer.writerow(["number", "score", *tuned.present.values, *cases, "refused", "folder"])
    for suggestion in tuned.ranking:
        solves = [repr(case.solves) for case in suggestion.cases] or [""] * len(cases)
        writer.writerow([suggestion.number, repr(suggestion.score), *map(repr, suggestion.values.values()),
                         *solves, suggestion.refused, suggestion.folder])  # fmt: skip
    return out.getvalue()


def _solves(cases: Sequence[Case], problems: Sequence[str]) -> list[str]:
    """Return the state solves on each problem; of several starts the median, and how many got there."""
    cells = []
    for problem in problems:
        solves = sorted(case.solves for case in cases if case.problem == problem)
        solved = sum(map(math.isfinite, solves))
        cell = counted(solves[len(solves) // 2]) if solves else "-"
        cells.append(f"{cell} ({solved} of {len(solves)})" if len(solves) > 1 else cell)
    return cells


def _outdone(tuned: Tuned) -> list[str]:
    """Say where suggestions went so far below the reference that it tells little."""
    target = tuned.target
    names = [
        case.problem
        for suggestion in tuned.suggestions
        for case in suggestion.cases
        if ratio(case.value, target.best[case.problem]) < 1.0 - target.within
    ]
    if not names:
        return []
    return [f"On {listed([named(name) for name in dict.fromkeys(names)])} a suggestion ended more than "
            f"{per_cent(target.within)} below the reference, so that coming near to it says little: give the "
            "study a larger budget, or a continuation that finds a good design."]  # fmt: skip


def _compared(before: Sequence[Case], after: Sequence[Case]) -> str:
    """Say in how many cases it was sooner, and by how much where both got there."""
    pairs = [(old.solves, new.solves) for old, new in zip(before, after, strict=True)]
    sooner, later = sum(new < old for old, new in pairs), sum(new > old for old, new in pairs)
    said = f"sooner in {sooner} of {len(pairs)} {'case' if len(pairs) == 1 else 'cases'}, later in {later}"
    factors = [new / old for old, new in pairs if math.isfinite(old) and math.isfinite(new)]
    if factors:
        said += f"; where both got there, {geometric_mean(factors):.2f} of the state solves (geometric mean)"
    return said
