"""Passes over long fields run in pieces, on every thread that a run may use where that pays.

A chain of numpy calls on a whole field streams it through memory once a call. On pieces of `BLOCK` entries
all temporaries stay in the cache. Numpy's loops and compiled ones release the interpreter's lock, so that
pieces run on several threads; but every call hands the lock over. So it depends on the kind of a pass how it
is cut, and up to which length it stays on the caller's thread. Pieces do not depend on the number of threads,
and sums are taken in their order, so that results are the same bit for bit however many threads there are.
"""

from __future__ import annotations

import contextlib
import contextvars
import functools
import itertools
import math
import os
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, TypeVar

from scipy import linalg
from threadpoolctl import ThreadpoolController, threadpool_limits

from topopt.parameters import Array

__all__ = [
    "BLOCK",
    "CHAIN",
    "COMPILED",
    "LIBRARIES",
    "LIGHT",
    "SINGLE",
    "Pass",
    "alone",
    "blas_count",
    "dot",
    "each",
    "extremes",
    "limit",
    "norm",
    "pieces",
    "thread_count",
]

BLOCK = 16384
"""Entries of a piece of a chain: 128 kB a temporary, several of which fit into a core's own cache."""


class Pass(NamedTuple):
    """How a pass is cut.

    Attributes
    ----------
    size : int
        Entries of a piece.
    alone : int
        Up to a field of so many entries the caller's thread does it all.
    """

    size: int
    alone: int


SINGLE = Pass(8 * BLOCK, 16 * BLOCK)
"""One loop, as of a sum: a piece must take longer than to hand the interpreter's lock over.

In pieces of `BLOCK` two threads took 140 us for the sum of 131072 numbers, one 21 us.
"""
COMPILED = Pass(4 * BLOCK, 4 * BLOCK)
"""One loop that computes much, without the lock: worth a thread sooner than a sum."""
CHAIN = Pass(BLOCK, 4 * BLOCK)
"""Many calls that compute much: on short pieces their temporaries stay in the cache."""
LIGHT = Pass(BLOCK, 64 * BLOCK)
"""Many calls that compute little: each hands the lock over, which only a long field makes up for."""

LIBRARIES = ("NUMBA", "OMP", "OPENBLAS", "MKL", "BLIS", "VECLIB", "NUMEXPR")
"""Whose threads the environment limits, as ``<library>_NUM_THREADS``."""

T = TypeVar("T")


@functools.cache
def thread_count() -> int:
    """Return how many threads a pass may use: the cores this process may run on, or fewer if asked for.

    ``NUMBA_NUM_THREADS`` and ``OMP_NUM_THREADS`` ask for fewer.
    """
    affinity = getattr(os, "sched_getaffinity", None)
    return min([len(affinity(0)) if affinity else os.cpu_count() or 1, *_asked("NUMBA", "OMP")])


def blas_count() -> int:
    """Return how many threads a BLAS may use where it is the only one to work, as in a factorisation."""
    return min([thread_count(), *_asked("OPENBLAS", "MKL", "BLIS")])


def _asked(*libraries: str) -> Iterator[int]:
    """Return the numbers of threads that the environment asks for."""
    for library in libraries:
        asked = os.environ.get(f"{library}_NUM_THREADS", "")
        if asked.isdigit() and int(asked) > 0:
            yield int(asked)


def limit(count: int) -> None:
    """Let this process, its kernels and its BLAS use no more than a number of threads.

    Best called before the libraries are loaded, which then never start more; what is loaded already is told.

    Parameters
    ----------
    count : int
        At least 1.
    """
    numba = sys.modules.get("numba")
    for library in LIBRARIES:
        if library != "NUMBA" or numba is None:  # numba refuses another number once it has started threads
            os.environ[f"{library}_NUM_THREADS"] = str(count)
    thread_count.cache_clear()
    _pool.cache_clear()
    threadpool_limits(count)
    if numba is not None:
        numba.set_num_threads(min(count, numba.config.NUMBA_NUM_THREADS))


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """Keep the BLAS of numpy and scipy to the caller's thread while the body runs.

    Its own threads go on spinning for some hundredths of a second after every product, on the cores that
    passes and kernels want: on two cores an iteration of 300x100 cells with multigrid took 0.17 s with them
    and 0.07 s without.
    """
    with _blas().limit(limits=1):
        yield


@functools.cache
def _blas() -> ThreadpoolController:
    """Find the thread pools of numpy's and scipy's BLAS, both of which are loaded by now."""
    return ThreadpoolController().select(user_api="blas")


def pieces(n: int, size: int = BLOCK) -> list[slice]:
    """Return slices that cut ``range(n)`` into pieces of `size`; the last is what is left."""
    return [slice(start, min(start + size, n)) for start in range(0, n, size)]


def each(work: Callable[[slice], T], n: int, how: Pass = SINGLE) -> list[T]:
    """Run `work` on every piece of ``range(n)`` and return what it gives, in order.

    Parameters
    ----------
    work : callable
        Works on one piece, independently of all others.
    n : int
        Length of the field.
    how : Pass
        How the field is cut, by the kind of work.
    """
    todo = pieces(n, how.size)
    helpers = min(thread_count(), len(todo)) - 1
    if n <= how.alone or helpers < 1:
        return [work(piece) for piece in todo]
    given: list[T | None] = [None] * len(todo)
    numbers = itertools.count()

    def share() -> None:
        """Take the next piece until none is left."""
        while (number := next(numbers)) < len(todo):
            given[number] = work(todo[number])

    pool = _pool(os.getpid())
    # numpy keeps its error state in the context, which a thread does not inherit
    waiting = [pool.submit(contextvars.copy_context().run, share) for _ in range(helpers)]
    try:
        share()
    finally:
        for helper in waiting:
            if not helper.cancel():  # what has not begun yet has nothing left to do
                helper.result()
    return given  # type: ignore[return-value]


def dot(one: Array, other: Array) -> float:
    """Return the scalar product of two flat arrays, the same for any number of threads."""
    return sum(each(lambda at: float(one[at] @ other[at]), one.size))


def extremes(vector: Array) -> tuple[float, float]:
    """Return the smallest and the largest entry of a flat array; inf and -inf if there is none."""
    ends = each(lambda at: (float(vector[at].min()), float(vector[at].max())), vector.size)
    return min((low for low, _ in ends), default=math.inf), max((high for _, high in ends), default=-math.inf)


def norm(vector: Array) -> float:
    """Return the Euclidean norm of a flat array, without overflow or underflow on the way."""
    # BLAS nrm2 scales, unlike a sum of squares
    return math.hypot(*each(lambda at: float(linalg.norm(vector[at], check_finite=False)), vector.size))


@functools.lru_cache(maxsize=1)
def _pool(process: int) -> ThreadPoolExecutor:
    """Return the threads of this process; a fork has none of its parent's."""
    return ThreadPoolExecutor(max(1, thread_count() - 1), thread_name_prefix=f"topopt-{process}")
