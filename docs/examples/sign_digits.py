"""Layers of signs on handwritten digits: every way to sharpen them, as tables and a report.

``python docs/examples/sign_digits.py`` takes about three minutes on two cores for one start and leaves a
report like that of a bridge in results/sign_gates/; ``--seeds 5`` is ``problems/studies/sign_gates.yaml`` as
it is written, and goes on where either, or `topopt study`, was; ``--quick`` takes half a minute.
"""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Sequence
from pathlib import Path

from topopt.cli.studying import how_measured, reported
from topopt.files.markdown import markdown_table
from topopt.files.study import StudyFile, read_study
from topopt.nets.replicates import replicates
from topopt.study import Comparison, Outcome, carry_out
from topopt.study.study import trials_of

STUDY = Path(__file__).parents[2] / "problems" / "studies" / "sign_gates.yaml"


def started(seeds: int) -> StudyFile:
    """Return the study from so many starts."""
    return read_study(STUDY, (f"starts.perturbed={seeds - 1}",))


def quick() -> StudyFile:
    """Return a little of the study: two of its nets, one start, forty batches."""
    file = read_study(STUDY, ("budget=40", "starts.perturbed=0"))
    few = tuple(entry for entry in file.entries if entry.problem in ("classes, 4 layers", "codes, 1 layer"))
    return dataclasses.replace(file, name=f"{file.name}_quick", entries=few)


def table(problem: str, outcomes: Sequence[Outcome]) -> str:
    """Return what every way came to on one problem, mean, worst and each start."""
    found = replicates((one.continuation, 1.0 / one.value) for one in outcomes if one.problem == problem)
    measure = "right" if problem.startswith("classes") else "precision"
    rows = [[way, *right.columns(3)] for way, right in found.items()]
    return markdown_table([problem, f"{measure}, mean", "worst", "every start"], rows)


def main() -> None:
    """Carry the study out, print its tables and write the report."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--seeds", type=int, default=1)
    asked.add_argument("--quick", action="store_true")
    options = asked.parse_args()
    file = quick() if options.quick else started(options.seeds)
    folder = Path("results") / file.name
    outcomes = carry_out(trials_of(file), folder)
    print("\n\n".join(table(problem, outcomes) for problem in file.problems))
    reported(Comparison(tuple(outcomes)), folder, file.name, how_measured(file), quiet=False)


if __name__ == "__main__":
    main()
