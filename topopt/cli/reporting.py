"""What a run shows while it goes on: a live line, JSON lines, or nothing."""

from __future__ import annotations

import json
import math
import sys
import time
from typing import Protocol

from rich.live import Live
from rich.text import Text

from topopt.cli.progress import progress_line
from topopt.cli.terminal import console, errors, say
from topopt.run import Step
from topopt.vanishing import ALARMS

__all__ = ["JsonReporter", "LiveReporter", "QuietReporter", "Reporter", "reporter"]

REFRESH = 0.1
"""Seconds between two states of the live line."""
SILENCE = 30.0
"""Seconds after which there is a line in any case, where the output is no terminal."""


class Reporter(Protocol):
    """Shows a run while it goes on."""

    def __enter__(self) -> Reporter: ...
    def __exit__(self, *exception: object) -> None: ...
    def step(self, step: Step) -> None:
        """Show one iteration."""

    def say(self, text: str) -> None:
        """Show a text that stays."""

    def wait(self, sentence: str) -> None:
        """Show what is being waited for."""


def reporter(mode: str, budget: int) -> Reporter:
    """Return the reporter of a mode (live, quiet or json) for a budget of iterations."""
    if mode == "json":
        return JsonReporter()
    return QuietReporter() if mode == "quiet" else LiveReporter(budget)


class QuietReporter:
    """Shows nothing."""

    def __enter__(self) -> QuietReporter:
        return self

    def __exit__(self, *exception: object) -> None:
        return None

    def step(self, step: Step) -> None:
        """Show nothing."""

    def say(self, text: str) -> None:
        """Show nothing."""

    def wait(self, sentence: str) -> None:
        """Show nothing."""


class JsonReporter(QuietReporter):
    """Prints one JSON object per iteration to the standard output; sentences go to the error output."""

    def step(self, step: Step) -> None:
        """Print the iteration; numbers that JSON cannot hold become null."""
        it = step.iteration
        record = {
            "iteration": it.number,
            "objective": it.objective,
            "violation": it.violation,
            "change": it.change,
            **{f"responses.{name}": value for name, value in it.responses.items()},
            **{f"parameters.{name}": value for name, value in it.parameters.items()},
            **{f"measures.{name}": value for name, value in it.measures.items()},
            **{f"vanishing.{name}": value for name, value in it.vanishing.items()},
            **{f"solver.{name}": value for name, value in it.solver.items()},
            "alarms": list(it.alarms),
            "seconds": sum(it.seconds.values()),
            "reason": step.reason,
        }
        clean = {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in record.items()}
        sys.stdout.write(json.dumps(clean, allow_nan=False) + "\n")
        sys.stdout.flush()

    def say(self, text: str) -> None:
        """Print the text to the error output."""
        errors.print(text)

    def wait(self, sentence: str) -> None:
        """Print the sentence to the error output."""
        errors.print(sentence)


class LiveReporter:
    """One line that is rewritten; where the output is no terminal, a line every 10 % or half a minute."""

    def __init__(self, budget: int) -> None:
        self._budget = budget
        self._live: Live | None = None
        if console.is_terminal and not console.is_dumb_terminal:
            # What goes to a file must not be drawn to the terminal instead.
            self._live = Live(console=console, auto_refresh=False, redirect_stderr=sys.stderr.isatty())
        self._first: tuple[int, float] | None = None
        self._shown = -math.inf
        self._alarms: set[str] = set()

    def __enter__(self) -> LiveReporter:
        if self._live:
            self._live.start()
        return self

    def __exit__(self, *exception: object) -> None:
        if self._live:
            self._live.stop()

    def step(self, step: Step) -> None:
        """Rewrite the line; name an alarm when it rings for the first time."""
        it, now = step.iteration, time.monotonic()
        for alarm in it.alarms:
            if alarm not in self._alarms:
                self._alarms.add(alarm)
                self.say(f"iteration {it.number}: alarm '{alarm}': {ALARMS.get(alarm, 'it rings')}")
        remaining = self._remaining(step, now)
        if step.reason:
            console.print(progress_line(step, self._budget))
        elif self._live and now - self._shown >= REFRESH:
            self._rewrite(progress_line(step, self._budget, remaining, console.width), keep=True)
            self._shown = now
        elif not self._live and self._due(it.number, now):
            console.print(progress_line(step, self._budget, remaining))
            self._shown = now

    def say(self, text: str) -> None:
        """Print a text above the line."""
        say(text)

    def wait(self, sentence: str) -> None:
        """Put the sentence where the line is."""
        if self._live:
            self._rewrite(sentence[: console.width], keep=False)
        else:
            console.print(sentence)

    def _rewrite(self, line: str, keep: bool) -> None:
        """Replace the live line; say whether it stays when the run leaves the terminal."""
        assert self._live is not None
        self._live.transient = not keep
        self._live.update(Text(line, no_wrap=True), refresh=True)

    def _due(self, number: int, now: float) -> bool:
        """Return whether it is time for a line."""
        return number % max(1, self._budget // 10) == 0 or now - self._shown >= SILENCE

    def _remaining(self, step: Step, now: float) -> float:
        """Return the seconds left if the whole budget is spent.

        The first iteration builds what all others share, so it counts only until there is a second.
        """
        number = step.iteration.number
        if self._first is None:
            self._first = number, now
            return sum(step.iteration.seconds.values()) * (self._budget - number)
        first, then = self._first
        return (now - then) / (number - first) * (self._budget - number)
