"""How passes are compiled: for one thread of several, without the interpreter's lock, kept on disk."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

from numba import njit

from topopt.kernels.announcing import install

__all__ = ["exact", "kernel", "plain"]

install()

F = TypeVar("F", bound=Callable[..., Any])


def kernel(function: F) -> F:
    """Compile a pass over a piece of a field, which may reorder sums but keeps nan, inf and signed zeros."""
    free = {"contract", "reassoc", "arcp"}
    return cast(F, njit(nogil=True, cache=True, error_model="numpy", fastmath=free)(function))


def exact(function: F) -> F:
    """Compile a pass in which every operation but ``a * b + c`` rounds as it is written."""
    return cast(F, njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})(function))


def plain(function: F) -> F:
    """Compile a pass in which every operation rounds as it is written, like numpy's."""
    return cast(F, njit(nogil=True, cache=True, error_model="numpy")(function))
