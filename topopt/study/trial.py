"""One trial: a problem under a continuation from a start, run in a folder and judged on its way."""

from __future__ import annotations

import dataclasses
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import annotated_types as at

from topopt.continuation import Continuation
from topopt.design import Design
from topopt.diagnosis import diagnose
from topopt.errors import InputError, TopoptError
from topopt.evaluation import Model
from topopt.files.claim import MARKER, slugged
from topopt.files.folder import RunFolder
from topopt.files.lock import is_locked
from topopt.history import History
from topopt.optimizers import Optimizer
from topopt.optimizers.honest import require_honest
from topopt.parameters import Array, checked, model_parameters
from topopt.run import Step, StopRule, ending, optimize
from topopt.stopping import room
from topopt.study.archive import (
    drop_husk,
    placed,
    read_fingerprint,
    read_judgements,
    read_outcome,
    write_fingerprint,
    write_judgements,
    write_outcome,
)
from topopt.study.fingerprint import fingerprint
from topopt.study.kept import beside
from topopt.study.outcome import Judgement, Outcome
from topopt.study.yardstick import Yardstick

__all__ = ["Halted", "Trial", "carried_out", "failure", "slug_of"]

PATIENCE = 0.2
"""Seconds between two looks at a folder that another process still writes to."""


class Halted(BaseException):
    """The trial was asked to stop between two iterations; it can go on from its folder.

    No `Exception`, since it says nothing about the trial, which keeps those for itself.
    """


@dataclass(frozen=True, eq=False)
class Trial:
    """A problem under a continuation from a start, and how it is judged.

    Parameters
    ----------
    problem, continuation, start : str
        Their names.
    model : Model
        The problem, at the start.
    optimizer : Optimizer
        How the design moves.
    schedules : Continuation
        The continuation.
    stop : callable
        When to end, and why; the same for all trials that are compared.
    yardstick : Yardstick
        Judges designs; the same for all trials that are compared.
    every : int
        Iterations between two judgements; the last design is always judged.
    resolved : str, optional
        The resolved problem file, so that ``topopt resume`` understands the trial's folder.
    """

    problem: str
    continuation: str
    start: str
    model: Model
    optimizer: Optimizer
    schedules: Continuation
    stop: StopRule
    yardstick: Yardstick
    every: Annotated[int, at.Ge(1)] = 5
    resolved: str | None = None

    def __post_init__(self) -> None:
        """Refuse empty names, numbers out of bounds, and an optimiser that would refuse the model."""
        for role in ("problem", "continuation", "start"):
            if not isinstance(getattr(self, role), str) or not getattr(self, role).strip():
                raise InputError(f"trial: the {role} needs a name, got {getattr(self, role)!r}")
        checked(self)
        require_honest(self.model, self.optimizer)

    @property
    def slug(self) -> str:
        """The name of its folder."""
        return slug_of(self.problem, self.continuation, self.start)

    @property
    def fingerprint(self) -> str:
        """What makes it this trial and no other, in 64 letters.

        Raises
        ------
        InputError
            If a part cannot be pickled.
        """
        names = self.problem, self.continuation, self.start
        parts = self.model, self.optimizer, self.schedules, self.stop, self.yardstick, self.every
        return fingerprint(names, parts)


def slug_of(problem: str, continuation: str, start: str) -> str:
    """Return the name of a trial's folder.

    Examples
    --------
    >>> slug_of("mbb beam", "gate", "perturbed-1")
    'mbb-beam--gate--perturbed-1'
    """
    return "--".join(map(slugged, (problem, continuation, start)))


def carried_out(
    trial: Trial,
    folder: Path | None = None,
    halted: Callable[[], bool] = lambda: False,
    known: str | None = None,
) -> Outcome:
    """Run a trial to its end, judging it on its way; one that fails has an outcome like the others.

    Parameters
    ----------
    trial : Trial
        What is tried.
    folder : Path, optional
        Its run folder. If the trial has ended there, its outcome is read; if it was broken off, it goes on
        from its checkpoint to the result of the unbroken one, digit for digit; if another trial has been
        there, that one's files are removed. Without it, nothing is kept but the outcome.
    halted : callable
        Asked after every iteration whether to break off.
    known : str, optional
        The trial's fingerprint, if it is known: a trial that has travelled may be pickled differently.

    Returns
    -------
    Outcome
        An error of the machine (no memory, no space on the disk) is not left in the folder, so that the
        trial is tried again the next time.

    Raises
    ------
    Halted
        If it was asked to break off.
    """
    if folder is None:
        with tempfile.TemporaryDirectory(prefix="topopt-") as place:
            outcome = carried_out(trial, Path(place) / trial.slug, halted, known)
            return dataclasses.replace(outcome, folder="")
    try:
        identity = known or trial.fingerprint
        _await_release(folder, halted)
        done = read_outcome(folder) if read_fingerprint(folder) == identity else None
        return done or _run(trial, folder, identity, halted)
    except (TopoptError, OSError) as error:  # the folder cannot be used
        return failure(trial, error)


def _run(trial: Trial, folder: Path, identity: str, halted: Callable[[], bool]) -> Outcome:
    """Run a trial in its folder, and leave its outcome there."""
    with _opened(trial, folder, identity) as run:
        try:
            last = _last(trial, run, halted)
            run.write_text("diagnosis.txt", diagnose(last.history, last.reason) + "\n")
            run.finish(last)
        # The one place where any error will do: a trial that fails is a row, and the others go on.
        except Exception as error:
            outcome = failure(trial, error, run)
            run.interrupt(f"failed: {outcome.reason}")
            if isinstance(error, OSError | MemoryError):
                return outcome
        else:
            outcome = _end(trial, run, last)
        write_outcome(run, outcome)
    return outcome


def _await_release(folder: Path, halted: Callable[[], bool]) -> None:
    """Wait while another process writes to a folder: one that was given up for lost may still be at work."""
    while is_locked(folder):
        if halted():
            raise Halted("broken off before it began")
        time.sleep(PATIENCE)


def _opened(trial: Trial, folder: Path, identity: str) -> RunFolder:
    """Open the folder of a trial that was broken off, or make it; what another trial left there goes."""
    if (folder / MARKER).exists() and read_fingerprint(folder) == identity:
        return RunFolder.open(folder)
    drop_husk(folder)
    run = RunFolder.create(folder.parent, folder.name, trial.resolved, overwrite=True)
    write_fingerprint(run, identity)
    return run


def _last(trial: Trial, run: RunFolder, halted: Callable[[], bool]) -> Step:
    """Go on from where the folder stands, judging on the way, and return the last step.

    The judgement is written before the iteration is recorded: whatever kills the process, none is missing of
    an iteration on record, and what was judged but not recorded is dropped and judged again.
    """
    on_record = len(run.history)
    judgements = read_judgements(run.path, upto=on_record)
    for step in _steps(trial, run):
        number = step.iteration.number
        judged = bool(judgements) and judgements[-1].iteration == number
        if not judged and (step.reason is not None or number % trial.every == 0):
            judgements.append(_judgement(trial, step))
            write_judgements(run, judgements)
        if number > on_record:
            run.record(step)
        if step.reason is None and halted():
            raise Halted(f"broken off after iteration {number}")
        last = step
    return last


def _steps(trial: Trial, run: RunFolder) -> Iterator[Step]:
    """Run the loop from where the folder stands; a run that had ended yields its last step again."""
    parts = trial.model, trial.optimizer, trial.schedules, trial.stop
    history = run.history
    if len(history) and ending(history, trial.schedules, trial.stop) is not None:
        return run.steps(*parts)
    return optimize(*parts, run.snapshot(trial.optimizer))


def _judgement(trial: Trial, step: Step) -> Judgement:
    """Put the yardstick to the design of a step."""
    it = step.iteration
    score = trial.yardstick.judge(trial.model, step.x, step.evaluation, model_parameters(it.parameters))
    known = {"discreteness": it.measures["discreteness"]} if "discreteness" in it.measures else {}
    return Judgement(it.number, it.solves, score.value, it.objective, **known, fault=score.fault)


def _end(trial: Trial, run: RunFolder, last: Step) -> Outcome:
    """Return the outcome of a trial that came to its end."""
    parameters = model_parameters(last.iteration.parameters)
    return dataclasses.replace(
        _outcome(trial, run),
        reason=last.reason or "",
        settled=trial.schedules.settled(last.history, room(trial.stop, last.history)),
        density=_shaped(last),
        limits=beside(trial.model, trial.yardstick, trial.schedules, last.evaluation, parameters),
    )


def failure(trial: Trial, error: BaseException, run: RunFolder | None = None) -> Outcome:
    """Return the outcome of a trial that an error ended.

    Parameters
    ----------
    trial : Trial
        The trial.
    error : BaseException
        Its text becomes the reason.
    run : RunFolder, optional
        Where it was recorded up to then.
    """
    text = str(error)
    # Our own errors are sentences; of another, the kind is half the story.
    if not text or not type(error).__module__.startswith("topopt."):
        text = f"{type(error).__name__}: {text}" if text else type(error).__name__
    return dataclasses.replace(_outcome(trial, run), reason=text, crashed=True)


def _outcome(trial: Trial, run: RunFolder | None) -> Outcome:
    """Return what can be said of a trial however it ended."""
    history = run.history if run else History()
    return Outcome(
        trial.problem,
        trial.continuation,
        trial.start,
        reason="",
        memory=trial.schedules.memory,
        seconds=sum(sum(it.seconds.values()) for it in history),
        judgements=tuple(read_judgements(run.path, upto=len(history))) if run else (),
        history=history,
        folder=placed(run.path) if run else "",
    )


def _shaped(last: Step) -> Array | None:
    """Return the density that a step shows, shaped like its picture; None if it shows none."""
    picture = last.evaluation.picture
    return picture.pictured() if isinstance(picture, Design) else None
