"""The surrogate slope: sharp forward, soft backward, and refused where the bias would be found out."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from topopt import check
from topopt.chain import Chain
from topopt.errors import InputError, ParameterError
from topopt.grid import Grid
from topopt.optimizers import MMA, OC
from topopt.optimizers.honest import require_honest
from topopt.problem import Problem
from topopt.stages import Mean, SensitivityFilter, Surrogate, Tanh

BETAS = st.one_of(st.floats(0.0, 1e4), st.just(math.inf))


@given(beta=BETAS, back=BETAS, eta=st.floats(0.0, 1.0))
def test_forward_is_the_sharp_projection_and_backward_the_softer_slope(beta, back, eta):
    t = np.linspace(0.0, 1.0, 21)
    v = np.cos(9.0 * t)
    output, pullback = Surrogate(beta, eta, back).vjp(t)
    assert np.array_equal(output, Tanh(beta, eta)(t))
    assert np.array_equal(pullback(v)[0], Tanh(min(beta, back), eta).vjp(t)[1](v)[0])


def test_it_is_alive_at_infinite_sharpness_and_straight_through_at_backward_zero(rng):
    t, v = rng.random((2, 20))
    assert Surrogate(math.inf, 0.5, 8.0).vjp(t)[1](np.ones(20))[0].min() > 1e-3
    assert np.array_equal(Surrogate(math.inf, 0.5, 0.0).vjp(t)[1](v)[0], v)


def test_it_is_exact_until_the_sharpness_passes_the_backward_one(rng):
    t, v = rng.uniform(0.2, 0.8, (2, 20))
    assert np.array_equal(Surrogate(4.0, 0.5, 8.0).vjp(t)[1](v)[0], Tanh(4.0).vjp(t)[1](v)[0])


def test_the_homotopy_slope_and_the_edge_are_those_of_the_true_projection(rng):
    t = rng.uniform(0.2, 0.8, 20)
    stage = Surrogate(32.0, 0.4, 4.0)
    for parameter in ("beta", "eta"):
        expected = Tanh(32.0, 0.4).derivative(parameter, t)
        assert np.array_equal(stage.derivative(parameter, t), expected)
    assert not stage.derivative("backward_beta", t).any()
    assert stage.derivative("gamma", t) is None
    assert stage.edge_slope(t) == Tanh(32.0, 0.4).edge_slope()
    np.testing.assert_array_equal(stage.slope(t), stage.vjp(t)[1](np.ones_like(t))[0])


def test_check_reports_a_heuristic_and_does_not_test_it(rng):
    t = rng.uniform(0.2, 0.8, 20)
    report = check.stage(Surrogate(64.0), t, rng=rng)
    report.raise_if_failed()
    assert "heuristic: not tested" in str(report)
    assert report["derivative beta"].passed


def test_bounds():
    with pytest.raises(ParameterError, match=r"Surrogate\.backward_beta: expected a value >= 0, got -1"):
        Surrogate(1.0, 0.5, -1.0)


@dataclass(frozen=True)
class Verifying(MMA):
    """An optimiser that says of itself that it checks its steps."""

    verifies: ClassVar[bool] = True


def test_an_optimiser_that_checks_its_model_refuses_it():
    grid = Grid((4, 3))
    chain = Chain([("physical", Surrogate(64.0)), ("volume", Mean(grid))])
    problem = Problem(chain, grid, "volume")
    for optimizer in (MMA(), OC()):
        require_honest(problem, optimizer)
    with pytest.raises(
        InputError, match=r"Verifying checks every step .* of 'physical' \(Surrogate\) are not"
    ):
        require_honest(problem, Verifying())
    exact = Problem(Chain([("physical", Tanh(64.0)), ("volume", Mean(grid))]), grid, "volume")
    require_honest(exact, Verifying())
    filtered = Chain([("seen", SensitivityFilter(grid, 1.5)), *((ln.name, ln.stage) for ln in exact.chain)])
    with pytest.raises(InputError, match=r"'seen' \(SensitivityFilter\)"):
        require_honest(Problem(filtered, grid, "volume"), Verifying())
    require_honest(object(), Verifying())
