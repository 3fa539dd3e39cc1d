"""Regions: their algebra, what snaps and what does not, and the same place on every grid."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from topopt.errors import InputError
from topopt.grid import Grid
from topopt.regions import (
    Aerofoil,
    Ball,
    Box,
    Cylinder,
    Everywhere,
    Mask,
    Not,
    Nowhere,
    Plane,
    Point,
    Polygon,
)

GRID = Grid((8, 6), (4.0, 6.0))  # cells of 0.5 x 1
BOX = Grid((4, 4, 6))
INF = float("inf")
TRIANGLE = Polygon(((0, 0), (4, 0), (0, 4)))
REGIONS = st.sampled_from(
    [
        Nowhere(),
        Everywhere(),
        Plane(x=1.0),
        Point((1, 1)),
        Box((0, 0), (2, 3)),
        Ball((2, 2), 1.5),
        TRIANGLE,
        Aerofoil("2499", 4.0, (0.0, 3.0), 0.01),
    ]
)


def nodes(region, grid=GRID):
    """Return the nodes in a region as a set of coordinates."""
    return {tuple(float(c) for c in point) for point in grid.nodes[grid.nodes_in(region)]}


@given(a=REGIONS, b=REGIONS)
def test_algebra(a, b):
    in_a, in_b = GRID.nodes_in(a), GRID.nodes_in(b)
    assert np.array_equal(GRID.nodes_in(a & b), in_a & in_b)
    assert np.array_equal(GRID.nodes_in(a | b), in_a | in_b)
    assert np.array_equal(GRID.nodes_in(~a), ~in_a)
    assert np.array_equal(GRID.nodes_in(~(a & b)), GRID.nodes_in(~a | ~b))
    assert np.array_equal(GRID.nodes_in(Not(Not(a))), in_a)


@given(region=REGIONS)
def test_regions_are_values(region):
    again = pickle.loads(pickle.dumps(region))
    assert again == region
    assert hash(again) == hash(region)


@pytest.mark.parametrize("x", [0.9, 1.0, 1.1, 1.2499])
def test_a_plane_snaps_to_the_nearest_layer(x):
    assert nodes(Plane(x=x)) == {(1.0, float(y)) for y in range(7)}


def test_a_plane_between_two_layers_takes_both_and_one_far_outside_none():
    assert {p[0] for p in nodes(Plane(x=1.25))} == {1.0, 1.5}
    assert {p[0] for p in nodes(Plane(x=4.4))} == {4.0}
    assert nodes(Plane(x=4.6)) == set()
    assert {p[1] for p in nodes(Plane(y=6.9))} == {6.0}
    assert nodes(Plane(y=7.1)) == set()


def test_planes_with_several_coordinates():
    assert nodes(Plane(x=1.0, y=2.0)) == {(1.0, 2.0)}
    line = nodes(Plane(x=0, z=6), BOX)
    assert line == {(0.0, float(y), 6.0) for y in range(5)}
    assert len(nodes(Plane(z=3), BOX)) == 25


def test_planes_that_are_none():
    with pytest.raises(InputError, match="plane: give at least one finite coordinate x, y or z"):
        Plane()
    with pytest.raises(InputError, match="plane: give at least one finite coordinate"):
        Plane(x=INF)
    with pytest.raises(InputError, match="plane: a 2-D grid has no z coordinate"):
        GRID.nodes_in(Plane(z=1.0))


def test_a_point_snaps_to_one_node_in_cells_not_in_lengths():
    assert nodes(Point((1.1, 2.2))) == {(1.0, 2.0)}
    assert nodes(Point((4.3, 6.6))) == {(4.0, 6.0)}
    assert nodes(Point((4.6, 6.0))) == set()
    assert nodes(Point((4.0, 6.9))) == {(4.0, 6.0)}
    assert len(nodes(Point((0.25, 0.5)))) == 1
    # (0.24, 0.6) is 0.48 cells from x = 0 and 0.4 from y = 1
    assert nodes(Point((0.24, 0.6))) == {(0.0, 1.0)}


def test_a_box_includes_its_boundary():
    assert nodes(Box((0, 0), (0.5, 1))) == {(0.0, 0.0), (0.0, 1.0), (0.5, 0.0), (0.5, 1.0)}
    assert len(nodes(Box((-INF, 2), (INF, 2)))) == 9
    assert nodes(Box((0.1, 0.1), (0.4, 0.9))) == set()
    assert np.count_nonzero(GRID.cells_in(Box((0, 0), (0.5, 1)))) == 1
    tenth = Grid((10, 10), (1.0, 1.0))  # 0.1 * 3 is not 0.3
    assert len(nodes(Box((0.3, 0.3), (0.7, 0.7)), tenth)) == 25


def test_boxes_that_are_none():
    with pytest.raises(
        InputError, match=r"box: the lower corner \(1\.0, 0\.0\) must lie below the upper corner"
    ):
        Box((1, 0), (0, 1))
    with pytest.raises(InputError, match="box: the lower corner"):
        Box((0, 0), (1, 1, 1))
    with pytest.raises(InputError, match="box: the lower corner"):
        Box((float("nan"), 0), (1, 1))
    with pytest.raises(InputError, match=r"box: 3 coordinates \(0\.0, 0\.0, 0\.0\) on a 2-D grid"):
        GRID.cells_in(Box((0, 0, 0), (1, 1, 1)))


def test_a_ball_is_round_in_lengths_on_any_aspect():
    assert nodes(Ball((2, 3), 1.0)) == {(x, 3.0) for x in (1.0, 1.5, 2.0, 2.5, 3.0)} | {
        (2.0, 2.0),
        (2.0, 4.0),
    }
    assert len(nodes(Ball((2, 2, 3), 1.0), BOX)) == 7


def test_a_cylinder_is_cut_flat():
    assert len(nodes(Cylinder((2, 2, 1), (2, 2, 4), 1.0), BOX)) == 5 * 4
    slanted = Cylinder((0, 0, 0), (4, 4, 0), 0.01)
    assert nodes(slanted, BOX) == {(float(i), float(i), 0.0) for i in range(5)}
    assert nodes(Cylinder((4, 4, 0), (0, 0, 0), 0.01), BOX) == nodes(slanted, BOX)


@pytest.mark.parametrize(
    ("build", "text"),
    [
        (lambda: Ball((0, 0), 0.0), "ball: expected a positive radius, got 0"),
        (lambda: Ball((0, 0), float("nan")), "ball: expected a positive radius, got nan"),
        (lambda: Ball((0,), 1.0), "ball: expected 2 or 3 finite coordinates"),
        (lambda: Point((0, INF)), "point: expected 2 or 3 finite coordinates"),
        (
            lambda: Cylinder((0, 0, 0), (0, 0, 0), 1),
            r"cylinder: start and end are the same point \(0\.0, 0\.0, 0\.0\)",
        ),
        (lambda: Cylinder((0, 0, 0), (0, 0, 1), -1), "cylinder: expected a positive radius, got -1"),
        (lambda: Polygon(((0, 0), (1, 1))), r"polygon: expected at least three corners \(x, y\)"),
        (lambda: Polygon(((0, 0, 0), (1, 1, 0), (1, 0, 0))), "polygon: expected at least three corners"),
        (lambda: Mask(np.ones(3)), r"mask: expected a picture with 2 or 3 axes, got shape \(3,\)"),
        (lambda: Mask(np.full((2, 2), 0.5)), "mask: expected an array of booleans"),
        (lambda: Aerofoil("241", 1.0, (0, 0)), "aerofoil: expected four digits like '2412', got '241'"),
        (lambda: Aerofoil("24.2", 1.0, (0, 0)), r"aerofoil: expected four digits like '2412', got '24\.2'"),
        (lambda: Aerofoil("2400", 1.0, (0, 0)), "aerofoil: expected four digits like '2412', got '2400'"),
        (lambda: Aerofoil("0412", 1.0, (0, 0)), "aerofoil: camber needs a height and a place, or neither"),
        (lambda: Aerofoil("2012", 1.0, (0, 0)), "aerofoil: camber needs a height and a place, or neither"),
        (lambda: Aerofoil("2412", 0.0, (0, 0)), "aerofoil: expected a chord above 0, got 0"),
        (lambda: Aerofoil("2412", 1.0, (0, 0, 0)), r"aerofoil: expected a nose \(x, y\), got \(0, 0, 0\)"),
        (lambda: Aerofoil("2412", 1.0, (0, INF)), "aerofoil: expected 2 or 3 finite coordinates"),
        (lambda: Aerofoil("2412", 1.0, (0, 0), -0.1), "aerofoil: expected an inset of at least 0, got -0.1"),
        (lambda: Aerofoil("2412", 1.0, (0, 0), INF), "aerofoil: expected an inset of at least 0, got inf"),
        (
            lambda: Aerofoil("2412", 1.0, (0, 0), tip_chord=-1),
            "aerofoil: expected a tip_chord above 0, got -1",
        ),
        (
            lambda: Aerofoil("2412", 1.0, (0, 0), tip_nose=(0, 0, 0)),
            r"aerofoil: expected a tip_nose \(x, y\)",
        ),
        (
            lambda: GRID.cells_in(Aerofoil("2412", 1.0, (0, 3), tip_chord=0.5)),
            "aerofoil: a 2-D grid has no tip; leave tip_chord and tip_nose out",
        ),
        (lambda: GRID.cells_in(Mask(np.ones((2, 2, 2)))), "mask: a 3-D picture does not fit a 2-D grid"),
        (lambda: GRID.cells_in(Ball((0, 0, 0), 1)), "ball: 3 coordinates .* on a 2-D grid"),
        (lambda: BOX.cells_in(Point((0, 0))), "point: 2 coordinates .* on a 3-D grid"),
    ],
)
def test_regions_that_are_none(build, text):
    with pytest.raises(InputError, match=text):
        build()


def test_a_polygon_includes_its_edges_and_corners():
    grid = Grid((4, 4))
    assert nodes(TRIANGLE, grid) == {(float(x), float(y)) for x in range(5) for y in range(5) if x + y <= 4}
    assert nodes(Polygon(((0, 4), (4, 0), (0, 0))), grid) == nodes(TRIANGLE, grid)


def test_a_polygon_that_is_not_convex():
    grid = Grid((6, 6))
    horseshoe = Polygon(((0, 0), (6, 0), (6, 6), (4, 6), (4, 2), (2, 2), (2, 6), (0, 6)))
    inside = nodes(horseshoe, grid)
    assert (3.0, 3.0) not in inside
    assert {(3.0, 2.0), (3.0, 1.0), (2.0, 5.0), (5.0, 5.0), (4.0, 6.0)} <= inside
    cells = grid.shaped(grid.cells_in(horseshoe))
    assert np.count_nonzero(cells) == 36 - 8


def test_a_polygon_is_drawn_out_along_z():
    flags = BOX.cells_in(Polygon(((0, 0), (2, 0), (2, 2), (0, 2)))).reshape(BOX.cells)
    assert flags[:2, :2, :].all()
    assert np.count_nonzero(flags) == 4 * 6


FINE = Grid((400, 800), (1.0, 0.4))
SPACE = Grid((100, 100, 4), (1.0, 0.4, 2.0))


def heights(aerofoil, grid=FINE):
    """Return the thickness and the middle of a section over the chord, from the nodes inside it."""
    inside = grid.nodes_in(aerofoil).reshape(grid.nodes_shape)
    y = grid.nodes[:, 1].reshape(grid.nodes_shape)
    some = inside.any(axis=1)
    low = np.where(inside, y, 9.0).min(axis=1)
    high = np.where(inside, y, -9.0).max(axis=1)
    return np.where(some, high - low, 0.0), np.where(some, 0.5 * (high + low), 0.0)


@pytest.mark.parametrize(
    ("station", "half"), [(0.025, 0.02615), (0.1, 0.04683), (0.3, 0.06002), (0.6, 0.04563), (0.95, 0.00807)]
)
def test_an_aerofoil_is_as_thick_as_the_table_of_the_0012_says(station, half):
    # Ordinates of Abbott and von Doenhoff 1959, appendix I; ours, whose tail is closed, lose 0.00126 t^4.
    thickness, middle = heights(Aerofoil("0012", 1.0, (0.0, 0.2)))
    at = round(400 * station)
    assert thickness[at] == pytest.approx(2 * (half - 0.00126 * station**4), abs=2 * 0.0005)
    assert middle[at] == pytest.approx(0.2, abs=0.0005)


def test_camber_is_as_high_as_the_first_digit_at_the_place_of_the_second():
    thickness, middle = heights(Aerofoil("4412", 0.8, (0.1, 0.15)))
    assert middle[round(400 * 0.42)] == pytest.approx(0.15 + 0.04 * 0.8, abs=0.0005)
    assert middle.max() == pytest.approx(0.15 + 0.04 * 0.8, abs=0.0005)
    assert thickness[round(400 * 0.34)] == pytest.approx(0.12 * 0.8, abs=0.001)
    assert thickness[:40].max() == thickness[361:].max() == 0.0


@pytest.mark.parametrize("code", ["0018", "4415"])
def test_a_skin_is_as_thick_as_its_inset_all_around(code):
    grid, inset = Grid((1000, 400), (1.0, 0.4)), 0.01
    whole, inner = (grid.nodes_in(Aerofoil(code, 1.0, (0.0, 0.2), moved)) for moved in (0.0, inset))
    assert not np.any(inner & ~whole)
    distance = ndimage.distance_transform_edt(whole.reshape(grid.nodes_shape), grid.spacing)
    shape = inner.reshape(grid.nodes_shape)
    rim = shape & ~ndimage.binary_erosion(shape)
    rim[:30] = rim[950:] = False  # at the nose the outline bends within an inset
    assert np.abs(distance[rim] - inset).max() < 0.15 * inset + 0.001
    # Nothing thinner than that is left at the nose.
    assert distance[shape].min() > 0.8 * inset


def test_an_aerofoil_is_drawn_out_along_z():
    flat = Grid((100, 100), (1.0, 0.4)).cells_in(Aerofoil("2412", 1.0, (0.0, 0.2)))
    drawn = SPACE.shaped(SPACE.cells_in(Aerofoil("2412", 1.0, (0.0, 0.2))))
    assert np.array_equal(drawn, np.repeat(flat.reshape(100, 100, 1), 4, axis=2))


def test_a_wing_tapers_and_sweeps_to_its_tip():
    wing = Aerofoil("2412", 1.0, (0.0, 0.2), 0.0, 0.5, (0.3, 0.25))
    inside = SPACE.nodes_in(wing).reshape(SPACE.nodes_shape)
    for layer, share in ((0, 0.0), (1, 0.25), (4, 1.0)):
        section = Aerofoil("2412", 1.0 - 0.5 * share, (0.3 * share, 0.2 + 0.05 * share))
        assert np.array_equal(
            inside[..., layer], Grid((100, 100), (1.0, 0.4)).nodes_in(section).reshape(101, 101)
        )
    assert SPACE.nodes_in(Aerofoil("2412", 1.0, (0.0, 0.2), tip_nose=(0.0, 0.2))).reshape(SPACE.nodes_shape)[
        ..., 4
    ].sum() == np.count_nonzero(inside[..., 0])


@pytest.mark.parametrize("factor", [1, 2, 3, 10])
def test_a_mask_shows_the_same_picture_at_every_resolution(factor, rng):
    picture = rng.random((4, 3)) < 0.5
    flags = Grid((4 * factor, 3 * factor), (8.0, 1.0)).cells_in(Mask(picture)).reshape(4 * factor, 3 * factor)
    assert np.array_equal(flags, np.kron(picture, np.ones((factor, factor), dtype=bool)))


def test_a_flat_mask_is_drawn_out_along_z(rng):
    picture = rng.random((4, 4)) < 0.5
    flags = BOX.cells_in(Mask(picture)).reshape(BOX.cells)
    assert np.array_equal(flags, np.repeat(picture[:, :, None], 6, axis=2))
    assert BOX.cells_in(Mask(np.ones((1, 1, 1)))).all()


def test_masks_are_values_and_keep_their_own_picture():
    picture = np.eye(3, dtype=bool)
    mask = Mask(picture)
    picture[0, 1] = True
    assert mask == Mask(np.eye(3))
    assert hash(mask) == hash(Mask(np.eye(3)))
    assert mask != Mask(picture)
    assert pickle.loads(pickle.dumps(mask)) == mask
    with pytest.raises(ValueError, match="read-only"):
        mask.picture[0, 0] = False


@given(
    region=st.sampled_from(
        [Box((0.25, 0.5), (0.75, 1.5)), Ball((0.5, 1), 0.4), Polygon(((0, 0), (1, 0), (1, 2)))]
    ),
    n=st.integers(8, 20),
)
def test_the_same_words_pick_the_same_area_on_every_grid(region, n):
    coarse, fine = Grid((n, 2 * n), (1.0, 2.0)), Grid((4 * n, 8 * n), (1.0, 2.0))
    areas = [np.count_nonzero(grid.cells_in(region)) * grid.cell_volume for grid in (coarse, fine)]
    assert areas[0] == pytest.approx(areas[1], abs=6.0 / n)
