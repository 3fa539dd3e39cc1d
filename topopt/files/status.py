"""Where a run stands, in a small file that scripts can read."""

from __future__ import annotations

import dataclasses
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from topopt.diagnosis import TOLERANCE
from topopt.errors import RunFolderError
from topopt.files.atomic import write_text
from topopt.files.lock import is_locked
from topopt.history import History

__all__ = ["Status", "read_status", "verdict"]


@dataclass(frozen=True)
class Status:
    """Where a run stands.

    Attributes
    ----------
    state : str
        ``running``, ``interrupted`` (it can be resumed) or ``finished``.
    iterations : int
        Iterations on record.
    objective, violation : float or None
        Of the last one; the violation is None if there are no constraints.
    reason : str
        Why it ended; empty while it runs.
    verdict : str
        One sentence on the result.
    """

    state: Literal["running", "interrupted", "finished"]
    iterations: int = 0
    objective: float | None = None
    violation: float | None = None
    reason: str = ""
    verdict: str = ""

    @classmethod
    def of(
        cls, history: History, state: Literal["running", "interrupted", "finished"], reason: str = ""
    ) -> Status:
        """Return the status after a history."""
        if not len(history):
            return cls(state, reason=reason)
        last = history[-1]
        numbers = [v if math.isfinite(v) else None for v in (last.objective, last.violation)]
        return cls(state, last.number, numbers[0], numbers[1], reason, verdict(last.violation))

    def write(self, path: Path, durable: bool = False) -> None:
        """Write it as JSON, whole or not at all."""
        write_text(path, json.dumps(dataclasses.asdict(self), indent=1) + "\n", durable)


def verdict(violation: float) -> str:
    """Say whether a design meets its limits.

    Examples
    --------
    >>> verdict(0.0004), verdict(0.052)
    ('meets its limits', 'violates a limit by 5.2 %')
    """
    if violation == -math.inf:
        return "has no limits"
    if violation <= TOLERANCE:
        return "meets its limits"
    return f"violates a limit by {100 * violation:.2g} %"


def read_status(folder: Path | str) -> Status:
    """Return where the run in a folder stands; one that claims to run but holds no lock was interrupted.

    Raises
    ------
    RunFolderError
        If there is no such file, or it is damaged.
    """
    folder = Path(folder)
    try:
        status = Status(**json.loads((folder / "status.json").read_text("utf-8")))
    except FileNotFoundError as error:
        raise RunFolderError(f"{folder}: not a run folder: there is no status.json in it") from error
    except (OSError, ValueError, TypeError) as error:
        raise RunFolderError(f"{folder / 'status.json'}: damaged: {error}") from error
    if status.state == "running" and not is_locked(folder):
        return dataclasses.replace(status, state="interrupted", reason="its process ended without a word")
    return status
