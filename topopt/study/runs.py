"""Runs that exist, side by side: read from their folders and judged by one yardstick."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from topopt.design import Design
from topopt.errors import InputError, RunFolderError
from topopt.files import Job, parse, read_about, read_design, read_history, read_problem
from topopt.files.located import located
from topopt.files.status import read_status
from topopt.run import model_parameters
from topopt.stopping import room
from topopt.study.accuracy import fitting
from topopt.study.archive import read_judgements, read_outcome
from topopt.study.comparison import Comparison
from topopt.study.kept import beside
from topopt.study.outcome import Judgement, Outcome
from topopt.study.yardstick import Threshold

__all__ = ["MEASURED", "Run", "compared", "run_of"]

SAME = ("grid", "mesh", "material", "regions", "passive", "supports", "loads", "cases", "minimise", "limits")
"""Sections of a problem file that make it another problem; all else is how it is solved."""
AGREES = 1e-6
"""A judgement on record is that of the same yardstick if the final one is this close to it."""

MEASURED = (
    "The final design of every run was judged: the densest cells become solid, as many as the problem's "
    "limit on the volume allows, all others void, and what is minimised is computed again.",
    "The way there is known of the trials of studies only; the solves to 1, 2, 5 % of an ordinary run are "
    "those of its whole length.",
)


@dataclass(frozen=True, eq=False)
class Run:
    """A run that has ended, as its folder tells it."""

    path: Path
    job: Job
    said: dict[str, Any]
    outcome: Outcome


def compared(folders: Sequence[Path]) -> Comparison:
    """Judge the designs of runs, and put those of one problem side by side.

    Parameters
    ----------
    folders : sequence of Path
        Two run folders or more.

    Raises
    ------
    InputError
        If a run is alone with its problem.
    RunFolderError
        If a run was made in Python, or has not ended.
    """
    return Comparison(tuple(_named(_grouped([run_of(folder) for folder in folders]))))


def run_of(path: Path) -> Run:
    """Read a run folder and judge its design.

    Parameters
    ----------
    path : Path
        Of an ordinary run that has ended, or of a trial of a study.

    Raises
    ------
    RunFolderError
        If the run was made in Python, or has not ended.
    """
    resolved = read_problem(path, read_about(path))
    if resolved is None:
        raise RunFolderError(
            f"{path} was made in Python and holds no problem file: compare it there, in Python"
        )
    job = parse(resolved, source=str(path / "problem.yaml"), folder=path)
    said = located(resolved, "problem.yaml").data
    trial = read_outcome(path)
    if trial is not None:
        trial = dataclasses.replace(trial, schedules=job.continuation)
    if trial is not None and trial.crashed:
        return Run(path, job, said, trial)
    status = read_status(path)
    if status.state != "finished":
        raise RunFolderError(
            f"{path}: {status.state} after {status.iterations} iterations; only designs that are done are "
            f"compared: `topopt resume {path}`"
        )
    return Run(path, job, said, _judged(path, job, trial or _plain(path, job, said, status.reason)))


def _plain(path: Path, job: Job, said: dict[str, Any], reason: str) -> Outcome:
    """Return what an ordinary run leaves, named after its folder."""
    history = read_history(path)
    return Outcome(
        job.name,
        path.resolve().name,
        _start(said.get("start")),
        reason,
        settled=job.continuation.settled(history, room(job.stop, history)),
        memory=job.continuation.memory,
        seconds=sum(sum(iteration.seconds.values()) for iteration in history),
        history=history,
        schedules=job.continuation,
    )


def _start(said: Any) -> str:
    """Name a start: a number is uniform."""
    if not isinstance(said, dict):
        return "uniform"
    if "file" in said:
        return str(said["file"])
    return f"noise {said['noise']:g}, seed {said['seed']}" if said.get("noise") else "uniform"


def _judged(path: Path, job: Job, outcome: Outcome) -> Outcome:
    """Return an outcome with its final design judged here, and with the judgements on record that agree."""
    last = outcome.history[-1]
    x = read_design(path, "x")["x"]
    parameters = model_parameters(last.parameters)
    evaluation = job.problem.evaluate(x, parameters)
    yardstick = fitting(job.problem, Threshold())
    score = yardstick.judge(job.problem, x, evaluation, parameters)
    grey = last.measures.get("discreteness", math.nan)
    final = Judgement(last.number, last.solves, score.value, last.objective, grey, score.fault)
    recorded = read_judgements(path, upto=last.number)
    # Judged on the way by another yardstick, the way cannot be shown.
    whole = bool(recorded) and recorded[-1].iteration == last.number
    same = whole and _agree(recorded[-1].value, final.value)
    picture = evaluation.picture
    density = picture.pictured() if isinstance(picture, Design) else None
    judgements = (*recorded[:-1], final) if same else (final,)
    return dataclasses.replace(
        outcome,
        judgements=judgements,
        density=density,
        folder=str(path.resolve()),
        limits=beside(job.problem, yardstick, job.continuation, evaluation, parameters),
    )


def _agree(one: float, other: float) -> bool:
    """Return whether two values are the same, to rounding."""
    return one == other or abs(one - other) <= AGREES * abs(other)


def _grouped(runs: Sequence[Run]) -> list[list[Run]]:
    """Put runs of one problem together, and refuse a run that is alone with its problem."""
    groups: list[list[Run]] = []
    for run in runs:
        group = next((group for group in groups if not _differences(group[0], run)), None)
        if group is None:
            groups.append([run])
        else:
            group.append(run)
    for group in groups:
        if len(group) == 1:
            other = next(run for run in runs if run is not group[0])
            raise InputError(
                f"{group[0].path}: no other run given is of its problem: from {other.path} it differs in "
                f"{', '.join(_differences(other, group[0]))}; compare runs of one problem"
            )
    return groups


def _differences(one: Run, other: Run) -> list[str]:
    """Return the sections in which two runs solve different problems."""
    return [section for section in SAME if one.said.get(section) != other.said.get(section)]


def _named(groups: Iterable[Sequence[Run]]) -> list[Outcome]:
    """Return the outcomes, with names that tell problems and runs apart."""
    outcomes: list[Outcome] = []
    problems: list[str] = []
    for group in groups:
        first = group[0].outcome.problem
        problem = first if first not in problems else f"{first} of {group[0].path.name}"
        problems.append(problem)
        names = [run.outcome.continuation for run in group]
        for run in group:
            name = run.outcome.continuation
            twice = names.count(name) > 1 and len({r.outcome.start for r in group}) < len(group)
            name = str(run.path) if twice else name
            outcomes.append(dataclasses.replace(run.outcome, problem=problem, continuation=name))
    return outcomes
