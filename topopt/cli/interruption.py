"""Ctrl-C and SIGTERM: heeded between two iterations where it matters, at once elsewhere; and how to go on."""

from __future__ import annotations

import os
import shlex
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import FrameType

__all__ = ["Request", "again", "at_once", "handled"]

STDERR = 2
Handler = Callable[[int, FrameType | None], None]


class Request:
    """A wish to stop, which the loop looks at between two iterations; who wishes twice is heeded at once.

    An exception out of a signal may surface anywhere, also where a library turns it into another one.
    """

    def __init__(self) -> None:
        self.made = False

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """Take a signal."""
        if self.made:
            raise KeyboardInterrupt("asked twice")
        self.made = True
        # No `print`: the signal may have come in the middle of one.
        os.write(STDERR, b"stopping after this iteration (again: at once)\n")


def at_once(number: int, frame: FrameType | None) -> None:
    """Treat any signal as Ctrl-C."""
    raise KeyboardInterrupt(f"signal {number}")


@contextmanager
def handled(handler: Handler) -> Iterator[None]:
    """Give Ctrl-C and the polite request to end (SIGTERM) to a handler; what was ignored before stays so."""
    numbers = [n for n in (signal.SIGINT, signal.SIGTERM) if signal.getsignal(n) is not signal.SIG_IGN]
    before = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)


def again(command: str, file: object, options: Mapping[str, object]) -> str:
    """Return the command line that goes on with what was interrupted.

    Parameters
    ----------
    command : str
        Of `topopt`.
    file : object
        What it is about.
    options : mapping
        By name; those that are None or False were not given, True is a bare word, a list is repeated.

    Examples
    --------
    >>> again("study", "beam.yaml", {"--set": ["budget=5", "name=a b"], "--jobs": 2, "--name": None})
    "topopt study beam.yaml --set budget=5 --set 'name=a b' --jobs 2"
    """
    words = ["topopt", command, str(file)]
    for name, value in options.items():
        if value is True:
            words.append(name)
        elif value is not None and value is not False:
            values = value if isinstance(value, list | tuple) else [value]
            words += [word for entry in values for word in (name, str(entry))]
    return shlex.join(words)
