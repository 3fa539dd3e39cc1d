"""Control, the smallest game and saliency against values that are known exactly."""

import math

import numpy as np
import pytest

from topopt import Chain
from topopt.errors import InputError
from topopt.nets import Samples, SignGate, sign_net
from topopt.nets.control import LinearQuadratic
from topopt.nets.dirac import DiracGan
from topopt.nets.saliency import deletion, gradient, integrated, saliency_chain, softened


@pytest.fixture
def plant(rng):
    q, p = (a @ a.T for a in rng.normal(size=(2, 3, 3)))
    return LinearQuadratic(rng.normal(size=(3, 3)) / 2, rng.normal(size=(3, 2)), q, np.eye(2), p)


def test_the_costate_gives_the_gradient_of_the_cost(plant, rng):
    start, u, du = rng.normal(size=3), rng.normal(size=(20, 2)), rng.normal(size=(20, 2))
    found = plant.evaluate(start, u)
    ahead, behind = (plant.evaluate(start, u + sign * du).cost for sign in (1, -1))
    assert (found.gradient * du).sum() == pytest.approx((ahead - behind) / 2, rel=1e-11)  # J is quadratic


def test_at_riccatis_optimum_the_hamiltonian_is_flat(plant, rng):
    start = rng.normal(size=3)
    best = plant.optimum(start, 30)
    size = np.abs(plant.evaluate(start, np.zeros((30, 2))).gradient).max()
    assert np.abs(best.gradient).max() < 1e-12 * size
    assert best.cost < plant.evaluate(start, best.controls + 0.01 * rng.normal(size=(30, 2))).cost


def test_feedback_changes_how_fast_the_costate_dies(plant, rng):
    seed, gains = rng.normal(size=3), plant.riccati(400)
    for path, matrix in (
        (plant.sensitivity(seed, 400), plant.a),
        (plant.sensitivity(seed, 400, [gains[0]] * 400), plant.a - plant.b @ gains[0]),
    ):
        radius = np.abs(np.linalg.eigvals(matrix)).max()
        assert path.lost / 400 == pytest.approx(-math.log10(radius), abs=0.01)


def test_matrices_that_do_not_fit_are_refused():
    with pytest.raises(InputError, match=r"LinearQuadratic.q: expected shape \(2, 2\)"):
        LinearQuadratic(np.eye(2), np.ones((2, 1)), np.eye(3), np.eye(1), np.eye(2))


@pytest.mark.parametrize("psi", [0.5, 5.0, 40.0, 700.0])
def test_a_critic_that_is_sure_is_silent_by_e_to_the_minus_psi(psi):
    game = DiracGan()
    assert game.saturating(1.0, psi) == pytest.approx(psi * math.exp(-psi) / (1 + math.exp(-psi)), rel=1e-12)
    assert game.alternative(1.0, psi) == pytest.approx(psi / (1 + math.exp(-psi)), rel=1e-12)


@pytest.mark.parametrize(("penalty", "modulus"), [(0.0, 1.00125), (0.3, 0.98615), (1.0, 0.95)])
def test_published_eigenvalues(penalty, modulus):
    assert np.abs(DiracGan(penalty).eigenvalues(0.1)).max() == pytest.approx(modulus, abs=5e-6)


@pytest.mark.parametrize("game", [DiracGan(), DiracGan(penalty=0.3), DiracGan(noise=0.8)])
@pytest.mark.parametrize("saturating", [True, False])
def test_the_eigenvalues_are_those_of_the_step(game, saturating):
    h = 1e-6
    columns = [
        (np.array(game.step(*place, 0.1, saturating)) - game.step(-place[0], -place[1], 0.1, saturating))
        / (2 * h)
        for place in ((h, 0.0), (0.0, h))
    ]
    found = np.linalg.eigvals(np.array(columns).T)
    assert np.sort(np.abs(found)) == pytest.approx(np.sort(np.abs(game.eigenvalues(0.1))), abs=1e-8)


def neuron(slope):
    """tanh(slope x), one input."""
    return Chain([("logit", SignGate(slope))], source="input")


def test_a_saturated_neuron_has_no_gradient_and_all_the_share():
    """tanh(10 x) at 1: the gradient is 10 sech(10)**2, the share tanh(10)."""
    x, zero = np.ones(1), np.zeros(1)
    assert gradient(neuron(10.0), x, zero).shares[0] == pytest.approx(10 / math.cosh(10) ** 2, rel=1e-12)
    found = integrated(neuron(10.0), x, zero, points=50)
    assert found.shares[0] == pytest.approx(math.tanh(10.0), abs=1e-12)
    assert found.gap < 1e-12


def test_the_gap_of_completeness_is_reported(rng):
    coarse = integrated(neuron(200.0), np.ones(1), np.zeros(1), points=5)
    assert coarse.gap == pytest.approx(abs(1.0 - coarse.shares[0]), rel=1e-9)
    assert coarse.gap > 0.1


def test_only_methods_that_look_past_saturation_find_what_matters(rng):
    """Two of ten inputs decide, through saturated gates."""
    samples = Samples(rng.normal(size=(4, 10)), np.array([0, 1, 0, 1]))
    net = sign_net(samples, samples, (8,), SignGate(60.0))
    weights = net.start.copy()
    first = weights[:80].reshape(10, 8)
    first[2:] *= 0.01
    chain, zero = saliency_chain(net, weights, 0), np.zeros(10)
    x = np.abs(rng.normal(size=10)) + 1.0
    logits = net.chain.upto("logits")
    assert chain.run(x)["logit"].shape == ()
    blind, seeing, soft = (f(chain, x, zero) for f in (gradient, integrated, softened))
    assert np.abs(blind.shares).sum() < 0.01 * np.abs(seeing.shares).sum()
    for found in (seeing, soft):
        assert set(np.argsort(-np.abs(found.shares))[:2]) == {0, 1}
    assert logits["logits"].name == "logits"
    assert math.isfinite(deletion(chain, x, zero, seeing))


def test_softening_needs_gates():
    chain = Chain([("logit", SignGate(1.0))], source="input")
    assert softened(chain, np.ones(1), np.zeros(1)).shares[0] > 0
    from topopt.nets import Bend

    with pytest.raises(InputError, match="no gates"):
        softened(Chain([("logit", Bend())], source="input"), np.ones(1), np.zeros(1))
