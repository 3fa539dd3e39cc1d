"""A trial as it travels to a worker, what comes back, and what the worker does in between."""

from __future__ import annotations

import contextlib
import io
import pickle
import sys
import tarfile
import tempfile
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path

import cloudpickle

from topopt.files.claim import claimed
from topopt.study.archive import OUTCOME, drop_husk
from topopt.study.outcome import Outcome
from topopt.study.trial import Trial, carried_out

__all__ = ["PLACE", "TRIALS", "Deliveries", "Delivery", "Task", "performed", "stored", "task_of"]

TRIALS = "trials"
"""Where the folders of the trials are, in the study's."""
PLACE = ".place"
"""The file by which a worker tells whether it sees the study's folder."""


@dataclass(frozen=True)
class Task:
    """A trial on its way to a worker.

    Attributes
    ----------
    slug : str
        The trial's.
    fingerprint : str
        The trial's.
    trial : bytes
        The trial. Unpickled only by `performed`, so that what cannot be is an error of this trial alone.
    folder : str
        The study's folder, absolute, as the process that leads sees it.
    place : str
        What the file `PLACE` in that folder holds.
    paths : tuple of str
        Where modules lie that the trial needs and that are on no path.
    """

    slug: str
    fingerprint: str
    trial: bytes
    folder: str
    place: str
    paths: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Delivery:
    """What comes back.

    Attributes
    ----------
    outcome : Outcome
        How the trial ended.
    files : bytes
        The run folder as an archive, if the worker could not write it in its place.
    """

    outcome: Outcome
    files: bytes = b""


Deliveries = Generator[tuple[Task, Delivery | BaseException], None, None]
"""What becomes of tasks, as it comes in; closing it stops the work."""


def task_of(trial: Trial, folder: Path, place: str) -> Task:
    """Return a trial as a task.

    Raises
    ------
    InputError
        If it cannot be pickled; `Trial.fingerprint` says which part.
    """
    packed = cloudpickle.dumps(trial)
    return Task(trial.slug, trial.fingerprint, packed, str(folder.resolve()), place, _strays())


def performed(task: Task, halted: Callable[[], bool] = lambda: False) -> Delivery:
    """Carry a task out: in the study's folder if it is seen from here, else in a temporary one.

    Parameters
    ----------
    task : Task
        What is to be done.
    halted : callable
        Asked after every iteration whether to break off.

    Raises
    ------
    Halted
        If it was asked to break off.
    """
    sys.path.extend(path for path in task.paths if path not in sys.path)
    trial: Trial = pickle.loads(task.trial)
    folder = Path(task.folder)
    if _sees(folder, task.place):
        return Delivery(carried_out(trial, folder / TRIALS / task.slug, halted, task.fingerprint))
    with tempfile.TemporaryDirectory(prefix="topopt-") as place:
        here = Path(place) / TRIALS / task.slug
        outcome = carried_out(trial, here, halted, task.fingerprint)
        return Delivery(outcome, _packed(here) if (here / OUTCOME).exists() else b"")


def stored(delivery: Delivery, folder: Path) -> Outcome:
    """Put files that travelled back in their place, and return the outcome.

    Parameters
    ----------
    delivery : Delivery
        What came back.
    folder : Path
        The trial's folder; files of an earlier run there are replaced.
    """
    if delivery.files:
        drop_husk(folder)
        _, lock, _ = claimed(folder.parent, folder.name, overwrite=True)
        try:
            with tarfile.open(fileobj=io.BytesIO(delivery.files)) as archive:
                archive.extractall(folder, filter="data")
        finally:
            lock.release()
    return delivery.outcome


def _sees(folder: Path, place: str) -> bool:
    """Return whether the study's folder is the same here as where the study was started."""
    with contextlib.suppress(OSError):
        return (folder / PLACE).read_text("utf-8") == place
    return False


def _packed(folder: Path) -> bytes:
    """Return a run folder as an archive; the outcome comes last, as when it was written."""
    out = io.BytesIO()
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != "lock")
    with tarfile.open(fileobj=out, mode="w:gz", compresslevel=1) as archive:
        for path in sorted(files, key=lambda path: path.name == OUTCOME):
            archive.add(path, path.relative_to(folder))
    return out.getvalue()


def _strays() -> tuple[str, ...]:
    """Return where modules lie that cannot be imported by name any more: beside a problem file."""
    found = []
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None) or ""
        # Parts of compiled packages go under short names, too; they come with their package. The script has
        # a second name, which multiprocessing gives it, and travels by itself.
        if not file.endswith(".py") or "." in name or module is sys.modules.get("__main__"):
            continue
        home = str(Path(file).parents[1 if hasattr(module, "__path__") else 0])
        if home not in sys.path and all(finder.find_spec(name, None) is None for finder in sys.meta_path):
            found.append(home)
    return tuple(dict.fromkeys(found))
