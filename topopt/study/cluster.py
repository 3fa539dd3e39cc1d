"""A Dask cluster as the executor: the same tasks, handed to a scheduler."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Sequence
from typing import Any

from topopt.errors import InputError, MissingDependencyError, TopoptError
from topopt.study.executors import awaited
from topopt.study.task import Deliveries, Delivery, Task, performed
from topopt.study.trial import Halted

__all__ = ["Cluster", "require_distributed"]

LOOK = 1.0
"""Seconds between two looks whether the study was interrupted."""
CONNECT = 30
"""Seconds after which a scheduler that does not answer is not there."""
_ALONE = threading.Lock()
"""One trial a process: its factorisations share memory, which two threads must not write to."""


def require_distributed() -> Any:
    """Return the package that speaks to a Dask cluster.

    Raises
    ------
    MissingDependencyError
        If it cannot be imported, with the install line.
    """
    try:
        import distributed
    except ImportError as error:
        raise MissingDependencyError(
            "a study on a cluster needs Dask, which is not installed: pip install 'topopt[dask]'"
        ) from error
    return distributed


class Cluster:
    """Hands tasks to the workers of a Dask cluster.

    If a worker dies, the scheduler gives its tasks to others: they go on from the checkpoints if the study's
    folder is shared, and begin again if not.

    Parameters
    ----------
    address : str
        The scheduler's, such as ``tcp://10.0.0.1:8786``.
    say : callable
        Takes sentences for the user.

    Raises
    ------
    MissingDependencyError
        If Dask is not installed.
    """

    def __init__(self, address: str, say: Callable[[str], None]) -> None:
        self._distributed = require_distributed()
        self._address = address
        self._say = say

    def deliveries(self, tasks: Sequence[Task], beat: Callable[[], None]) -> Deliveries:
        """Yield what becomes of each task; `beat` is called while waiting.

        Raises
        ------
        InputError
            If no scheduler answers.
        TopoptError
            If the scheduler goes away.
        """
        # A key of its own for each attempt: a scheduler remembers what it was once asked.
        attempt = uuid.uuid4().hex[:12]
        with self._client() as client:
            if not client.nthreads():
                self._say(f"the scheduler at {self._address} has no workers yet; waiting for them")
            halt = self._distributed.Event(f"topopt-halt-{attempt}", client=client)
            promises = {
                client.submit(_performed, task, halt.name, key=f"{task.slug}-{attempt}", pure=False): task
                for task in tasks
            }
            try:
                for task, promise in awaited(promises, beat):
                    yield task, self._result(promise)
            except (KeyboardInterrupt, GeneratorExit):
                halt.set()
                raise

    def _client(self) -> Any:
        """Connect to the scheduler."""
        try:
            return self._distributed.Client(self._address, timeout=CONNECT, set_as_default=False)
        except (OSError, ValueError) as error:
            raise InputError(
                f"no Dask scheduler answers at {self._address}: {error}; start one with `dask scheduler` "
                "and give the address that it prints"
            ) from error

    def _result(self, promise: Any) -> Delivery | BaseException:
        """Return what became of a task."""
        if promise.cancelled():
            raise TopoptError(
                f"the Dask scheduler at {self._address} went away; what has ended is kept, and running the "
                "study again goes on"
            )
        error: BaseException | None = promise.exception()
        if isinstance(error, self._distributed.scheduler.KilledWorker):
            return MemoryError(
                "the workers that tried it died one after the other, most likely for lack of memory"
            )
        delivery: Delivery | None = None if error else promise.result()
        return delivery or error or TopoptError("broken off")


def _performed(task: Task, halt: str) -> Delivery | None:
    """Carry a task out on a worker; None if the study was interrupted meanwhile."""
    event = require_distributed().Event(halt)
    while not _ALONE.acquire(timeout=LOOK):
        if event.is_set():
            return None
    try:
        # A task that was under way when the study was interrupted arrives all the same.
        return None if event.is_set() else performed(task, _watching(event))
    except Halted:
        return None
    finally:
        _ALONE.release()


def _watching(event: Any) -> Callable[[], bool]:
    """Return a function that tells whether an event has happened, and looks once a second."""
    looked = time.monotonic()

    def happened() -> bool:
        nonlocal looked
        if time.monotonic() - looked < LOOK:
            return False
        looked = time.monotonic()
        return bool(event.is_set())

    return happened
