"""Who wants to be told while kernels are compiled: the first run on a machine waits for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache

__all__ = ["announced", "install"]

_listeners: list[Callable[[str], None]] = []


@contextmanager
def announced(listener: Callable[[str], None]) -> Iterator[None]:
    """Tell a listener the name of every kernel that is compiled while the body runs, not of those on disk.

    This does not load the compiler; who loads it calls `install`.

    Parameters
    ----------
    listener : callable
        Gets the name, just before.
    """
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)


@cache
def install() -> None:
    """Listen to the compiler, once."""
    from numba.core import event

    class Listener(event.Listener):
        """Hands names on."""

        def on_start(self, event: object) -> None:
            """Tell everybody; kernels that others call are compiled with them, and told as well."""
            name = event.data["dispatcher"].py_func.__name__  # type: ignore[attr-defined]
            for listener in _listeners:
                listener(str(name))

        def on_end(self, event: object) -> None:
            """Say nothing."""

    event.register("numba:compile", Listener())  # type: ignore[no-untyped-call]
