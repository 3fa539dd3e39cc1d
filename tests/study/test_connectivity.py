"""A load is carried if solid cells lead from it, face by face, to supports that hold them."""

import re

import numpy as np
import pytest

from topopt.errors import InputError
from topopt.fem import LineLoad, LoadCase, PointLoad, Structure, Support
from topopt.grid import Grid
from topopt.regions import Plane, Point
from topopt.study.connectivity import connectivity

GRID = Grid((6, 4))
TIP = Point((6.0, 2.0))
WALL = Support(Plane(x=0.0))


def beam(*supports, on=TIP, force=(0.0, -1.0), grid=GRID):
    return Structure(grid, supports or (WALL,), (PointLoad(on, force),))


def drawn(*rows):
    """Return the flags of a picture whose first row is the top."""
    picture = np.array([[mark == "#" for mark in row] for row in rows])
    return picture[::-1].T.ravel()


SOUND = drawn(
    "......",
    "######",
    "......",
    "......",
)


def test_a_bar_from_wall_to_load_is_sound():
    found = connectivity(beam(), SOUND)
    assert (found.faults, found.islands) == ((), 0)


def test_a_gap_of_one_cell_is_a_fault():
    broken = SOUND.copy()
    broken[GRID.cells[1] * 3 + 2] = False
    (fault,) = connectivity(beam(), broken).faults
    assert fault == (
        "load case 'load': 1 of 1 nodes hang on a body that no support holds: nothing stops it from "
        "moving in x and from moving in y and from turning about z, the first at (6, 2)"
    )


def test_cells_that_touch_at_a_corner_are_not_connected():
    stepped = drawn("......", "###...", "...###", "......")
    (fault,) = connectivity(beam(), stepped).faults
    assert "a body that no support holds" in fault
    stepped[GRID.cells[1] * 3 + 2] = True  # the step, filled: now they share a face
    assert connectivity(beam(), stepped).faults == ()


def test_a_load_on_void_is_a_fault():
    (fault,) = connectivity(beam(), drawn("######", "......", "......", "......")).faults
    assert fault == "load case 'load': 1 of 1 nodes touch only void, the first at (6, 2)"
    (fault,) = connectivity(beam(), np.zeros(24, dtype=bool)).faults
    assert "touch only void" in fault


def test_one_of_the_cells_at_a_node_is_enough():
    # the node (6, 2) touches a held body above and a loose one below
    apart = drawn("######", ".....#", ".....#", "......")
    assert connectivity(beam(), apart).faults == ()
    apart = drawn("####..", "...###", "......", "......")
    assert connectivity(beam(), apart).faults == ()


def test_every_load_case_is_looked_at():
    low, high = (PointLoad(Point((6.0, y)), (0.0, -1.0)) for y in (0.0, 4.0))
    both = Structure(GRID, (WALL,), (LoadCase("low", (low,)), LoadCase("high", (high,))))
    (fault,) = connectivity(both, drawn("######", "......", "......", "......")).faults
    assert fault.startswith("load case 'low': 1 of 1 nodes touch only void")
    spread = Structure(GRID, (WALL,), (LineLoad(Plane(x=6.0), (1.0, 0.0)),))
    (fault,) = connectivity(spread, SOUND).faults
    assert fault == "load case 'load': 3 of 5 nodes touch only void, the first at (6, 0)"


def test_islands_are_counted_and_no_fault():
    for solid, islands in [
        (drawn("#.#...", "######", "......", "......"), 0),
        (drawn("......", "######", "......", "#....."), 1),  # at the support, but it carries nothing
        (drawn("......", "######", "......", ".##..#"), 2),
        (drawn("......", "######", "......", "#.#.#."), 3),
        (drawn("......", "######", "...#..", "..#..."), 1),  # the lower one touches only at a corner
    ]:
        found = connectivity(beam(), solid)
        assert (found.faults, found.islands) == ((), islands)


def test_a_support_must_hold_the_body_and_not_only_touch_it():
    symmetry, roller = Support(Plane(x=0.0), "x"), Support(Point((6.0, 0.0)), "y")
    half = beam(symmetry, roller, on=Point((0.0, 4.0)))
    (fault,) = connectivity(half, drawn("###...", "......", "......", "......")).faults
    assert "nothing stops it from moving in y, the first at (0, 4)" in fault
    assert connectivity(half, drawn("######", ".....#", ".....#", ".....#")).faults == ()


def test_springs_hold_but_not_where_a_port_is():
    ground = Support(Point((0.0, 0.0)))
    cradle = Support(Plane(x=0.0), "all", spring=0.1)
    assert connectivity(beam(ground, cradle), SOUND).faults == ()
    actuator = Support(TIP, "all", spring=0.1)
    rest = Support(Point((6.0, 3.0)), "all", spring=0.1)
    loose = drawn("......", ".....#", "......", "......")
    # two sprung nodes would hold the cell, but one of them is where it is loaded
    (fault,) = connectivity(beam(ground, actuator, rest), loose).faults
    assert "nothing stops it from turning about z" in fault
    more = Support(Point((5.0, 3.0)), "all", spring=0.1)
    assert connectivity(beam(ground, actuator, rest, more), loose).faults == ()


def test_a_port_must_be_carried_like_a_load():
    nodes = np.flatnonzero(GRID.nodes_in(Point((6.0, 0.0))))
    (fault,) = connectivity(beam(), SOUND, {"response 'out'": nodes}).faults
    assert fault == "response 'out': 1 of 1 nodes touch only void, the first at (6, 0)"
    joined = drawn("......", "######", ".....#", ".....#")
    assert connectivity(beam(), joined, {"response 'out'": nodes}).faults == ()


def test_faces_edges_and_corners_in_3d():
    grid = Grid((4, 2, 2))
    bar = Structure(grid, (WALL,), (PointLoad(Point((4.0, 0.0, 0.0)), (0.0, -1.0, 0.0)),))
    solid = np.zeros(grid.cells, dtype=bool)
    solid[:, 0, 0] = True
    assert connectivity(bar, solid.ravel()).faults == ()
    for start in [(1, 0), (1, 1)]:  # the first half meets the second along an edge, or at a corner
        half = np.zeros(grid.cells, dtype=bool)
        half[2:, 0, 0] = True
        half[(slice(None, 2), *start)] = True
        (fault,) = connectivity(bar, half.ravel()).faults
        assert "a body that no support holds" in fault
        half[1, 0, 0] = True  # an edge is mended, a corner still lacks a cell
        assert bool(connectivity(bar, half.ravel()).faults) == (start == (1, 1))


@pytest.mark.parametrize("solid", [np.zeros(24), np.zeros(23, dtype=bool), np.zeros((6, 4), dtype=bool)])
def test_what_is_no_design_is_refused(solid):
    with pytest.raises(InputError, match=re.escape("solid: expected 24 flags, one a cell, got ")):
        connectivity(beam(), solid)
