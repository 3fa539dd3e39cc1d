"""A length in, a threshold out; the robust trio on one filtered field; filtering and projecting twice."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from topopt import check
from topopt.chain import Chain
from topopt.errors import ParameterError
from topopt.grid import Grid
from topopt.problem import Problem
from topopt.stages import Cone, Mean, Offset, Tanh, erosion_threshold

RATIOS = st.floats(-1.99, 1.99)


@pytest.mark.parametrize(("length", "eta"), [(0, 0.5), (1, 0.5625), (2, 0.75), (3, 0.9375), (3.999, 1.0)])
def test_the_published_thresholds(length, eta):
    assert erosion_threshold(length, 2.0) == pytest.approx(eta, abs=1e-7)
    assert Offset(8.0, length, 2.0).eta == pytest.approx(eta, abs=1e-7)
    assert Offset(8.0, -length, 2.0).eta == pytest.approx(1 - eta, abs=1e-7)


@given(ratio=RATIOS, radius=st.floats(1e-3, 1e3))
def test_eroded_and_dilated_are_mirror_images_and_the_threshold_grows(ratio, radius):
    length = ratio * radius
    here, more = Offset(1.0, length, radius).eta, Offset(1.0, length + 0.005 * radius, radius).eta
    assert 0.0 <= here <= 1.0
    assert here + Offset(1.0, -length, radius).eta == pytest.approx(1.0, abs=1e-15)
    assert more > here - 1e-15


@given(ratio=RATIOS, beta=st.one_of(st.floats(0.0, 1e4), st.just(math.inf)), n=st.integers(2, 50))
def test_it_is_a_tanh_projection(ratio, beta, n):
    t, stage = np.linspace(0.0, 1.0, n), Offset(beta, 3.0 * ratio, 3.0)
    projected = stage(t)
    assert projected[0] == 0.0
    assert projected[-1] == 1.0
    assert np.diff(projected).min() >= -1e-15
    assert np.array_equal(projected, Tanh(beta, stage.eta)(t))
    assert stage.edge_slope(t) == Tanh(beta, stage.eta).edge_slope()


@pytest.mark.parametrize("width", [0.6, 0.7, 0.85, 1.0, 1.3, 1.8])
def test_a_member_of_the_length_just_survives_the_erosion(width):
    # a bar, filtered by a hat of radius 1 along a line; share(x) is the part of the hat left of x
    def share(x):
        x = np.clip(x, -1.0, 1.0)
        return 0.5 + x - 0.5 * x * np.abs(x)

    x = np.linspace(-1.0, 1.0, 400_001)
    filtered = share(x + width / 2) - share(x - width / 2)
    nominal = np.count_nonzero(filtered > 0.5) * (x[1] - x[0])
    assert erosion_threshold(nominal, 1.0) == pytest.approx(filtered.max(), abs=1e-5)
    assert not Offset(math.inf, nominal + 1e-3, 1.0)(filtered).any()
    assert Offset(math.inf, nominal - 1e-3, 1.0)(filtered).any()


@pytest.mark.parametrize("length", [-1.5, -0.7, 0.0, 0.7, 1.0, 1.5])
@pytest.mark.parametrize("beta", [1e-3, 1.0, 16.0, 1e3])
def test_taylor(beta, length, rng):
    stage = Offset(beta, length, 1.0)
    t = np.clip(stage.eta + rng.uniform(-1.5, 1.5, 40) / max(beta, 2), 0.02, 0.98)
    report = check.stage(stage, t, rng=rng, step=min(0.05, 0.2 / beta))
    assert report["taylor input 0"].passed is not False
    assert report["derivative beta"].passed is not False
    assert beta < 1 or report["taylor input 0"].passed


@pytest.mark.parametrize("length", [-0.4, 0.4, 1.6])
def test_length_and_radius_are_driven_like_other_parameters(length, rng):
    t = rng.uniform(0.2, 0.8, 30)
    report = check.stage(Offset(6.0, length, 1.1), t, rng=rng)
    report.raise_if_failed()
    assert report["derivative length"].passed
    assert report["derivative radius"].passed
    assert Offset(1.0, 0.5, 1.0).derivative("eta", t) is None


def test_a_length_that_no_threshold_keeps_is_refused():
    with pytest.raises(
        ParameterError, match=r"Offset\.length: 4 cannot be kept by a filter of radius 2; give"
    ):
        Offset(1.0, 4.0, 2.0)
    with pytest.raises(ParameterError, match=r"more than -4 and less than 4, twice the radius"):
        Offset(1.0, -4.0, 2.0)
    with pytest.raises(ParameterError, match=r"length 3 .* radius 1: give 0 <= length < 2"):
        erosion_threshold(3.0, 1.0)
    with pytest.raises(ParameterError, match="length -1 cannot be kept"):
        erosion_threshold(-1.0, 1.0)
    with pytest.raises(ParameterError, match=r"Offset\.length: expected a number, got nan"):
        Offset(1.0, math.nan, 2.0)


def test_the_robust_trio_reads_one_filtered_field_and_its_volumes_are_ordered(rng):
    grid = Grid((20, 10))
    trio = {"eroded": 2.0, "nominal": 0.0, "dilated": -2.0}
    links = [("filtered", Cone(grid, 2.0))]
    links += [(name, Offset(16.0, length, 2.0), "filtered") for name, length in trio.items()]
    links += [(f"{name}_volume", Mean(grid), name) for name in trio]
    chain = Chain(links)
    tape = chain.run(rng.random(grid.n_cells))
    eroded, nominal, dilated = (tape[name] for name in trio)
    assert (eroded <= nominal).all()
    assert (nominal <= dilated).all()
    x = rng.uniform(0.3, 0.7, grid.n_cells)
    for name in trio:
        check.chain(chain, f"{name}_volume", x, rng, step=0.02).raise_if_failed()
    at = chain.at({"eroded.length": 1.0, "dilated.length": -1.0})
    assert at.run(x)["eroded"].mean() > chain.run(x)["eroded"].mean()


def test_filtering_and_projecting_twice_is_only_a_chain(rng):
    grid = Grid((16, 8))
    chain = Chain(
        [
            ("smooth", Cone(grid, 2.5)), ("coarse", Tanh(4.0)),
            ("again", Cone(grid, 1.5)), ("physical", Tanh(8.0, 0.4)), ("volume", Mean(grid)),
        ]
    )  # fmt: skip
    x = rng.uniform(0.3, 0.7, grid.n_cells)
    settings = [{"coarse.beta": beta, "physical.beta": 2 * beta} for beta in (1e-3, 1.0, 32.0)]
    check.chain(chain, "volume", x, rng, settings=settings, step=0.01).raise_if_failed()
    evaluation = Problem(chain, grid, "volume", start=x).evaluate(x, settings[-1])
    assert list(evaluation.signals.gates) == ["coarse", "physical"]
    for name, gate in evaluation.signals.gates.items():
        assert gate.slope.max() > 1.0
        assert f"{name}.beta" in gate.tilts
    # the reference goes around both gates: the mean of what the filters alone would give
    reference = evaluation.signals.references["design"]
    assert reference.sum() == pytest.approx(1.0, rel=1e-9)
