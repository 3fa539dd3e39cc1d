"""`topopt new`: a commented problem file to start from."""

from __future__ import annotations

import re
import shlex
from importlib.resources import files
from pathlib import Path

from topopt.cli.terminal import guarded, say
from topopt.errors import InputError

__all__ = ["new_file"]


@guarded
def new_file(file: Path, dimensions: int) -> int:
    """Write a commented problem file; never over an existing one."""
    if file.exists():
        raise InputError(f"{file} exists already; choose another name")
    if not file.parent.is_dir():
        raise InputError(f"{file}: there is no folder {file.parent}; make it first")
    template = files("topopt.cli").joinpath("templates", f"{dimensions}d.yaml").read_text(encoding="utf-8")
    name = re.sub(r"\W+", "_", file.stem).strip("_") or "problem"
    shown = shlex.quote(str(file))
    blanks = {"FILE": shown, "NAME": name}
    text = re.sub("FILE|NAME", lambda blank: blanks[blank.group()], template)
    file.write_text(text, encoding="utf-8")
    say(f"wrote {file}; now: topopt check {shown}")
    return 0
