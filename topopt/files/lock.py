"""One writer a folder: a lock that the operating system takes back when its holder dies."""

from __future__ import annotations

import os
import platform
import sys
import time
from pathlib import Path
from typing import IO

from topopt.errors import RunFolderError

__all__ = ["Lock", "is_locked"]


class Lock:
    """Holds a folder until it is released or the process ends, however it ends.

    Parameters
    ----------
    folder : Path
        The folder; the lock is the file ``lock`` in it.

    Raises
    ------
    RunFolderError
        If another process (or another `Lock` of this one) holds the folder.
    """

    def __init__(self, folder: Path) -> None:
        path = folder / "lock"
        try:
            self._file = path.open("a+b")
        except OSError as error:
            raise RunFolderError(f"{folder}: cannot be locked: {error.strerror or error}") from error
        if not _taken(self._file, patience=0.1):
            holder = _holder(self._file)
            self._file.close()
            raise RunFolderError(
                f"{folder}: in use by another process ({holder}); wait for it to end, stop it, "
                f"or write to another folder"
            )
        self._file.truncate(0)
        self._file.write(f"process {os.getpid()} on {platform.node()}\n".encode())
        self._file.flush()

    def release(self) -> None:
        """Let the folder go; the file stays, since removing it would let two processes in."""
        self._file.close()


def is_locked(folder: Path) -> bool:
    """Return whether some process is writing to a folder."""
    path = folder / "lock"
    if not path.exists():
        return False
    with path.open("a+b") as file:
        return not _taken(file, patience=0.0)


def _holder(file: IO[bytes]) -> str:
    """Return what the holder of a lock wrote about itself."""
    if sys.platform == "win32":  # what is locked there cannot be read either
        return "unknown"
    file.seek(0)
    return file.read(200).decode(errors="replace").strip() or "unknown"


def _taken(file: IO[bytes], patience: float) -> bool:
    """Try to lock, for some seconds: `is_locked` holds a lock for a moment, too."""
    deadline = time.monotonic() + patience
    while True:
        if _attempt(file):
            return True
        if time.monotonic() >= deadline:
            return False
        time.sleep(0.01)


def _attempt(file: IO[bytes]) -> bool:
    """Lock a file if nobody else has it."""
    try:
        if sys.platform == "win32":
            import msvcrt

            file.seek(0)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    except OSError as error:
        raise RunFolderError(
            f"{file.name}: this file system knows no locks ({error.strerror}); write to another disk"
        ) from error
    return True
