"""Bodies: the surface is closed and where it should be, and a machine without OpenGL gets advice."""

from __future__ import annotations

import os
import sys

import numpy as np
import pytest

from topopt import figures
from topopt.errors import InputError, MissingDependencyError
from topopt.figures import body
from topopt.figures.camera import view
from topopt.grid import Grid
from topopt.regions import Ball, Box

GRID = Grid((12, 6, 4), (6.0, 3.0, 2.0))


def test_a_full_box_has_its_own_surface():
    full = body.surface(GRID, np.ones(GRID.n_cells))
    assert full.bounds == pytest.approx((0, 6, 0, 3, 0, 2))
    assert full.n_open_edges == 0
    assert full.volume == pytest.approx(36, rel=1e-4)


def test_pictures_draw_the_surface_of_the_file(rng):
    from topopt.files.export.surface import surface

    density = np.round(rng.random(GRID.n_cells), 1)
    drawn, written = body.surface(GRID, density), surface(GRID, density)
    assert drawn.n_open_edges == written.open_edges() == 0
    assert drawn.volume == pytest.approx(written.volume, rel=1e-5)
    assert drawn.n_points == len(written.points)


def test_light_moves_no_point_and_leaves_the_faces_of_the_box_flat():
    deck = GRID.cells_in(Box((0, 0, 0), (6, 1, 2))).astype(float)
    skin = body.surface(GRID, deck)
    shown = body.lit(GRID, deck, skin)
    np.testing.assert_allclose(shown.points, skin.points[skin.regular_faces].reshape(-1, 3), atol=1e-6)
    normals = np.asarray(shown.point_data.active_normals)
    np.testing.assert_allclose(np.linalg.norm(normals, axis=1), 1.0, atol=1e-6)
    # The deck is a box: every corner of every triangle is lit along an axis, outwards.
    np.testing.assert_allclose(np.abs(normals).max(axis=1), 1.0, atol=1e-5)
    top = np.isclose(shown.points[:, 1], 1.0).reshape(-1, 3).all(axis=1).repeat(3)
    np.testing.assert_allclose(normals[top], np.tile([0.0, 1.0, 0.0], (top.sum(), 1)), atol=1e-5)


def test_one_window_takes_a_new_picture_of_every_density():
    left, right = (GRID.cells_in(Box((x, 0, 0), (x + 2.5, 3, 2))).astype(float) for x in (0.0, 3.5))
    with body.studio(GRID, view("front"), 200) as shoot:
        series = [shoot(density) for density in (left, right, np.zeros(GRID.n_cells), left)]
    for density, picture in zip((left, right, np.zeros(GRID.n_cells), left), series, strict=True):
        np.testing.assert_array_equal(picture, body.render(GRID, density, view("front"), 200))
    assert not np.array_equal(series[0], series[1])


def test_the_surface_is_capped_where_the_design_meets_the_box():
    half = body.surface(GRID, GRID.cells_in(Box((0, 0, 0), (3, 3, 2))).astype(float))
    assert half.n_open_edges == 0
    assert half.bounds[:2] == pytest.approx((0, 3))


def test_a_ball_has_the_volume_of_a_ball():
    grid = Grid((40, 40, 40), (2.0, 2.0, 2.0))
    distance = np.linalg.norm(grid.centres - 1.0, axis=1)
    ball = body.surface(grid, np.clip(0.5 + (0.7 - distance) / 0.2, 0, 1))
    assert ball.volume == pytest.approx(4 / 3 * np.pi * 0.7**3, rel=0.01)


def test_an_empty_design_has_no_surface_and_still_a_picture():
    assert body.surface(GRID, np.zeros(GRID.n_cells)).n_points == 0
    picture = body.render(GRID, np.zeros(GRID.n_cells), view("corner"), 200)
    assert picture.mean() > 240


def test_a_body_is_where_the_view_says():
    left = GRID.cells_in(Box((0, 0, 0), (2.5, 3, 2))).astype(float)
    picture = body.render(GRID, left, view("front"), 300).mean(axis=2)
    assert picture.shape[1] == 300
    assert picture.shape[0] == pytest.approx(300 * 3.18 / 6.18, abs=2)
    # Away from the box's outline, x runs to the right.
    assert picture[40:-40, 30:100].max() < 235
    assert picture[40:-40, 150:-30].min() > 250
    right = body.render(GRID, left, view("back"), 300).mean(axis=2)
    assert right[:, 150:].mean() < right[:, :150].mean()


def test_rendering_leaves_the_environment_and_pyvista_alone(monkeypatch):
    import pyvista

    for name in ("DISPLAY", "VTK_DEFAULT_OPENGL_WINDOW"):
        monkeypatch.delenv(name, raising=False)
    before, theme = dict(os.environ), pyvista.global_theme.background
    body.render(GRID, np.ones(GRID.n_cells), view("corner"), 100)
    assert dict(os.environ) == before
    assert pyvista.global_theme.background == theme
    assert not pyvista.OFF_SCREEN


def test_a_design_in_space_is_drawn_from_every_side_asked_for():
    density = GRID.cells_in(Ball((3, 1.5, 1), 1.2)).astype(float)
    one = figures.design(GRID, density)
    assert len(one.axes) == 1
    four = figures.design(GRID, density, ("corner", "front", "top"))
    assert [axes.get_title(loc="left") for axes in four.axes] == ["corner", "front", "top", ""]
    assert four.axes[0].get_images()[0].get_array().std() > 5


def test_views_that_do_not_exist_are_refused():
    with pytest.raises(InputError, match=r"no view 'tpo': did you mean 'top'\?"):
        figures.design(GRID, np.ones(GRID.n_cells), ("tpo",))
    with pytest.raises(InputError, match="expected a sequence of names"):
        figures.design(GRID, np.ones(GRID.n_cells), "top")


def test_a_flat_grid_has_no_surface():
    with pytest.raises(InputError, match=r"a 2-D grid has no surface; use topopt\.figures\.design"):
        body.surface(Grid((3, 3)), np.ones(9))


def test_an_absent_pyvista_gives_advice(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyvista", None)
    with pytest.raises(MissingDependencyError, match="3-D pictures need pyvista: pip install pyvista"):
        figures.design(GRID, np.ones(GRID.n_cells))


def test_an_absent_opengl_gives_advice(monkeypatch):
    import pyvista

    class Window:
        def SupportsOpenGL(self):
            return 0

    class Plotter:
        def __init__(self, **_):
            self.render_window = Window()
            self.closed = False

        def close(self):
            self.closed = True

    monkeypatch.setattr(pyvista, "Plotter", Plotter)
    with pytest.raises(MissingDependencyError, match=r"need OpenGL.*apt install libegl1 libosmesa6"):
        figures.design(GRID, np.ones(GRID.n_cells))
