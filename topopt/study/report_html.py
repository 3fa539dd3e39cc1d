"""The report as one HTML page that needs nothing beside itself."""

from __future__ import annotations

import base64
import html
import struct

from topopt.study.document import Block, Cell, Document, Figure, Heading, Lines, Paragraph, Table, Verdict

__all__ = ["page"]

LONG = 26
"""Letters beyond which a column's words may take several lines."""
_STYLE = """
:root { --ink: #222; --grey: #666; --rule: #d9d9d9; --tint: #f6f4ee; --best: #0072B2; --failed: #B04A00; }
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body { margin: 0 auto; padding: 2.5rem 1.25rem 4rem; max-width: 74rem; background: #fff; color: var(--ink);
  font: 1rem/1.55 "Source Serif 4", Charter, "Bitstream Charter", "Iowan Old Style", Georgia, serif; }
h1, h2, h3, table, figcaption, .sub, summary { font-family: system-ui, "Segoe UI", Roboto, "Helvetica Neue",
  "DejaVu Sans", Arial, sans-serif; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0 0 .3rem; font-weight: 650; letter-spacing: -.01em; }
h2 { font-size: 1.3rem; margin: 3rem 0 .8rem; padding-top: .8rem; border-top: 1px solid var(--rule); }
h3 { font-size: 1.05rem; margin: 2rem 0 .5rem; }
p, ul { max-width: 44rem; }
.sub { color: var(--grey); margin: 0 0 1.8rem; font-size: .92rem; }
.verdict { background: var(--tint); border-left: 4px solid var(--best); padding: 1rem 1.3rem;
  margin: 0 0 2rem; max-width: 61rem; }
.verdict p { margin: 0 0 .7rem; font-size: 1.06rem; max-width: none; }
.verdict p:last-child { margin: 0; }
.wide { overflow-x: auto; margin: 0 0 1.6rem; }
table { border-collapse: collapse; font-size: .8rem; line-height: 1.35; font-variant-numeric: tabular-nums;
  min-width: 100%; }
caption { caption-side: top; text-align: left; color: var(--grey); padding: 0 0 .45rem; }
th { font-weight: 600; text-align: right; vertical-align: bottom; border-bottom: 1.5px solid var(--ink);
  padding: .3rem .45rem; }
td { text-align: right; padding: .32rem .45rem; border-bottom: 1px solid var(--rule); white-space: nowrap;
  vertical-align: top; }
th.words, td.words { text-align: left; }
td.long { white-space: normal; min-width: 11rem; }
th:first-child, td:first-child { padding-left: 0; position: sticky; left: 0; background: #fff; }
td:last-child, th:last-child { padding-right: 0; }
tbody tr:hover td { background: #fafafa; }
.best { font-weight: 650; color: var(--best); }
.tie { color: var(--best); }
.failed { color: var(--failed); }
.quiet { color: var(--grey); }
figure { margin: 1.6rem 0 2.2rem; }
img { display: block; width: 100%; max-width: 61rem; height: auto; }
sub { font-size: .72em; line-height: 0; }
figcaption { color: var(--grey); font-size: .84rem; line-height: 1.45; margin-top: .45rem; max-width: 48rem; }
details { margin: 0 0 1.6rem; }
summary { cursor: pointer; font-size: .88rem; color: var(--grey); margin-bottom: .5rem; }
@media (max-width: 40rem) {
  body { padding: 1.4rem .9rem 3rem; } h1 { font-size: 1.5rem; } .verdict { padding: .8rem .9rem; }
  figure .scroll { overflow-x: auto; } figure img { min-width: 34rem; }
}
@media print {
  @page { size: A4 landscape; margin: 13mm 14mm; }
  body { max-width: none; padding: 0; font-size: 10pt; }
  h2, h3, caption { break-after: avoid; } figure, tr, .verdict { break-inside: avoid; }
  .wide { overflow: visible; } table { font-size: 7pt; }
  td, th { padding-left: .3rem; padding-right: .3rem; } td.long { min-width: 0; }
  figure img { width: auto; max-width: 100%; max-height: 165mm; }
  th:first-child, td:first-child { position: static; }
}
"""


def page(document: Document) -> str:
    """Return a document as a page of HTML, its figures and its style inside.

    Parameters
    ----------
    document : Document
        What to write.
    """
    body = "\n".join(_block(block) for block in document.blocks)
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{_plain(document.title)}</title>
<style>{_STYLE}</style>
</head>
<body>
<h1>{_plain(document.title)}</h1>
<p class="sub">{_set(document.subtitle)}</p>
{body}
</body>
</html>
"""


def _block(block: Block) -> str:
    """Return one block."""
    match block:
        case Heading():
            return f"<h{block.level}>{_plain(block.text)}</h{block.level}>"
        case Paragraph():
            return f"<p>{_set(block.text)}</p>"
        case Verdict():
            inside = "".join(f"<p>{_set(sentence)}</p>" for sentence in block.sentences)
            return f'<section class="verdict" aria-label="verdict">{inside}</section>'
        case Lines():
            return f"<ul>{''.join(f'<li>{_set(line)}</li>' for line in block.lines)}</ul>"
        case Figure():
            return _figure(block)
        case Table():
            return _table(block)


def _figure(figure: Figure) -> str:
    """Return a figure with its picture inside; its size is given, so that nothing jumps while it loads."""
    data = base64.b64encode(figure.png).decode("ascii")
    width, height = struct.unpack(">II", figure.png[16:24])
    return (
        f'<figure><div class="scroll"><img alt="{_plain(figure.caption)}" width="{width}" '
        f'height="{height}" src="data:image/png;base64,{data}"></div>'
        f"<figcaption>{_set(figure.caption)}</figcaption></figure>"
    )


def _table(table: Table) -> str:
    """Return a table that scrolls by itself where the page is narrow."""
    kinds = ["words" if column in table.words else "" for column in range(len(table.head))]
    for column in table.words:
        if max((len(row[column].text) for row in table.rows), default=0) > LONG:
            kinds[column] = "words long"
    heads = zip(table.head, kinds, strict=True)
    head = "".join(f'<th scope="col"{_class(kind)}>{_set(text)}</th>' for text, kind in heads)
    rows = "\n".join(
        "<tr>" + "".join(_cell(cell, kind) for cell, kind in zip(row, kinds, strict=True)) + "</tr>"
        for row in table.rows
    )
    caption = "" if table.folded else f"<caption>{_set(table.caption)}</caption>"
    whole = (
        f'<div class="wide"><table>{caption}<thead><tr>{head}</tr></thead>\n'
        f"<tbody>\n{rows}\n</tbody></table></div>"
    )
    return f"<details><summary>{_set(table.caption)}</summary>{whole}</details>" if table.folded else whole


def _cell(cell: Cell, kind: str) -> str:
    """Return a cell."""
    return f"<td{_class(f'{kind} {cell.mark}'.strip())}>{_set(cell.text)}</td>"


def _class(kinds: str) -> str:
    """Return the attribute that names classes."""
    return f' class="{kinds}"' if kinds else ""


def _plain(text: str) -> str:
    """Return text with nothing left in it that HTML would take as its own; no line breaks before %."""
    return html.escape(text.replace(" %", "\u00a0%"), quote=True)


def _set(text: str) -> str:
    """Return the same with the index of M_nd set as one."""
    return _plain(text).replace("M_nd", "M<sub>nd</sub>")
