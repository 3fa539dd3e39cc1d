"""Cells, nodes and passive parts: numbering, coordinates, and the refusals."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from topopt.errors import InputError
from topopt.grid import Domain, Grid
from topopt.regions import Ball, Box, Everywhere, Nowhere, Plane

GRIDS = st.builds(
    lambda cells, edges: Grid(tuple(cells), tuple(n * h for n, h in zip(cells, edges, strict=False))),
    st.lists(st.integers(1, 6), min_size=2, max_size=3),
    st.lists(st.sampled_from([0.25, 0.3, 1.0, 7.0]), min_size=3, max_size=3),
)


def test_numbers_of_a_small_grid():
    grid = Grid((3, 2), (6.0, 1.0))
    assert (grid.ndim, grid.axes, grid.n_cells, grid.nodes_shape, grid.n_nodes) == (
        2,
        ("x", "y"),
        6,
        (4, 3),
        12,
    )
    assert grid.spacing.tolist() == [2.0, 0.5]
    assert grid.cell_volume == 1.0
    assert grid.centres[:3].tolist() == [[1.0, 0.25], [1.0, 0.75], [3.0, 0.25]]
    assert grid.nodes[:4].tolist() == [[0.0, 0.0], [0.0, 0.5], [0.0, 1.0], [2.0, 0.0]]
    assert grid.cell_nodes[0].tolist() == [0, 1, 3, 4]


def test_unit_cells_by_default_and_equal_grids_are_equal():
    assert Grid((3, 2)).size == (3.0, 2.0)
    assert Grid([3, np.int64(2)]) == Grid((3, 2), (3, 2))
    assert hash(Grid((3, 2))) == hash(Grid((3, 2), (3.0, 2.0)))
    assert isinstance(Grid([3, np.int64(2)]).cells[1], int)


@given(GRIDS)
def test_cells_lie_amid_their_nodes_in_binary_order(grid):
    corners = grid.nodes[grid.cell_nodes]
    np.testing.assert_allclose(corners.mean(axis=1), grid.centres, atol=1e-12)
    offsets = (corners - corners[:, :1]) / grid.spacing
    wanted = np.array(list(np.ndindex(*(2,) * grid.ndim)))
    np.testing.assert_allclose(offsets, np.broadcast_to(wanted, offsets.shape), atol=1e-9)
    assert grid.cell_volume * grid.n_cells == pytest.approx(np.prod(grid.size))
    np.testing.assert_allclose(grid.nodes[-1], grid.size)


@given(GRIDS)
def test_nodes_and_places_of_some_are_rows_of_the_tables(grid):
    cells, nodes = np.arange(grid.n_cells)[::-2], np.arange(grid.n_nodes)[::-3]
    np.testing.assert_array_equal(grid.nodes_of(cells), grid.cell_nodes[cells])
    np.testing.assert_array_equal(grid.places_of(nodes), grid.nodes[nodes])


@given(GRIDS)
def test_fields_are_indexed_by_axis_last_axis_fastest(grid):
    for axis in range(grid.ndim):
        shaped = grid.shaped(grid.centres[:, axis])
        assert shaped.shape == grid.cells
        if grid.cells[axis] > 1:
            np.testing.assert_allclose(np.diff(shaped, axis=axis), grid.spacing[axis], rtol=1e-9)


def test_shared_arrays_are_read_only():
    grid = Grid((3, 2))
    for array in (
        grid.centres,
        grid.nodes,
        grid.cell_nodes,
        grid.cells_in(Everywhere()),
        Domain(grid).active,
    ):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0


def test_fields():
    grid = Grid((3, 2))
    assert grid.field(0.5).tolist() == [0.5] * 6
    given_field = np.arange(6.0)
    flat = grid.field(given_field.reshape(3, 2))
    assert flat.tolist() == given_field.tolist()
    flat[0] = 9.0
    assert given_field[0] == 0.0
    with pytest.raises(
        InputError, match=r"start: expected one value per cell, shape \(3, 2\) or \(6,\), got \(2, 3\)"
    ):
        grid.field(np.ones((2, 3)), "start")
    with pytest.raises(InputError, match="field: 2 entries are nan or infinite"):
        grid.field([1, np.nan, 1, np.inf, 1, 1])
    with pytest.raises(InputError, match="field: 6 entries are nan"):
        grid.field(np.nan)


@pytest.mark.parametrize(
    ("cells", "size", "text"),
    [
        ((3,), (), r"grid\.cells: expected 2 or 3 numbers of cells, got \(3,\)"),
        ((3, 2, 2, 2), (), r"grid\.cells: expected 2 or 3 numbers"),
        ((3, 0), (), r"grid\.cells: expected integers >= 1, got \(3, 0\)"),
        ((3, 2.0), (), r"grid\.cells: expected integers >= 1, got \(3, 2\.0\)"),
        ((3, True), (), r"grid\.cells: expected integers >= 1"),
        ((3, "2"), (), r"grid\.cells: expected integers >= 1"),
        ((3, 2), (1.0,), r"grid\.size: expected 2 lengths like grid\.cells, got \(1\.0,\)"),
        ((3, 2), (1.0, 0.0), r"grid\.size: expected positive finite lengths, got \(1\.0, 0\.0\)"),
        ((3, 2), (1.0, float("inf")), r"grid\.size: expected positive finite lengths"),
        ((3, 2), (1.0, float("nan")), r"grid\.size: expected positive finite lengths"),
    ],
)
def test_what_is_no_grid(cells, size, text):
    with pytest.raises(InputError, match=text):
        Grid(cells, size)


def test_domain_splits_cells_into_solid_void_and_active():
    domain = Domain(Grid((4, 3)), solid=Box((0, 0), (1, 3)), void=Ball((4, 3), 1.0))
    assert domain.grid.shaped(domain.solid_cells)[0].all()
    assert np.count_nonzero(domain.solid_cells) == 3
    assert np.flatnonzero(domain.void_cells).tolist() == [11]
    assert domain.n_active == 8
    together = domain.solid_cells.astype(int) + domain.void_cells + domain.active
    assert (together == 1).all()
    assert vars(domain).keys() == {"mesh", "solid", "void"}  # what is pickled


def test_impose_leaves_its_input_alone():
    domain = Domain(Grid((4, 3)), solid=Box((0, 0), (1, 3)), void=Box((3, 0), (4, 3)))
    field = np.full(12, 0.4)
    assert domain.impose(field).tolist() == [1.0] * 3 + [0.4] * 6 + [0.0] * 3
    assert (field == 0.4).all()


def test_domains_that_cannot_be_designed():
    grid = Grid((4, 3))
    with pytest.raises(
        InputError, match="passive: 3 cells are both solid and void; make the regions disjoint"
    ):
        Domain(grid, solid=Box((0, 0), (2, 3)), void=Box((1, 0), (4, 3)))
    with pytest.raises(InputError, match="passive: 0 of 12 cells are left to design; at least 2 are needed"):
        Domain(grid, solid=Everywhere())
    with pytest.raises(InputError, match="passive: 1 of 12 cells are left"):
        Domain(grid, void=~Box((0, 0), (1, 1)))
    assert Domain(grid).n_active == 12
    assert Domain(grid, Nowhere(), Nowhere()) == Domain(grid)


def test_nodes_in_a_region():
    grid = Grid((4, 3), (2.0, 3.0))
    assert np.flatnonzero(grid.nodes_in(Plane(x=0.0))).tolist() == [0, 1, 2, 3]
    assert np.count_nonzero(grid.nodes_in(Box((0, 0), (1.0, 1.0)))) == 6


def test_what_is_no_region_is_refused():
    with pytest.raises(InputError, match="expected a Region such as Plane"):
        Grid((3, 2)).nodes_in("tip")
