"""`topopt new`: a commented problem file to start from."""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path

from topopt.cli.reporting import console, guarded
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
    file.write_text(template.replace("FILE", str(file)).replace("NAME", name), encoding="utf-8")
    console.print(f"wrote {file}; now: topopt check {file}", markup=False)
    return 0
