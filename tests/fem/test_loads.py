"""However a load is spread over nodes, its total and its moment are those that were asked for."""

import numpy as np
import pytest

from topopt.errors import InputError
from topopt.fem import BodyLoad, LineLoad, LoadCase, Material, PointLoad, Structure, Support, SurfaceLoad
from topopt.grid import Grid
from topopt.regions import Ball, Box, Everywhere, Mask, Plane, Point

FLAT = Grid((6, 4), (3.0, 1.0))
SOLID = Grid((4, 3, 2), (2.0, 1.5, 3.0))


def resultants(load, grid, thickness=1.0):
    """Total force, and total moment about the origin as the antisymmetric part of sum x_i f_j."""
    forces = load.nodal_forces(grid, thickness)
    outer = grid.nodes.T @ forces
    return forces.sum(axis=0), outer - outer.T


def moment(arm, force):
    outer = np.outer(arm, force)
    return outer - outer.T


@pytest.mark.parametrize(
    ("load", "grid", "total", "centre"),
    [
        (PointLoad(Point((3.0, 0.5)), (2.0, -1.0)), FLAT, (2, -1), (3.0, 0.5)),
        (PointLoad(Plane(x=3.0), (2.0, -1.0)), FLAT, (2, -1), (3.0, 0.5)),
        (LineLoad(Plane(y=1.0), (0.5, -2.0)), FLAT, (1.5, -6), (1.5, 1.0)),
        (SurfaceLoad(Plane(y=1.0), (0.5, -2.0)), FLAT, (0.6, -2.4), (1.5, 1.0)),
        (SurfaceLoad(Box((1.0, 1.0), (2.0, 1.0)), (0.5, -2.0)), FLAT, (0.2, -0.8), (1.5, 1.0)),
        (BodyLoad(Everywhere(), (0.0, -9.0)), FLAT, (0, -10.8), (1.5, 0.5)),
        (BodyLoad(Box((0.0, 0.0), (1.5, 0.5)), (1.0, -9.0)), FLAT, (0.3, -2.7), (0.75, 0.25)),
        (PointLoad(Plane(z=3.0), (1.0, 2.0, 3.0)), SOLID, (1, 2, 3), (1.0, 0.75, 3.0)),
        (LineLoad(Plane(x=2.0, y=1.5), (1.0, 2.0, 3.0)), SOLID, (3, 6, 9), (2.0, 1.5, 1.5)),
        (SurfaceLoad(Plane(x=2.0), (1.0, 2.0, 3.0)), SOLID, (4.5, 9, 13.5), (2.0, 0.75, 1.5)),
        (SurfaceLoad(Plane(z=0.0), (1.0, 2.0, 3.0)), SOLID, (3, 6, 9), (1.0, 0.75, 0.0)),
        (BodyLoad(Everywhere(), (0.0, 0.0, -2.0)), SOLID, (0, 0, -18), (1.0, 0.75, 1.5)),
    ],
)
def test_total_force_and_moment(load, grid, total, centre):
    force, turning = resultants(load, grid, 0.4 if grid is FLAT else 1.0)
    assert force == pytest.approx(np.array(total, dtype=float), abs=1e-12)
    assert turning == pytest.approx(moment(np.array(centre), np.array(total)), abs=1e-12)


def test_consistent_shares_along_an_edge():
    forces = LineLoad(Plane(y=0.0), (0.0, 1.0)).nodal_forces(FLAT, 1.0)[:, 1]
    along = forces[FLAT.nodes_in(Plane(y=0.0))]
    assert along == pytest.approx([0.25, 0.5, 0.5, 0.5, 0.5, 0.5, 0.25])
    assert forces.sum() == pytest.approx(along.sum())


def test_point_load_is_shared_equally():
    forces = PointLoad(Plane(x=3.0), (0.0, 1.0)).nodal_forces(FLAT, 1.0)[:, 1]
    assert forces[FLAT.nodes_in(Plane(x=3.0))] == pytest.approx(np.full(5, 0.2))


ALONG = {"even": 1 / 2, "elliptic": 4 / (3 * np.pi), "flat_plate": 1 / 4}
"""Centres of the profiles, as shares of the extent: Prandtl's semi-ellipse, Glauert's quarter chord."""


@pytest.mark.parametrize("name", ALONG)
@pytest.mark.parametrize("cells", [1, 3, 40])
def test_a_profile_has_its_total_and_its_centre_on_every_grid(name, cells):
    grid = Grid((cells, 2), (3.0, 1.0))
    load = PointLoad(Plane(y=1.0), (2.0, -6.0), (("x", name),))
    force, turning = resultants(load, grid)
    assert force == pytest.approx(np.array([2.0, -6.0]), abs=1e-12)
    assert turning == pytest.approx(moment(np.array([3.0 * ALONG[name], 1.0]), force), abs=1e-12)
    assert load.nodal_forces(grid, 1.0)[:, 1].max() <= 0.0


def test_a_profile_is_what_its_formula_says():
    grid = Grid((3000, 1), (3.0, 1.0))
    middle = (np.arange(1, 3000)) / 3000
    for name, density in (
        ("elliptic", 4 / np.pi * np.sqrt(1 - middle**2)),
        ("flat_plate", 2 / np.pi * np.sqrt((1 - middle) / middle)),
    ):
        forces = PointLoad(Plane(y=0.0), (1.0, 0.0), (("x", name),)).nodal_forces(grid, 1.0)
        along = forces[grid.nodes_in(Plane(y=0.0)), 0][1:-1]
        assert along[10:-10] == pytest.approx(density[10:-10] / 3000, rel=2e-3)


def test_the_second_profile_divides_each_layer_of_the_first_over_its_own_extent():
    plan = Mask(np.array([[1, 1], [1, 1], [1, 0], [1, 0]], dtype=bool)[:, None, :])  # half the chord outboard
    grid = Grid((16, 1, 8), (4.0, 1.0, 2.0))
    load = PointLoad(Plane(y=0.0) & plan, (0.0, 1.0, 0.0), (("z", "elliptic"), ("x", "flat_plate")))
    forces = load.nodal_forces(grid, 1.0)[:, 1].reshape(grid.nodes_shape)[:, 0, :]
    span, chord = np.linspace(0.0, 2.0, 9), np.linspace(0.0, 4.0, 17)
    layers = forces.sum(axis=0)
    assert layers @ span == pytest.approx(2.0 * ALONG["elliptic"])
    extent = np.where(span < 1.0, 4.0, 1.75)
    centres = chord @ forces / np.where(layers > 0, layers, 1.0)
    assert centres == pytest.approx(0.25 * extent)


def test_nodes_that_no_profile_tells_apart_share_equally():
    forces = PointLoad(Box((0.0, 0.0), (3.0, 0.5)), (0.0, 1.0), (("x", "elliptic"),)).nodal_forces(FLAT, 1.0)
    shaped = forces[:, 1].reshape(FLAT.nodes_shape)
    assert np.all(shaped[:, 3:] == 0.0)
    assert np.allclose(shaped[:, :1], shaped[:, :3])
    corner = PointLoad(Point((3.0, 0.5)), (0.0, 1.0), (("x", "elliptic"),))
    assert np.array_equal(
        corner.nodal_forces(FLAT, 1.0), PointLoad(Point((3.0, 0.5)), (0.0, 1.0)).nodal_forces(FLAT, 1.0)
    )


@pytest.mark.parametrize(
    ("profile", "text"),
    [
        ((("x", "eliptic"),), "PointLoad.profile: no profile 'eliptic': did you mean 'elliptic'?"),
        ((("q", "even"),), "PointLoad.profile: no axis 'q': valid names: x, y, z"),
        ((("x", "even"), ("x", "elliptic")), "PointLoad.profile: an axis is given twice: x, x"),
        ((("x",),), r"PointLoad.profile: expected pairs of an axis and a name, got \('x',\)"),
    ],
)
def test_profiles_that_are_none(profile, text):
    with pytest.raises(InputError, match=text):
        PointLoad(Plane(y=1.0), (0.0, 1.0), profile)


def test_a_profile_along_an_axis_that_the_grid_lacks():
    with pytest.raises(InputError, match=r"PointLoad\.profile: a 2-D grid has no axis z"):
        structure(PointLoad(Plane(y=1.0), (0.0, 1.0), (("z", "elliptic"),)))


def structure(*loads, grid=FLAT, supports=(Support(Plane(x=0.0)),), **more):
    return Structure(grid, supports, loads, **more)


DOWN = (0.0, -1.0)
TIP = PointLoad(Point((3.0, 0.5)), DOWN)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: structure(PointLoad(Point((9.0, 0.5)), DOWN)),
            r"PointLoad on Point\(position=\(9.0, 0.5\)\): no node lies in this region; "
            r"the nearest node is at \(3, 0.5\); the grid spans \(0, 0\) to \(3, 1\)",
        ),
        (
            lambda: structure(PointLoad(Ball((1.2, 0.4), 0.01), DOWN)),
            r"the nearest node is at \(1, 0.5\)",
        ),
        (
            lambda: structure(SurfaceLoad(Box((9.0, 0.0), (10.0, 1.0)), DOWN)),
            r"SurfaceLoad on Box.*no node.*a node every \(0.5, 0.25\); enlarge the region or move it",
        ),
        (
            lambda: structure(SurfaceLoad(Point((3.0, 0.5)), DOWN)),
            "1 nodes lie in this region, but no edge with all its nodes; widen the region, or use a Point",
        ),
        (
            lambda: structure(BodyLoad(Box((0.0, 0.0), (0.1, 0.1)), DOWN)),
            "BodyLoad on Box.*no cell centre lies in this region",
        ),
        (
            lambda: structure(PointLoad(Point((3.0, 0.5)), (0.0, -1.0, 0.0))),
            r"PointLoad.force: 3 components \(0.0, -1.0, 0.0\) on a 2-D grid; give one for each of x, y",
        ),
        (
            lambda: structure(BodyLoad(Everywhere(), (1.0, 2.0)), grid=SOLID),
            r"BodyLoad.force_per_volume: 2 components .* on a 3-D grid",
        ),
        (lambda: PointLoad(Plane(x=0.0), (0.0, float("nan"))), "PointLoad.force: expected finite numbers"),
        (lambda: SurfaceLoad(Plane(x=0.0), (float("inf"), 0.0)), "SurfaceLoad.traction: expected finite"),
        (lambda: structure(PointLoad(Plane(x=3.0), (0.0, 0.0))), "load case 'load': the forces are zero"),
        (
            lambda: structure(PointLoad(Plane(x=0.0), DOWN)),
            "load case 'load': all forces act on fixed components",
        ),
        (
            lambda: structure(LoadCase("a", (TIP,)), LoadCase("a", (TIP,))),
            "2 cases, but the name 'a' is given twice",
        ),
        (lambda: structure(LoadCase("a", (TIP,)), TIP), "expected loads or load cases, not a mixture"),
        (lambda: structure(), "structure.loads: no loads; add a PointLoad"),
        (lambda: LoadCase("a", ()), "load case 'a': expected one or more loads"),
        (lambda: LoadCase("a", (TIP,), weight=-1.0), "load case 'a': expected a weight >= 0, got -1.0"),
        (lambda: structure(LoadCase("a", (TIP,), weight=0.0)), "every case has weight 0"),
        (lambda: structure(TIP, supports=()), "structure: no supports; add a Support, or it floats"),
        (lambda: structure(TIP, supports=(Plane(x=0.0),)), "structure.supports: expected Support objects"),
        (
            lambda: structure(TIP, supports=(Support(Plane(x=7.0)),)),
            r"support on Plane\(x=7.0.*no node lies in this region",
        ),
        (lambda: structure(TIP, supports=(Support(Everywhere()),)), "nothing can move"),
        (
            lambda: structure(TIP, supports=(Support(Plane(x=0.0), "z"),)),
            "fix names 'z', but a 2-D grid has the components x, y",
        ),
        (lambda: Support(Plane(x=0.0), "horizontal"), "fix = 'horizontal' is not a choice of components"),
        (lambda: Support(Plane(x=0.0), ()), r"fix = \(\) is not a choice of components"),
        (lambda: Support(Plane(x=0.0), "xx"), "fix = 'xx' is not a choice"),
        (lambda: Support(Plane(x=0.0), spring=-1.0), "expected a positive spring stiffness, got -1.0"),
        (lambda: Support(Plane(x=0.0), spring=float("nan")), "expected a positive spring stiffness, got nan"),
        (
            lambda: structure(
                PointLoad(Point((2.0, 1.5, 3.0)), (1.0, 0.0, 0.0)),
                grid=SOLID,
                material=Material(plane="strain"),
            ),
            "plane and thickness belong to 2-D structures",
        ),
    ],
)
def test_mistakes_are_named(make, message):
    with pytest.raises(InputError, match=message):
        make()


def test_plain_loads_make_one_case_and_cases_make_columns():
    both = structure(TIP, PointLoad(Point((3.0, 1.0)), (1.0, 0.0)))
    assert both.case_names == ("load",)
    assert both.forces.sum() == pytest.approx(0.0)
    cases = structure(LoadCase("down", (TIP,), 2.0), LoadCase("side", (PointLoad(Plane(x=3.0), (1.0, 0.0)),)))
    assert cases.forces.shape == (FLAT.n_nodes * 2, 2)
    assert cases.weights == pytest.approx([2.0, 1.0])
    assert cases.forces.sum(axis=0) == pytest.approx([-1.0, 1.0])


def test_forces_on_fixed_components_go_into_the_support():
    held = structure(LineLoad(Plane(y=1.0), DOWN))
    assert held.forces.sum() == pytest.approx(-(3.0 - 0.25))


def test_structures_are_values():
    picture = np.zeros((6, 4), dtype=bool)
    picture[0] = True
    one = structure(TIP, supports=(Support(Mask(picture)),))
    two = structure(TIP, supports=(Support(Mask(picture.copy())),))
    assert one == two
    assert hash(one) == hash(two)
    assert one.forces is two.forces
    for array in (one.forces, one.free, one.springs, one.cell_dofs, one.element_matrix):
        assert not array.flags.writeable


def test_fix_in_all_its_spellings():
    corner = Point((0.0, 0.0))
    for fix in ("all", "xy", ("y", "x")):
        held = structure(TIP, supports=(Support(corner, fix),))
        assert list(np.setdiff1d(np.arange(held.n_dofs), held.free)) == [0, 1]
    held = structure(
        TIP, supports=(Support(corner, "y"), Support(corner, "y", 3.0), Support(corner, "x", 2.0))
    )
    assert list(np.setdiff1d(np.arange(held.n_dofs), held.free)) == [1]
    assert held.springs[:2] == pytest.approx([2.0, 0.0])
