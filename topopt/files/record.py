"""The record of a run: tables, frames and a checkpoint, in an order that no interruption can upset."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import annotated_types as at

from topopt.errors import RunFolderError
from topopt.files.atomic import sweep
from topopt.files.checkpoint import Checkpoint
from topopt.files.frames import drop_frames, frame, write_frame
from topopt.files.reading import read_history
from topopt.files.table import Table
from topopt.history import History
from topopt.parameters import Checked, NonNegative
from topopt.run import Step

__all__ = ["Record", "Recording"]


@dataclass(frozen=True)
class Recording(Checked):
    """How much is written down, and how hard.

    Parameters
    ----------
    frames_every : int
        Iterations between two frames for the animation; 0 for none.
    sync_seconds : float
        Seconds between two moments at which everything is forced onto the disk; 0 for every iteration. This
        matters for power failures only: a process that is killed loses at most one iteration in any case,
        since what it handed to the operating system stays.
    """

    frames_every: Annotated[int, at.Ge(0)] = 5
    sync_seconds: NonNegative = 5.0


class Record:
    """What is on the disk of a run.

    Of each iteration first the rows of the tables are written, then the frame, then the checkpoint, which
    replaces its predecessor in one step. So the checkpoint is never ahead of the tables, and what the tables
    and frames have in excess of it is dropped by `settle`: whatever kills the process, at most the iteration
    at work is lost.

    Parameters
    ----------
    path : Path
        The run folder, locked.
    recording : Recording
        How much is written down.

    Attributes
    ----------
    history : History
        The iterations on record.
    checkpoint : Checkpoint or None
        What the run goes on from.
    """

    def __init__(self, path: Path, recording: Recording) -> None:
        self.path = path
        self.history = History()
        self.checkpoint: Checkpoint | None = None
        self._recording = recording
        self._tables = Table(path / "history.csv"), Table(path / "vanishing.csv")
        self._synced = time.monotonic()
        self._torn = False

    def append(self, step: Step) -> None:
        """Write one iteration down.

        Raises
        ------
        RunFolderError
            If the step does not follow the one before, or the folder cannot be written.
        """
        self._refuse_gap(step.iteration.number)
        self._torn = True
        try:
            self._write(step)
        except OSError as error:
            what = (
                str(error)
                if isinstance(error, RunFolderError)
                else f"{self.path}: cannot be written: {error}"
            )
            raise RunFolderError(
                f"{what}; {len(self.history)} iterations are on record: `topopt resume {self.path}` goes "
                "on once there is space"
            ) from error
        self._torn = False

    def _write(self, step: Step) -> None:
        """Write the rows of the tables, then the frame, then the checkpoint."""
        last = step.reason is not None
        durable = last or time.monotonic() - self._synced >= self._recording.sync_seconds
        checkpoint = Checkpoint.of(step)
        for table, rows in zip(
            self._tables, ([step.iteration.row()], step.iteration.stage_rows()), strict=True
        ):
            table.append(rows)
            if durable:
                table.sync()
        self._add_frame(step, last)
        checkpoint.save(self.path / "checkpoint.npz", durable)
        self.history.append(step.iteration)
        self.checkpoint = checkpoint
        if durable:
            self._synced = time.monotonic()

    def settle(self) -> bool:
        """Read the record, and drop what a killed run left beyond its checkpoint.

        Returns
        -------
        bool
            Whether iterations were on record, and all are dropped since there is no checkpoint.

        Raises
        ------
        RunFolderError
            If the tables or the checkpoint are damaged.
        """
        sweep(self.path)
        self.checkpoint = Checkpoint.load(self.path / "checkpoint.npz")
        number = self.checkpoint.number if self.checkpoint else 0
        recorded = read_history(self.path)
        self.history = recorded[:number]
        if len(self.history) < number:
            raise RunFolderError(
                f"{self.path}: history.csv has {len(self.history)} whole iterations, the checkpoint "
                f"{number}; the table was cut, so the run cannot be resumed"
            )
        for table, text in zip(self._tables, self.history.tables(), strict=True):
            table.replace(text if number else "")
        drop_frames(self.path / "frames", beyond=number)
        self._torn = False
        return len(recorded) > 0 and not number

    def _refuse_gap(self, number: int) -> None:
        """Refuse an iteration that does not follow the ones on record."""
        if self._torn:
            raise RunFolderError(
                f"{self.path}: the last record was cut short; open the folder again to go on"
            )
        if number != len(self.history) + 1:
            raise RunFolderError(
                f"{self.path}: iteration {number} does not follow the {len(self.history)} on record; "
                f"start `optimize` from the folder's snapshot"
            )

    def _add_frame(self, step: Step, last: bool) -> None:
        """Write the frame of an iteration, if it is due."""
        every = self._recording.frames_every
        due = every > 0 and (last or (step.iteration.number - 1) % every == 0)
        densities = frame(step) if due else None
        if densities is not None:
            frames = self.path / "frames"
            frames.mkdir(exist_ok=True)
            write_frame(frames, step.iteration.number, densities)
