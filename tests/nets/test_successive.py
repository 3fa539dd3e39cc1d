"""Successive approximations: Hamiltonians whose slopes are back-propagation, and a net trained by them."""

from itertools import islice

import numpy as np
import pytest

from topopt.errors import InputError
from topopt.nets.successive import Flow, trained


@pytest.fixture
def flow():
    x = np.linspace(-np.pi, np.pi, 100)
    return Flow(np.repeat(x[:, None], 4, axis=1), np.sin(x))


def test_the_hamiltonians_slope_is_back_propagation(flow, rng):
    """By complex steps: the loss is holomorphic in the weights."""
    weights, direction = flow.drawn(), rng.normal(size=flow.drawn().shape)
    state = flow.inputs.astype(complex)
    for own in weights + 1e-30j * direction:
        state = flow.following(state, own)
    exact = np.mean((state.mean(axis=1) - flow.targets) ** 2).imag / 1e-30
    assert (flow.gradient(weights) * direction).sum() == pytest.approx(exact, rel=1e-12)


@pytest.mark.parametrize("hold", [0.0, 0.7])
def test_the_extended_hamiltonian_knows_its_derivative(flow, hold, rng):
    weights = flow.drawn()
    states = flow.states(weights)
    costates = flow.costates(weights, states)
    places = states[3], 1.1 * costates[3], states[4] + 0.1, costates[4]
    direction, h = rng.normal(size=weights[3].shape), 1e-6
    ends = [flow.hamiltonian(weights[3] + sign * h * direction, places, hold)[0] for sign in (1, -1)]
    found = flow.hamiltonian(weights[3], places, hold)[1] @ direction
    assert found == pytest.approx((ends[0] - ends[1]) / (2 * h), rel=1e-6)


def test_where_it_was_computed_only_the_hamiltonian_itself_has_a_slope(flow):
    """States and costates are as they are held, so the extended slope is the plain one."""
    weights = flow.drawn()
    states = flow.states(weights)
    costates = flow.costates(weights, states)
    for k in (0, 7, 19):
        places = states[k], costates[k], states[k + 1], costates[k + 1]
        slope = flow.hamiltonian(weights[k], places, 5.0)[1]
        assert slope == pytest.approx(flow.gradient(weights)[k], abs=1e-14)


def test_sweeps_train_a_net_from_five_starts_and_need_to_be_held(flow):
    held, loose = (
        np.array([[*islice(trained(flow, flow.drawn(seed), hold), 30)][-1].loss for seed in range(5)])
        for hold in (0.1, 0.0)
    )
    begun = flow.loss(flow.states(flow.drawn())[-1])
    assert held[0] < 0.03 * begun
    assert held.mean() < 0.03
    assert held.max() < 0.06
    assert (loose > 3 * held).all()


def test_targets_that_do_not_fit_are_refused():
    with pytest.raises(InputError, match=r"targets of shape \(3,\) do not fit inputs of shape \(4, 2\)"):
        Flow(np.zeros((4, 2)), np.zeros(3))
