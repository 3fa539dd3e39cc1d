"""The report as Markdown, its figures as files beside it."""

from __future__ import annotations

import re

from topopt.study.document import Block, Cell, Document, Figure, Heading, Lines, Paragraph, Table, Verdict

__all__ = ["markdown"]


def markdown(document: Document, folder: str = "figures") -> str:
    """Return a document as Markdown.

    Parameters
    ----------
    document : Document
        What to write.
    folder : str
        Where the figures' files are, seen from the text.
    """
    parts = [f"# {_plain(document.title)}", _plain(document.subtitle)]
    parts += [_block(block, folder) for block in document.blocks]
    return "\n\n".join(part for part in parts if part) + "\n"


def _block(block: Block, folder: str) -> str:
    """Return one block."""
    match block:
        case Heading():
            return f"{'#' * block.level} {_plain(block.text)}"
        case Paragraph():
            return _plain(block.text)
        case Verdict():
            return "\n>\n".join(f"> {_plain(sentence)}" for sentence in block.sentences)
        case Lines():
            return "\n".join(f"* {_plain(line)}" for line in block.lines)
        case Figure():
            return f"![{_plain(block.caption)}]({folder}/{block.name}.png)\n\n*{_plain(block.caption)}*"
        case Table():
            return _table(block)


def _table(table: Table) -> str:
    """Return a table; numbers are set flush right."""
    head = " | ".join(_plain(text) for text in table.head)
    rule = " | ".join(":--" if column in table.words else "--:" for column in range(len(table.head)))
    rows = [" | ".join(_cell(cell) for cell in row) for row in table.rows]
    return "\n".join([f"**{_plain(table.caption)}**", "", *(f"| {line} |" for line in (head, rule, *rows))])


def _cell(cell: Cell) -> str:
    """Return a cell; what is best is bold, what failed in italics."""
    text = _plain(cell.text)
    if not text:
        return ""
    return {"best": f"**{text}**", "failed": f"*{text}*"}.get(cell.mark, text)


def _plain(text: str) -> str:
    """Return text that Markdown and the HTML in it leave as it is."""
    return re.sub(r"([\\`*_\[\]<>|#&])", r"\\\1", " ".join(text.split()))
