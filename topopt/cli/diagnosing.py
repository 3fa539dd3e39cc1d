"""`topopt diagnose`: what went wrong in a run, and the problem file that would cure it."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from topopt.cli.terminal import console, guarded, require_folder, say
from topopt.cures import Cure, cure
from topopt.diagnosis import account
from topopt.errors import InputError, RunFolderError
from topopt.failures import failures
from topopt.files import parse, read_about, read_history, read_problem
from topopt.files.located import located
from topopt.files.resolved import written
from topopt.files.status import read_status

__all__ = ["diagnose_folder"]

CURED = "-cured"
"""What the name of a problem gets when its file is cured, so that its runs get a folder of their own."""


@guarded
def diagnose_folder(path: Path, target: Path | None) -> int:
    """Say what went wrong in a run, and print or write what would cure it; return 0."""
    require_folder(path)
    history = read_history(path)
    if not len(history):
        raise RunFolderError(f"{path}: no iteration is on record yet; there is nothing to diagnose")
    text = read_problem(path, read_about(path))
    reason = read_status(path).reason or None
    standing = {} if text is None else _standing(text, path)
    found = failures(history, reason, standing)
    chosen = cure(history, found, reason)
    say(account(history, reason, standing))
    if text is None:
        if chosen:
            console.print(f"\nCure: {chosen.why} As in a problem file:\n\n{chosen.yaml()}")
        if target is not None:
            raise InputError(
                f"{path} was made in Python and holds no problem file: there is nothing to write"
            )
        return 0
    data = located(text, str(path / "problem.yaml")).data
    cured = chosen.applied(data) if chosen else data
    if chosen is None or cured == data:
        say("There is no cure to write." if found else "Nothing to cure.")
        if target is not None:
            raise InputError(f"{target} was not written: there is no cure for this run")
        return 0
    _prescribe(path, target, data, cured, chosen)
    return 0


def _standing(text: str, path: Path) -> dict[str, float]:
    """Return the problem's parameters, of which the log has those that a schedule drives."""
    return parse(text, source=str(path / "problem.yaml"), folder=path).problem.parameters()


def _prescribe(
    path: Path, target: Path | None, data: Mapping[str, Any], cured: dict[str, Any], chosen: Cure
) -> None:
    """Print the sections that change, and write the file if that is wanted."""
    cured |= {"name": f"{data['name']}{CURED}"}
    changed = dict.fromkeys(keys[0] for keys in chosen.changes)
    say(f"\nCure: {chosen.why} In the problem file:\n")
    # Lines that are to be copied are not wrapped.
    console.print(written({section: cured[section] for section in changed}))
    if target is None:
        example = f"{cured['name']}.yaml"
        say("To run it:")
        console.print(f"  topopt diagnose {shlex.quote(str(path))} --write {shlex.quote(example)}")
        console.print(f"  topopt run {shlex.quote(example)}")
        return
    if target.exists():
        raise InputError(f"{target} exists already; choose another name")
    if not target.parent.is_dir():
        raise InputError(f"{target}: there is no folder {target.parent}; make it first")
    whole = written(cured)
    parse(whole, source=str(target), folder=target.parent)
    target.write_text(whole, encoding="utf-8")
    say(f"wrote {target}; now:")
    console.print(f"  topopt run {shlex.quote(str(target))}")
