"""A body of densities as a picture: its surface, lit, seen through pyvista without a screen."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from topopt.errors import InputError, MissingDependencyError
from topopt.figures.camera import View
from topopt.grid import Grid
from topopt.parameters import Array

__all__ = ["frame", "render", "surface"]

COLOUR = "#B7CBDD"


def surface(grid: Grid, density: Array, level: float = 0.5) -> Any:
    """Return the surface where a density takes a level, closed where it meets the box.

    Parameters
    ----------
    grid : Grid
        Of three dimensions.
    density : array, shape (n_cells,)
        Values from 0 to 1.
    level : float
        Between 0 and 1.

    Returns
    -------
    pyvista.PolyData
        Triangles, in physical units; none where the density nowhere takes the level.

    Raises
    ------
    InputError
        If the grid is flat.
    MissingDependencyError
        If pyvista is not installed.
    """
    if grid.ndim != 3:
        raise InputError("surface: a 2-D grid has no surface; use topopt.figures.design")
    pyvista = _pyvista()
    # A layer of void cells all round closes the body: with 1 inside, the level 1/2 lies on the box itself.
    padded = np.pad(grid.shaped(density), 1)
    image = pyvista.ImageData(
        dimensions=padded.shape, spacing=tuple(grid.spacing), origin=tuple(-0.5 * grid.spacing)
    )
    image.point_data["density"] = padded.ravel(order="F")
    return image.contour([level], scalars="density", method="flying_edges", compute_normals=False)


def render(grid: Grid, density: Array, eye: View, width: int = 900) -> NDArray[np.uint8]:
    """Return a picture of a body, cropped to the box, shape (height, width, 3).

    Parameters
    ----------
    grid : Grid
        Of three dimensions.
    density : array, shape (n_cells,)
        Values from 0 to 1.
    eye : View
        Where it is looked at from.
    width : int
        Pixels.

    Raises
    ------
    MissingDependencyError
        If pyvista is not installed, or OpenGL cannot draw without a screen here.
    """
    pyvista = _pyvista()
    low, high = frame(grid, eye)
    ratio = float((high - low)[1] / (high - low)[0])
    height = max(1, round(width * ratio))
    body = surface(grid, density)
    with _plotter(pyvista, (width, height)) as plotter:
        box = pyvista.Box((0.0, grid.size[0], 0.0, grid.size[1], 0.0, grid.size[2])).outline()
        plotter.add_mesh(box, color="#999999", line_width=max(1.0, width / 700))
        if body.n_points:
            # For the eye only: steps of half a cell would catch the light.
            smooth = body.smooth_taubin(n_iter=20, pass_band=0.15).compute_normals(feature_angle=50.0)
            plotter.add_mesh(
                smooth, color=COLOUR, ambient=0.18, diffuse=0.9, specular=0.1, specular_power=12.0,
                smooth_shading=True, split_sharp_edges=True, feature_angle=50.0,
            )  # fmt: skip
        _light(pyvista, plotter, eye)
        _aim(plotter, eye, low, high)
        return np.asarray(plotter.screenshot(return_img=True), dtype=np.uint8)[..., :3]


def frame(grid: Grid, eye: View) -> tuple[Array, Array]:
    """Return the corners of the box in the picture's plane, with a little air, shape (2,) each."""
    corners = eye.project(np.array(list(np.ndindex(2, 2, 2))) * np.array(grid.size))
    low, high = corners.min(axis=0), corners.max(axis=0)
    air = 0.015 * float((high - low).max())
    return low - air, high + air


def _light(pyvista: Any, plotter: Any, eye: View) -> None:
    """Light the body from the upper left of the eye, and weakly from the right."""
    right, up, backward = eye.frame()
    key, fill = backward + 1.1 * up - 0.8 * right, backward - 0.3 * up + 1.3 * right
    for toward, intensity in ((key, 0.95), (fill, 0.35)):
        light = pyvista.Light(position=tuple(toward), intensity=intensity, light_type="scene light")
        light.focal_point = (0.0, 0.0, 0.0)
        plotter.add_light(light)


def _aim(plotter: Any, eye: View, low: Array, high: Array) -> None:
    """Look from the eye in parallel projection, so that the frame fills the picture."""
    right, up, backward = eye.frame()
    reach = float(np.linalg.norm(high - low))
    middle = 0.5 * (low + high)
    target = middle[0] * right + middle[1] * up
    camera = plotter.camera
    camera.focal_point = tuple(target)
    camera.position = tuple(target + 10.0 * reach * backward)
    camera.up = tuple(up)
    camera.parallel_projection = True
    camera.parallel_scale = 0.5 * float((high - low)[1])
    plotter.renderer.ResetCameraClippingRange()


@contextlib.contextmanager
def _plotter(pyvista: Any, size: tuple[int, int]) -> Iterator[Any]:
    """Open a window that is nowhere on a screen, and close it again."""
    with _without_screen():
        plotter = pyvista.Plotter(
            off_screen=True, window_size=list(size), lighting="none", theme=_theme(pyvista)
        )
    try:
        if not plotter.render_window.SupportsOpenGL():
            raise MissingDependencyError(
                "3-D pictures need OpenGL, which this machine lacks even in software; on Debian: "
                "apt install libegl1 libosmesa6"
            )
        plotter.enable_anti_aliasing("msaa", multi_samples=4)
        yield plotter
    finally:
        plotter.close()


def _theme(pyvista: Any) -> Any:
    """Return a theme of our own, whatever the user has set as the global one."""
    theme = pyvista.themes.DocumentTheme()
    theme.background = "white"
    return theme


@contextlib.contextmanager
def _without_screen() -> Iterator[None]:
    """Let VTK try EGL first where there is no X server, which it would else complain about."""
    name = "VTK_DEFAULT_OPENGL_WINDOW"
    if not sys.platform.startswith("linux") or "DISPLAY" in os.environ or name in os.environ:
        yield
        return
    os.environ[name] = "vtkEGLRenderWindow"
    try:
        yield
    finally:
        del os.environ[name]


def _pyvista() -> Any:
    """Import pyvista."""
    try:
        import pyvista
    except ImportError as error:
        raise MissingDependencyError("3-D pictures need pyvista: pip install pyvista") from error
    return pyvista
