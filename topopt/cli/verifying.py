"""`topopt verify`: what a finished design is worth in black and white, and on a finer grid."""

from __future__ import annotations

from pathlib import Path

from topopt.cli.terminal import guarded, require_folder, say

__all__ = ["verify_folder"]


@guarded
def verify_folder(path: Path) -> int:
    """Compute the black-and-white design again, and say how far it is from what the run said; return 0."""
    from topopt.study.verification import verified

    require_folder(path)
    say(str(verified(path)))
    return 0
