"""Who carries tasks out on this machine: this process, or several, of which any may be killed."""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Callable, Iterator, MutableMapping, Sequence
from typing import Any, Protocol, TypeVar

from joblib.externals.loky import BrokenProcessPool, ProcessPoolExecutor

from topopt.study.task import Deliveries, Task, performed
from topopt.threads import LIBRARIES

__all__ = ["POLL", "Executor", "Processes", "Promise", "Serial", "awaited"]

POLL = 0.1
"""Seconds between two looks at what is done."""
_ONE_THREAD = {f"{library}_NUM_THREADS": "1" for library in LIBRARIES}
KILLED = "its process was killed, most likely because the machine ran out of memory"


class Executor(Protocol):
    """Carries tasks out."""

    def deliveries(self, tasks: Sequence[Task], beat: Callable[[], None]) -> Deliveries:
        """Yield what becomes of each task, in any order; `beat` is called a few times a second."""


class Promise(Protocol):
    """A result that will be there, as `concurrent.futures` and Dask have it."""

    def done(self) -> bool:
        """Return whether it is there."""


P = TypeVar("P", bound=Promise)


def awaited(promises: MutableMapping[P, Task], beat: Callable[[], None]) -> Iterator[tuple[Task, P]]:
    """Take promises out as they are kept, in any order, until none is left; more may be put in meanwhile.

    Parameters
    ----------
    promises : mutable mapping
        The task of each promise.
    beat : callable
        Called while waiting.
    """
    while promises:
        done = [promise for promise in promises if promise.done()]
        for promise in done:
            yield promises.pop(promise), promise
        beat()
        if not done:
            time.sleep(POLL)


class Serial:
    """Does one task after the other, in this process."""

    def deliveries(self, tasks: Sequence[Task], beat: Callable[[], None]) -> Deliveries:
        """Yield what becomes of each task; `beat` is called after every iteration."""

        def halted() -> bool:
            beat()
            return False

        for task in tasks:
            yield task, performed(task, halted)


class Processes:
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
        waiting, promises = list(reversed(tasks)), dict[Any, Task]()
        try:
            # Nobody is given a second task before the first is done: loky stumbles over those that queue.
            for _ in range(min(self._jobs, len(tasks))):
                _hand_over(executor, promises, waiting)
            for task, promise in awaited(promises, beat):
                yield task, promise.exception() or promise.result()
                _hand_over(executor, promises, waiting)
        finally:
            # Not before loky has passed on what it was given: it would look for that after the shutdown.
            while not all(promise.running() or promise.done() for promise in promises):
                time.sleep(POLL)
            # Whatever they are at: a run folder is whole at any moment.
            executor.shutdown(wait=True, kill_workers=True)


def _hand_over(executor: Any, promises: MutableMapping[Any, Task], waiting: list[Task]) -> None:
    """Give the next task to the processes, which it may start; nothing if there is none, or one has died."""
    if waiting:
        with _deaf(), contextlib.suppress(BrokenProcessPool):
            promises[executor.submit(performed, waiting[-1])] = waiting[-1]
            waiting.pop()


@contextlib.contextmanager
def _deaf() -> Iterator[None]:
    """Put Ctrl-C off for a moment, and let processes that start meanwhile never hear of it.

    A terminal sends it to all, and it would meet them halfway through their imports.
    """
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    from multiprocessing import resource_tracker  # which Windows lacks, too

    resource_tracker.ensure_running()  # the first process would start it, and it lets signals in again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _started() -> None:
    """Leave Ctrl-C, which a terminal sends to all, to the leader."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
