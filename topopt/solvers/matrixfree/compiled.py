"""How kernels are compiled: once for all grid sizes, kept on disk, free to reorder sums.

The copy on disk is renewed when the kernel's own file changes, not when a function that it calls does: after
editing one of these, empty the `__pycache__` folders (`make clean`). The number of threads is
`topopt.threads.thread_count`, which ``NUMBA_NUM_THREADS`` and ``--threads`` set.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any, TypeVar, cast

import numba
from numba import njit

from topopt.kernels.announcing import install
from topopt.threads import thread_count

__all__ = ["at_most", "inlined", "kernel", "ordered", "parallel", "slabs"]

# A thread that waits for the others at the end of a loop should not keep the processor from one of them:
# where something else runs on the machine, GNU's OpenMP loses a time slice of the scheduler in every loop.
# Measured at 128x64x64 with one core busy: 1.2 to 6.3 s a solve as it comes, 2.1 to 2.4 s so.
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", "10000")

install()
# The passes in pieces (`topopt.threads`) and the kernels take turns, with the same number of threads.
numba.set_num_threads(min(thread_count(), numba.get_num_threads()))

_slabs: ContextVar[int] = ContextVar("slabs", default=0)
"""Slabs in the body of `at_most`; 0 outside."""

F = TypeVar("F", bound=Callable[..., Any])


@contextlib.contextmanager
def at_most(count: int) -> Iterator[None]:
    """Let kernels use no more threads than that while the body runs, and tell `slabs`."""
    usual = numba.get_num_threads()
    now = min(count, usual)
    numba.set_num_threads(now)
    token = _slabs.set(now)
    try:
        yield
    finally:
        _slabs.reset(token)
        numba.set_num_threads(usual)


def slabs() -> int:
    """Return into how many slabs kernels cut their work: one for every thread that they may use.

    To be told by numba takes a lock that processes share: after a sweep, which has emptied the caches, some
    microseconds, a dozen times a cycle. In the body of `at_most` the number is known.
    """
    return _slabs.get() or numba.get_num_threads()


def kernel(function: F) -> F:
    """Compile a function that runs on one thread, without the interpreter's lock."""
    return cast(F, njit(fastmath=True, error_model="numpy", cache=True, nogil=True)(function))


def inlined(function: F) -> F:
    """Compile a function that is always put into its caller."""
    return cast(F, njit(fastmath=True, error_model="numpy", cache=True, forceinline=True)(function))


def ordered(function: F) -> F:
    """Compile a function that is always put into its caller, and keeps the order of its sums there."""
    return cast(F, njit(fastmath={"contract"}, error_model="numpy", cache=True, forceinline=True)(function))


def parallel(function: F) -> F:
    """Compile a function whose `prange` loops run on all threads."""
    return cast(F, njit(fastmath=True, error_model="numpy", cache=True, parallel=True)(function))
