"""A run as a film: the design frame by frame, with iteration and slope in a caption."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from topopt.design import Design
from topopt.errors import InputError, suggestion
from topopt.figures.body import render
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
LOOKS = ("x-ray", "surface")


def animate(
    grid: Grid,
    frames: Sequence[Frame],
    path: str | os.PathLike[str],
    history: History | None = None,
    *,
    look: str = "x-ray",
    width: int = 720,
    seconds: float = 0.1,
) -> None:
    """Write an animated GIF of the design.

    Parameters
    ----------
    grid : Grid
        The cells.
    frames : sequence of (int, array)
        Iteration and densities, floats from 0 to 1 or bytes from 0 to 255.
    path : path-like
        Where to.
    history : History, optional
        For the caption: the slopes of projections, and the objective.
    look : str
        In 3-D: ``x-ray`` (three mean densities, fast) or ``surface`` (needs pyvista).
    width : int
        Pixels, about.
    seconds : float
        A frame; the last stays for two seconds.

    Raises
    ------
    InputError
        If there is no frame, one does not fit the grid, or the look is unknown.
    """
    if not len(frames):
        raise InputError("no frames: there is nothing to animate before the first iteration")
    if look not in LOOKS:
        raise InputError(f"no look '{look}': {suggestion(look, LOOKS)}")
    by_number = {it.number: it for it in history} if history is not None else {}
    texts = [caption(number, by_number.get(number)) for number, _ in frames]
    shares = [number / max(frames[-1][0], 1) for number, _ in frames]
    fields = [_fitting(grid, number, values) for number, values in frames]
    pictures = [
        _captioned(_picture(grid, field, look, width), text, share)
        for field, text, share in zip(fields, texts, shares, strict=True)
    ]
    milliseconds = [round(1000 * seconds)] * (len(pictures) - 1) + [2000]
    pictures[0].save(
        Path(path), format="GIF", save_all=True, append_images=pictures[1:], duration=milliseconds, loop=0
    )


def _fitting(grid: Grid, number: int, values: ArrayLike) -> Array:
    """Return a frame's densities as floats, refusing the wrong number of them."""
    field = as_density(values)
    if field.shape != (grid.n_cells,):
        raise InputError(
            f"frame {number}: expected one density per cell, shape ({grid.n_cells},), got {field.shape}"
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


def _picture(grid: Grid, field: Array, look: str, width: int) -> NDArray[np.uint8]:
    """Return a frame's grey values, enlarged by whole numbers so that cells stay sharp."""
    if grid.ndim == 3 and look == "surface":
        rendered = render(grid, field, view("corner"), width).astype(np.float64)
        return np.asarray(np.round(rendered.mean(axis=2)), dtype=np.uint8)
    shown = Design(grid, field).pixels()
    zoom = max(1, round(width / shown.shape[1]))
    return np.repeat(np.repeat(shown, zoom, axis=0), zoom, axis=1)


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


def _font() -> Any:
    """Return the font of the figures."""
    import matplotlib
    from PIL import ImageFont

    return ImageFont.truetype(str(Path(matplotlib.get_data_path()) / "fonts/ttf/DejaVuSans.ttf"), 15)
