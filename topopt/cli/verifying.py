"""`topopt verify`: what a finished design, or the body exported of it, is worth on a finer grid."""

from __future__ import annotations

import json
from pathlib import Path

from topopt.cli.terminal import VIOLATED, guarded, require_folder, say
from topopt.study.verification import verified, verified_body

__all__ = ["verify_folder"]


@guarded
def verify_folder(path: Path, body: bool, as_json: bool) -> int:
    """Compute a design or its body again, and say how far it is from what the run said.

    Returns 3 if the last of the designs breaks a limit, as a run that ends outside its limits, and else 0.
    """
    require_folder(path)
    found = verified_body(path) if body else verified(path)
    say(json.dumps(found.facts()) if as_json else str(found))
    return VIOLATED if any(kept.holds is False for kept in found.limits) else 0
