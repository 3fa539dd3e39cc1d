"""Files that are there whole or not at all, whatever kills the writer."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from topopt.errors import RunFolderError

__all__ = ["replacing", "sweep", "sync", "write_bytes", "write_text"]

_MARK = ".tmp-"


@contextlib.contextmanager
def replacing(path: Path, durable: bool = False) -> Iterator[Path]:
    """Give a name to write to; when the block ends well, that file takes the place of `path` at once.

    Parameters
    ----------
    path : Path
        The file to be made or replaced.
    durable : bool
        Also force it onto the disk, so that it outlives a power failure, not only the process.

    Yields
    ------
    Path
        A hidden file beside `path`, with its suffix.

    Raises
    ------
    RunFolderError
        If the file cannot be written.
    """
    draft = path.with_name(_MARK + path.name)
    try:
        yield draft
        if durable:
            sync(draft)
        os.replace(draft, path)
        if durable:
            sync(path.parent)
    except OSError as error:
        # A draft of half a file would take the space that is missing.
        with contextlib.suppress(OSError):
            draft.unlink(missing_ok=True)
        raise RunFolderError(f"{path}: cannot be written: {error.strerror or error}") from error


def write_bytes(path: Path, data: bytes | memoryview, durable: bool = False) -> None:
    """Write a file whole or not at all."""
    with replacing(path, durable) as draft, draft.open("wb", buffering=0) as file:
        rest = memoryview(data)
        while rest:
            rest = rest[file.write(rest) :]


def write_text(path: Path, text: str, durable: bool = False) -> None:
    """Write a text as UTF-8, its line ends untouched, whole or not at all."""
    write_bytes(path, text.encode(), durable)


def sync(path: Path) -> None:
    """Force a file or a folder onto the disk; Windows has no such call for folders and needs none."""
    if not path.exists() or (sys.platform == "win32" and path.is_dir()):
        return
    # Windows flushes only what is open for writing.
    descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sweep(folder: Path) -> None:
    """Remove the drafts that a killed writer left in a folder; call it under the folder's lock."""
    for draft in folder.glob(f"{_MARK}*"):
        draft.unlink(missing_ok=True)
