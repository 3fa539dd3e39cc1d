"""Problems under continuations from starts: every combination is a trial, and all get the same chances."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import annotated_types as at

from topopt.continuation import Continuation
from topopt.errors import InputError
from topopt.evaluation import Model
from topopt.files.job import Job, parse
from topopt.files.study import StudyFile
from topopt.optimizers import MMA, Optimizer
from topopt.parameters import checked
from topopt.study.accuracy import fitting
from topopt.study.execution import carry_out
from topopt.study.outcome import Outcome
from topopt.study.progress import Watcher
from topopt.study.starts import Seeded, Starts
from topopt.study.stop import FairStop
from topopt.study.trial import Trial
from topopt.study.yardstick import Threshold, Yardstick

__all__ = ["Study", "trials_of"]


@dataclass(frozen=True, eq=False)
class Study:
    """A comparison of continuations: one optimiser, one budget, one stop test (`FairStop`), one yardstick.

    Parameters
    ----------
    problems : mapping
        Models by name.
    continuations : mapping
        Continuations by name; each is tried on every problem.
    starts : Starts
        From where; each combination is tried from every start.
    optimizer : Optimizer
        How designs move.
    budget : int
        State solves that a trial may spend; the yardstick's are not counted.
    every : int
        Iterations between two judgements.
    yardstick : Yardstick
        Judges designs.

    Raises
    ------
    InputError
        If there is no problem or no continuation, or one is none.

    Examples
    --------
    Which one is better is a matter of a few lines; run again, they go on where they were::

        study = Study({"mbb": problem}, {"fixed": Continuation(), "gate": Continuation({...})})
        outcomes = study.run("results/mbb")
    """

    problems: Mapping[str, Model]
    continuations: Mapping[str, Continuation]
    starts: Starts = Starts()
    optimizer: Optimizer = MMA()
    budget: Annotated[int, at.Ge(1)] = 400
    every: Annotated[int, at.Ge(1)] = 5
    yardstick: Yardstick = field(default_factory=Threshold)

    def __post_init__(self) -> None:
        """Refuse a study without trials."""
        checked(self)
        for role, parts in (("problem", self.problems), ("continuation", self.continuations)):
            if not isinstance(parts, Mapping) or not parts:
                raise InputError(f"study: expected {role}s by name, at least one, got {parts!r}")
        for name, continuation in self.continuations.items():
            if not isinstance(continuation, Continuation):
                raise InputError(
                    f"study: continuation '{name}': expected a Continuation, got {continuation!r}"
                )

    def trials(self) -> list[Trial]:
        """Return every combination, problem by problem, then continuation by continuation.

        Raises
        ------
        InputError
            If a model that is no `topopt.Problem`, nor a net with a seed, shall have perturbed starts.
        """
        stop = FairStop(self.budget)
        return [
            Trial(
                problem,
                continuation,
                start,
                begun,
                self.optimizer,
                schedules,
                stop,
                self.yardstick,
                self.every,
            )
            for problem, model in self.problems.items()
            for continuation, schedules in self.continuations.items()
            for start, begun in self.starts.of(model)
        ]

    def run(
        self,
        folder: Path | str,
        jobs: int | None = None,
        scheduler: str | None = None,
        progress: Watcher | None = None,
    ) -> list[Outcome]:
        """Run all trials and return their outcomes in the order of `trials`; see `carry_out`."""
        return carry_out(self.trials(), folder, jobs, scheduler, progress)


def trials_of(file: StudyFile) -> list[Trial]:
    """Return the trials that a study file describes, in its order.

    Parameters
    ----------
    file : StudyFile
        From `topopt.files.study.read_study`.
    """
    stop = FairStop(file.budget, **file.stop)
    threshold = Threshold(**{name: value for name, value in file.yardstick.items() if value is not None})
    return [
        Trial(
            entry.problem,
            entry.continuation,
            start,
            begun,
            entry.job.optimizer,
            entry.job.continuation,
            stop,
            fitting(entry.job.problem, threshold),
            file.judge_every,
            _resolved(entry.job, begun),
        )
        for entry in file.entries
        for start, begun in Starts(**file.starts[entry.problem]).of(entry.job.problem)
    ]


def _resolved(job: Job, begun: Model) -> str:
    """Return the problem file of a trial: that of the job, at the seed that the trial begins from."""
    if not isinstance(begun, Seeded) or begun == job.problem:
        return job.resolved
    return parse(job.resolved, overrides=(f"model.seed={begun.seed}",)).resolved
