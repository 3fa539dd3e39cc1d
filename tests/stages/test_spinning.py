"""What spins is pulled as books say of a bar and of a disc, and near-void material does not fly away."""

import numpy as np
import pytest

import topopt as to
from tests.meshed import SHAKEN, boxes, simplices
from topopt import check
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


def held_bar(cells):
    """Return cells that are held at x = 0 and pulled at their far end."""
    at = (0.0,) * cells.ndim
    far = to.Plane(x=float(cells.nodes[:, 0].max()))
    pull = to.SurfaceLoad(far, (1.0, *at[1:]))
    material = to.Material(thickness=0.7 if cells.ndim == 2 else 1.0)
    return to.Structure(cells, (to.Support(to.Plane(x=0.0)),), (pull,), material)


@pytest.mark.parametrize("cells", [(6, 4), (4, 3, 2)])
def test_on_a_mesh_of_equal_cells_the_forces_are_those_of_the_grid(cells, rng):
    grid = to.Grid(cells, (3.0, 2.0, 1.5)[: len(cells)])
    mesh = boxes(grid)
    density, v = rng.random(grid.n_cells), rng.normal(size=(grid.n_nodes * grid.ndim, 1))
    about = (-1.0, 5.0, 0.3)[: grid.ndim]
    one, other = (to.Centrifugal(held_bar(each), about, "z", 2.0, 3.0).vjp(density) for each in (grid, mesh))
    np.testing.assert_allclose(other[0], one[0], rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(other[1](v)[0], one[1](v)[0], rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("kind", SHAKEN)
def test_on_any_mesh_the_total_is_mass_times_arm_and_the_gradient_right(kind, rng):
    """The total is the integral of the arm, which two refinements of the quadrature must agree on."""
    mesh = SHAKEN[kind]
    stage = to.Centrifugal(held_bar(mesh), (0.5,) * mesh.ndim, speed=2.0, density=3.0)
    check.stage(stage, rng.uniform(0.1, 1.0, mesh.n_cells), rng=rng).raise_if_failed()
    weights, local = stage._pull
    fine = mesh.mapped(8)
    places = np.einsum("qa,eak->eqk", fine.values, mesh.points[mesh.corners])
    arms = (places - 0.5) * ([1.0, 1.0, 0.0][: mesh.ndim])
    wanted = 3.0 * 0.7 ** (mesh.ndim == 2) * np.einsum("eq,eqk->ek", fine.weights, arms)
    np.testing.assert_allclose((weights + local).sum(axis=1), wanted, rtol=1e-9, atol=1e-12)
    spread = 3.0 * 0.7 ** (mesh.ndim == 2) * np.einsum("eq,qa,eqk->eak", fine.weights, fine.values, arms)
    np.testing.assert_allclose(weights + local, spread, rtol=1e-9, atol=1e-12)


def test_a_spinning_disc_of_triangles_has_the_stress_of_theory_in_its_middle():
    """On a quarter of a disc whose rim the mesh follows: 1 % with 24 cells along the radius."""
    square = simplices(to.Grid((24, 24), (1.0, 1.0)))
    side, reach = square.points.max(axis=1), np.linalg.norm(square.points, axis=1)
    points = square.points * np.divide(side, reach, out=np.ones_like(side), where=reach > 0)[:, None]
    mesh = to.Mesh(points, square.corners)
    held = (to.Support(to.Plane(x=0.0), "x"), to.Support(to.Plane(y=0.0), "y"))
    disc = to.Structure(mesh, held, (to.PointLoad(to.Point((1.0, 0.0)), (1.0, 0.0)),))
    solid = np.ones(mesh.n_cells)
    moved = to.Equilibrium(disc)(solid, to.Centrifugal(disc, (0.0, 0.0))(solid) - disc.forces)
    stress = to.VonMises(disc)(moved, solid)[:, 0]
    middle = np.linalg.norm(mesh.centres, axis=1) < 0.1
    assert stress[middle].mean() == pytest.approx((3 + 0.3) / 8, rel=0.01)
