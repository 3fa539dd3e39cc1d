"""Half an MBB beam, small enough for many runs."""

from __future__ import annotations

from collections.abc import Callable

import pytest

import topopt as to
from tests.mbb import half_mbb


@pytest.fixture(name="beam", scope="session")
def beam_factory() -> Callable[..., to.Problem]:
    return half_mbb
