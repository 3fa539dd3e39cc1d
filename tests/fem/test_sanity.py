"""What nothing holds is found before anything is factored, and every free motion is named."""

import numpy as np
import pytest

from topopt.errors import SingularSystemError
from topopt.fem import PointLoad, Structure, Support
from topopt.fem.sanity import mechanisms, require_held
from topopt.grid import Grid
from topopt.regions import Box, Plane, Point


def held(*supports, cells=(6, 4)):
    grid = Grid(cells)
    return Structure(grid, supports, (PointLoad(Point(grid.size), (0.0, -1.0, 0.0)[: grid.ndim]),))


FLAT = [
    ((Support(Plane(x=0.0), "x"),), ["moving in y"]),
    ((Support(Plane(x=0.0), "y"),), ["moving in x", "turning about z"]),
    ((Support(Point((0.0, 0.0))),), ["turning about z"]),
    ((Support(Point((0.0, 0.0)), "x"),), ["moving in y", "turning about z"]),
    ((Support(Point((0.0, 0.0)), "x"), Support(Point((6.0, 4.0)), "x")), ["moving in y"]),
    ((Support(Point((0.0, 2.0))), Support(Point((6.0, 2.0)), "x")), ["turning about z"]),
    ((Support(Point((0.0, 2.0))), Support(Point((6.0, 2.0)), "y")), []),
    ((Support(Plane(x=0.0)),), []),
    ((Support(Plane(x=0.0), spring=1e-3),), []),
    ((Support(Plane(x=0.0), "y", spring=1e-3),), ["moving in x", "turning about z"]),
]
SOLID = [
    ((Support(Plane(x=0.0), "x"),), ["moving in y", "moving in z", "turning about x"]),
    ((Support(Point((0.0, 0.0, 0.0))),), ["turning about x", "turning about y", "turning about z"]),
    ((Support(Plane(x=0.0, y=0.0)),), ["turning about z"]),
    ((Support(Plane(x=0.0), "xy"),), ["moving in z"]),
    ((Support(Plane(x=0.0)),), []),
    ((Support(Plane(x=0.0), "x"), Support(Plane(y=0.0), "y"), Support(Plane(z=0.0), "z")), []),
]


@pytest.mark.parametrize(
    ("supports", "motions", "cells"),
    [(*case, (6, 4)) for case in FLAT] + [(*case, (4, 3, 3)) for case in SOLID],
)
def test_free_motions_are_named(supports, motions, cells):
    structure = held(*supports, cells=cells)
    moduli = np.ones(structure.grid.n_cells)
    if not motions:
        assert mechanisms(structure, moduli) == ()
        require_held(structure, moduli)
        return
    expected = f"nothing stops it from {' and from '.join(motions)}; add a support"
    assert mechanisms(structure, moduli) == (expected,)
    with pytest.raises(SingularSystemError, match=f"the structure is a mechanism: {expected}"):
        require_held(structure, moduli)


SLENDER = [(20_000, 2), (200_000, 1)]


@pytest.mark.parametrize("cells", SLENDER)
@pytest.mark.parametrize("more", [(), (Support(Plane(x=0.0), spring=1e-3),)])
def test_two_adjacent_nodes_hold_a_long_body(cells, more):
    structure = held(Support(Box((0.0, 0.0), (0.0, 1.0))), *more, cells=cells)
    assert mechanisms(structure, np.ones(structure.grid.n_cells)) == ()


@pytest.mark.parametrize("cells", SLENDER)
@pytest.mark.parametrize(
    ("supports", "motions"),
    [
        ((Support(Point((0.0, 0.0))),), "turning about z"),
        ((Support(Point((0.0, 0.0))), Support(Plane(y=0.0), "x")), "turning about z"),
        ((Support(Plane(x=0.0), "x"),), "moving in y"),
        ((Support(Plane(y=0.0), "y"),), "moving in x"),
    ],
)
def test_a_long_mechanism_is_still_refused(cells, supports, motions):
    structure = held(*supports, cells=cells)
    assert mechanisms(structure, np.ones(structure.grid.n_cells)) == (
        f"nothing stops it from {motions}; add a support",
    )


def test_a_long_body_in_space():
    """Held at the corners of one end face; then at two of them, about whose line it turns."""
    cells = (5_000, 1, 1)
    sound = held(Support(Plane(x=0.0)), cells=cells)
    assert mechanisms(sound, np.ones(5_000)) == ()
    loose = held(Support(Box((0.0, 0.0, 0.0), (0.0, 1.0, 0.0))), cells=cells)
    assert mechanisms(loose, np.ones(5_000)) == ("nothing stops it from turning about y; add a support",)


def test_a_body_that_nothing_holds():
    structure = held(Support(Plane(x=0.0)))
    moduli = np.ones((6, 4))
    moduli[0] = 0.0
    sentence = mechanisms(structure, moduli.ravel())[-1]
    assert "from moving in x and from moving in y and from turning about z" in sentence


def test_an_oblique_motion_is_named_by_its_direction():
    """Turning about the line through two pinned corners of a cube's face."""
    structure = held(Support(Point((0.0, 0.0, 0.0))), Support(Point((3.0, 3.0, 0.0))), cells=(3, 3, 3))
    (sentence,) = mechanisms(structure, np.ones(27))
    assert "turning about (0.707, 0.707, 0)" in sentence or "turning about (-0.707, -0.707, 0)" in sentence


def test_a_body_cut_off_is_found_and_placed():
    structure = held(Support(Plane(x=0.0)))
    moduli = np.ones((6, 4))
    moduli[3] = 0.0
    (sentence,) = mechanisms(structure, moduli.ravel())
    assert sentence == (
        "nothing stops the body of 8 cells between (4, 0) and (6, 4) from moving in x and from moving in y "
        "and from turning about z; add a support"
    )


def test_nodes_without_stiffness():
    structure = held(Support(Plane(x=0.0)))
    moduli = np.ones((6, 4))
    moduli[5, 2:] = 0.0
    (sentence,) = mechanisms(structure, moduli.ravel())
    assert sentence.startswith(
        "2 nodes touch only cells of modulus 0, the first at (6, 3); give void a small"
    )
    moduli[5, 2:] = 1e-9
    assert mechanisms(structure, moduli.ravel()) == ()
    sentences = mechanisms(structure, np.zeros(24))
    assert len(sentences) == 1
    assert "30 nodes touch only cells of modulus 0" in sentences[0]


def test_many_bodies_are_counted():
    grid = Grid((9, 2))
    structure = Structure(grid, (Support(Plane(x=9.0)),), (PointLoad(Point((0.0, 0.0)), (0.0, 1.0)),))
    moduli = np.ones((9, 2))
    moduli[1::2] = 0.0
    with pytest.raises(SingularSystemError, match="; and 1 more"):
        require_held(structure, moduli.ravel())
