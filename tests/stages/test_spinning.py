"""What spins is pulled as books say of a bar and of a disc, and near-void material does not fly away."""

import numpy as np
import pytest

import topopt as to
from topopt.errors import InputError


def test_a_spinning_bar_grows_exactly_as_theory_says():
    """E u(x) = rho speed**2 (L**2 x / 2 - x**3 / 6), at every node: linear cells are exact on a line."""
    length, density, speed = 8.0, 2.0, 0.3
    grid = to.Grid((8, 1), (length, 1.0))
    held = (to.Support(to.Plane(x=0.0), "x"), to.Support(to.Everywhere(), "y"))
    tip = to.PointLoad(to.Plane(x=length), (1.0, 0.0))
    bar = to.Structure(grid, held, (tip,), to.Material(young=5.0, poisson=0.0, thickness=0.7))
    pull = to.Centrifugal(bar, (0.0, 3.0), speed=speed, density=density)
    moved = to.Equilibrium(bar)(np.ones(8), pull(np.ones(8)) - bar.forces).reshape(-1, 2)[:, 0]
    x = grid.nodes[:, 0]
    theory = density * speed**2 * (length**2 * x / 2 - x**3 / 6) / 5.0
    np.testing.assert_allclose(moved, theory, rtol=1e-9, atol=1e-12)


def test_a_spinning_disc_has_the_stress_of_theory_in_its_middle():
    """Plane stress, solid disc: both stresses are (3 + nu) / 8 rho speed**2 R**2; on a quarter of it."""
    grid = to.Grid((60, 60), (1.0, 1.0))
    inside = grid.cells_in(to.Ball((0.0, 0.0), 1.0)).astype(float)
    held = (to.Support(to.Plane(x=0.0), "x"), to.Support(to.Plane(y=0.0), "y"))
    disc = to.Structure(grid, held, (to.PointLoad(to.Point((1.0, 0.0)), (1.0, 0.0)),))
    pull = to.Centrifugal(disc, (0.0, 0.0))(inside)
    moduli = np.maximum(inside, 1e-6)
    stress = to.VonMises(disc)(to.Equilibrium(disc)(moduli, pull - disc.forces), inside)
    assert stress[0, 0] == pytest.approx((3 + 0.3) / 8, rel=0.01)


def test_in_space_nothing_pulls_along_the_axis_and_the_total_is_mass_times_arm():
    grid = to.Grid((3, 4, 2), (3.0, 2.0, 1.0))
    block = to.Structure(
        grid,
        (to.Support(to.Point((0.0, 0.0, 0.0))),),
        (to.PointLoad(to.Point((3.0, 2.0, 1.0)), (1.0, 0.0, 0.0)),),
    )
    density = np.linspace(0.1, 1.0, 24)
    forces = to.Centrifugal(block, (-1.0, 9.0, 0.5), "y", 2.0, 3.0)(density)[:, 0].reshape(-1, 3)
    arms = (grid.centres - [-1.0, 9.0, 0.5]) * [1.0, 0.0, 1.0]
    wanted = 3.0 * 4.0 * 0.25 * density @ arms
    assert not forces[:, 1].any()
    assert not forces[0].any()  # the corner is held, and takes less than a cell's share
    missing = wanted - forces.sum(axis=0)
    assert 0 < missing[0] < 0.1 / 8 * 3.0 * 4.0 * 0.25 * 1.5


def test_near_void_material_flies_away_under_simp_and_not_under_ramp():
    grid = to.Grid((20, 4), (10.0, 2.0))
    tip = to.PointLoad(to.Point((4.0, 1.0)), (1.0, 0.0))
    bar = to.Structure(grid, (to.Support(to.Plane(x=0.0)),), (tip,))
    rho = np.where(grid.cells_in(to.Box((0.0, 0.0), (5.0, 2.0))), 1.0, 0.02)
    grown = {}
    for law in (to.Simp(3.0), to.Ramp(8.0)):
        moved = to.Equilibrium(bar)(law(rho), to.Centrifugal(bar, (0.0, 1.0))(rho)).reshape(-1, 2)[:, 0]
        grown[type(law).__name__] = moved.max() / moved[grid.nodes_in(to.Plane(x=5.0))].max()
    assert grown["Simp"] > 1000
    assert grown["Ramp"] < 30


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"about": (0.0, 0.0, 0.0)}, r"Centrifugal\.about: expected 2 finite numbers"),
        ({"about": (0.0, np.inf)}, r"Centrifugal\.about: expected 2 finite numbers"),
        ({"about": (0.0, 0.0), "axis": "x"}, r"Centrifugal\.axis: expected one of z, got 'x'"),
    ],
)
def test_what_does_not_fit_is_refused(fields, text):
    bar = to.Structure(
        to.Grid((2, 2)), (to.Support(to.Plane(x=0.0)),), (to.PointLoad(to.Plane(x=2.0), (1.0, 0.0)),)
    )
    with pytest.raises(InputError, match=text):
        to.Centrifugal(bar, **fields)
    with pytest.raises(InputError, match=r"expected an input of shape \(4,\)"):
        to.Centrifugal(bar, (0.0, 0.0))(np.ones(3))
