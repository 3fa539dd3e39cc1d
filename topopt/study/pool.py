"""A crew on the cores of this machine, which goes on when one of its processes is killed."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol, TypeVar

from joblib.externals.loky import BrokenProcessPool, ProcessPoolExecutor

from topopt.study.task import Deliveries, Task, performed

__all__ = ["POLL", "Pool", "Promise", "awaited"]

POLL = 0.1
"""Seconds between two looks at what is done."""
_ONE_THREAD = {
    f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL", "BLIS", "VECLIB", "NUMEXPR")
}
KILLED = "its process was killed, most likely because the machine ran out of memory"


class Promise(Protocol):
    """A result that will be there, as `concurrent.futures` and Dask have it."""

    def done(self) -> bool:
        """Return whether it is there."""


P = TypeVar("P", bound=Promise)


def awaited(promises: Mapping[P, Task], beat: Callable[[], None]) -> Iterator[tuple[Task, P]]:
    """Yield tasks as they are done, in any order; `beat` is called while waiting."""
    pending = list(promises)
    while pending:
        done = [promise for promise in pending if promise.done()]
        for promise in done:
            pending.remove(promise)
            yield promises[promise], promise
        beat()
        if not done:
            time.sleep(POLL)


class Pool:
    """Does several tasks at once, each in a process with one thread.

    If a process is killed, all that were at work go on from their checkpoints with half as many processes; if
    it was the only one, its trial has failed.

    Parameters
    ----------
    jobs : int
        Processes.
    say : callable
        Takes sentences for the user.
    """

    def __init__(self, jobs: int, say: Callable[[str], None]) -> None:
        self._jobs = jobs
        self._say = say

    def deliveries(self, tasks: Sequence[Task], beat: Callable[[], None]) -> Deliveries:
        """Yield what becomes of each task; `beat` is called while waiting."""
        left = {task.slug: task for task in tasks}
        while left:
            broken = False
            for task, result in self._results(list(left.values()), beat):
                if isinstance(result, BrokenProcessPool):
                    broken = True
                else:
                    del left[task.slug]
                    yield task, result
            if broken and self._jobs == 1:
                # One process takes its tasks in order, so the first that is left is the one it died of.
                slug = next(iter(left))
                yield left.pop(slug), MemoryError(KILLED)
            elif broken:
                self._jobs = max(1, self._jobs // 2)
                self._say(
                    f"a process was killed, most likely because the machine ran out of memory: "
                    f"going on with {self._jobs} at a time"
                )

    def _results(self, tasks: Sequence[Task], beat: Callable[[], None]) -> Deliveries:
        """Yield results until all tasks are done or a process has died; leave no process behind."""
        executor: Any = ProcessPoolExecutor(
            min(self._jobs, len(tasks)), initializer=_started, env=dict(_ONE_THREAD)
        )
        try:
            promises = {executor.submit(performed, task): task for task in tasks}
            for task, promise in awaited(promises, beat):
                yield task, promise.exception() or promise.result()
        finally:
            # Whatever they are at: a run folder is whole at any moment.
            executor.shutdown(wait=True, kill_workers=True)


def _started() -> None:
    """Leave Ctrl-C, which a terminal sends to all, to the leader."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
