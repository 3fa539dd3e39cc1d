"""The design as it was along the way, in grey values: for the animation and the histogram."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from topopt.design import Design
from topopt.errors import InputError, RunFolderError
from topopt.files.arrays import read_arrays
from topopt.files.atomic import sweep, write_bytes
from topopt.run import Step

__all__ = ["drop_frames", "frame", "read_frames", "write_frame"]

_NAME = re.compile(r"\d{6,}\.npz")


def frame(step: Step) -> NDArray[np.uint8] | None:
    """Return densities as 0 (void) to 255 (solid), shaped like the cells; None if there is no design."""
    design = step.evaluation.picture
    if not isinstance(design, Design):
        return None
    values = np.nan_to_num(np.clip(design.density, 0.0, 1.0))
    return np.rint(255.0 * values).astype(np.uint8).reshape(design.mesh.shape)


def write_frame(folder: Path, number: int, densities: NDArray[np.uint8]) -> None:
    """Write the frame of one iteration, compressed, whole or not at all."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, density=densities)
    write_bytes(folder / f"{number:06d}.npz", buffer.getbuffer())


def read_frames(folder: Path) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """Yield iteration and grey values, in the shape of the cells, of every frame in a folder, in order.

    Raises
    ------
    RunFolderError
        If a frame is damaged.
    """
    for path in _paths(folder):
        try:
            yield int(path.stem), read_arrays(path)["density"]
        except (OSError, InputError, KeyError) as error:
            raise RunFolderError(
                f"{path}: damaged ({error}); remove it, the others can still be shown"
            ) from error


def drop_frames(folder: Path, beyond: int) -> None:
    """Remove the frames beyond an iteration, and drafts."""
    sweep(folder)
    for path in _paths(folder):
        if int(path.stem) > beyond:
            path.unlink(missing_ok=True)


def _paths(folder: Path) -> list[Path]:
    """Return the frames in a folder, in order; nothing else that may lie there."""
    found = [path for path in folder.glob("*.npz") if _NAME.fullmatch(path.name)]
    return sorted(found, key=lambda path: int(path.stem))
