"""A run as a film: the design frame by frame, with iteration and slope in a caption."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from topopt.cells import Cells
from topopt.design import Design
from topopt.errors import InputError, MissingDependencyError, suggestion
from topopt.figures.body import studio
from topopt.figures.camera import view
from topopt.figures.data import Frame, as_density
from topopt.grid import Grid
from topopt.history import History
from topopt.parameters import Array

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["animate", "caption"]

CAPTION = 34
"""Pixels under the picture."""
HEADING = 22
"""Pixels over X-rays."""
LOOKS = ("auto", "x-ray", "surface")
QUICK = 50_000
"""Cells up to which a frame's surface is drawn in under 0.3 s, on one core and without a graphics card."""


def animate(
    mesh: Cells,
    frames: Sequence[Frame],
    path: str | os.PathLike[str],
    history: History | None = None,
    *,
    look: str = "auto",
    width: int = 720,
    seconds: float = 0.1,
) -> None:
    """Write an animated GIF of the design.

    Parameters
    ----------
    mesh : Grid or Mesh
        The cells.
    frames : sequence of (int, array)
        Iteration and densities, floats from 0 to 1 or bytes from 0 to 255.
    path : path-like
        Where to.
    history : History, optional
        For the caption: the slopes of projections, and the objective.
    look : str
        In 3-D: ``surface`` (needs pyvista and OpenGL), ``x-ray`` (mean densities seen along z, y and x), or
        ``auto``: the surface on up to 50,000 cells where it can be drawn, else X-rays, labelled as such.
    width : int
        Pixels, about.
    seconds : float
        A frame; the last stays for two seconds.

    Raises
    ------
    InputError
        If there is no frame, one does not fit the grid, or the look is unknown.
    MissingDependencyError
        If a surface is asked for by name, and pyvista or OpenGL is absent.
    """
    if not len(frames):
        raise InputError("no frames: there is nothing to animate before the first iteration")
    if look not in LOOKS:
        raise InputError(f"no look '{look}': {suggestion(look, LOOKS)}")
    by_number = {it.number: it for it in history} if history is not None else {}
    texts = [caption(number, by_number.get(number)) for number, _ in frames]
    shares = [number / max(frames[-1][0], 1) for number, _ in frames]
    fields = [_fitting(mesh, number, values) for number, values in frames]
    pictures = [
        _captioned(pixels, text, share)
        for pixels, text, share in zip(_pictures(mesh, fields, look, width), texts, shares, strict=True)
    ]
    milliseconds = [round(1000 * seconds)] * (len(pictures) - 1) + [2000]
    pictures[0].save(
        Path(path), format="GIF", save_all=True, append_images=pictures[1:], duration=milliseconds, loop=0
    )


def _fitting(mesh: Cells, number: int, values: ArrayLike) -> Array:
    """Return a frame's densities as floats, refusing the wrong number of them."""
    field = as_density(values)
    if field.shape != (mesh.n_cells,):
        raise InputError(
            f"frame {number}: expected one density per cell, shape ({mesh.n_cells},), got {field.shape}"
        )
    return field


def caption(number: int, iteration: Any = None) -> str:
    """Return a frame's caption.

    Examples
    --------
    >>> from topopt.history import Iteration
    >>> caption(7, Iteration(7, 203.456, parameters={"physical.beta": 4.0}))
    'iteration 7    β = 4    f = 203.5'
    """
    parts = [f"iteration {number}"]
    if iteration is not None:
        for name, value in iteration.parameters.items():
            if name.rpartition(".")[2] == "beta":
                parts.append("β = ∞" if math.isinf(value) else f"β = {value:.3g}")
        parts.append(f"f = {iteration.objective:.4g}")
    return "    ".join(parts)


def _pictures(mesh: Cells, fields: Sequence[Array], look: str, width: int) -> list[NDArray[np.uint8]]:
    """Return the grey values of every frame."""
    if mesh.ndim == 2:
        return [_enlarged(mesh, field, width) for field in fields]
    if look == "surface" or (look == "auto" and mesh.n_cells <= QUICK):
        try:
            return list(_surfaces(mesh, fields, width))
        except MissingDependencyError:
            if look == "surface":
                raise
    return [_named(mesh, _enlarged(mesh, field, width)) for field in fields]


def _surfaces(mesh: Cells, fields: Sequence[Array], width: int) -> Iterator[NDArray[np.uint8]]:
    """Yield the lit surface of every frame in grey."""
    with studio(mesh, view("corner"), width) as shoot:
        for field in fields:
            yield np.asarray(np.round(shoot(field).mean(axis=2)), dtype=np.uint8)


def _enlarged(mesh: Cells, field: Array, width: int) -> NDArray[np.uint8]:
    """Return a design's pixels, enlarged by whole numbers so that cells stay sharp."""
    shown = Design(mesh, field).pixels()
    zoom = max(1, round(width / shown.shape[1]))
    return np.repeat(np.repeat(shown, zoom, axis=0), zoom, axis=1)


def _named(mesh: Cells, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Frame the three X-rays of a body and write above each along which axis it is seen."""
    from PIL import Image, ImageDraw

    # As wide as `Design.pixels` makes them: two edges along x, one along z, each with a pixel on both sides.
    if isinstance(mesh, Grid):
        counts = np.maximum(np.round(np.array(mesh.size) / mesh.spacing.min()), 1)
    else:
        counts = np.array(Design(mesh, np.zeros(mesh.n_cells)).raster.shape)
    across = counts[[0, 0, 2]] + 2
    ends = np.round(np.concatenate([[0], np.cumsum(across)]) * pixels.shape[1] / across.sum()).astype(int)
    whole = Image.new("L", (pixels.shape[1], pixels.shape[0] + HEADING), 255)
    whole.paste(Image.fromarray(pixels), (0, HEADING))
    pen = ImageDraw.Draw(whole)
    for name, start, end in zip("zyx", ends[:-1], ends[1:], strict=True):
        fitting = [text for text in (f"mean density seen along {name}", f"seen along {name}", f"along {name}")
                   if pen.textlength(text, font=_font(13)) <= end - start - 8]  # fmt: skip
        pen.text((int(start) + 4, 3), [*fitting, name][0], fill=30, font=_font(13))
        if start:
            pen.line((int(start), 0, int(start), whole.height), fill=190)
    return np.asarray(whole, dtype=np.uint8)


def _captioned(pixels: NDArray[np.uint8], text: str, share: float) -> Image:
    """Return a picture with its caption under it, and a line that grows with the run."""
    from PIL import Image, ImageDraw

    height, width = pixels.shape
    margin = 6
    whole = Image.new("L", (width + 2 * margin, height + margin + CAPTION), 255)
    whole.paste(Image.fromarray(pixels), (margin, margin))
    pen = ImageDraw.Draw(whole)
    pen.rectangle((margin - 1, margin - 1, margin + width, margin + height), outline=150)
    below = height + margin
    pen.rectangle((margin, below + 3, margin + round(share * (width - 1)), below + 5), fill=110)
    pen.text((margin, below + 11), text, fill=30, font=_font())
    return whole


def _font(size: int = 15) -> Any:
    """Return the font of the figures."""
    import matplotlib
    from PIL import ImageFont

    return ImageFont.truetype(str(Path(matplotlib.get_data_path()) / "fonts/ttf/DejaVuSans.ttf"), size)
