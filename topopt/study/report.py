"""The report of a comparison: one self-contained HTML page, and the same as Markdown beside its figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from topopt.errors import RunFolderError
from topopt.files.atomic import write_text
from topopt.files.environment import environment
from topopt.study.comparison import TIE, Comparison
from topopt.study.document import Block, Document, Heading, Lines, Paragraph, Verdict
from topopt.study.kept import SLACK
from topopt.study.report_figures import problem_figures, profile_figures
from topopt.study.report_html import page
from topopt.study.report_markdown import markdown
from topopt.study.report_tables import overall_table, problem_tables
from topopt.study.verdict import verdict
from topopt.study.wording import listed, number, per_cent

__all__ = ["Report", "write_report"]

FIGURES = "figures"


@dataclass(frozen=True)
class Report:
    """Where a report was written.

    Attributes
    ----------
    html : Path
        The page; it needs no other file.
    markdown : Path
        The same as text; its pictures are in ``figures/`` beside it.
    verdict : tuple of str
        The three sentences.
    """

    html: Path
    markdown: Path
    verdict: tuple[str, str, str]


def write_report(
    comparison: Comparison,
    folder: Path | str,
    title: str = "Continuations compared",
    measured: Sequence[str] = (),
) -> Report:
    """Write ``report.html``, ``report.md`` and ``figures/`` into a folder; what is there is replaced.

    Parameters
    ----------
    comparison : Comparison
        What the study found.
    folder : path
        Made if it is not there.
    title : str
        Of the page.
    measured : sequence of str
        How it was measured, a line each: yardstick, budget, stop rule, starts.

    Raises
    ------
    RunFolderError
        If the folder cannot be written.
    """
    folder = Path(folder)
    pictures = folder / FIGURES
    try:
        pictures.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunFolderError(f"{pictures} cannot be made: {error.strerror}; choose another folder") from error
    sentences = verdict(comparison)
    blocks: list[Block] = [Verdict(sentences), *_absent(comparison), overall_table(comparison)]
    blocks += profile_figures(comparison, pictures)
    for problem in comparison.problems:
        blocks += [Heading(problem), Paragraph(_best_known(comparison, problem))]
        blocks += problem_tables(comparison, problem)
        blocks += problem_figures(comparison, problem, pictures)
    blocks += _method(comparison, measured)
    document = Document(title, _subtitle(comparison), blocks)
    report = Report(folder / "report.html", folder / "report.md", sentences)
    write_text(report.html, page(document))
    write_text(report.markdown, markdown(document, FIGURES))
    return report


def _subtitle(comparison: Comparison) -> str:
    """Say how much was run."""
    starts = len({outcome.start for outcome in comparison.outcomes})
    parts = [
        _many(len(comparison.problems), "problem"), _many(len(comparison.continuations), "continuation"),
        _many(starts, "start"), _many(len(comparison.outcomes), "trial"),
    ]  # fmt: skip
    spent = sum(row.spent for row in comparison.rows)
    return f"{' · '.join(parts)} · {_many(spent, 'state solve')}"


def _many(count: int, thing: str) -> str:
    """Return a count with its noun."""
    return f"{count:,} {thing}{'' if count == 1 else 's'}"


def _absent(comparison: Comparison) -> list[Block]:
    """Say what was not run, if anything."""
    if not comparison.unranked:
        return []
    told = listed([f"{standing.continuation} ({standing.missing})" for standing in comparison.unranked])
    text = f"Not every continuation was run on all {len(comparison.cases)} cases: {told} lack some."
    return [Paragraph(f"{text} They have no place in the ranking; in the profiles what lacks is a failure.")]


def _best_known(comparison: Comparison, problem: str) -> str:
    """Say what the best value known is, and who found it."""
    rows, best = comparison.on(problem), comparison.best[problem]
    sound = [row for row in rows if row.ratio == 1.0]
    if all(row.failed for row in rows):
        return "Every trial failed."
    if not sound:
        nearest = rows[0].outcome.continuation
        gap = per_cent(rows[0].ratio - 1.0)
        return f"Best value known: {number(best)}, from elsewhere; nearest is {nearest}, {gap} above it."
    several = len({row.outcome.start for row in rows}) > 1
    start = f" from the start '{sound[0].outcome.start}'" if several else ""
    tied = [row for row in rows if row.lead == "tie" and row.outcome.start == sound[0].outcome.start]
    others = list(dict.fromkeys(row.outcome.continuation for row in tied if row is not sound[0]))
    tie = f"; tied with it: {listed(others, 12)}" if others else ""
    breaks = "".join(f" In black and white {complaint}." for complaint in sound[0].outcome.broken)
    return f"Best value known: {number(best)}, by {sound[0].outcome.continuation}{start}{tie}.{breaks}"


def _method(comparison: Comparison, measured: Sequence[str]) -> list[Block]:
    """Say how it was measured, and with which versions."""
    lines = [
        *measured,
        "f₀₁ is the objective of the design made black and white; grey f is what the optimiser saw at last; "
        "M_nd is the grey share before thresholding, the mean of 4 x (1 - x) over the densities x.",
        "The best known of a problem is the best f₀₁ over all continuations and starts"
        + (", or the value handed in where that is better." if comparison.known else "."),
        "Solves to 1, 2, 5 % are state solves up to the first judged design so near to the best known. "
        "Those of the yardstick do not count.",
        *(
            [
                "Limits other than that on the volume have no part in f₀₁. What they come to on the same "
                "black-and-white design stands in a column of its own: how many trials break one, and which "
                f"one by how much; up to {per_cent(SLACK)} of the bound counts as kept."
            ]
            if comparison.limits_known
            else []
        ),
        f"Values within {per_cent(TIE)} of the best are called tied. A trial that ended in an error or with "
        "a broken design counts as infinitely bad and is never dropped.",
    ]
    about = environment()
    versions = ", ".join(f"{name} {version}" for name, version in about["versions"].items() if version)
    written = f"This report was written with {versions}; {about['started']}."
    return [Heading("How it was measured"), Lines(tuple(lines)), Heading("Versions"), Paragraph(written)]
