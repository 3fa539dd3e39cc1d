"""`topopt gallery`: one picture and one table of all systems in which a signal dies."""

from __future__ import annotations

from pathlib import Path

from topopt.cli.terminal import guarded, say

__all__ = ["show_gallery"]


@guarded
def show_gallery(results: Path) -> int:
    """Measure every system, and write picture and table."""
    from topopt import figures
    from topopt.files.atomic import write_text
    from topopt.gallery import systems, table

    folder = results / "gallery"
    folder.mkdir(parents=True, exist_ok=True)
    measures, missing = systems()
    found = []
    for measure in measures:
        one = measure()
        left, cured = one.before[-1], one.after[-1]
        say(f"{one.system}: {left:,.1f} powers of ten are left; with {one.cure} {cured:,.1f}")
        found.append(one)
    write_text(folder / "gallery.md", table(found, missing))
    figures.save(figures.strengths(found), folder / "gallery.png")
    say(f"The picture and its table are in {folder}/")
    return 0
