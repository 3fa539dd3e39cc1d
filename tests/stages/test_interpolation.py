"""Interpolation of stiffness: end points, slopes, and no nan where a power could give one."""

from __future__ import annotations

import numpy as np
import pytest

from topopt import check
from topopt.errors import NumericalError, ParameterError
from topopt.stages import Ramp, Simp


def test_formulas(rng):
    rho = rng.random(20)
    np.testing.assert_allclose(Simp(2.7, 1e-3)(rho), 1e-3 + rho**2.7 * (1 - 1e-3))
    np.testing.assert_allclose(Ramp(5.0, 1e-3)(rho), 1e-3 + rho / (1 + 5 * (1 - rho)) * (1 - 1e-3))


@pytest.mark.parametrize("stage", [Simp(), Simp(1.0), Simp(2.5, 1e-4), Ramp(), Ramp(0.0, 1e-4)])
def test_end_points(stage):
    assert stage(np.array([0.0, 1.0])).tolist() == [stage.e_min, 1.0]


@pytest.mark.parametrize("stage", [Simp(), Simp(1.0), Simp(1.5), Simp(6.0), Ramp(), Ramp(0.0), Ramp(40.0)])
def test_conformance(stage, rng):
    check.stage(stage, rng.uniform(0.1, 0.9, 40), rng=rng).raise_if_failed()


def test_nothing_is_nan_at_density_zero():
    rho = np.zeros(3)
    for stage in (Simp(1.0), Simp(1.5), Simp(3.0), Ramp(0.0), Ramp()):
        assert np.isfinite(stage.vjp(rho)[1](np.ones(3))[0]).all()
        for parameter in ("penal", "q", "e_min"):
            slope = stage.derivative(parameter, rho)
            assert slope is None or np.isfinite(slope).all()
    assert Simp(1.0, 0.25).vjp(rho)[1](np.ones(3))[0].tolist() == [0.75] * 3
    assert not Simp(3.0).derivative("penal", rho).any()


def test_the_slope_of_simp_dies_at_zero_and_that_of_ramp_does_not():
    rho = np.zeros(1)
    assert Simp(3.0).vjp(rho)[1](np.ones(1))[0] == 0
    assert Ramp(8.0).vjp(rho)[1](np.ones(1))[0] == pytest.approx(1 / 9)


def test_a_negative_density_has_no_broken_power():
    assert np.isfinite(Simp(3.0)(np.array([-1e-3, 0.5]))).all()
    with pytest.raises(NumericalError, match=r"a density of -0\.001 has no power 2\.5; .* the stage before"):
        Simp(2.5)(np.array([-1e-3, 0.5]))
    with pytest.raises(NumericalError, match="has no power"):
        Simp(2.5).derivative("penal", np.array([-1e-3, 0.5]))


def test_bounds():
    with pytest.raises(ParameterError, match=r"Simp\.penal: expected a value >= 1, got 0\.5"):
        Simp(penal=0.5)
    with pytest.raises(ParameterError, match=r"Simp\.penal: expected a value < inf, got inf"):
        Simp(penal=float("inf"))
    with pytest.raises(ParameterError, match=r"Ramp\.q: expected a value >= 0, got -1"):
        Ramp(q=-1.0)
    with pytest.raises(ParameterError, match=r"Ramp\.e_min: expected a value > 0, got 0"):
        Ramp(e_min=0.0)
