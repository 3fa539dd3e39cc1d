"""Ctrl-C and SIGTERM: heeded between two iterations where it matters, at once elsewhere."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

__all__ = ["Request", "at_once", "handled"]

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
