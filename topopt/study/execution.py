"""Many trials at once, on the cores of this machine or on a cluster; what has ended is never done again."""

from __future__ import annotations

import contextlib
import dataclasses
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from joblib import cpu_count

from topopt.errors import InputError, RunFolderError
from topopt.files.atomic import write_text
from topopt.files.lock import Lock
from topopt.files.status import read_status
from topopt.study.archive import forget, read_fingerprint, read_outcome
from topopt.study.cluster import Cluster
from topopt.study.executors import Executor, Processes, Serial
from topopt.study.outcome import Outcome
from topopt.study.progress import Progress, Running, Watcher
from topopt.study.stop import FairStop
from topopt.study.task import PLACE, TRIALS, Delivery, Task, stored, task_of
from topopt.study.trial import Trial, failure

__all__ = ["carry_out"]

OFTEN = 0.5
"""Seconds between two moments at which a watcher is told."""


def carry_out(
    trials: Sequence[Trial],
    folder: Path | str,
    jobs: int | None = None,
    scheduler: str | None = None,
    progress: Watcher | None = None,
) -> list[Outcome]:
    """Run trials to their ends, several at once; one that fails is an outcome like the others.

    Each leaves a run folder, ``trials/<slug>``, and in it its outcome. Called again, this goes on where it
    was: trials that have ended are read, those that were broken off go on from their checkpoints, and those
    that are not what they were (another model, optimiser, continuation, stop rule or yardstick) begin anew.
    Failures that the machine is to blame for (no memory, no space on the disk) are tried again.

    Parameters
    ----------
    trials : sequence of Trial
        In the order wanted of the outcomes.
    folder : path
        The study's folder.
    jobs : int, optional
        How many at a time; as many as there are cores if left out, each with one thread. One works
        in this process, with as many threads as its libraries take, so that last digits may differ.
    scheduler : str, optional
        Address of a Dask scheduler, such as ``tcp://10.0.0.1:8786``: its workers do the work. They need not
        see the folder; if they do not, trials travel back as they end, and one whose worker dies begins anew.
    progress : Watcher, optional
        Is told how it goes.

    Returns
    -------
    list of Outcome
        One a trial, in the order of the trials.

    Raises
    ------
    InputError
        If there is no trial, two have one name, a part cannot be pickled, or no scheduler answers.
    RunFolderError
        If the folder cannot be written, or another process works in it.
    KeyboardInterrupt
        After Ctrl-C; the workers have stopped or are about to, and everything is kept.
    """
    folder = Path(folder)
    _require_names(trials)
    say = progress.say if progress else lambda sentence: None
    executor = _chosen(jobs, scheduler, say)
    try:
        (folder / TRIALS).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunFolderError(f"{folder}: cannot be made: {error.strerror or error}") from error
    board = _Board(trials, folder, progress)
    lock = Lock(folder)
    try:
        place = uuid.uuid4().hex
        write_text(folder / PLACE, place)
        board.recall(say)
        tasks = [task_of(trial, folder, place) for trial in trials if trial.slug not in board.outcomes]
        _worked(executor, tasks, board)
    except KeyboardInterrupt:
        say(
            f"interrupted: {len(board.outcomes)} of {len(trials)} trials have ended; the study goes on "
            "where it was if it is started again in the same folder"
        )
        raise
    finally:
        with contextlib.suppress(OSError):
            (folder / PLACE).unlink()
        lock.release()
    return [dataclasses.replace(board.outcomes[trial.slug], schedules=trial.schedules) for trial in trials]


class _Board:
    """Which trials have ended, and how."""

    def __init__(self, trials: Sequence[Trial], folder: Path, watcher: Watcher | None) -> None:
        self.outcomes: dict[str, Outcome] = {}
        self.trials = {trial.slug: trial for trial in trials}
        self._folder = folder
        self._watcher = watcher
        self._told = -OFTEN

    def recall(self, say: Callable[[str], None]) -> None:
        """Read the outcomes of trials that have ended, and name those that are begun anew."""
        for slug, trial in self.trials.items():
            there = self.place(slug)
            try:
                known = read_fingerprint(there)
                outcome = read_outcome(there) if known == trial.fingerprint else None
            except RunFolderError as error:
                say(f"{slug}: {error}; it is computed anew")
                forget(there)
                continue
            if outcome is not None:
                self.outcomes[slug] = outcome
            elif known not in (None, trial.fingerprint):
                say(f"{slug}: changed since it ran in {there}; it is computed anew")
        if self.outcomes:
            say(
                f"{len(self.outcomes)} of {len(self.trials)} trials have ended already; they are not repeated"
            )

    def place(self, slug: str) -> Path:
        """Return the folder of a trial."""
        return self._folder / TRIALS / slug

    def enter(self, slug: str, result: Delivery | BaseException) -> None:
        """Enter what became of a trial."""
        if isinstance(result, Delivery):
            self.outcomes[slug] = stored(result, self.place(slug))
        else:
            self.outcomes[slug] = failure(self.trials[slug], result)
        self._told = -OFTEN

    def tell(self) -> None:
        """Tell the watcher where the study stands, unless it knows."""
        if self._watcher is not None and time.monotonic() - self._told >= OFTEN:
            self._told = time.monotonic()
            failed = sum(outcome.failed for outcome in self.outcomes.values())
            done = len(self.outcomes)
            self._watcher.show(Progress(len(self.trials), done, failed, tuple(self._running())))

    def _running(self) -> Iterator[Running]:
        """Yield the trials at work, as far as their folders can be seen."""
        for slug, trial in self.trials.items():
            if slug in self.outcomes or not (self.place(slug) / "status.json").exists():
                continue
            with contextlib.suppress(RunFolderError):
                status = read_status(self.place(slug))
                if status.state == "running":
                    budget = trial.stop.budget if isinstance(trial.stop, FairStop) else None
                    yield Running(slug, status.iterations, budget)


def _worked(executor: Executor, tasks: Sequence[Task], board: _Board) -> None:
    """Have the tasks done, and enter what becomes of them."""
    board.tell()
    if tasks:
        # Closed in any case: that is what stops the workers.
        with contextlib.closing(executor.deliveries(tasks, board.tell)) as deliveries:
            for task, result in deliveries:
                board.enter(task.slug, result)
                board.tell()


def _chosen(jobs: int | None, scheduler: str | None, say: Callable[[str], None]) -> Executor:
    """Return those who do the work."""
    if jobs is not None and jobs < 1:
        raise InputError(f"jobs: expected an integer >= 1, got {jobs}")
    if scheduler is not None:
        return Cluster(scheduler, say)
    jobs = jobs or cpu_count()
    return Serial() if jobs == 1 else Processes(jobs, say)


def _require_names(trials: Sequence[Trial]) -> None:
    """Refuse trials that would share a folder; some file systems do not tell capitals from small letters."""
    if not trials:
        raise InputError("study: there is no trial")
    counts = Counter(trial.slug.casefold() for trial in trials)
    twice = [slug for slug, count in counts.items() if count > 1]
    if twice:
        raise InputError(
            f"study: {counts[twice[0]]} trials have the folder '{twice[0]}'; give problems, continuations "
            "and starts names that differ in more than capitals and special characters"
        )
