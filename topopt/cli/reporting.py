"""What the terminal shows: a live line, JSON lines or nothing, and errors as one clear message."""

from __future__ import annotations

import functools
import json
import math
import sys
import time
from collections.abc import Callable
from typing import ParamSpec, Protocol

from rich.console import Console
from rich.live import Live
from rich.text import Text

from topopt.errors import InputError, MissingDependencyError, RunFolderError, TooLargeError, TopoptError
from topopt.run import Step

__all__ = [
    "INTERRUPTED",
    "JsonReporter",
    "LiveReporter",
    "QuietReporter",
    "Reporter",
    "console",
    "guarded",
    "reporter",
]

P = ParamSpec("P")
INTERRUPTED = 130

console = Console(highlight=False, soft_wrap=True)
errors = Console(stderr=True, highlight=False, soft_wrap=True)


class Reporter(Protocol):
    """Shows a run while it goes on."""

    def __enter__(self) -> Reporter: ...
    def __exit__(self, *exception: object) -> None: ...
    def step(self, step: Step) -> None:
        """Show one iteration."""

    def say(self, sentence: str) -> None:
        """Show a sentence."""


def reporter(mode: str, budget: int | None) -> Reporter:
    """Return the reporter of a mode: live, quiet or json."""
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

    def say(self, sentence: str) -> None:
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
            "alarms": list(it.alarms),
            "seconds": sum(it.seconds.values()),
            "reason": step.reason,
        }
        clean = {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in record.items()}
        sys.stdout.write(json.dumps(clean) + "\n")
        sys.stdout.flush()

    def say(self, sentence: str) -> None:
        """Print the sentence to the error output."""
        errors.print(sentence, markup=False)


class LiveReporter:
    """One line that is rewritten at each iteration; a line every 10 % where the output is no terminal."""

    def __init__(self, budget: int | None) -> None:
        self._budget = budget
        self._live = Live(console=console, auto_refresh=False) if console.is_terminal else None
        self._started: tuple[float, int] | None = None
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
        it = step.iteration
        if self._started is None:
            self._started = (time.monotonic() - sum(it.seconds.values()), it.number - 1)
        for alarm in set(it.alarms) - self._alarms:
            self._alarms.add(alarm)
            self.say(f"iteration {it.number}: alarm '{alarm}' rings")
        line = Text(progress_line(step, self._remaining(it.number)))
        every = max(1, (self._budget or 100) // 10)
        if self._live:
            self._live.update(line, refresh=True)
        elif it.number % every == 0 or it.number == 1 or step.reason:
            console.print(line)

    def say(self, sentence: str) -> None:
        """Print a sentence above the line."""
        console.print(sentence, markup=False)

    def _remaining(self, number: int) -> float | None:
        """Return the seconds left if the whole budget is spent."""
        if self._budget is None or self._started is None:
            return None
        start, first = self._started
        return (time.monotonic() - start) / (number - first) * (self._budget - number)


def progress_line(step: Step, remaining: float | None) -> str:
    """Return one iteration as a line of text."""
    it = step.iteration
    parts = [f"{it.number:4d}", f"objective {it.objective:.5g}"]
    limited = [name for name in step.evaluation.constraint_names if name in it.responses]
    parts += [f"{name} {it.responses[name]:.4g}" for name in limited]
    parts += [f"{name.rpartition('.')[2]} {value:.4g}" for name, value in it.parameters.items()]
    if "discreteness" in it.measures:
        parts.append(f"M_nd {100 * it.measures['discreteness']:.2g} %")
    if "attenuation" in it.vanishing:
        parts.append(f"survival {10 ** it.vanishing['attenuation']:.2g}")
    parts.append(f"change {it.change:.2g}")
    if remaining is not None and step.reason is None:
        parts.append(f"at most {_duration(remaining)} left")
    return "  ".join(parts)


def guarded(command: Callable[P, int]) -> Callable[P, int]:
    """Turn errors that topopt raises on purpose into a message and an exit code."""

    @functools.wraps(command)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> int:
        try:
            return command(*args, **kwargs)
        except TopoptError as error:
            errors.print(str(error), markup=False, style="red")
            for note in getattr(error, "__notes__", ()):
                errors.print(f"  {note}", markup=False, style="red")
            return exit_code(error)
        except KeyboardInterrupt:
            errors.print("interrupted", markup=False)
            return INTERRUPTED

    return wrapper


def exit_code(error: TopoptError) -> int:
    """Return 2 for wrong input, 5 for too large, 4 for a computation that failed."""
    if isinstance(error, InputError | RunFolderError | MissingDependencyError):
        return 2
    return 5 if isinstance(error, TooLargeError) else 4


def _duration(seconds: float) -> str:
    """Write seconds for people."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
