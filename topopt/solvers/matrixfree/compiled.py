"""How kernels are compiled: once for all grid sizes, kept on disk, free to reorder sums."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

from numba import njit

__all__ = ["inlined", "kernel", "parallel"]

F = TypeVar("F", bound=Callable[..., Any])


def kernel(function: F) -> F:
    """Compile a function that runs on one thread."""
    return cast(F, njit(fastmath=True, error_model="numpy", cache=True)(function))


def inlined(function: F) -> F:
    """Compile a function that is always put into its caller."""
    return cast(F, njit(fastmath=True, error_model="numpy", cache=True, forceinline=True)(function))


def parallel(function: F) -> F:
    """Compile a function whose `prange` loops run on all threads."""
    return cast(F, njit(fastmath=True, error_model="numpy", cache=True, parallel=True)(function))
