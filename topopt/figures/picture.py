"""The design itself: grey cells in the plane, a lit surface in space."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from topopt.cells import Cells
from topopt.errors import InputError
from topopt.figures.body import frame, render
from topopt.figures.box import draw_void, measured
from topopt.figures.camera import view
from topopt.figures.data import as_density
from topopt.figures.outlines import boundary
from topopt.figures.style import CYCLE, GREY, INK, WIDTH, canvas, styled
from topopt.grid import Domain, Grid
from topopt.parameters import Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure

__all__ = ["design"]


@styled
def design(
    mesh: Cells,
    density: ArrayLike,
    views: Sequence[str] = ("corner",),
    *,
    domain: Domain | None = None,
    materials: Sequence[float] = (),
) -> Figure:
    """Draw a design: in 2-D its cells in grey, without interpolation; in 3-D the surface of density 1/2.

    Parameters
    ----------
    mesh : Grid or Mesh
        The cells.
    density : array, shape (n_cells,)
        Floats from 0 to 1, or bytes from 0 to 255.
    views : sequence of str
        In 3-D: names from `topopt.figures.VIEWS`, a panel each.
    domain : Domain, optional
        In 2-D: whose passive void is dotted and outlined, to tell it from what the design left empty.
    materials : sequence of float
        In 2-D: densities of several materials, ascending, the last 1; each gets a colour of its own.

    Returns
    -------
    matplotlib.figure.Figure
        To be saved by `topopt.figures.save`.

    Raises
    ------
    InputError
        If the density or the domain does not fit the grid, or a view is unknown.
    MissingDependencyError
        In 3-D, if pyvista or OpenGL is absent.
    """
    field = as_density(density)
    if field.shape != (mesh.n_cells,):
        raise InputError(f"design: expected one density per cell, shape ({mesh.n_cells},), got {field.shape}")
    if domain is not None and domain.mesh != mesh:
        raise InputError(f"design: the density is on {mesh}, the domain on {domain.mesh}; use one grid")
    return _plane(mesh, field, domain, materials) if mesh.ndim == 2 else _body(mesh, field, views)


def _plane(mesh: Cells, field: Array, domain: Domain | None, materials: Sequence[float]) -> Figure:
    """Draw cells in grey, solid black; or each material in its colour, mixtures in between."""
    ratio = mesh.size[1] / mesh.size[0]
    width = min(WIDTH, 6.5 / ratio + 0.8)
    figure = canvas(height=ratio * (width - 0.8) + 0.7, width=max(width, 3.0))
    axes = figure.subplots()
    shades = _shades(materials) if len(materials) > 1 else "gray_r"
    if isinstance(mesh, Grid):
        axes.imshow(
            mesh.shaped(field).T, cmap=shades, vmin=0.0, vmax=1.0, origin="lower", interpolation="nearest",
            extent=(0.0, mesh.size[0], 0.0, mesh.size[1]), aspect="equal",
        )  # fmt: skip
    else:
        _cells(axes, mesh, field, shades)
    if domain is not None:
        draw_void(axes, domain)
    for side in ("top", "right"):
        axes.spines[side].set_visible(isinstance(mesh, Grid))
    measured(axes, mesh)
    if len(materials) > 1:
        _name(figure, materials)
    return figure


def _cells(axes: Axes, mesh: Cells, field: Array, shades: str | Colormap) -> None:
    """Draw the cells of a mesh in their shades, and its outline."""
    from matplotlib import colormaps
    from matplotlib.collections import LineCollection, PolyCollection

    colours = colormaps.get_cmap(shades)(np.clip(field, 0.0, 1.0))
    # edges in the colour of their cell, or light would shine through between two
    cells = PolyCollection(
        list(mesh.nodes[mesh.cell_nodes]), facecolors=colours, edgecolors="face", linewidths=0.2
    )
    axes.add_collection(cells)
    rim = list(boundary(mesh, np.ones(mesh.n_cells, dtype=bool)))
    axes.add_collection(LineCollection(rim, colors=INK, linewidths=0.8, capstyle="round"))
    air = 0.01 * max(mesh.size)
    (left, bottom), (right, top) = mesh.lower - air, mesh.lower + np.array(mesh.size) + air
    axes.set(xlim=(left, right), ylim=(bottom, top), aspect="equal")


def _shades(materials: Sequence[float]) -> Colormap:
    """Return white at void, black at the heaviest material and a colour at each between."""
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list(
        "materials", [(0.0, "white"), *zip(materials, _colours(materials), strict=True)]
    )


def _name(figure: Figure, materials: Sequence[float]) -> None:
    """Write which colour is which density, above the panel."""
    from matplotlib.patches import Patch

    patches = [Patch(facecolor=colour, label=f"density {value:g}")
               for value, colour in zip(materials, _colours(materials), strict=True)]  # fmt: skip
    figure.legend(handles=patches, loc="outside upper left", ncols=len(patches), frameon=False)


def _colours(materials: Sequence[float]) -> tuple[str, ...]:
    """Return a colour for each material, black for the last."""
    between = CYCLE[1 : len(materials)]
    if len(between) < len(materials) - 1:
        raise InputError(f"design.materials: {len(materials)} are more than there are colours for")
    return (*between, "black")


def _body(mesh: Cells, field: Array, views: Sequence[str]) -> Figure:
    """Draw the surface from one or more sides at one scale, two in a row."""
    if isinstance(views, str) or not len(views):
        raise InputError(
            f"design.views: expected a sequence of names such as ('corner', 'top'), got {views!r}"
        )
    columns = min(2, len(views))
    n_rows = -(-len(views) // columns)
    sizes = np.zeros((n_rows * columns, 2))
    sizes[: len(views)] = [np.subtract(*frame(mesh, view(name))[::-1]) for name in views]
    table = sizes.reshape(n_rows, columns, 2)
    widths, heights = table[..., 0].max(axis=0), table[..., 1].max(axis=1)
    inches = min(WIDTH / widths.sum(), 9.0 / heights.sum())
    titles = 0.28 * n_rows * (len(views) > 1)
    figure = canvas(height=inches * heights.sum() + titles, width=max(inches * widths.sum(), 3.0))
    panels = figure.subplots(n_rows, columns, squeeze=False, width_ratios=widths, height_ratios=heights)
    for axes in panels.ravel():
        axes.set_axis_off()
    for axes, name, (width, height) in zip(panels.ravel(), views, sizes, strict=False):
        # Twice as many pixels as the figure has dots, so that edges come out smooth.
        picture = render(mesh, field, view(name), round(200 * inches * width))
        axes.imshow(picture, extent=(0.0, width, 0.0, height), interpolation="antialiased")
        if len(views) > 1:
            axes.set_title(name, color=GREY)
    return figure
