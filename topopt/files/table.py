"""A CSV file that grows by whole rows and, when a new column turns up, is written anew."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

from topopt.errors import RunFolderError
from topopt.files.atomic import sync, write_text

__all__ = ["Table", "whole_lines"]


class Table:
    """Rows on the disk; the columns are all that any row has, in order of appearance.

    The file holds at any time what `topopt.history.History.tables` would give, except that its last row may
    be torn if the process was killed while it wrote.

    Parameters
    ----------
    path : Path
        The file; it need not exist.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._columns = _header(whole_lines(path))

    def append(self, rows: Sequence[Mapping[str, str]]) -> None:
        """Write rows at the end, in one write; no rows make an empty file."""
        fresh = dict.fromkeys(c for row in rows for c in row if c not in self._columns)
        if fresh:
            self._widen([*self._columns, *fresh])
        data = _lines(self._columns, rows).encode()
        try:
            with self.path.open("ab", buffering=0) as file:
                written = file.write(data)
        except OSError as error:
            raise RunFolderError(f"{self.path}: cannot be written: {error.strerror or error}") from error
        if written != len(data):
            raise RunFolderError(f"{self.path}: cannot be written: the disk is full")

    def replace(self, text: str) -> None:
        """Put another table into the file, unless it is there already."""
        text = text if text.strip() else ""
        if not self.path.exists() or self.path.read_bytes() != text.encode():
            write_text(self.path, text)
        self._columns = _header(text)

    def sync(self) -> None:
        """Force the rows onto the disk."""
        sync(self.path)

    def _widen(self, columns: Sequence[str]) -> None:
        """Write the file anew with more columns, whole or not at all."""
        rows = list(csv.DictReader(io.StringIO(whole_lines(self.path))))
        write_text(self.path, _lines(columns, [dict(zip(columns, columns, strict=True)), *rows]))
        self._columns = list(columns)


def whole_lines(path: Path) -> str:
    """Return the text of a file up to its last line end: what a killed writer tore is left out."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise RunFolderError(f"{path}: cannot be read: {error.strerror or error}") from error
    return data[: data.rfind(b"\n") + 1].decode()


def _header(text: str) -> list[str]:
    """Return the columns of a table."""
    return next(csv.reader(io.StringIO(text)), [])


def _lines(columns: Sequence[str], rows: Sequence[Mapping[str, str]]) -> str:
    """Return rows as lines of CSV."""
    out = io.StringIO()
    writer = csv.DictWriter(out, columns, restval="", lineterminator="\n")
    writer.writerows(rows)
    return out.getvalue()
