"""Layers: derivatives against differences and complex steps, slopes that die without being rounded off."""

import math

import numpy as np
import pytest

from topopt import check
from topopt.errors import InputError
from topopt.nets import Affine, Bend, CrossEntropy, Samples, SignGate, StraightThrough
from topopt.nets.layers import steepness


@pytest.mark.parametrize("gate", [SignGate(3.0), Bend(0.7)])
def test_gates_pass_the_taylor_test(gate, rng):
    check.stage(gate, rng.normal(size=12), rng=rng).raise_if_failed()


def test_an_affine_layer_pulls_back_to_its_own_weights_and_to_what_comes_in(rng):
    layer = Affine(3, 2, begin=5)
    weights, a, v = rng.normal(size=20), rng.normal(size=(4, 3)), rng.normal(size=(4, 2))
    _, pullback = layer.vjp(weights, a)
    for number, (passed, given) in enumerate(zip(pullback(v), (weights, a), strict=True)):
        direction = rng.normal(size=given.shape)
        step = [weights.astype(complex), a.astype(complex)]
        step[number] = given + 1e-30j * direction
        own = step[0][5:13].reshape(4, 2)
        exact = ((step[1] @ own[:-1] + own[-1]).imag * v).sum() / 1e-30
        assert (passed * direction).sum() == pytest.approx(exact, rel=1e-12)


def test_the_first_layer_carries_its_data(rng):
    data = Samples(rng.normal(size=(4, 3)), np.arange(4))
    weights = rng.normal(size=8)
    assert Affine(3, 2, 0, data)(weights) == pytest.approx(Affine(3, 2)(weights, data.inputs))
    with pytest.raises(InputError, match=r"expected samples of 2 features, got Samples\(4 of 3 features\)"):
        Affine(2, 2, 0, data)


def test_cross_entropy_is_the_log_of_the_right_share(rng):
    logits, labels = rng.normal(size=(5, 3)), np.array([0, 2, 1, 1, 0])
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    entropy = CrossEntropy(Samples(np.zeros((5, 1)), labels))
    loss, pullback = entropy.vjp(logits)
    assert loss == pytest.approx(-np.log(shares[np.arange(5), labels]).mean())
    assert pullback(np.array(1.0))[0] == pytest.approx((shares - np.eye(3)[labels]) / 5)
    assert np.isfinite(entropy(1e6 * logits))


def test_a_slope_dies_without_being_rounded_to_nothing():
    assert 1.0 - math.tanh(30.0) ** 2 == 0.0
    assert steepness(1.0, np.array([30.0]))[0] == pytest.approx(4.0 * math.exp(-60.0), rel=1e-12)
    assert steepness(5.0, np.array([0.0]))[0] == 5.0


def test_at_infinite_sharpness_a_gate_is_the_sign_and_lets_nothing_through():
    output, pullback = SignGate(math.inf).vjp(np.array([-1e-9, 2.0]))
    assert output.tolist() == [-1.0, 1.0]
    assert pullback(np.ones(2))[0].tolist() == [0.0, 0.0]


@pytest.mark.parametrize(
    ("backward", "expected"), [(0.0, [1.0, 1.0]), (1.0, [1.0, 4 / (math.e + 1 / math.e) ** 2])]
)
def test_straight_through_is_sharp_forward_and_soft_backward(backward, expected):
    output, pullback = StraightThrough(math.inf, backward).vjp(np.array([0.0, 1.0]))
    assert output.tolist() == [1.0, 1.0]
    assert pullback(np.ones(2))[0] == pytest.approx(expected)


def test_a_gate_tells_the_log_how_open_it_is_and_how_it_tilts(rng):
    z = rng.normal(size=6)
    gate, h = SignGate(2.0), 1e-6
    assert gate.openness(gate(z)) == pytest.approx(1 / (1 + np.exp(-4 * z)))
    tilt = (SignGate(2.0 + h)(z) - SignGate(2.0 - h)(z)) / (2 * h)
    assert gate.derivative("beta", z) == pytest.approx(tilt, abs=1e-8)
