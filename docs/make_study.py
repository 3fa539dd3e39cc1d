"""Carries the studies out, and keeps their tables and profiles in docs/study.md: `make study`."""

from __future__ import annotations

import math
import shutil
import subprocess
import sys
from pathlib import Path

from topopt.files.study import read_study
from topopt.study import Comparison
from topopt.study.archive import read_outcome
from topopt.study.standing import Row
from topopt.study.study import trials_of
from topopt.study.wording import counted, number, rung

HERE = Path(__file__).parent
ROOT = HERE.parent
PAGE = HERE / "study.md"
COMPARED = ("beta_full", "beta_large")
STUDIES = (*COMPARED, "penalty", "rounds")
GATE, DOUBLING, RAMP = "survival gate", "doubling every 50", "short plain ramp"
ABRUPT = ("abrupt 64", "abrupt 512")
FIGURES = ("performance-profile.png", "data-profile.png")


def main() -> None:
    """Run what is missing of each study, and write the page's tables anew."""
    for name in STUDIES:
        file = ROOT / "problems" / "studies" / f"{name}.yaml"
        command = [sys.executable, "-c", "from topopt.cli import main; main()", "study", str(file)]
        subprocess.run([*command, "--results", str(ROOT / "results")], check=True)
    for name in COMPARED:
        replaced(f"{name}: claims", claims(compared(name)))
    for name in STUDIES:
        replaced(f"{name}: ranking", ranking(name))
    for figure in FIGURES:
        source = ROOT / "results" / "beta_full" / "figures" / figure
        shutil.copyfile(source, HERE / "figures" / f"study-{figure}")


def compared(name: str) -> Comparison:
    """Return the outcomes of a study that has ended."""
    trials = trials_of(read_study(ROOT / "problems" / "studies" / f"{name}.yaml"))
    outcomes = [read_outcome(ROOT / "results" / name / "trials" / trial.slug) for trial in trials]
    return Comparison(tuple(outcome for outcome in outcomes if outcome is not None))


def claims(comparison: Comparison) -> str:
    """Return, problem by problem, how the gate did against the best and against doubling."""
    lines = [
        "| problem | start | best f₀₁ | gate, above it | ramp, above it | gate: solves to 5 %, M_nd < 2 % "
        "| doubling: the same | share | abrupt 64 | abrupt 512 |",
        "| :-- | :-- | --: | --: | --: | --: | --: | --: | :-- | :-- |",
    ]
    for problem in comparison.problems:
        rows = {(row.outcome.continuation, row.outcome.start): row for row in comparison.on(problem)}
        for start in sorted({start for _, start in rows}):
            gate, doubling = rows[GATE, start], rows[DOUBLING, start]
            quick, slow = (row.solves(0.05, black=True) for row in (gate, doubling))
            share = f"{quick / slow:.2f}" if math.isfinite(quick) and math.isfinite(slow) else ""
            cells = [problem, start, number(gate.best), above(gate), above(rows[RAMP, start])]
            cells += [counted(quick), counted(slow), share]
            cells += [fate(rows.get((name, start))) for name in ABRUPT]
            lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def above(row: Row) -> str:
    """Say how far a trial ended above the best known."""
    return "failed" if row.failed else f"{100 * (row.ratio - 1):.2f} %"


def fate(row: Row | None) -> str:
    """Say how a trial ended, and which alarm rang first."""
    if row is None:
        return ""
    ended = "broken" if row.failed else f"+{100 * (row.ratio - 1):.0f} %"
    return f"{ended}; {rung(row) or 'no alarm'}"


def ranking(name: str) -> str:
    """Return the verdict and the ranking of a study's report."""
    report = (ROOT / "results" / name / "report.md").read_text("utf-8")
    whole = report.split("\n## ")[0].split("\n![")[0]
    return whole[whole.index("\n") :].strip()


def replaced(mark: str, text: str) -> None:
    """Put a text between the marks of its name in the page."""
    page = PAGE.read_text("utf-8")
    begin, end = f"<!-- {mark} -->", f"<!-- end of {mark} -->"
    head, _, rest = page.partition(begin)
    _, _, tail = rest.partition(end)
    PAGE.write_text(f"{head}{begin}\n\n{text}\n\n{end}{tail}", "utf-8")


if __name__ == "__main__":
    main()
