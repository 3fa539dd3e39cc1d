"""Symmetry, extrusion and repetition are projections; what is printed stands on something."""

import numpy as np
import pytest

from topopt.errors import InputError
from topopt.grid import Domain, Grid
from topopt.stages import Extruded, Printed, Repeated, Symmetric

PLANE, SPACE = Domain(Grid((8, 6))), Domain(Grid((6, 4, 5)))


@pytest.mark.parametrize(
    "stage",
    [
        Symmetric(PLANE, "xy"),
        Symmetric(SPACE, "z"),
        Extruded(SPACE),
        Extruded(PLANE, "y"),
        Repeated(PLANE, "x", 4),
    ],
)
def test_what_obeys_stays_as_it_is(stage, rng):
    field = rng.random(stage.domain.grid.n_cells)
    once = stage(field)
    assert stage(once) == pytest.approx(once, abs=1e-15)
    assert once.mean() == pytest.approx(field.mean())


def test_symmetry_extrusion_and_repetition(rng):
    field = rng.random(SPACE.grid.n_cells)
    shaped = SPACE.grid.shaped
    mirrored = shaped(Symmetric(SPACE, "xz")(field))
    assert np.array_equal(mirrored, mirrored[::-1, :, ::-1])
    assert np.ptp(shaped(Extruded(SPACE, "y")(field)), axis=1).max() == 0.0
    parts = np.split(shaped(Repeated(SPACE, "x", 3)(field)), 3)
    assert np.array_equal(parts[0], parts[2])


PRINTER = Printed(Domain(Grid((9, 6))))


def test_a_pillar_is_printed_and_a_ceiling_is_not():
    """A column with a beam on top: the beam grows by one cell a layer, and hangs nowhere else."""
    blueprint = np.zeros((9, 6))
    blueprint[4, :] = 1.0
    blueprint[:, 4] = 1.0
    printed = PRINTER.domain.grid.shaped(PRINTER(blueprint.ravel()))
    assert printed[4] == pytest.approx(np.ones(6), abs=0.03)
    assert printed[[3, 5], 4] == pytest.approx(1.0, abs=0.03)
    assert printed[[0, 1, 7, 8], 4].max() < 0.05
    slope = np.fromfunction(lambda x, y: (np.abs(x - 4) <= y) * 1.0, (9, 6))
    assert PRINTER(slope.ravel()) == pytest.approx(slope.ravel(), abs=0.05)


@pytest.mark.parametrize("up", ["+x", "-x", "+y", "-y", "+z", "-z"])
def test_a_printer_builds_in_every_direction(up):
    """A layer on the plate stays, the same layer on the far side has nothing to stand on."""
    stage = Printed(SPACE, up)
    axis = "xyz".index(up[1])
    for end, alive in ((0, up[0] == "+"), (-1, up[0] == "-")):
        shaped = np.zeros(SPACE.grid.cells)
        np.moveaxis(shaped, axis, 0)[end] = 1.0
        printed = np.moveaxis(SPACE.grid.shaped(stage(shaped.ravel())), axis, 0)[end]
        assert printed == pytest.approx(np.full(printed.shape, float(alive)), abs=0.05)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: Symmetric(PLANE, "z"), r"Symmetric\.across: expected some of x, y, each once, got 'z'"),
        (lambda: Symmetric(PLANE, "xx"), "each once, got 'xx'"),
        (lambda: Extruded(SPACE, "xy"), r"Extruded\.along: expected one axis"),
        (lambda: Repeated(PLANE, "x", 3), "8 cells along x leave 2 over when they are divided into 3 parts"),
        (lambda: Printed(PLANE, "up"), r"Printed\.up: 'up' is no direction"),
        (lambda: Printed(PLANE, "+z"), r"'\+z' is no direction"),
    ],
)
def test_what_cannot_be_is_refused(make, text):
    with pytest.raises(InputError, match=text):
        make()
