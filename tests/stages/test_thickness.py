"""A local mean says where a disc is all solid; limited below 1, no member is thicker than the disc."""

import numpy as np
import pytest
from scipy import ndimage

import topopt as to
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
