"""The gallery: every system loses its signal, and gets it back by its cure."""

from __future__ import annotations

import numpy as np
import pytest

from topopt import gallery
from topopt.figures import Strength, strengths

QUICK = {
    "_beam": (-8.0, -1.0),
    "_inverter": (-8.0, -2.5),
    "_critic": (-16.0, 0.0),
    "_neuron": (-20.0, -0.5),
}
"""At most so much is left before, and at least so much after, powers of ten."""


@pytest.mark.parametrize("name", QUICK)
def test_a_signal_dies_and_is_healed(name: str) -> None:
    found = getattr(gallery, name)()
    dead, alive = QUICK[name]
    assert found.before[-1] < dead
    assert found.after[-1] > alive


def test_the_table_and_the_picture_hold_every_system() -> None:
    one = Strength("net", "cure", "here", "ratio", "much", np.array([0.0, -9e9]), np.array([0.0, -1.0]))
    other = Strength("beam", "gate", "there", "ratio", "more", np.array([0.0, -3.0]), np.array([0.0, 0.0]))
    text = gallery.table([one, other])
    assert text.count("\n") == 4
    assert "| beam | there | ratio | -3.0 | gate | 0.0 | more |" in text
    left, right = strengths([one, other]).axes
    names = [str(line.get_label()) for line in left.get_lines()]
    assert [name for name in names if not name.startswith("_")] == ["net", "beam"]
    assert left.get_ylim() == right.get_ylim()
