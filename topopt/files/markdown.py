"""A table as Markdown, for pages and for what a command leaves in its folder."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

__all__ = ["markdown_table"]


def markdown_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table as Markdown; a column whose cells all begin like a number is set flush right.

    Parameters
    ----------
    head : sequence of str
        Titles of the columns.
    rows : iterable of sequence of str
        As many cells in each.

    Examples
    --------
    >>> print(markdown_table(["cell", "right"], [["rnn", "0.60 (0.50)"], ["lstm", "0.95 (0.90)"]]))
    | cell | right |
    |---|--:|
    | rnn | 0.60 (0.50) |
    | lstm | 0.95 (0.90) |
    """
    cells = [list(row) for row in rows]
    sides = ["--:" if all(_number(row[k]) for row in cells) else "---" for k in range(len(head))]
    lines = ["| " + " | ".join(row) + " |" for row in ([*head], *cells)]
    return "\n".join([lines[0], "|" + "|".join(sides) + "|", *lines[1:]])


def _number(cell: str) -> bool:
    """Return whether a cell is one number, or one and another in brackets."""
    try:
        float(cell.partition(" (")[0].replace(",", ""))
    except ValueError:
        return False
    return True
