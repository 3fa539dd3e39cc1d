"""How black and white a field is, and how thin its edges are."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from topopt.grid import Grid
from topopt.measures import discreteness, interface
from topopt.stages import Tanh


@pytest.mark.parametrize(
    ("density", "value"),
    [([0.0, 1.0, 1.0], 0.0), ([0.5, 0.5], 1.0), ([0.0, 0.5], 0.5), ([0.25], 0.75), ([1.0, 0.9], 0.18)],
)
def test_discreteness_by_hand(density, value):
    assert discreteness(np.array(density)) == pytest.approx(value, abs=1e-15)


@given(st.lists(st.floats(0.0, 1.0), min_size=1, max_size=50))
def test_discreteness_lies_between_nothing_and_one(density):
    assert -1e-15 <= discreteness(np.array(density)) <= 1.0 + 1e-15


def ramp(grid, slope, axis):
    """Return a field that rises by `slope` a cell and passes 1/2 in the middle."""
    position = np.indices(grid.cells)[axis].ravel()
    return 0.5 + slope * (position - (grid.cells[axis] - 1) / 2)


@pytest.mark.parametrize(("cells", "axis"), [((12, 5), 0), ((5, 12), 1), ((12, 1), 0), ((3, 4, 10), 2)])
def test_the_interface_of_a_ramp_is_as_wide_as_the_formula_says(cells, axis):
    grid = Grid(cells)
    before = ramp(grid, 0.04, axis)
    tanh = Tanh(beta=16.0)
    # 1 / (2 s |grad t|) with s = beta / (2 tanh(beta / 2)): about 1 / (beta |grad t|)
    expected = math.tanh(8.0) / (16.0 * 0.04)
    assert interface(grid, before, tanh(before), tanh.edge_slope()) == pytest.approx(expected, rel=1e-12)


def test_the_interface_counts_cells_not_units_of_length():
    fine, unit = Grid((12, 6), (0.12, 0.06)), Grid((12, 6))
    before = ramp(unit, 0.04, 0)
    assert interface(fine, before, before, 3.0) == interface(unit, before, before, 3.0)


def test_the_width_at_the_edges_counts_and_not_the_slope_elsewhere():
    grid = Grid((40, 3))
    before = ramp(grid, 0.01, 0)
    steep = before.reshape(grid.cells).copy()
    steep[:18] -= 0.3 * np.arange(18, 0, -1)[:, None]  # away from the threshold, on both sides of it
    steep[-18:] += 0.3 * np.arange(1, 19)[:, None]
    assert interface(grid, steep.ravel(), steep.ravel(), 5.0) == pytest.approx(1 / (2 * 5.0 * 0.01))


def test_edges_of_passive_cells_are_not_those_of_the_design():
    grid = Grid((12, 4))
    before = ramp(grid, 0.04, 0).reshape(grid.cells)
    alone = interface(grid, before.ravel(), before.ravel(), 5.0)
    # a solid row below, and beside the edge of the design a void cell and a solid one
    pinned = np.zeros(grid.cells, dtype=bool)
    pinned[:, 0] = pinned[5, 2] = pinned[6, 2] = True
    before[:, 0], before[5, 2], before[6, 2] = 1.0, 1.0, 0.0
    field = before.ravel()
    assert interface(grid, field, field, 5.0) < 0.5 * alone
    assert interface(grid, field, field, 5.0, ~pinned.ravel()) == pytest.approx(alone, rel=1e-12)
    assert interface(grid, field, field, 5.0, np.zeros(field.size, dtype=bool)) == math.inf


@pytest.mark.parametrize("value", [0.2, 0.5, 0.8])
def test_a_field_without_an_edge_has_no_interface(value):
    grid = Grid((4, 3))
    field = np.full(12, value)
    assert interface(grid, field, field, 8.0) == math.inf


def test_a_step_has_no_width_and_a_flat_map_no_interface():
    grid = Grid((8, 2))
    before = ramp(grid, 0.1, 0)
    step = Tanh(beta=math.inf)
    assert interface(grid, before, step(before), step.edge_slope()) == 0.0
    assert interface(grid, before, before, 0.0) == math.inf
