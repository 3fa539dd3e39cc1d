"""`topopt verify`: what a finished design, or the body exported of it, is worth on a finer grid."""

from __future__ import annotations

from pathlib import Path

from topopt.cli.terminal import guarded, require_folder, say

__all__ = ["verify_folder"]


@guarded
def verify_folder(path: Path, body: bool) -> int:
    """Compute a design or its body again, and say how far it is from what the run said; return 0."""
    from topopt.study.verification import verified, verified_body

    require_folder(path)
    say(str(verified_body(path) if body else verified(path)))
    return 0
