"""A report before it is HTML or Markdown: headings, paragraphs, tables and figures in order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

__all__ = ["Block", "Cell", "Document", "Figure", "Heading", "Lines", "Paragraph", "Table", "Verdict"]

Mark = Literal["", "best", "tie", "failed", "quiet"]


@dataclass(frozen=True)
class Cell:
    """What stands in a table's cell, and how it is meant."""

    text: str
    mark: Mark = ""


@dataclass(frozen=True)
class Heading:
    """A heading within the report."""

    text: str
    level: int = 2


@dataclass(frozen=True)
class Paragraph:
    """Plain text."""

    text: str


@dataclass(frozen=True)
class Verdict:
    """The sentences that the report is read for."""

    sentences: tuple[str, ...]


@dataclass(frozen=True)
class Lines:
    """Short lines, one under the other."""

    lines: tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """Rows of cells under column heads.

    Attributes
    ----------
    caption : str
        What it shows.
    head : tuple of str
        A column each; those in `words` hold words, the others numbers.
    rows : tuple of tuple of Cell
        In order.
    words : frozenset of int
        Columns to be set flush left.
    folded : bool
        Whether a reader has to open it.
    """

    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    words: frozenset[int] = frozenset({0})
    folded: bool = False


@dataclass(frozen=True)
class Figure:
    """A picture.

    Attributes
    ----------
    name : str
        Of its file, without a suffix.
    png : bytes
        The picture.
    caption : str
        What it shows and how to read it.
    """

    name: str
    png: bytes
    caption: str


Block = Heading | Paragraph | Verdict | Lines | Table | Figure


@dataclass(frozen=True)
class Document:
    """A whole report."""

    title: str
    subtitle: str
    blocks: Sequence[Block]
