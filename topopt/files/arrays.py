"""Arrays come in from files: all of a file, or a sentence on why not."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from topopt.errors import InputError, RunFolderError

__all__ = ["read_arrays", "read_design"]

_DAMAGED = (OSError, ValueError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error)
"""What numpy, zipfile and zlib raise where bits were flipped in an archive, or its end is missing."""


def read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """Read all arrays of an NPZ file by name; the one of an NPY file has no name.

    Parameters
    ----------
    path : Path
        Of the file.

    Raises
    ------
    FileNotFoundError
        If there is none.
    InputError
        If it is no such file, or damaged; the reason alone, for the caller knows what can be done.
    """
    try:
        with path.open("rb") as file:
            content = np.load(file, allow_pickle=False)
            return {"": content} if isinstance(content, np.ndarray) else dict(content)
    except FileNotFoundError:
        raise
    except _DAMAGED as error:
        raise InputError(str(error)) from error


def read_design(folder: Path, *names: str) -> dict[str, NDArray[Any]]:
    """Read the design that a run ended with.

    Parameters
    ----------
    folder : Path
        Of the run.
    *names : str
        Arrays that must be there: ``x``, the variables, or ``density``.

    Raises
    ------
    RunFolderError
        If there is no design, or it is damaged, or one of the arrays is missing.
    """
    path = folder / "design.npz"
    try:
        arrays = read_arrays(path)
    except FileNotFoundError as error:
        raise RunFolderError(f"{folder} holds no design.npz: only a run that has ended has one") from error
    except InputError as error:
        raise _damaged(path, str(error)) from error
    missing = [name for name in names if name not in arrays]
    if missing:
        raise _damaged(path, f"it holds no array '{missing[0]}'")
    return arrays


def _damaged(path: Path, why: str) -> RunFolderError:
    """Return the error that a design cannot be what the run left there."""
    return RunFolderError(f"{path}: damaged ({why}); `topopt resume {path.parent}` writes the design again")
