"""`topopt compare`: runs that exist, side by side, their designs judged by one yardstick."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from topopt.cli.studying import reported
from topopt.cli.terminal import guarded, require_folder, say
from topopt.errors import InputError
from topopt.study.runs import MEASURED, compared

__all__ = ["compare_runs", "title_of"]

LONGEST = 60
"""Characters of a folder's name."""


@guarded
def compare_runs(folders: Sequence[Path], results: Path, output: Path | None, quiet: bool) -> int:
    """Compare runs and write the report; return 0.

    Parameters
    ----------
    folders : sequence of Path
        The run folders.
    results : Path
        Where the report's folder goes.
    output : Path or None
        The report's folder itself, instead.
    quiet : bool
        Print nothing but the report's folder.
    """
    paths = list(dict.fromkeys(Path(folder) for folder in folders))
    if len(paths) < 2:
        raise InputError("compare: give two run folders or more, such as results/a results/b")
    for path in paths:
        require_folder(path)
    if not quiet:
        say(f"judging {len(paths)} designs ...")
    reported(compared(paths), output or results / title_of(paths), "Runs compared", MEASURED, quiet)
    return 0


def title_of(paths: Sequence[Path]) -> str:
    """Name the report's folder after the runs.

    Parameters
    ----------
    paths : sequence of Path
        Their folders.
    """
    text = "compare-" + "-".join(path.resolve().name for path in paths)
    if len(text) <= LONGEST:
        return text
    return f"{text[:LONGEST]}-{hashlib.sha256(text.encode()).hexdigest()[:6]}"
