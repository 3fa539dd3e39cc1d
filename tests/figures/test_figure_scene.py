"""What a sketch shows, as numbers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from topopt.errors import InputError
from topopt.fem import BodyLoad, LineLoad, LoadCase, PointLoad, Structure, Support, SurfaceLoad
from topopt.figures.camera import VIEWS, view
from topopt.figures.outlines import boundary, faces, runs
from topopt.figures.scene import scene
from topopt.figures.thinning import thinned
from topopt.grid import Domain, Grid
from topopt.regions import Ball, Box, Everywhere, Plane, Point

GRID = Grid((30, 10), (3.0, 1.0))
CLAMP = Support(Plane(x=0.0))
TIP = PointLoad(Point((3.0, 0.0)), (0.0, -2.0))


def _scene(supports=(CLAMP,), loads=(TIP,), domain=None):
    return scene(Structure(GRID, supports, loads), domain)


def test_a_clamped_edge_is_flat_and_faces_outward():
    (hold,) = _scene().holds
    assert (hold.kind, hold.components, hold.flat) == ("fixed", (0, 1), True)
    assert hold.ends.tolist() == [[0, 0], [0, 1]]
    assert (hold.outward == [-1, 0]).all()


def test_a_clamp_with_a_gap_is_not_one_wall():
    region = Box((0, 0), (0.3, 0.2)) & ~Point((0.1, 0.1))
    (hold,) = _scene((Support(region),)).holds
    assert not hold.flat


@pytest.mark.parametrize(
    ("corner", "axis", "outward"),
    [
        ((3.0, 0.0), "y", [0, -1]),
        ((3.0, 1.0), "y", [0, 1]),
        ((3.0, 0.5), "x", [1, 0]),
        ((0.0, 0.5), "x", [-1, 0]),
    ],
)
def test_a_roller_stands_outside_the_box(corner, axis, outward):
    load = PointLoad(Point((1.5, 1.0)), (0, -1))
    hold = _scene((CLAMP, Support(Point(corner), axis)), (load,)).holds[1]
    assert (hold.kind, hold.outward.tolist()) == ("roller", [outward])


def test_a_support_of_some_components_gives_a_symbol_for_each():
    grid = Grid((4, 4, 4))
    load = PointLoad(Point((4, 4, 4)), (0, -1, 0))
    shown = scene(Structure(grid, (Support(Plane(x=0.0)), Support(Plane(z=0.0), "xz", 2.0)), (load,)))
    assert [(hold.kind, hold.components) for hold in shown.holds] == [
        ("fixed", (0, 1, 2)),
        ("spring", (0,)),
        ("spring", (2,)),
    ]
    assert shown.holds[0].flat


def test_a_load_that_points_in_ends_at_its_point_and_one_that_points_out_starts_there():
    inward, outward = PointLoad(Point((3.0, 0.5)), (-1, 0)), PointLoad(Point((3.0, 0.5)), (1, 0))
    first, second = _scene(loads=(LoadCase("in", (inward,)), LoadCase("out", (outward,)))).pushes
    assert (first.pulls.tolist(), second.pulls.tolist()) == ([False], [True])
    assert (first.case, second.case) == (0, 1)


def test_an_arrow_gives_way_to_a_spring():
    spring = Support(Point((3.0, 0.5)), "x", 1.0)
    (push,) = _scene((CLAMP, spring), (PointLoad(Point((3.0, 0.5)), (-1, 0)),)).pushes
    assert push.pulls.all()


def test_a_row_of_arrows_is_even_and_reaches_both_ends():
    (push,) = _scene(loads=(SurfaceLoad(Plane(y=1.0), (0, -1)),)).pushes
    steps = np.diff(push.points[:, 0])
    assert push.row
    assert np.ptp(steps) < 1e-12
    assert push.points[[0, -1], 0].tolist() == [0, 3]
    assert 8 <= len(push.points) <= 25
    np.testing.assert_allclose(push.vectors, [[0, -1]] * len(push.points))


def test_a_body_load_stands_inside():
    (push,) = _scene(loads=(BodyLoad(Everywhere(), (0, -9.81)),)).pushes
    assert ((push.points > 0) & (push.points < GRID.size)).all()
    assert not push.pulls.any()


def test_a_load_of_ones_own_shows_its_distribution():
    class Ramp(LineLoad):
        def nodal_forces(self, grid, thickness):
            return super().nodal_forces(grid, thickness) * grid.nodes[:, :1]

    own = type("Own", (Ramp,), {})(Plane(y=1.0), (0.0, -1.0))
    # Still a LineLoad, so uniform; what is no known kind is drawn to scale.
    assert np.ptp(np.linalg.norm(_scene(loads=(own,)).pushes[0].vectors, axis=1)) < 1e-12

    from topopt.fem import Load

    class Pressure(Load):
        def nodal_forces(self, grid, thickness):
            return own.nodal_forces(grid, thickness)

    lengths = np.linalg.norm(_scene(loads=(Pressure(),)).pushes[0].vectors, axis=1)
    assert lengths.max() == pytest.approx(1.0)
    assert lengths.min() < 0.2


def test_passive_cells_come_from_the_domain():
    shown = _scene(domain=Domain(GRID, solid=Ball((1.5, 0.5), 0.2), void=Box((2.0, 0.6), (3.0, 1.0))))
    assert shown.solid.sum() == Domain(GRID, solid=Ball((1.5, 0.5), 0.2)).solid_cells.sum()
    assert shown.void.sum() == 40


def test_a_domain_on_another_grid_is_refused():
    with pytest.raises(InputError, match=r"sketch: the structure is on Grid.*; use one grid"):
        _scene(domain=Grid((10, 10)))


def test_runs_cover_exactly_the_flagged_cells(rng):
    flags = rng.random(GRID.n_cells) < 0.4
    rectangles = runs(GRID, flags)
    x, y, w, h = rectangles.T
    cx, cy = GRID.centres.T
    inside = (cx[:, None] > x) & (cx[:, None] < x + w) & (cy[:, None] > y) & (cy[:, None] < y + h)
    np.testing.assert_array_equal(inside.sum(axis=1), flags)
    assert (w * h).sum() == pytest.approx(flags.sum() * GRID.cell_volume)


def test_the_boundary_of_a_block_is_its_circumference():
    flags = GRID.cells_in(Box((0.5, 0.2), (1.5, 0.6)))
    edges = boundary(GRID, flags)
    assert np.linalg.norm(edges[:, 1] - edges[:, 0], axis=1).sum() == pytest.approx(2 * (1.0 + 0.4))
    assert edges.min(axis=(0, 1)) == pytest.approx([0.5, 0.2])
    assert edges.max(axis=(0, 1)) == pytest.approx([1.5, 0.6])


def test_the_faces_of_a_block_are_its_surface():
    grid = Grid((4, 3, 2), (4.0, 6.0, 1.0))
    sides = faces(grid, grid.cells_in(Box((1, 0, 0), (3, 6, 0.5))))
    areas = [sum(np.linalg.norm(np.cross(c[1] - c[0], c[3] - c[0])) for c in corners) for corners in sides]
    assert areas == pytest.approx([3, 3, 1, 1, 12, 12])
    assert {float(x) for x in sides[1][..., 0].ravel()} == {3.0}


@given(st.integers(1, 200), st.floats(0.5, 50.0))
def test_thinned_points_of_a_line_keep_the_ends_and_about_the_pitch(n, pitch):
    points = np.column_stack([np.arange(n, dtype=float), np.zeros(n)])
    chosen = thinned(points, pitch)
    assert chosen[0] == 0
    assert chosen[-1] == n - 1
    assert (np.diff(chosen) > 0).all()
    if n > 1:
        steps = np.diff(chosen)
        assert steps.max() <= max(2.0, 1.8 * pitch + 1)
        assert steps.min() >= min(0.4 * pitch, n - 1) - 1


def test_thinned_points_of_no_lattice_are_spread(rng):
    points = rng.random((400, 2))
    kept = points[thinned(points, 0.2)]
    gaps = np.linalg.norm(kept[:, None] - kept[None], axis=2) + 10 * np.eye(len(kept))
    assert gaps.min() >= 0.2
    assert np.linalg.norm(points[:, None] - kept[None], axis=2).min(axis=1).max() < 0.2


@pytest.mark.parametrize("name", VIEWS)
def test_a_view_is_a_right_handed_frame(name):
    frame = view(name).frame()
    np.testing.assert_allclose(frame @ frame.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(frame) == pytest.approx(1.0)


def test_the_front_shows_x_to_the_right_and_y_up():
    np.testing.assert_allclose(view("front").project(np.array([[1.0, 2.0, 3.0]])), [[1, 2]])
    np.testing.assert_allclose(view("side").project(np.array([[1.0, 2.0, 3.0]])), [[-3, 2]])
    np.testing.assert_allclose(view("top").project(np.array([[1.0, 2.0, 3.0]])), [[1, -3]], atol=1e-12)
    flat = np.array([[1.0, 2.0]])
    assert view("corner").project(flat) is flat


def test_an_unknown_view_comes_back_with_a_suggestion():
    with pytest.raises(InputError, match=r"no view 'frnt': did you mean 'front'\?"):
        view("frnt")


def test_two_feet_are_two_walls():
    feet = Box((0, 0), (0.4, 0)) | Box((2.6, 0), (3, 0))
    first, second = _scene((Support(feet),), (PointLoad(Point((1.5, 1.0)), (0, -1)),)).holds
    assert first.flat
    assert second.flat
    np.testing.assert_allclose(second.ends, [[2.6, 0], [3, 0]])
    assert (first.outward == [0, -1]).all()


def test_a_plane_of_symmetry_in_space_is_a_face_but_no_edge_in_the_plane():
    grid = Grid((4, 4, 4))
    load = PointLoad(Point((4, 4, 4)), (0, -1, 0))
    (hold, along) = scene(Structure(grid, (Support(Plane(z=4.0), "zx"),), (load,))).holds
    assert (hold.components, hold.flat, along.components, along.flat) == ((2,), True, (0,), False)
    assert not _scene((Support(Plane(x=0.0), "x"), Support(Point((3.0, 0.0)), "y")), (
        PointLoad(Point((1.5, 1.0)), (0, -1)),
    )).holds[0].flat  # fmt: skip


def test_an_arrow_on_a_deck_inside_stands_on_it():
    (push,) = _scene(loads=(SurfaceLoad(Plane(y=0.1), (0, -1)),)).pushes
    assert not push.pulls.any()


def test_arrows_of_a_profile_grow_with_the_root_of_what_they_carry():
    load = PointLoad(Plane(y=1.0), (0.0, 2.0), (("x", "flat_plate"),))
    (push,) = _scene(loads=(load,)).pushes
    lengths = np.linalg.norm(push.vectors, axis=1)
    carried = load.nodal_forces(GRID, 1.0)[:, 1].reshape(GRID.nodes_shape)[:, -1]
    at = np.round(push.points[:, 0] / 0.1).astype(int)
    assert lengths.max() == pytest.approx(1.0)
    assert lengths**2 == pytest.approx(carried[at] / carried.max())
