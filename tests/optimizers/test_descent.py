"""Descent without constraints: the published updates, what they refuse, and what Adam hides."""

import math

import numpy as np
import pytest

from topopt.errors import InputError, ParameterError
from topopt.evaluation import Evaluation
from topopt.optimizers import Adam, Sgd, packed, unpacked
from topopt.optimizers.descent import AdamState


def slope(gradient, constraints=0):
    gradient = np.asarray(gradient, dtype=np.float64)
    return Evaluation(0.0, gradient, np.zeros(constraints), np.zeros((constraints, gradient.size)))


def walked(rule, gradients, x=np.zeros(2), reach=10.0):
    state = rule.init(x, np.full(2, -reach), np.full(2, reach))
    for gradient in gradients:
        x, state = rule.step(x, slope(gradient), state)
    return x, state


def test_sgd_with_momentum_adds_up_old_gradients():
    x, _ = walked(Sgd(rate=0.1, momentum=0.5), [[1.0, 0.0], [1.0, 0.0], [0.0, 0.0]])
    assert x.tolist() == pytest.approx([-0.1 * (1 + 1.5 + 0.75), 0.0])


def test_adam_follows_the_paper(rng):
    """Algorithm 1 of Kingma and Ba, written out."""
    gradients = rng.normal(size=(7, 2))
    m, v, x = np.zeros(2), np.zeros(2), np.zeros(2)
    for t, g in enumerate(gradients, 1):
        m, v = 0.9 * m + 0.1 * g, 0.99 * v + 0.01 * g**2
        x = x - 0.05 * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.99**t)) + 1e-8)
    found, _ = walked(Adam(rate=0.05, second=0.99, small=1e-8), gradients)
    assert found == pytest.approx(x, rel=1e-12)


def test_adam_takes_the_same_steps_where_the_gradient_has_vanished(rng):
    gradients = rng.normal(size=(5, 2))
    assert walked(Adam(small=0.0), 1e-30 * gradients)[0] == pytest.approx(
        walked(Adam(small=0.0), gradients)[0]
    )
    assert np.abs(walked(Sgd(), 1e-30 * gradients)[0]).max() < 1e-29


def test_no_gradient_no_step():
    assert walked(Adam(small=0.0), [[0.0, 1.0]])[0][0] == 0.0


@pytest.mark.parametrize("rule", [Sgd(rate=1.0, clip=0.5), Sgd(rate=1.0)])
def test_a_long_gradient_is_shortened_to_the_clip(rule):
    x, _ = walked(rule, [[3.0, 4.0]])
    assert np.linalg.norm(x) == pytest.approx(rule.clip or 5.0)


def test_bounds_hold():
    assert walked(Sgd(rate=1.0), [[5.0, -5.0]], reach=1.0)[0].tolist() == [-1.0, 1.0]


@pytest.mark.parametrize("rule", [Sgd(), Adam()])
def test_constraints_are_refused(rule):
    state = rule.init(np.zeros(2), -np.ones(2), np.ones(2))
    with pytest.raises(
        InputError, match=r"lowers one objective without constraints, got 1 constraints; use MMA"
    ):
        rule.step(np.zeros(2), slope([1.0, 1.0], constraints=1), state)


def test_numbers_out_of_bounds_are_refused():
    with pytest.raises(ParameterError, match=r"Adam\.rate"):
        Adam(rate=0.0)
    with pytest.raises(ParameterError, match=r"Sgd\.momentum"):
        Sgd(momentum=1.5)
    with pytest.raises(ParameterError, match=r"Adam\.second"):
        Adam(second=1.0)


def test_a_memory_survives_packing_and_is_renewed(rng):
    rule = Adam()
    x, state = walked(rule, rng.normal(size=(3, 2)))
    again = unpacked(AdamState, packed(state))
    assert np.array_equal(again.square, state.square)
    assert again.averaged == 3
    fresh = rule.renewed(x, state, None)
    assert fresh.averaged == 0
    assert fresh.steps == 3
    assert not fresh.mean.any()
    assert math.isfinite(rule.step(x, slope([1.0, 1.0]), fresh)[0].sum())
