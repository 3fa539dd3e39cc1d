"""What every test is given: a seeded generator, the same hypothesis examples in CI, and no screen."""

from __future__ import annotations

import os
import signal
import zlib

import hypothesis
import numpy as np
import pytest

# For the tests and what they start; the package itself never picks a backend.
os.environ["MPLBACKEND"] = "Agg"
# Kernels for a graphics card run in numba's simulator, which stands or falls with its first import.
os.environ["NUMBA_ENABLE_CUDASIM"] = "1"

# A shell starts what runs in its background with interrupts ignored, and every child inherits that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

hypothesis.settings.register_profile("laptop", deadline=None)
hypothesis.settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
hypothesis.settings.load_profile("ci" if os.environ.get("CI") else "laptop")

collect_ignore_glob = ["benchmarks/*"]


@pytest.fixture
def rng(request: pytest.FixtureRequest) -> np.random.Generator:
    """Return a generator whose seed is the test's own name, so that order and workers change nothing."""
    return np.random.default_rng(zlib.crc32(request.node.name.encode()))
