"""What can be read from a run folder without holding it: also while the run still goes on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from topopt.errors import RunFolderError
from topopt.files.checkpoint import FORMAT
from topopt.files.claim import MARKER
from topopt.files.frames import read_frames
from topopt.files.status import read_status
from topopt.files.table import whole_lines
from topopt.history import History

__all__ = ["PROBLEM", "digest", "read_about", "read_frames", "read_history", "read_problem", "read_status"]

PROBLEM = "problem.yaml"
"""The resolved problem file."""


def read_history(path: Path | str) -> History:
    """Return the log in a run folder.

    Raises
    ------
    RunFolderError
        If there is no such folder, or its log is damaged.
    """
    path = Path(path)
    if not path.is_dir():
        raise RunFolderError(f"{path}: there is no such folder")
    try:
        history = History.from_tables(whole_lines(path / "history.csv"), whole_lines(path / "vanishing.csv"))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise RunFolderError(f"{path}: history.csv or vanishing.csv is damaged: {error}") from error
    numbers = [iteration.number for iteration in history]
    if numbers != list(range(1, len(numbers) + 1)):
        raise RunFolderError(f"{path / 'history.csv'}: damaged: the iterations do not count 1, 2, 3, ...")
    return history


def read_about(path: Path | str) -> dict[str, Any]:
    """Return what was written down when the run began: format, name, recording, environment.

    Raises
    ------
    RunFolderError
        If it is no run folder, damaged, or of another version.
    """
    path = Path(path)
    try:
        about = json.loads((path / MARKER).read_text("utf-8"))
        found = about["format"]
    except (FileNotFoundError, NotADirectoryError) as error:
        raise RunFolderError(f"{path}: not a run folder: there is no {MARKER} in it") from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunFolderError(f"{path / MARKER}: damaged: {error}") from error
    if found != FORMAT:
        raise RunFolderError(
            f"{path}: written in format {found}, this topopt reads format {FORMAT}; "
            f"resume it with the version that wrote it"
        )
    return dict(about)


def read_problem(path: Path | str, about: Mapping[str, Any]) -> str | None:
    """Return the resolved problem file, None if the run began without one.

    Raises
    ------
    RunFolderError
        If the file is gone, or is not the one that the run began with.
    """
    file = Path(path) / PROBLEM
    if about["problem_sha256"] is None:
        return None
    if not file.is_file():
        raise RunFolderError(f"{file}: missing; the run cannot be resumed without it")
    data = file.read_bytes()
    if digest(data) != about["problem_sha256"]:
        raise RunFolderError(
            f"{file}: changed since the run began; undo the change, or start a new run with this file"
        )
    return data.decode()


def digest(data: bytes) -> str:
    """Return the SHA-256 of a file's content."""
    return hashlib.sha256(data).hexdigest()
