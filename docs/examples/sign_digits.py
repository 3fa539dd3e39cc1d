"""Layers of signs on handwritten digits: every way to sharpen them, from five starts, as tables.

``python docs/examples/sign_digits.py`` carries ``problems/studies/sign_gates.yaml`` out as `topopt study`
does, or reads in results/sign_gates/ what that has left there; ``--quick`` takes half a minute.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path

from topopt.files.markdown import markdown_table
from topopt.files.study import StudyFile, read_study
from topopt.nets.replicates import replicates
from topopt.study import Outcome, carry_out
from topopt.study.study import trials_of

STUDY = Path(__file__).parents[2] / "problems" / "studies" / "sign_gates.yaml"


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
    """Carry the study out and print its tables."""
    file = quick() if "--quick" in sys.argv else read_study(STUDY)
    outcomes = carry_out(trials_of(file), Path("results") / file.name)
    print("\n\n".join(table(problem, outcomes) for problem in file.problems))


if __name__ == "__main__":
    main()
