"""Gradient flossing: its gradient, where it pushes the exponents, and what passes through the net then."""

import numpy as np
import pytest

import topopt as to
from topopt.errors import InputError
from topopt.nets.flossing import Flossing
from topopt.nets.lyapunov import spectrum
from topopt.nets.recurrent import RNN, costate_path


@pytest.fixture
def model(rng):
    return Flossing(RNN.drawn(2, 8), rng.normal(size=(12, 2)), count=4, discard=3)


def test_the_gradient_is_that_of_differences(model, rng):
    x, direction = model.initial(), rng.normal(size=model.initial().size)
    h = 1e-5
    ends = [model.evaluate(x + sign * h * direction).objective for sign in (1, -1)]
    found = model.evaluate(x).gradient @ direction
    assert found == pytest.approx((ends[0] - ends[1]) / (2 * h), rel=1e-6)


def test_the_exponents_are_those_of_the_spectrum(rng):
    """Driven by a constant, the net is a map of its own."""
    cell = RNN.drawn(1, 10)
    model = Flossing(cell, np.ones((400, 1)), count=3, discard=200)
    found = spectrum(
        lambda h: cell.step(h[None], np.ones((1, 1)))[0],
        lambda h, q: (1 - cell.step(h[None], np.ones((1, 1)))[0] ** 2)[:, None] * (cell.w.T @ q),
        np.zeros(10),
        3,
        steps=200,
    )
    assert np.sort(model.evaluate(cell.weights).output) == pytest.approx(np.sort(found.exponents), abs=5e-3)


def test_flossing_lets_the_gradient_pass(rng):
    cell = RNN.drawn(1, 16)
    model = Flossing(cell, rng.normal(size=(30, 1)), count=6)
    *_, last = to.optimize(model, to.Adam(rate=2e-2), stop=to.Stop(change=0, iterations=150))
    assert last.iteration.objective < 0.02 * last.snapshot.history[0].objective
    drives, seed = rng.normal(size=(100, 1, 1)), rng.normal(size=(1, 16))
    before, after = (costate_path(net, drives, seed).lost for net in (cell, model.made(last.x)))
    assert before > 15
    assert after < 0.4 * before


def test_a_target_can_be_scheduled(model):
    continuation = to.Continuation({"exponents.target": to.Linear(-0.4, 0.0, over=5)})
    *_, last = to.optimize(model, to.Adam(rate=1e-2), continuation, to.Stop(change=0, iterations=8))
    assert last.iteration.parameters["exponents.target"] == 0.0


def test_what_does_not_fit_is_refused(rng):
    with pytest.raises(InputError, match="1 to 8 exponents, got 9"):
        Flossing(RNN.drawn(2, 8), rng.normal(size=(12, 2)), count=9)
    with pytest.raises(InputError, match="12 of 12 steps leave nothing"):
        Flossing(RNN.drawn(2, 8), rng.normal(size=(12, 2)), count=2, discard=12)
