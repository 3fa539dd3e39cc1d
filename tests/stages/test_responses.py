"""Responses are linear where they say so, weigh cases and cells as asked, and name mistakes."""

import numpy as np
import pytest

from topopt.errors import InputError
from topopt.fem import LoadCase, PointLoad, Structure, Support
from topopt.grid import Domain, Grid
from topopt.regions import Box, Nowhere, Plane, Point
from topopt.stages.responses import Compliance, Displacement, Mean

GRID = Grid((4, 2))
CASES = Structure(
    GRID,
    (Support(Plane(x=0.0)),),
    (
        LoadCase("down", (PointLoad(Point((4.0, 2.0)), (0.0, -2.0)),), weight=0.5),
        LoadCase("side", (PointLoad(Plane(x=4.0), (3.0, 0.0)),), weight=2.0),
    ),
)
DOMAIN = Domain(GRID, solid=Box((0.0, 0.0), (1.0, 1.0)), void=Box((3.0, 0.0), (4.0, 2.0)))
STAGES = [
    Compliance(CASES),
    Displacement(CASES, Plane(x=4.0), (1.0, -1.0)),
    Displacement(CASES, Plane(y=2.0), (0.0, 1.0), case="side"),
    Mean(GRID),
    Mean(DOMAIN),
]


def read_by(stage):
    return (GRID.n_cells,) if isinstance(stage, Mean) else CASES.forces.shape


@pytest.mark.parametrize("stage", STAGES, ids=str)
def test_value_and_pullback_are_transposes(stage):
    assert stage.linear
    rng = np.random.default_rng(0)
    x = rng.normal(size=read_by(stage))
    value, pullback = stage.vjp(x)
    assert value.shape == ()
    (back,) = pullback(np.array(2.5))
    assert back.shape == x.shape
    assert np.vdot(back, x) == pytest.approx(2.5 * float(value), rel=1e-13)
    assert pullback(np.array(2.5))[0] is not back


def test_compliance_sums_cases_with_their_weights():
    u = np.zeros(CASES.forces.shape)
    corner = GRID.n_nodes - 1
    u[2 * corner + 1, 0] = -0.1
    u[2 * corner, 1] = 0.3
    assert Compliance(CASES)(u) == pytest.approx(0.5 * 0.2 + 2.0 * 0.3 * 1.0)


def test_displacement_is_a_mean_over_nodes_in_one_case_or_weighted_over_all():
    u = np.zeros((GRID.n_nodes, 2, 2))
    right = GRID.nodes_in(Plane(x=4.0))
    u[right, 1, 0] = [-1.0, -2.0, -6.0]
    u[right, 1, 1] = -10.0
    u = u.reshape(-1, 2)
    assert Displacement(CASES, Plane(x=4.0))(u) == pytest.approx(0.5 * 3.0 + 2.0 * 10.0)
    assert Displacement(CASES, Plane(x=4.0), case="down")(u) == pytest.approx(3.0)
    assert Displacement(CASES, Plane(x=4.0), (0.0, 2.0), case="down")(u) == pytest.approx(-6.0)
    with pytest.raises(InputError, match="the supports hold all its nodes along the direction"):
        Displacement(CASES, Plane(x=0.0))


def test_the_mean_leaves_out_passive_void_and_counts_passive_solid():
    field = np.arange(8.0)
    assert Mean(GRID)(field) == pytest.approx(3.5)
    assert Mean(DOMAIN)(field) == pytest.approx(2.5)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Displacement(CASES, Nowhere()), "Displacement on Nowhere.*: no node lies in this region"),
        (
            lambda: Displacement(CASES, Plane(x=4.0), (0.0, -1.0, 0.0)),
            "Displacement.direction: expected 2 finite numbers, not all zero",
        ),
        (lambda: Displacement(CASES, Plane(x=4.0), (0.0, 0.0)), "not all zero"),
        (lambda: Displacement(CASES, Plane(x=4.0), (0.0, float("nan"))), "expected 2 finite numbers"),
        (
            lambda: Displacement(CASES, Plane(x=4.0), case="sde"),
            r"Displacement.case: no load case 'sde'; did you mean 'side'\?",
        ),
        (
            lambda: Compliance(CASES)(np.zeros(30)),
            r"expected an input of shape \(30, 2\), got \(30,\)",
        ),
        (lambda: Mean(GRID)(np.zeros(9)), r"Mean: expected an input of shape \(8,\), got \(9,\)"),
    ],
)
def test_mistakes_are_named(make, message):
    with pytest.raises(InputError, match=message):
        make()
