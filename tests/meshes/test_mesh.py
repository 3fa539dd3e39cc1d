"""An unstructured mesh knows its cells as a grid does, and refuses what is none."""

import pickle

import numpy as np
import pytest

from tests.meshed import SHAKEN, boxes, shaken, simplices
from topopt.errors import InputError
from topopt.grid import Domain, Grid, designed
from topopt.meshes import Group, Mesh
from topopt.regions import Ball, Box, Mask, Plane, Point

SQUARE = [[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]]
GRIDS = [Grid((4, 3), (2.0, 1.0)), Grid((2, 3, 2), (2.0, 1.0, 1.5))]


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("made", [boxes, simplices])
def test_it_fills_the_box_of_the_grid_it_was_made_from(grid, made):
    mesh = shaken(made(grid))
    assert mesh.size == pytest.approx(grid.size)
    assert mesh.volumes.sum() == pytest.approx(np.prod(grid.size))
    assert mesh.volumes.min() > 0
    assert np.ptp(mesh.volumes) > 0.01 * mesh.volumes.mean()
    assert (mesh.volumes @ mesh.centres / mesh.volumes.sum()).tolist() == pytest.approx(
        [length / 2 for length in grid.size], abs=0.05 * max(grid.size)
    )


@pytest.mark.parametrize("grid", GRIDS)
def test_boxes_say_what_the_grid_says(grid):
    mesh = boxes(grid)
    assert np.allclose(mesh.centres, grid.centres, atol=1e-14)
    assert np.allclose(mesh.volumes, grid.volumes, rtol=1e-13)
    assert mesh.spacing.max() == pytest.approx(grid.spacing.max())
    assert np.array_equal(mesh.places_of(np.array([5, 2])), mesh.nodes[[5, 2]])
    for region in (Plane(x=0.0), Box((0.0,) * grid.ndim, (0.6,) * grid.ndim), Point(grid.size)):
        assert np.array_equal(mesh.nodes_in(region), grid.nodes_in(region))
    ball = Ball((0.5,) * grid.ndim, 0.6)
    assert np.array_equal(mesh.cells_in(ball), grid.cells_in(ball))


@pytest.mark.parametrize(("kind", "sides"), [("triangles", 14), ("quadrilaterals", 14), ("tetrahedra", 64)])
def test_the_boundary_is_what_belongs_to_one_cell(kind, sides):
    mesh = SHAKEN[kind]
    assert len(mesh.boundary) == sides
    assert len(mesh.neighbours) == (len(mesh.facets) - sides) / 2
    on_a_side = [
        np.isclose(mesh.nodes[:, axis], end) for axis, length in enumerate(mesh.size) for end in (0.0, length)
    ]
    assert np.array_equal(np.unique(mesh.boundary), np.flatnonzero(np.any(on_a_side, axis=0)))


def test_it_can_be_hashed_compared_and_pickled():
    mesh = SHAKEN["triangles"]
    again = pickle.loads(pickle.dumps(mesh))
    assert again == mesh
    assert hash(again) == hash(mesh)
    assert mesh != SHAKEN["quadrilaterals"]
    assert designed(mesh) == Domain(again)


def test_a_group_picks_its_nodes_and_its_cells():
    groups = {"half": Group(np.array([0, 1, 2]), np.array([0])), "corner": Group(np.array([3]))}
    mesh = Mesh(SQUARE, [[0, 1, 2], [0, 2, 3]], groups)
    assert mesh.cells_in(mesh.group("half")).tolist() == [True, False]
    assert mesh.nodes_in(mesh.group("half")).tolist() == [True, True, True, False]
    assert mesh.nodes_in(mesh.group("corner")).tolist() == [False, False, False, True]
    assert not mesh.cells_in(mesh.group("corner")).any()
    with pytest.raises(InputError, match="no group 'cornr' in a mesh of 2 triangles: did you mean 'corner'"):
        mesh.group("cornr")


def test_a_volume_is_that_of_the_cells_not_their_number():
    mesh = Mesh([*SQUARE, [3.0, 0.0], [3.0, 1.0]], [[0, 1, 2, 3], [1, 4, 5, 2]])
    domain = Domain(
        Mesh([*mesh.points, [4, 0], [4, 1]], [*mesh.corners, [4, 6, 7, 5]]), solid=Box((1, 0), (3, 1))
    )
    assert domain.density_for(0.75) == pytest.approx((0.75 * 4 - 2) / 2)


@pytest.mark.parametrize("kind", SHAKEN)
def test_a_raster_shows_each_cell_by_its_share(kind):
    mesh = SHAKEN[kind]
    pixels = mesh.raster(400)
    assert pixels.min() == 0  # the box is full
    shares = np.bincount(pixels.ravel(), minlength=mesh.n_cells) / pixels.size
    assert np.abs(shares - mesh.volumes / mesh.volumes.sum()).max() < 0.05


def test_a_picture_does_not_slide_over_a_mesh_that_lies_elsewhere():
    mesh = Mesh(np.array(SQUARE) + 5.0, [[0, 1, 2, 3]])
    with pytest.raises(InputError, match="move the mesh's lower corner to the origin"):
        mesh.cells_in(Mask(np.ones((2, 2), dtype=bool)))


@pytest.mark.parametrize(
    ("points", "corners", "message"),
    [
        (
            SQUARE,
            [[0, 1, 2], [0, 3, 2]],
            r"1 of 2 triangles are inverted: .* the first at \(0.333333, 0.666667\)",
        ),
        ([[0, 0], [2, 0], [0.4, 0.4], [0, 2]], [[0, 1, 2, 3]], "1 of 1 quadrilaterals are inverted"),
        (SQUARE, [[0, 1, 1], [0, 2, 3]], "1 of 2 triangles are flat: they have no volume"),
        (SQUARE, [[0, 1, 2], [0, 2, 3], [1, 2, 0]], "1 cells have the same corners as others; give every"),
        (SQUARE, [[0, 1, 2]], "1 nodes belong to no cell; leave them out"),
        (SQUARE, [[0, 1, 2], [0, 2, 4]], "cells name the nodes 0 to 4, but there are 4"),
        (SQUARE, [[0, 1], [2, 3]], "cells with 2 corners in 2-D; known are triangles"),
        (SQUARE, [[0.0, 1.0, 2.0]], "expected whole numbers of nodes, got float64"),
        (SQUARE, np.zeros((0, 3), dtype=int), "expected nodes of shape"),
        ([[0, 0], [1, 0], [np.nan, 1]], [[0, 1, 2]], "coordinates are nan or infinite"),
    ],
)
def test_what_is_no_mesh_is_refused(points, corners, message):
    with pytest.raises(InputError, match=message):
        Mesh(points, corners)


def test_the_way_round_is_free_if_it_is_the_same_for_all():
    assert Mesh(SQUARE, [[0, 2, 1], [0, 3, 2]]).volumes.tolist() == pytest.approx([0.5, 0.5])


@pytest.mark.parametrize("kind", SHAKEN)
def test_a_quadrature_of_any_order_adds_up_to_the_volume(kind):
    mesh = SHAKEN[kind]
    mirrored = Mesh(mesh.points * ([-1.0] + [1.0] * (mesh.ndim - 1)), mesh.corners)
    for cells in (mesh, mirrored):
        for order in range(1, 9):
            np.testing.assert_allclose(cells.mapped(order).weights.sum(axis=1), mesh.volumes, rtol=1e-9)
