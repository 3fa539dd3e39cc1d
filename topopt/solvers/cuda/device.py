"""Whether there is a graphics card to compute on, and how kernels are started there."""

from __future__ import annotations

import functools
import importlib.util
import math
import os
from pathlib import Path
from typing import Any

from topopt.errors import MissingDependencyError

__all__ = ["BLOCK", "SIMULATED", "card_available", "grid_for", "require_card", "stream"]

SIMULATED = os.environ.get("NUMBA_ENABLE_CUDASIM") == "1"
"""Whether numba runs kernels in Python, thread by thread, as in the tests."""
BLOCK = 4 if SIMULATED else 128
"""Threads of a block, of all kernels but the one that solves the coarsest grid."""
DRIVERS = ("/dev/nvidiactl", "/proc/driver/nvidia/version", "/dev/dxg")
"""What Linux shows where there is a driver; nothing is imported where it shows none."""


@functools.cache
def card_available() -> bool:
    """Return whether kernels can run on a card, or on numba's simulator of one.

    On a machine without a driver this costs three looks at the file system.
    """
    if SIMULATED:
        return True
    if not any(Path(place).exists() for place in DRIVERS) or importlib.util.find_spec("numba") is None:
        return False
    try:
        from numba import cuda

        return bool(cuda.is_available())
    except Exception:  # a driver and a toolkit that do not fit together fail in many ways
        return False


def require_card() -> None:
    """Refuse to go on without a card.

    Raises
    ------
    MissingDependencyError
        With what to do.
    """
    if not card_available():
        raise MissingDependencyError(
            "device 'cuda' needs an Nvidia graphics card with its driver and the extra topopt[cuda] "
            "(pip install \"topopt[cuda]\"); take device 'cpu', which needs nothing"
        )


@functools.cache
def stream() -> Any:
    """Return the queue that all kernels are started in; copies to and from the host wait for it."""
    from numba import cuda

    return 0 if SIMULATED else cuda.stream()


def grid_for(count: int) -> tuple[int, int, Any]:
    """Return blocks, threads and the queue for a number of entries, one thread each."""
    return max(1, math.ceil(count / BLOCK)), BLOCK, stream()
