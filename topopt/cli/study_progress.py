"""What a study shows while it goes on: which trials have ended, which are at work, how long it takes."""

from __future__ import annotations

import math
import sys
import time
from typing import Protocol

from rich.live import Live
from rich.text import Text

from topopt.cli.progress import duration
from topopt.cli.terminal import console, say
from topopt.study.progress import Progress, Running, Watcher

__all__ = ["LiveWatcher", "QuietWatcher", "StudyWatcher", "lines", "watcher"]

BAR = 24
"""Characters of a whole bar."""
SILENCE = 60.0
"""Seconds after which there is a line in any case, where the output is no terminal."""


class StudyWatcher(Watcher, Protocol):
    """Watches a study for as long as a with block lasts."""

    def __enter__(self) -> StudyWatcher: ...
    def __exit__(self, *exception: object) -> None: ...


def watcher(quiet: bool) -> StudyWatcher:
    """Return who shows how a study goes on; nothing is shown of a quiet one."""
    return QuietWatcher() if quiet else LiveWatcher()


class QuietWatcher:
    """Shows nothing."""

    def __enter__(self) -> QuietWatcher:
        return self

    def __exit__(self, *exception: object) -> None:
        return None

    def show(self, progress: Progress) -> None:
        """Show nothing."""

    def say(self, sentence: str) -> None:
        """Show nothing."""


class LiveWatcher:
    """A few lines that are rewritten; where the output is no terminal, one whenever a trial has ended."""

    def __init__(self) -> None:
        self._live: Live | None = None
        if console.is_terminal and not console.is_dumb_terminal:
            # What goes to a file must not be drawn to the terminal instead.
            self._live = Live(
                console=console, auto_refresh=False, transient=True, redirect_stderr=sys.stderr.isatty()
            )
        self._first: tuple[float, float] | None = None
        self._done = -1
        self._shown = -math.inf

    def __enter__(self) -> LiveWatcher:
        if self._live:
            self._live.start()
        return self

    def __exit__(self, *exception: object) -> None:
        if self._live:
            self._live.stop()

    def show(self, progress: Progress) -> None:
        """Rewrite the lines, or write one if it is time."""
        now = time.monotonic()
        remaining = self._remaining(progress, now)
        if self._live:
            shown = lines(progress, remaining, console.width, console.height - 1)
            self._live.update(Text("\n".join(shown), no_wrap=True), refresh=True)
        elif progress.done != self._done or now - self._shown >= SILENCE:
            console.print(lines(progress, remaining)[0])
            self._done, self._shown = progress.done, now

    def say(self, sentence: str) -> None:
        """Print a sentence above the lines."""
        say(sentence)

    def _remaining(self, progress: Progress, now: float) -> float | None:
        """Return the seconds left if all trials are alike and spend their budgets; None while unknown."""
        part = _finished(progress)
        if self._first is None:
            self._first = part, now
        before, then = self._first
        return (now - then) * (1.0 - part) / (part - before) if part > before else None


def lines(
    progress: Progress, remaining: float | None = None, width: int | None = None, height: int | None = None
) -> list[str]:
    """Return where a study stands, as lines of text.

    Parameters
    ----------
    progress : Progress
        Where it stands.
    remaining : float, optional
        Seconds left at most.
    width : int, optional
        Characters that fit in a line; what is longer is cut.
    height : int, optional
        Lines that fit; trials at work are left out until they do.

    Examples
    --------
    >>> for line in lines(Progress(8, 2, 1, (Running("mbb--gate--uniform", 40, 160),)), 75):
    ...     print(line)
    2/8 trials  1 failed  about 75 s left
      mbb--gate--uniform  ######..................   40/160
    """
    parts = [f"{progress.done}/{progress.total} trials"]
    parts += [f"{progress.failed} failed"] if progress.failed else []
    parts += [f"about {duration(remaining)} left"] if remaining is not None and progress.running else []
    wide = max((len(running.slug) for running in progress.running), default=0)
    if width is not None:
        wide = max(8, min(wide, width - BAR - 16))
    shown = ["  ".join(parts), *(_line(running, wide) for running in progress.running)]
    if height is not None and len(shown) > max(height, 2):
        shown = [*shown[: max(height, 2) - 1], f"  ... and {len(shown) - max(height, 2) + 1} more"]
    return [line[:width] for line in shown]


def _line(running: Running, wide: int) -> str:
    """Return a trial at work as a line."""
    name = f"  {running.slug[:wide]:{wide}}"
    if running.budget is None:
        return f"{name}  {running.iteration:4d} iterations"
    full = round(BAR * _share(running))
    return f"{name}  {'#' * full}{'.' * (BAR - full)}  {running.iteration:3d}/{running.budget}"


def _finished(progress: Progress) -> float:
    """Return which part of a study is done."""
    return (progress.done + sum(map(_share, progress.running))) / max(progress.total, 1)


def _share(running: Running) -> float:
    """Return which part of a trial is done, as if each iteration took one state solve."""
    return min(running.iteration / running.budget, 1.0) if running.budget else 0.0
