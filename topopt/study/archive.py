"""What a trial leaves in its run folder beside the run: how it was judged, how it ended, and what it was."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import math
import typing
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from topopt.errors import InputError, RunFolderError
from topopt.files.arrays import read_arrays
from topopt.files.folder import RunFolder
from topopt.files.reading import read_history
from topopt.files.table import whole_lines
from topopt.parameters import Array
from topopt.study.kept import Kept
from topopt.study.outcome import Judgement, Outcome

__all__ = [
    "OUTCOME", "drop_husk", "forget", "placed", "read_fingerprint", "read_judgements", "read_outcome",
    "write_fingerprint", "write_judgements", "write_outcome",
]  # fmt: skip

JUDGEMENTS, OUTCOME, IDENTITY = "judgements.csv", "outcome.json", "trial.json"
_COLUMNS = tuple(field.name for field in dataclasses.fields(Judgement))
_ASIDE = ("judgements", "history", "density", "folder", "schedules", "limits")
"""What of an outcome stands in other files of its folder, in its place, or in the trial."""
_KINDS = {name: kind for name, kind in typing.get_type_hints(Outcome).items() if name not in _ASIDE}
_NEEDED = ("problem", "continuation", "start", "reason", "crashed")


def write_judgements(run: RunFolder, judgements: Iterable[Judgement]) -> None:
    """Write ``judgements.csv``, whole or not at all, every float exactly."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(_COLUMNS)
    writer.writerows(
        [j.iteration, j.solves, *(repr(float(v)) for v in (j.value, j.grey, j.discreteness)), j.fault]
        for j in judgements
    )
    run.write_text(JUDGEMENTS, out.getvalue())


def read_judgements(folder: Path, upto: float = math.inf) -> list[Judgement]:
    """Return what stands in ``judgements.csv`` of the iterations up to one; nothing if there is no such file.

    Raises
    ------
    RunFolderError
        If the file is damaged.
    """
    try:
        rows = csv.DictReader(io.StringIO(whole_lines(folder / JUDGEMENTS)))
        found = [
            Judgement(
                int(row["iteration"]), int(row["solves"]), float(row["value"]), float(row["grey"]),
                float(row["discreteness"]), row["fault"],
            )
            for row in rows
        ]  # fmt: skip
    except (ValueError, KeyError, TypeError) as error:
        raise _damaged(folder / JUDGEMENTS, error) from error
    return [judgement for judgement in found if judgement.iteration <= upto]


def write_fingerprint(run: RunFolder, fingerprint: str) -> None:
    """Write down which trial a folder belongs to."""
    run.write_text(IDENTITY, json.dumps({"fingerprint": fingerprint}) + "\n")


def read_fingerprint(folder: Path) -> str | None:
    """Return which trial a folder belongs to; None if that is not written down.

    Raises
    ------
    RunFolderError
        If the file is damaged.
    """
    about = _json(folder / IDENTITY)
    if about is None:
        return None
    if not isinstance(about.get("fingerprint"), str):
        raise _damaged(folder / IDENTITY, f"fingerprint: expected text, got {about.get('fingerprint')!r}")
    return str(about["fingerprint"])


def forget(folder: Path) -> None:
    """Let what stands in a folder count as another trial's, so that the trial is begun anew."""
    (folder / IDENTITY).unlink(missing_ok=True)


def write_outcome(run: RunFolder, outcome: Outcome) -> None:
    """Write how a trial ended, as the last of its files: where it stands, the trial is finished."""
    record = {k: v for k, v in vars(outcome).items() if k not in _ASIDE}
    record["limits"] = [limit.facts() for limit in outcome.limits]
    run.write_text(OUTCOME, json.dumps(record, indent=1) + "\n")


def read_outcome(folder: Path) -> Outcome | None:
    """Return what a trial left in its folder; None if it has not ended.

    Parameters
    ----------
    folder : Path
        ``<study>/trials/<slug>``.

    Raises
    ------
    RunFolderError
        If what is there is damaged.
    """
    record = _json(folder / OUTCOME)
    if record is None:
        return None
    if "failed" in record:  # what `crashed` was called at first
        record["crashed"] = record.pop("failed")
    try:
        limits = tuple(Kept.told(facts) for facts in record.pop("limits", []))
    except (KeyError, TypeError, ValueError) as error:
        raise _damaged(folder / OUTCOME, f"limits: {error!r}") from error
    if complaints := list(_complaints(record)):
        raise _damaged(folder / OUTCOME, "; ".join(complaints))
    return Outcome(
        **record,
        judgements=tuple(read_judgements(folder)),
        history=read_history(folder),
        density=None if record["crashed"] else _density(folder),
        folder=placed(folder),
        limits=limits,
    )


def _complaints(record: dict[str, Any]) -> Iterator[str]:
    """Say what of a record is missing, unknown, or of another type than an outcome has there."""
    yield from (f"{name} is missing" for name in _NEEDED if name not in record)
    for name, value in record.items():
        kind = _KINDS.get(name)
        fits = type(value) in (int, float) if kind is float else type(value) is kind
        if not fits:
            expected = f"expected {kind.__name__}" if kind else "unknown"
            yield f"{name}: {expected}, got {value!r:.40}"


def _damaged(path: Path, why: object) -> RunFolderError:
    """Return the error that something in a trial's folder cannot be what the trial left there."""
    error = RunFolderError(f"{path}: damaged: {why}")
    error.add_note("run its study again: the trial is computed anew")
    return error


def placed(folder: Path) -> str:
    """Return a trial's folder relative to the study's."""
    return f"{folder.parent.name}/{folder.name}"


def drop_husk(folder: Path) -> None:
    """Remove a folder that holds nothing yet, because somebody was killed just when it had been made."""
    if folder.is_dir() and {path.name for path in folder.iterdir()} <= {"lock"}:
        (folder / "lock").unlink(missing_ok=True)
        folder.rmdir()


def _density(folder: Path) -> Array | None:
    """Return the final design, shaped like the grid, or as pixels of a mesh; None if the model shows none."""
    path = folder / "design.npz"
    try:
        arrays = read_arrays(path)
    except (OSError, InputError) as error:
        raise _damaged(path, error) from error
    found = arrays.get("picture", arrays.get("density"))
    return None if found is None else np.asarray(found, dtype=np.float64)


def _json(path: Path) -> dict[str, Any] | None:
    """Return the object in a file; None if there is no file."""
    try:
        content = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise _damaged(path, error) from error
    if not isinstance(content, dict):
        raise _damaged(path, "no object in it")
    return content
