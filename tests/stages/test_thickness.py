"""A local mean says where a disc is all solid; limited below 1, no member is thicker than the disc."""

import numpy as np
import pytest
from scipy import ndimage

import topopt as to
from tests.meshed import SHAKEN, boxes, shaken, simplices
from topopt import check
from topopt.errors import InputError


def test_the_mean_is_that_of_a_disc_by_hand_and_sees_nothing_beyond_the_grid(rng):
    """A radius of 1.5 on unit cells: they count as 1 up to a distance of 1, as 2 - sqrt(2) at sqrt(2)."""
    grid = to.Grid((7, 6))
    field = rng.random(42)
    found = grid.shaped(to.LocalMean(grid, 1.5)(field))
    corner = 2.0 - np.sqrt(2.0)
    kernel = np.array([[corner, 1.0, corner], [1.0, 1.0, 1.0], [corner, 1.0, corner]])
    wanted = ndimage.convolve(grid.shaped(field), kernel / kernel.sum(), mode="constant")
    np.testing.assert_allclose(found, wanted, rtol=1e-12)


@pytest.mark.parametrize("thickness", [6, 12])
def test_a_bar_is_full_where_it_is_thicker_than_the_disc(thickness):
    grid = to.Grid((40, 40), (4.0, 4.0))
    bar = np.zeros((40, 40))
    bar[:, 20 - thickness // 2 : 20 + thickness // 2] = 1.0
    fullest = to.LocalMean(grid, 0.5)(bar.ravel()).max()
    # a disc of diameter 10 cells over a bar of 6: two caps of it are void
    half = np.arccos(0.6)
    caps = 2 * (half - 0.6 * 0.8) / np.pi
    assert fullest == pytest.approx(1.0 if thickness == 12 else 1.0 - caps, abs=0.01)


def test_in_space_the_disc_is_a_ball():
    grid = to.Grid((21, 21, 21))
    point = np.zeros(grid.cells)
    point[10, 10, 10] = 1.0
    share = to.LocalMean(grid, 6.0)(point.ravel()).max()
    assert share == pytest.approx(1 / (4 / 3 * np.pi * 6.0**3), rel=0.02)


def test_a_design_under_the_limit_has_no_member_thicker_than_the_disc():
    """The largest inscribed disc, by the distance from void, against the beam without the limit."""
    grid = to.Grid((60, 30), (2.0, 1.0))
    held, tip = to.Support(to.Plane(x=0.0)), to.PointLoad(to.Point((2.0, 0.5)), (0.0, -1.0))
    beam, domain, radius = to.Structure(grid, (held,), (tip,)), to.Domain(grid), 0.1
    chain = to.Chain(
        [
            ("filtered", to.Cone(domain, 0.07)),
            ("physical", to.Tanh(1.0)),
            ("stiffness", to.Simp()),
            ("displacement", to.Equilibrium(beam)),
            ("compliance", to.Compliance(beam)),
            ("fullness", to.LocalMean(domain, radius), "physical"),
            ("norm", to.PowerNorm(16.0)),
            ("fullest", to.Extreme(), "fullness"),
            ("volume", to.Mean(domain), "physical"),
        ]
    )
    sharpness = {"physical.beta": to.Geometric(1.0, 32.0, 60)}
    follow = {"limits.norm": to.Normalised(0.9, "fullest", "norm", share=0.3)}
    thickest = []
    for limits, more in (({"norm": 1.4}, follow), ({}, {})):
        problem = to.Problem(chain, domain, "compliance", {"volume": 0.5, **limits})
        stop = to.Stop(change=0, iterations=100)
        last = to.solve(problem, to.MMA(move=0.1), to.Continuation(sharpness | more), stop)
        solid = grid.shaped(problem.tape(last.x, last.iteration.parameters)["physical"]) > 0.5
        around = np.pad(solid, 1)
        thickest.append(ndimage.distance_transform_edt(around).max() - 0.5)
    cells = radius / float(grid.spacing[0])
    assert thickest[0] <= cells
    assert thickest[1] > 1.4 * cells


def test_a_disc_of_one_cell_is_refused():
    with pytest.raises(InputError, match=r"LocalMean\.radius: 0\.5 reaches no neighbour"):
        to.LocalMean(to.Grid((4, 4)), 0.5)


def test_a_disc_beyond_the_whole_grid_is_refused():
    with pytest.raises(InputError, match=r"LocalMean\.radius: 9 is larger than the whole grid of 3 x 1"):
        to.LocalMean(to.Grid((30, 10), (3.0, 1.0)), 9.0)


@pytest.mark.parametrize(
    ("cells", "radius"), [((9, 6), 0.25), ((9, 6), 0.7), ((7, 7), 1.4), ((6, 5, 4), 0.6)]
)
def test_on_a_mesh_of_equal_squares_the_mean_is_that_of_the_grid(cells, radius, rng):
    grid = to.Grid(cells, tuple(0.2 * n for n in cells))
    mesh, field = boxes(grid), rng.random(grid.n_cells)
    np.testing.assert_allclose(
        to.LocalMean(mesh, radius)(field), to.LocalMean(grid, radius)(field), rtol=1e-9, atol=1e-12
    )


@pytest.mark.parametrize("kind", SHAKEN)
def test_on_any_mesh_the_gradient_is_right_and_what_is_full_is_1(kind, rng):
    mesh = SHAKEN[kind]
    check.stage(to.LocalMean(mesh, 0.6), rng.random(mesh.n_cells), rng=rng).raise_if_failed()
    full = to.LocalMean(mesh, 0.6)(np.ones(mesh.n_cells))
    assert 0.1 < full.min() < 0.8  # where the disc reaches beyond
    assert full.max() <= 1 + 1e-12


def test_a_disc_of_triangles_sees_what_a_circle_covers():
    """In the middle of a plate all is full; at its edge half of the disc is beyond, in its corner more."""
    mesh = shaken(simplices(to.Grid((40, 40), (4.0, 4.0))), 0.1)
    mean = to.LocalMean(mesh, 1.0)
    full = mean(np.ones(mesh.n_cells))
    at = [np.argmin(np.linalg.norm(mesh.centres - place, axis=1)) for place in ((2, 2), (0, 2), (0, 0))]
    assert full[at[0]] == pytest.approx(1.0, abs=1e-12)
    depth = mesh.centres[at[1]][0]
    assert full[at[1]] == pytest.approx(0.5 + 2 * depth / np.pi, abs=0.02)
    assert full[at[2]] == pytest.approx(0.25, abs=0.06)
    hole = (np.linalg.norm(mesh.centres - 2.0, axis=1) > 0.5).astype(float)
    assert mean(hole)[at[0]] == pytest.approx(0.75, abs=0.03)


def test_a_disc_smaller_than_the_cells_of_a_mesh_is_refused():
    with pytest.raises(InputError, match=r"LocalMean\.radius: 0\.1 reaches no neighbour"):
        to.LocalMean(boxes(to.Grid((4, 4))), 0.1)
    with pytest.raises(InputError, match=r"LocalMean: expected an input of shape \(16,\), got \(3,\)"):
        to.LocalMean(boxes(to.Grid((4, 4))), 2.0)(np.ones(3))
