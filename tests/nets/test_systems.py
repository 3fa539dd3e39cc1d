"""The systems that need torch: what is measured at their start, and that each learns where it can."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

import topopt as to
from topopt.nets.models import ChosenPixels, DigitDuel, MollifiedDigits
from topopt.nets.proteins import BINS, contacts

torch = pytest.importorskip("torch")
pytest.importorskip("sklearn")

from topopt.nets.torch.distance import Reader, enhancer_model  # noqa: E402
from topopt.nets.torch.duel import Duel, digit_duel, frechet  # noqa: E402
from topopt.nets.torch.recall import ContactReader, contact_model, drawn, surviving  # noqa: E402
from topopt.nets.torch.selector import Eyes, selection_model  # noqa: E402

BATCHES = to.Continuation({"batch": to.Counter()})


def learnt(model, optimizer, steps, continuation=BATCHES):
    """Return the last step of a run."""
    return to.solve(model, optimizer, continuation, to.Stop(change=0.0, iterations=steps))


def test_the_gradient_at_a_partner_dies_with_its_distance_and_chrono_biases_keep_it() -> None:
    near, far = BINS[0], BINS[-1]
    assert surviving(ContactReader("rnn"), near) == pytest.approx(-2.0, abs=0.5)
    assert surviving(ContactReader("rnn"), far) < -40
    assert surviving(ContactReader("lstm"), far) < -30
    assert surviving(ContactReader("lstm_chrono"), far) > -3


def test_a_mark_stands_where_the_partner_is_and_the_answer_is_its_kind() -> None:
    drives, kinds, marks = drawn(contacts(), 16, (3,), (12, 23))
    assert kinds.sum() == 8
    for place, (kind, mark) in enumerate(zip(kinds, marks, strict=True)):
        assert drives[:, place, -1].nonzero().flatten().tolist() == [mark]
        residue = int(drives[mark, place, :-1].argmax())
        assert ("ACDEFGHIKLMNPQRSTVWY"[residue] in "ACFILMVWY") == bool(kind)
        assert 12 <= len(drives) - 1 - mark <= 23


def test_contacts_nearby_are_learnt_by_a_net_that_remembers() -> None:
    def near(module, number):
        drives, kinds, _ = drawn(contacts(), 32, (number,), BINS[0])
        return torch.nn.functional.cross_entropy(module(drives), kinds)

    whole = contact_model(ContactReader("lstm_chrono", units=32))
    model = dataclasses.replace(whole, loss=near, judge=None)
    last = learnt(model, to.Adam(rate=0.01, clip=1.0), 250)
    assert model.accuracies(last.snapshot.x, 64)["6-11"] > 0.9


def test_an_enhancer_two_thousand_bases_back_is_learnt_and_every_word_is_watched() -> None:
    model = enhancer_model(Reader("lstm", True), every=1)
    continuation = to.Continuation({"distance": to.Constant(2000.0), "batch": to.Counter()})
    last = learnt(model, to.Adam(rate=0.003, clip=1.0), 100, continuation)
    assert last.iteration.measures["held_out"] > 0.9
    assert {"words", "cell.cell[0]", "cell.cell[1]", "head"} <= set(last.iteration.stages)


def test_a_distance_shorter_than_the_enhancer_is_refused() -> None:
    model = enhancer_model(Reader("rnn", True))
    with pytest.raises(to.TopoptError, match="at least 1000 bases, one word, got 500"):
        model.evaluate(model.initial(), {"distance": 500.0})


@pytest.mark.parametrize(
    ("model", "name"),
    [
        (ChosenPixels(), "temperature"),
        (MollifiedDigits(), "softness"),
        (DigitDuel(), "sigma"),
        (DigitDuel("wasserstein"), "penalty"),
    ],
)
def test_a_negative_softness_is_refused_by_its_name(model, name: str) -> None:
    with pytest.raises(to.TopoptError, match=rf"^{name}: expected a value >= 0, got -1$"):
        model.evaluate(model.initial(), {name: -1.0})


def test_base_by_base_an_enhancer_within_a_hundred_bases_is_learnt() -> None:
    model = enhancer_model(Reader("rnn", False), every=140)
    continuation = to.Continuation({"distance": to.Constant(100.0), "batch": to.Counter()})
    last = learnt(model, to.Adam(rate=0.003, clip=1.0), 141, continuation)
    assert last.iteration.measures["held_out"] > 0.85


def test_a_critic_ahead_silences_the_saturating_generator_and_not_the_other() -> None:
    ahead = to.Continuation({"pace": to.Constant(0.0), "batch": to.Counter()})
    strength = {}
    for loss in ("saturating", "non_saturating"):
        model = digit_duel(Duel(loss), every=600)
        last = learnt(model, to.Adam(rate=1e-3, first=0.5), 601, ahead)
        first = model.evaluate(model.initial(), {"batch": 0.0}).measures["generator"]
        strength[loss] = last.iteration.measures["generator"] - first
    assert strength["saturating"] < -1.2
    assert strength["non_saturating"] > 0.0


def test_each_player_descends_its_own_loss(rng) -> None:
    duel = Duel("non_saturating").double()
    images = torch.from_numpy(rng.normal(size=(16, 64)))
    model = dataclasses.replace(digit_duel(duel), batches=lambda number: images, judge=None)
    gradient = model.evaluate(model.initial()).gradient
    torch.manual_seed(0)
    generator, critic = duel(images)
    own = [
        *torch.autograd.grad(generator, list(duel.generator.parameters())),
        *torch.autograd.grad(critic, list(duel.critic.parameters())),
    ]
    np.testing.assert_allclose(gradient, np.concatenate([part.numpy().ravel() for part in own]), rtol=1e-12)


def test_the_penalty_on_the_critics_slope_is_the_published_one(rng) -> None:
    images = torch.from_numpy(rng.normal(size=(16, 64)))

    def share(loss: str, size: float) -> float:
        """Return what a penalty of 6 adds for a critic whose slope is of this size everywhere."""
        duel, losses = Duel(loss).double(), []
        duel.critic = torch.nn.Linear(64, 1).double()
        with torch.no_grad():
            duel.critic.weight *= size / duel.critic.weight.norm()
        for duel.penalty in (6.0, 0.0):
            torch.manual_seed(0)
            losses.append(duel(images)[1].item())
        return losses[0] - losses[1]

    assert share("wasserstein", 3.0) == pytest.approx(6.0 * (3.0 - 1.0) ** 2)  # Gulrajani et al. 2017, (3)
    assert share("saturating", 3.0) == pytest.approx(6.0 / 2.0 * 3.0**2)  # Mescheder et al. 2018, (9)


def test_adam_that_averaged_over_a_silence_makes_a_longer_first_step_unless_it_is_reset() -> None:
    rate, lead, steps = 1e-3, 30, {}
    schedules = {"pace": to.Steps((0.0, 1.0), every=lead), "batch": to.Counter()}
    for memory in ("keep", "reset"):
        model = digit_duel(Duel(), every=1000)
        generator = sum(weight.numel() for weight in model.module.generator.parameters())
        run = to.optimize(
            model,
            to.Adam(rate=rate, first=0.5),
            to.Continuation(schedules, memory=memory),
            to.Stop(change=0.0, iterations=lead + 1),
        )
        *_, before, after = (step.snapshot.x for step in run)
        steps[memory] = np.abs(after - before)[:generator].max() / rate
    assert steps["reset"] == pytest.approx(1.0, rel=1e-6)
    # half of a gradient over the root of a thousandth of its square, made up for 31 batches
    assert steps["keep"] == pytest.approx(0.5 / np.sqrt(0.001 / (1.0 - 0.999**31)), rel=1e-3)


def test_the_distance_of_two_gaussians_is_the_published_formula(rng) -> None:
    a, b = rng.normal(size=(4000, 3)), 2.0 * rng.normal(size=(4000, 3)) + 1.0
    assert frechet(a, b) == pytest.approx(3.0 + 3.0, rel=0.06)
    assert frechet(a, a) == pytest.approx(0.0, abs=1e-8)


def test_warm_choices_are_learnt_and_judged_hard() -> None:
    continuation = to.Continuation({"temperature": to.Geometric(5.0, 0.3, over=250), "batch": to.Counter()})
    model = selection_model(Eyes(8))
    before = model.sharp_accuracy(model.initial())
    last = learnt(model, to.Adam(rate=0.02), 300, continuation)
    assert last.iteration.parameters["temperature"] == pytest.approx(0.3)
    assert model.sharp_accuracy(last.snapshot.x) > max(0.7, before + 0.3)
    assert model.module.temperature == 1.0
