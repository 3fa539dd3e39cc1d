"""A body of densities as a picture: its surface, lit, seen through pyvista without a screen."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from topopt.cells import Cells
from topopt.errors import InputError, MissingDependencyError
from topopt.figures.camera import View
from topopt.grid import Grid
from topopt.parameters import Array

__all__ = ["frame", "lit", "render", "studio", "surface"]

COLOUR = "#B7CBDD"
GAP = 1e-3
"""No density is drawn nearer to the level than this."""


def surface(grid: Grid, density: Array, level: float = 0.5) -> Any:
    """Return the surface where a density takes a level, closed exactly on the faces of the box.

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

    Notes
    -----
    Flying edges: Schroeder, Maynard and Geveci 2015, doi:10.1109/LDAV.2015.7348069.
    """
    if grid.ndim != 3:
        raise InputError("surface: a 2-D grid has no surface; use topopt.figures.design")
    pyvista = _pyvista()
    values = grid.shaped(density)
    # A contour through a cell's centre would pinch.
    values = np.where(values > level, np.maximum(values, level + GAP), np.minimum(values, level - GAP))
    padded = np.pad(np.pad(values, 1, mode="edge"), 1, constant_values=0.0)
    image = pyvista.ImageData(dimensions=padded.shape)
    image.point_data["density"] = padded.ravel(order="F")
    skin = image.contour([level], scalars="density", method="flying_edges", compute_normals=False)
    if skin.n_points == 0:
        return skin
    skin.points = _placed(grid, np.asarray(skin.points, dtype=np.float64))
    return skin.clean(tolerance=0.0, lines_to_points=False, polys_to_lines=False, strips_to_polys=False)


def _placed(grid: Grid, indices: Array) -> Array:
    """Return where points of the padded lattice lie: both outer layers are on the face, at no distance.

    So a cell at the edge reaches the face and the contour closes on it, corners included.
    """
    places = np.empty(indices.shape)
    for axis, (n, length) in enumerate(zip(grid.cells, grid.size, strict=True)):
        centres = (np.arange(n) + 0.5) * (length / n)
        knots = np.concatenate([[0.0, 0.0], centres, [length, length]])
        places[:, axis] = np.interp(indices[:, axis], np.arange(n + 4), knots)
    return places


def lit(grid: Grid, density: Array, skin: Any) -> Any:
    """Return a surface with normals to light it by; no point of it moves.

    On the faces of the box the normal is the face's own. Elsewhere it is the gradient of a blurred density,
    as the steps of half a cell that a black-and-white design has would else catch the light.

    Parameters
    ----------
    grid : Grid
        Of three dimensions.
    density : array, shape (n_cells,)
        Values from 0 to 1.
    skin : pyvista.PolyData
        Of `surface`, not empty.

    Returns
    -------
    pyvista.PolyData
        Every triangle with corners and normals of its own.
    """
    from scipy.ndimage import gaussian_filter, map_coordinates

    corners = np.asarray(skin.points, dtype=np.float64)[skin.regular_faces]
    flat = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    flat /= np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-300)
    points = corners.reshape(-1, 3)
    # Numbers of cells around every cell, so that the blur sees the design go on behind a plane of symmetry.
    soft = gaussian_filter(np.pad(grid.shaped(density), 2, mode="edge"), 1.0, mode="nearest")
    places = (points / grid.spacing + 1.5).T
    slopes = (np.gradient(soft, step, axis=axis) for axis, step in enumerate(grid.spacing))
    normals = np.column_stack([-map_coordinates(slope, places, order=1, mode="nearest") for slope in slopes])
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-300)
    own = np.repeat(flat, 3, axis=0)
    # The side of a bar thinner than the blur may have its gradient the wrong way.
    lost = np.einsum("ij,ij->i", normals, own) < 0.3
    on_box = np.repeat(_on_box(grid, corners), 3)
    normals[lost | on_box] = own[lost | on_box]
    body = _pyvista().PolyData.from_regular_faces(points, np.arange(len(points)).reshape(-1, 3))
    body.point_data.active_normals = normals
    return body


def _on_box(grid: Grid, corners: Array) -> NDArray[np.bool_]:
    """Return which triangles lie in a face of the box."""
    slack = 1e-6 * max(grid.size)
    low, high = np.abs(corners) < slack, np.abs(corners - np.array(grid.size)) < slack
    return np.asarray((low.all(axis=1) | high.all(axis=1)).any(axis=1))


def render(mesh: Cells, density: Array, eye: View, width: int = 900) -> NDArray[np.uint8]:
    """Return a picture of a body, cropped to the box, shape (height, width, 3).

    Parameters
    ----------
    mesh : Grid or Mesh
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
    with studio(mesh, eye, width) as shoot:
        return shoot(density)


@contextlib.contextmanager
def studio(mesh: Cells, eye: View, width: int = 900) -> Iterator[Callable[[Array], NDArray[np.uint8]]]:
    """Open one window for many pictures of a box from one side; yield what takes a picture of a density.

    Parameters
    ----------
    mesh, eye, width
        As for `render`.

    Raises
    ------
    MissingDependencyError
        If pyvista is not installed, or OpenGL cannot draw without a screen here.
    """
    pyvista = _pyvista()
    low, high = frame(mesh, eye)
    ratio = float((high - low)[1] / (high - low)[0])
    with _plotter(pyvista, (width, max(1, round(width * ratio)))) as plotter:
        ends = np.stack([mesh.lower, mesh.lower + np.array(mesh.size)], axis=1)
        box = pyvista.Box(tuple(ends.ravel())).outline()
        plotter.add_mesh(box, color="#999999", line_width=max(1.0, width / 700))
        _light(pyvista, plotter, eye)

        def shoot(density: Array) -> NDArray[np.uint8]:
            """Return a picture of a density."""
            skin = surface(mesh, density) if isinstance(mesh, Grid) else _clipped(pyvista, mesh, density)
            if skin.n_points:
                shown = lit(mesh, density, skin) if isinstance(mesh, Grid) else skin
                plotter.add_mesh(
                    shown, name="body", color=COLOUR, ambient=0.18, diffuse=0.9,
                    specular=0.1, specular_power=12.0, smooth_shading=True, render=False,
                )  # fmt: skip
            else:
                plotter.remove_actor("body", render=False)
            _aim(plotter, eye, low, high)
            # A screenshot alone would show the picture before again.
            plotter.render()
            return np.array(plotter.screenshot(return_img=True), dtype=np.uint8)[..., :3]

        yield shoot


def _clipped(pyvista: Any, mesh: Cells, density: Array, level: float = 0.5) -> Any:
    """Return the surface around a body on a mesh, where the mean of the cells at a node crosses a level."""
    cells = unstructured(pyvista, mesh)
    cells.cell_data["density"] = density
    body = cells.cell_data_to_point_data().clip_scalar(scalars="density", invert=False, value=level)
    skin = body.extract_surface(algorithm="dataset_surface")
    skin.clear_data()
    return skin.compute_normals(split_vertices=True, feature_angle=35.0) if skin.n_points else skin


def unstructured(pyvista: Any, mesh: Cells) -> Any:
    """Return the cells of a mesh as pyvista's, which have the same order of corners."""
    kinds = {4: pyvista.CellType.TETRA, 8: pyvista.CellType.HEXAHEDRON}
    return pyvista.UnstructuredGrid({kinds[mesh.cell_nodes.shape[1]]: mesh.cell_nodes}, mesh.nodes)


def frame(mesh: Cells, eye: View) -> tuple[Array, Array]:
    """Return the corners of the box in the picture's plane, with a little air, shape (2,) each."""
    corners = eye.project(np.array(list(np.ndindex(2, 2, 2))) * np.array(mesh.size) + mesh.lower)
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
