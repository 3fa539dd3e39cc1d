"""The gallery: every system loses its signal, and gets it back by its cure."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from topopt import gallery
from topopt.errors import InputError
from topopt.figures import Strength, strengths
from topopt.gallery import designs, dynamics

PROBLEMS = Path(__file__).parents[1] / "problems"
QUICK = {
    designs.beam: (-8.0, -1.0),
    designs.inverter: (-8.0, -2.5),
    dynamics.critic: (-16.0, 0.0),
    dynamics.neuron: (-20.0, -0.5),
    dynamics.steered: (-4.0, -2.5),
}
"""At most so much is left before, and at least so much after, powers of ten."""


@pytest.mark.parametrize("measure", QUICK, ids=lambda measure: measure.__name__)
def test_a_signal_dies_and_is_healed(measure: Callable[[], Strength]) -> None:
    found = measure()
    dead, alive = QUICK[measure]
    assert found.before[-1] < dead
    assert found.after[-1] > alive


def test_the_gradient_at_a_partner_in_a_protein_dies_and_is_kept() -> None:
    pytest.importorskip("torch")
    from topopt.gallery.learnt import protein

    found = protein()
    assert found.before[-1] < -45
    assert found.after[-1] > -16.5  # of gates that add 1


def test_a_cold_choice_is_blind_where_a_warm_one_sees() -> None:
    pytest.importorskip("torch")
    pytest.importorskip("sklearn")
    from topopt.gallery.learnt import _seen
    from topopt.nets.models import ChosenPixels

    eyes = ChosenPixels()
    cold, warm = (_seen(eyes, eyes.initial(), temperature) for temperature in (0.1, 10.0))
    assert cold[-1] < -12
    assert warm[-1] > -1.5


def test_the_bridge_and_the_wing_are_among_the_systems() -> None:
    files = {call.args[1]: call.args[0] for call in gallery.systems()[0] if isinstance(call, partial)}
    assert files == {"bridge": PROBLEMS / "bridge.yaml", "wing rib": PROBLEMS / "wing_rib.yaml"}


def test_a_problem_file_is_drawn_under_its_own_schedule() -> None:
    found = designs.of_file(PROBLEMS / "mbb.yaml", "rib")
    assert (found.system, found.cure) == ("rib", "a settling schedule")
    assert found.before[-1] < found.after[-1] - 0.5
    cured, sharp = (float(word) for word in re.findall(r"[\d.]+", found.gained))
    assert cured < 0.6 * sharp
    with pytest.raises(InputError, match="'flossed_rnn' has no design"):
        designs.of_file(PROBLEMS / "nets" / "flossed_rnn.yaml", "rib")


def test_what_cannot_be_measured_here_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gallery, "find_spec", lambda name: None)
    made, missing = gallery.systems(tmp_path)
    assert [measure.__name__ for measure in made] == [  # type: ignore[attr-defined]
        "beam", "inverter", "long", "flossed", "critic", "neuron", "steered",
    ]  # fmt: skip
    assert [sentence.split(" left out")[0] for sentence in missing] == [
        "The bridge is",
        "The wing rib is",
        "The sign net is",
        "Genome, protein contacts, the GAN on digits and chosen pixels are",
    ]
    assert gallery.table([], missing).endswith('pip install "topopt[nets]".\n')


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
    left.figure.canvas.draw()
    assert {"0", "-1", "-10,000"} <= {label.get_text() for label in left.get_yticklabels()}
