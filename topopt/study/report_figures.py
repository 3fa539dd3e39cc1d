"""The figures of the report: from a comparison to pictures, each with a caption that says how to read it."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from topopt.figures import save
from topopt.figures.comparison import Course, data_profile, performance_profile, value_over_solves
from topopt.figures.sharpening import sharpening
from topopt.figures.sidebyside import Portrait, designs, strips
from topopt.files.claim import slugged
from topopt.study.comparison import TIE, Comparison
from topopt.study.document import Figure
from topopt.study.profiles import ratio
from topopt.study.standing import Row
from topopt.study.wording import above, number

__all__ = ["problem_figures", "profile_figures"]

NEAR = 0.05
DPI = 150.0


def profile_figures(comparison: Comparison, folder: Path) -> list[Figure]:
    """Draw the performance profile and the data profile over all cases.

    Parameters
    ----------
    comparison : Comparison
        What to draw.
    folder : Path
        For the PNG files.
    """
    names, black = comparison.continuations, comparison.grey_known
    goal = f"to within {100 * NEAR:g} %" + (r" with $M_{\mathrm{nd}}$ < 2 %" if black else "")
    told = f"to within {100 * NEAR:g} % of the best known{' with M_nd below 2 %' if black else ''}"
    return [
        _drawn(
            folder, "performance-profile",
            "Performance profile (Dolan and Moré 2002): the share of all cases, a problem and a start each, "
            "whose black-and-white design is at most so much above the best known. A failure is never "
            "dropped. Lines that coincide are drawn a little apart.",
            lambda: performance_profile(comparison.performance(), names, TIE),
        ),
        _drawn(
            folder, "data-profile",
            f"Data profile (Moré and Wild 2009): the share of cases brought {told} within so many solves.",
            lambda: data_profile(comparison.data(NEAR, black), names, goal),
        ),
    ]  # fmt: skip


def problem_figures(comparison: Comparison, problem: str, folder: Path) -> list[Figure]:
    """Draw what there is of one problem: values, designs, strips, sharpening and survival.

    Parameters
    ----------
    comparison : Comparison
        What to draw.
    problem : str
        Its name.
    folder : Path
        For the PNG files.
    """
    rows, names = comparison.on(problem), comparison.continuations
    start = next(start for name, start in comparison.cases if name == problem)
    shown = [row for row in rows if row.outcome.start == start]
    several = len({row.outcome.start for row in rows}) > 1
    only = f" Start: {start}." if several else ""
    stem = slugged(problem)
    runs = [(row.outcome.continuation, row.outcome.history) for row in shown]
    found = []
    if any(row.outcome.density is not None for row in shown):
        found.append(_drawn(
            folder, f"{stem}-designs",
            f"The final designs on {problem}, best first, before they were made black and white, with the "
            f"value after that; framed: failed.{only}",
            lambda: designs([_portrait(row) for row in shown]),
        ))  # fmt: skip
    if any(row.outcome.judgements for row in rows):
        found.append(_drawn(
            folder, f"{stem}-value",
            f"What the designs on the way are worth on {problem} once they are made black and white. A dot: "
            "the run ended; a cross: the design was broken, or the run failed.",
            lambda: value_over_solves([_course(row) for row in rows], names),
        ))  # fmt: skip
    if any(it.stages for _, history in runs for it in history):
        found.append(_drawn(
            folder, f"{stem}-strips",
            f"What died where on {problem}: the share of sensitivities alive in front of the projection "
            f"(lower rows) and behind it (top row), with the alarms above.{only}",
            lambda: strips(runs),
        ))  # fmt: skip
    if any(len(history) for _, history in runs):
        found.append(_drawn(
            folder, f"{stem}-sharpening",
            f"How each continuation sharpened on {problem}, and how much of the sensitivity's norm arrived "
            f"at the design.{only}",
            lambda: sharpening(runs, names),
        ))  # fmt: skip
    return found


def _drawn(folder: Path, name: str, caption: str, draw: Callable[[], Any]) -> Figure:
    """Draw a figure into its file and return it with its caption."""
    path = folder / f"{name}.png"
    save(draw(), path, dpi=DPI)
    return Figure(name, path.read_bytes(), caption)


def _course(row: Row) -> Course:
    """Return how a trial's value came down."""
    judged = row.outcome.judgements
    return Course(
        row.outcome.continuation,
        np.array([float(judgement.solves) for judgement in judged]),
        np.array([ratio(judgement.value, row.best) for judgement in judged]),
        row.failed,
    )


def _portrait(row: Row) -> Portrait:
    """Return a trial's last design with its value."""
    outcome = row.outcome
    caption = f"{number(outcome.value)}  ({above(row.ratio)})" if math.isfinite(row.ratio) else row.why
    return Portrait(outcome.continuation, caption, outcome.density, row.why)
