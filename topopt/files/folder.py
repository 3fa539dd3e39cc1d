"""The run folder: everything a run leaves behind, whole after every iteration, and ready to go on."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from topopt.continuation import Continuation
from topopt.errors import InputError, RunFolderError
from topopt.evaluation import Model
from topopt.files.atomic import write_text
from topopt.files.checkpoint import FORMAT
from topopt.files.claim import MANIFEST, MARKER, claimed, noted
from topopt.files.environment import differences, environment
from topopt.files.export import Plan, export_design
from topopt.files.lock import Lock
from topopt.files.reading import PROBLEM, digest, read_about, read_problem
from topopt.files.record import Record, Recording
from topopt.files.status import Status, read_status
from topopt.files.table import whole_lines
from topopt.history import History
from topopt.optimizers import MMA, Optimizer
from topopt.run import Snapshot, Step, Stop, StopRule, ending, model_parameters, optimize

__all__ = ["Recording", "RunFolder"]

_OWN = (MARKER, MANIFEST, PROBLEM, "history.csv", "vanishing.csv", "checkpoint.npz", "status.json")
OFTEN = 0.2
"""Seconds between two moments at which `status.json` is written, if iterations are faster."""


class RunFolder:
    """A folder that one process writes a run to; made by `create` or `open`, released by `close` or ``with``.

    Attributes
    ----------
    path : Path
        The folder.
    name : str
        The problem's name.
    resolved : str or None
        The resolved problem file.
    environment : mapping
        Versions, machine, threads, solver and seed of the process that began the run.
    notes : tuple of str
        What should be said to the user, a sentence each.

    Examples
    --------
    A new run and a resumed one differ in one line::

        with RunFolder.create("results", "bridge", resolved) as folder:  # or RunFolder.open("results/bridge")
            for step in folder.steps(model, optimizer, continuation, stop):
                print(step.iteration.objective)
            folder.finish(step)
    """

    def __init__(
        self, path: Path, lock: Lock, about: Mapping[str, Any], resolved: str | None, notes: tuple[str, ...]
    ) -> None:
        self.path = path
        self.name = str(about["name"])
        self.resolved = resolved
        self.environment: Mapping[str, Any] = about["environment"]
        self.notes = notes
        self._lock = lock
        self._record = Record(path, Recording(**about["recording"]))
        self._names = set(whole_lines(path / MANIFEST).splitlines())
        self._running = True
        self._told = time.monotonic()

    @classmethod
    def create(
        cls,
        root: Path | str,
        name: str,
        resolved: str | None = None,
        *,
        solver: str = "",
        seed: int | None = None,
        recording: Recording | None = None,
        overwrite: bool = False,
    ) -> Self:
        """Make the folder of a new run; if the name is taken, a number is put behind it and `notes` says so.

        Parameters
        ----------
        root : path
            Where run folders live, usually ``results``.
        name : str
            The problem's name.
        resolved : str, optional
            The resolved problem file, from which the run can be resumed.
        solver : str
            The solver that was chosen, and why.
        seed : int, optional
            Of the random numbers, if any are drawn.
        recording : Recording, optional
            How much is written down.
        overwrite : bool
            Take over an existing run folder: what its run wrote is removed, a user's own files are kept.

        Raises
        ------
        InputError
            If the name is no plain file name.
        RunFolderError
            If the folder cannot be made, is in use, or shall be overwritten and is no run folder.
        """
        path, lock, notes = claimed(Path(root), name, overwrite)
        about = {
            "format": FORMAT,
            "name": name,
            "problem_sha256": None if resolved is None else digest(resolved.encode()),
            "recording": dataclasses.asdict(recording or Recording()),
            "environment": environment(solver, seed),
        }
        for own in _OWN:
            noted(path, own)
        if resolved is not None:
            write_text(path / PROBLEM, resolved, durable=True)
        Status("running").write(path / "status.json")
        write_text(path / MARKER, json.dumps(about, indent=1) + "\n", durable=True)
        return cls(path, lock, about, resolved, notes)

    @classmethod
    def open(cls, path: Path | str, *, solver: str = "") -> Self:
        """Open a run folder in order to go on, and drop what a killed run left beyond its checkpoint.

        Parameters
        ----------
        path : path
            The folder.
        solver : str
            The solver that was chosen now; `notes` says what changed since the run began.

        Raises
        ------
        RunFolderError
            If it is no run folder, in use, damaged, of another version, or its problem file was changed.
        """
        path = Path(path)
        about = read_about(path)
        lock = Lock(path)
        try:
            notes = differences(about["environment"], environment(solver))
            folder = cls(path, lock, about, read_problem(path, about), notes)
            if folder._record.settle():
                folder.notes += ("no checkpoint: starting again; the old tables are dropped",)
            folder._tell()
        except BaseException:
            lock.release()
            raise
        return folder

    def __enter__(self) -> Self:
        """Return the folder."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Release the folder; a run that was not finished stands as interrupted."""
        try:
            if self._running:
                # What cannot be written now must not hide what could not be written first.
                with contextlib.suppress(*([RunFolderError] if error else [])):
                    self.interrupt("stopped by the caller" if kind is None else f"{kind.__name__}: {error}")
        finally:
            self.close()

    def close(self) -> None:
        """Release the folder for other processes."""
        self._lock.release()

    @property
    def history(self) -> History:
        """The iterations on record."""
        return self._record.history

    def status(self) -> Status:
        """Return where the run stands."""
        return read_status(self.path)

    def file(self, name: str) -> Path:
        """Return the path of a further file, and note it as written by the run.

        Raises
        ------
        InputError
            If the name is not plain, or that of a file that the run depends on.
        """
        if name in (*_OWN, "lock") or not name or Path(name).name != name:
            raise InputError(f"'{name}' cannot be written into a run folder; choose another plain file name")
        if name not in self._names:
            noted(self.path, name)
            self._names.add(name)
        return self.path / name

    def write_text(self, name: str, text: str) -> None:
        """Write a further text file, whole or not at all."""
        write_text(self.file(name), text)

    def snapshot(self, optimizer: Optimizer) -> Snapshot | None:
        """Return what `topopt.optimize` goes on from; None if no iteration is on record yet.

        Raises
        ------
        RunFolderError
            If another optimiser wrote the record.
        """
        checkpoint = self._record.checkpoint
        return checkpoint.snapshot(self.history[:], optimizer) if checkpoint else None

    def steps(
        self,
        model: Model,
        optimizer: Optimizer = MMA(),
        continuation: Continuation = Continuation(),
        stop: StopRule = Stop(),
    ) -> Iterator[Step]:
        """Run `topopt.optimize` from where the folder stands, and record every step before it is yielded.

        A run that has ended already yields its last step again, so that its results can be written; if the
        stop rule is more patient now than it was, the run goes on.

        Parameters
        ----------
        model, optimizer, continuation, stop
            As for `topopt.optimize`.

        Yields
        ------
        Step
            One an iteration.
        """
        snapshot = self.snapshot(optimizer)
        ended = self._ended(model, snapshot, stop, continuation) if snapshot else None
        if ended is not None:
            yield ended
            return
        for step in optimize(model, optimizer, continuation, stop, snapshot):
            self.record(step)
            yield step

    def record(self, step: Step) -> None:
        """Write one iteration down, and a checkpoint to go on from.

        Raises
        ------
        RunFolderError
            If the step does not follow the one before, or the folder cannot be written.
        """
        self._record.append(step)
        # For whoever watches from outside: five times a second is often enough, and a rename is dear.
        if time.monotonic() - self._told >= OFTEN:
            self._tell()

    def interrupt(self, reason: str = "interrupted by the user") -> None:
        """Note that the run was stopped and can be resumed."""
        Status.of(self.history, "interrupted", reason).write(self.path / "status.json", durable=True)
        self._running = False

    def finish(self, step: Step, plan: Plan | None = None) -> tuple[str, ...]:
        """Write the design in all formats, and where the run stands.

        Parameters
        ----------
        step : Step
            The last one; if it has no reason to stop, the run is noted as interrupted, and can be resumed.
        plan : Plan, optional
            What is exported beside the density, and in which unit.

        Returns
        -------
        tuple of str
            What was written and how exact it is, and what was not written and why; a sentence each.
        """
        sentences = export_design(self.file, self.name, step.x, step.evaluation.picture, plan or Plan())
        if step.reason is None:
            self.interrupt("stopped before its end")
        else:
            Status.of(step.history, "finished", step.reason).write(self.path / "status.json", durable=True)
        self._running = False
        return sentences

    def _tell(self) -> None:
        """Write that the run is going on, and how far it is."""
        Status.of(self.history, "running").write(self.path / "status.json")
        self._told = time.monotonic()

    def _ended(
        self, model: Model, snapshot: Snapshot, stop: StopRule, continuation: Continuation
    ) -> Step | None:
        """Return the last step again, if the run on record has ended."""
        history, checkpoint = snapshot.history, self._record.checkpoint
        reason = ending(history, continuation, stop)
        if reason is None or checkpoint is None or len(history) not in checkpoint.kept:
            return None
        iteration, x = history[-1], checkpoint.kept[len(history)]
        parameters = model_parameters(iteration.parameters)
        return Step(iteration, x, model.evaluate(x, parameters), snapshot, reason)
