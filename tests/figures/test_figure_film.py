"""The film has a frame per frame, a caption, and cells that stay sharp."""

from __future__ import annotations

import math
import sys

import numpy as np
import pytest
from PIL import Image, ImageSequence

from topopt.errors import InputError, MissingDependencyError
from topopt.figures import animate, film
from topopt.figures.film import CAPTION, HEADING, caption
from topopt.grid import Grid
from topopt.history import Iteration

GRID = Grid((36, 12), (3.0, 1.0))


def _read(path):
    with Image.open(path) as image:
        return [np.asarray(frame.convert("L"), dtype=float) for frame in ImageSequence.Iterator(image)]


def test_a_film_has_all_frames_and_grows_dark_with_the_design(tmp_path, run):
    frames = [(k, np.full(GRID.n_cells, k / 4)) for k in (1, 2, 3, 4)]
    animate(GRID, frames, tmp_path / "a.gif", run(4))
    pictures = _read(tmp_path / "a.gif")
    assert len(pictures) == 4
    height, width = pictures[0].shape
    assert (height, width) == (12 * 20 + 6 + CAPTION, 36 * 20 + 12)
    middles = [picture[50:200, 50:600].mean() for picture in pictures]
    np.testing.assert_allclose(middles, [191, 128, 64, 0], atol=2)
    # Something is written under the picture.
    assert all(picture[-20:, :250].std() > 20 for picture in pictures)
    with Image.open(tmp_path / "a.gif") as image:
        assert image.info["loop"] == 0


def test_cells_stay_sharp_and_keep_their_shape(tmp_path):
    checkers = (np.indices((4, 3)).sum(axis=0) % 2).ravel().astype(np.uint8) * 255
    animate(Grid((4, 3), (4.0, 6.0)), [(1, checkers)], tmp_path / "c.gif", width=40)
    (picture,) = _read(tmp_path / "c.gif")
    inside = picture[6 : 6 + 60, 6 : 6 + 40]
    assert set(np.unique(inside)) == {0.0, 255.0}
    np.testing.assert_array_equal(inside[10::20, 5::10], 255.0 - checkers.reshape(4, 3).T[::-1])


def test_the_last_frame_stays(tmp_path, rng):
    animate(GRID, [(k, rng.random(GRID.n_cells)) for k in (1, 5)], tmp_path / "a.gif", seconds=0.2)
    with Image.open(tmp_path / "a.gif") as image:
        durations = [frame.info["duration"] for frame in ImageSequence.Iterator(image)]
    assert durations == [200, 2000]


@pytest.mark.parametrize("look", ["x-ray", "surface"])
def test_a_body_can_be_filmed(tmp_path, rng, look):
    grid = Grid((8, 4, 4))
    animate(grid, [(k, rng.random(grid.n_cells)) for k in (1, 2)], tmp_path / "b.gif", look=look, width=240)
    pictures = _read(tmp_path / "b.gif")
    assert len(pictures) == 2
    assert all(picture[:-CAPTION].std() > 10 for picture in pictures)


@pytest.mark.parametrize(("width", "rows"), [(240, 8), (900, 4)])
def test_x_rays_say_along_which_axis_they_look(tmp_path, width, rows):
    grid = Grid((8, 4, rows))
    animate(grid, [(1, np.zeros(grid.n_cells))], tmp_path / "x.gif", look="x-ray", width=width)
    (picture,) = _read(tmp_path / "x.gif")
    starts = np.array([0, 10, 20]) * (picture.shape[1] - 12) / (22 + rows)
    for start in np.round(starts).astype(int) + 6:
        assert picture[8 : 6 + HEADING, start + 4 : start + 40].std() > 20


def test_without_opengl_or_on_a_large_grid_a_body_is_filmed_by_x_ray(tmp_path, rng, monkeypatch):
    grid = Grid((8, 4, 4))
    frames = [(1, rng.random(grid.n_cells))]
    animate(grid, frames, tmp_path / "x.gif", look="x-ray")
    animate(grid, frames, tmp_path / "s.gif")
    assert (tmp_path / "s.gif").read_bytes() != (tmp_path / "x.gif").read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(film, "QUICK", grid.n_cells - 1)
        animate(grid, frames, tmp_path / "large.gif")
    assert (tmp_path / "large.gif").read_bytes() == (tmp_path / "x.gif").read_bytes()
    monkeypatch.setitem(sys.modules, "pyvista", None)
    animate(grid, frames, tmp_path / "absent.gif")
    assert (tmp_path / "absent.gif").read_bytes() == (tmp_path / "x.gif").read_bytes()
    with pytest.raises(MissingDependencyError, match="pip install pyvista"):
        animate(grid, frames, tmp_path / "a.gif", look="surface")


def test_captions_name_iteration_slopes_and_objective():
    assert caption(3) == "iteration 3"
    shown = caption(9, Iteration(9, 0.01234567, parameters={"p.beta": math.inf, "optimizer.move": 0.1}))
    assert shown == "iteration 9    β = ∞    f = 0.01235"


def test_what_cannot_be_filmed_says_why(tmp_path):
    path = tmp_path / "a.gif"
    with pytest.raises(InputError, match="no frames: there is nothing to animate"):
        animate(GRID, [], path)
    with pytest.raises(
        InputError, match=r"frame 7: expected one density per cell, shape \(432,\), got \(3,\)"
    ):
        animate(GRID, [(7, np.zeros(3))], path)
    with pytest.raises(InputError, match=r"no look 'xray': did you mean 'x-ray'\?"):
        animate(GRID, [(1, np.zeros(GRID.n_cells))], path, look="xray")
    assert not path.exists()
