"""Explanations against captum and exact differences; a mask hears a net through softened gates."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest

import topopt as to
from topopt import Chain, check
from topopt.nets import Affine, Samples, SignGate, sign_net
from topopt.nets.extremal import Extremal, explained_digit
from topopt.nets.saliency import gradient, integrated, rescaled, saliency_chain

SLOPE, LABEL = 3.0, 1


@pytest.fixture
def explained(rng):
    """A net of two layers of gates, the chain to one of its logits, an input and a baseline."""
    samples = Samples(rng.normal(size=(6, 5)), np.array([0, 1, 2, 0, 1, 2]))
    net = sign_net(samples, samples, (7, 6), SignGate(SLOPE))
    weights = net.start + 0.1 * rng.normal(size=net.start.size)
    return net, weights, saliency_chain(net, weights, LABEL), rng.normal(size=5), rng.normal(size=5)


def twin(net, weights):
    """Return torch's copy of a net, its gates' slope in the weights."""
    torch = pytest.importorskip("torch")
    parts = []
    for link in net.chain.upto("logits"):
        stage = link.stage
        if isinstance(stage, SignGate):
            parts.append(torch.nn.Tanh())
        elif isinstance(stage, Affine):
            own = weights[stage.begin : stage.begin + stage.size].reshape(-1, stage.outputs)
            layer = torch.nn.Linear(stage.inputs, stage.outputs).double()
            factor = 1.0 if link.name == "logits" else SLOPE
            with torch.no_grad():
                layer.weight.copy_(torch.from_numpy(factor * own[:-1].T))
                layer.bias.copy_(torch.from_numpy(factor * own[-1]))
            parts.append(layer)
    return torch.nn.Sequential(*parts)


def test_captum_says_the_same(explained):
    """Gradient, integrated gradients on Gauss and Legendre's points, and DeepLIFT."""
    attr = pytest.importorskip("captum.attr")
    import torch

    net, weights, chain, x, baseline = explained
    module = twin(net, weights)
    image, blank = (torch.from_numpy(values)[None, :] for values in (x, baseline))
    assert module(image)[0, LABEL].item() == pytest.approx(chain.run(x)["logit"].item(), rel=1e-12)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # captum announces its hooks
        slope = attr.Saliency(module).attribute(image.clone().requires_grad_(), target=LABEL, abs=False)
        path = attr.IntegratedGradients(module).attribute(
            image, blank, target=LABEL, n_steps=40, method="gausslegendre"
        )
        lifted = attr.DeepLift(module).attribute(image, blank, target=LABEL)
    ours = gradient(chain, x, baseline), integrated(chain, x, baseline, 40), rescaled(chain, x, baseline)
    theirs = slope.detach() * (image - blank), path, lifted.detach()
    for found, expected in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(found.shares, expected.numpy()[0], rtol=1e-6, atol=1e-6)


def test_chords_are_complete_to_rounding_however_saturated_the_gates(explained):
    _, _, chain, x, baseline = explained
    steep = chain.at({"code1.beta": 500.0, "code2.beta": 500.0})
    for placed in (chain, steep):
        found = rescaled(placed, x, baseline)
        assert found.gap < 1e-12
    assert integrated(steep, x, baseline).gap > 1e-3
    # where nothing moves a gate has no chord, and its slope is taken
    assert rescaled(chain, x, x).shares.tolist() == [0.0] * 5


def test_a_neuron_of_one_input_has_all_of_the_rise():
    neuron = Chain([("logit", SignGate(10.0))], source="input")
    found = rescaled(neuron, np.ones(1), np.zeros(1))
    assert found.shares[0] == pytest.approx(math.tanh(10.0), rel=1e-14)


@pytest.fixture
def mask(explained):
    _, _, chain, x, baseline = explained
    return Extremal(chain, x, baseline, area=0.4)


def test_the_gradient_of_a_mask_is_true_and_its_ends_are_what_they_are_called(mask, rng):
    at = rng.uniform(0.1, 0.9, 5)
    for response in ("lost", "area"):
        check.chain(mask.chain, response, at, rng).raise_if_failed()
    assert mask.evaluate(np.ones(5)).objective == pytest.approx(0.0, abs=1e-14)
    assert mask.evaluate(np.zeros(5)).objective == pytest.approx(1.0, abs=1e-14)
    found = mask.evaluate(at)
    assert found.constraints[0] == pytest.approx(at.mean() / 0.4 - 1.0)
    assert found.jacobian[0] == pytest.approx(np.full(5, 0.2 / 0.4))


def test_the_best_mask_of_two_in_five_is_found(mask):
    """Against all ten of them."""
    soft = to.Continuation({f"code{k}.beta": to.Geometric(0.5, SLOPE, over=25) for k in (1, 2)})
    last = to.solve(mask, to.MMA(), soft, to.Stop(change=0.0, iterations=40))
    pairs = [np.isin(np.arange(5), pair).astype(float) for pair in np.ndindex(5, 5) if pair[0] < pair[1]]
    best = max(mask.kept(pair) for pair in pairs)
    assert last.iteration.measures["kept"] == pytest.approx(best, abs=1e-12)


def test_softened_gates_let_a_mask_hear_what_steep_ones_hide():
    """Three digits behind gates that are all but signs; see problems/nets/explained_digit.yaml."""
    pytest.importorskip("sklearn")
    ways = {"sharpened": to.Geometric(1.0, 256.0, over=40), "steep": to.Constant(256.0)}
    kept = dict.fromkeys(ways, 0.0)
    for digit in (3, 4, 5):
        model = explained_digit(digit, slope=256.0, area=0.15)
        for name, slope in ways.items():
            driven = to.Continuation({"code1.beta": slope})
            last = to.solve(model, to.MMA(), driven, to.Stop(change=0.0, iterations=50))
            kept[name] += last.iteration.measures["kept"] / 3
        assert set(model.rivals()) == {"gradient", "integrated", "rescaled", "softened"}
    assert kept["sharpened"] > 0.8
    assert kept["steep"] < 0.6
