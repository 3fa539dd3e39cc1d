"""The text of a file that a user names, or what is wrong with the name."""

from __future__ import annotations

import difflib
from pathlib import Path

from topopt.errors import ProblemFileError
from topopt.files.syntax import MOST_BYTES, NO_DATA

__all__ = ["text_of"]


def text_of(path: Path) -> str:
    """Return the text of a YAML file.

    Parameters
    ----------
    path : Path
        Where it is.

    Raises
    ------
    ProblemFileError
        If there is no such file (one with a similar name is proposed), or it is no text, or far too long.
    """
    if not path.is_file():
        folder = path.parent
        others = sorted(p.name for p in folder.glob("*.yaml")) if folder.is_dir() else []
        close = difflib.get_close_matches(path.name, others, n=1) or difflib.get_close_matches(
            f"{path.name}.yaml", others, n=1
        )
        hint = f"did you mean '{folder / close[0]}'?" if close else "`topopt new` writes one to start from"
        raise ProblemFileError([f"{path}: there is no such file; {hint}"])
    if path.stat().st_size > MOST_BYTES:
        raise ProblemFileError([f"{path}: {NO_DATA}"])
    try:
        return path.read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        line = path.read_bytes().count(b"\n", 0, error.start) + 1
        raise ProblemFileError([f"{path}:{line}: not UTF-8 text; save the file as UTF-8"]) from error
