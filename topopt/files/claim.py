"""Which folder a new run gets, and how an old one is cleared without touching anybody else's files."""

from __future__ import annotations

import re
from pathlib import Path

from topopt.errors import InputError, RunFolderError
from topopt.files.atomic import sweep
from topopt.files.frames import drop_frames
from topopt.files.lock import Lock

__all__ = ["MANIFEST", "MARKER", "claimed", "noted", "slugged"]

MARKER = "run.json"
"""The file that makes a folder a run folder."""
MANIFEST = "manifest.txt"
"""The names of the files that the run wrote, one a line: these, and no others, an overwriting run removes."""


def claimed(root: Path, name: str, overwrite: bool) -> tuple[Path, Lock, tuple[str, ...]]:
    """Make the folder of a new run and lock it.

    Parameters
    ----------
    root : Path
        Where run folders live; made if it is missing.
    name : str
        The folder's name; if it is taken, ``<name>-2``, ``<name>-3``, ... is used instead.
    overwrite : bool
        Take over a run folder of this name instead: the files that its run wrote, as its manifest lists them,
        are removed, all other files stay.

    Returns
    -------
    tuple
        The folder, its lock, and what should be said about it.

    Raises
    ------
    InputError
        If the name is no plain file name.
    RunFolderError
        If the folder cannot be made, is in use, or shall be overwritten and is no run folder.
    """
    if not re.fullmatch(r"[^\s./\\:][^/\\:\0]*", name):
        raise InputError(f"name: expected a plain name for the run folder, like 'bridge', got {name!r}")
    try:
        root.mkdir(parents=True, exist_ok=True)
        if overwrite and (root / name).exists():
            return _cleared(root / name)
        path = _made(root, name)
    except OSError as error:
        if isinstance(error, RunFolderError):
            raise
        raise RunFolderError(f"{root / name}: cannot be made: {error.strerror or error}") from error
    notes = () if path.name == name else (f"{root / name} is taken; the results go to {path}",)
    return path, Lock(path), notes


def slugged(name: str) -> str:
    """Return a name of any kind as it stands in the name of a folder or a file.

    Examples
    --------
    >>> slugged("MBB, 0.5"), slugged(".hidden")
    ('MBB--0.5', '-hidden')
    """
    return re.sub(r"^\.|[^A-Za-z0-9._-]", "-", name)


def noted(folder: Path, name: str) -> None:
    """Write a name into the manifest, before the file itself is written."""
    with (folder / MANIFEST).open("a", encoding="utf-8", newline="\n") as file:
        file.write(f"{name}\n")


def _made(root: Path, name: str) -> Path:
    """Make the first folder of ``name``, ``name-2``, ... that does not exist: no two processes get one."""
    number = 1
    while True:
        path = root / (name if number == 1 else f"{name}-{number}")
        try:
            path.mkdir()
            return path
        except FileExistsError:
            number += 1


def _cleared(folder: Path) -> tuple[Path, Lock, tuple[str, ...]]:
    """Lock a run folder and remove what its run wrote, the manifest last, so that this can be repeated."""
    if not folder.is_dir() or not ((folder / MARKER).exists() or (folder / MANIFEST).exists()):
        raise RunFolderError(
            f"{folder}: exists and is no run folder, so it is not overwritten; choose another name"
        )
    lock = Lock(folder)
    sweep(folder)
    manifest = folder / MANIFEST
    names = manifest.read_text("utf-8").splitlines() if manifest.exists() else []
    for name in dict.fromkeys([*names, MARKER]):
        # A manifest is a file like any other: it must not lead out of its folder.
        if name and Path(name).name == name and not (folder / name).is_dir():
            (folder / name).unlink(missing_ok=True)
    frames = folder / "frames"
    if frames.is_dir() and not frames.is_symlink():
        drop_frames(frames, beyond=0)
        if not any(frames.iterdir()):
            frames.rmdir()
    manifest.unlink(missing_ok=True)
    kept = sorted(path.name for path in folder.iterdir() if path.name != "lock")
    notes = (f"{folder}: overwritten; files that no run wrote are kept: {', '.join(kept)}",) if kept else ()
    return folder, lock, notes
