"""`topopt verify`: what a finished design, or the body exported of it, is worth on a finer grid."""

from __future__ import annotations

import json
from pathlib import Path

from topopt.cli.terminal import guarded, require_folder, say

__all__ = ["verify_folder"]


@guarded
def verify_folder(path: Path, body: bool, as_json: bool) -> int:
    """Compute a design or its body again, and say how far it is from what the run said; return 0."""
    from topopt.study.verification import verified, verified_body

    require_folder(path)
    found = verified_body(path) if body else verified(path)
    say(json.dumps(found.facts()) if as_json else str(found))
    return 0
