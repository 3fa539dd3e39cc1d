"""A formula and its compiled twin take the same, and nobody who computes something small waits for numba."""

from __future__ import annotations

import importlib
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import topopt
from topopt.kernels import LONG, Twin

ROOT = Path(topopt.__file__).parent
ROOMS = ("means", "mma", "oc", "projection", "sizes")


def twins() -> dict[str, Twin]:
    """Return every twin of the package by where its formula stands."""
    found = {}
    for path in sorted(ROOT.rglob("*.py")):
        if "@twin(" in path.read_text("utf-8"):
            module = importlib.import_module(".".join(path.relative_to(ROOT.parent).with_suffix("").parts))
            found |= {f"{module.__name__}.{n}": t for n, t in vars(module).items() if isinstance(t, Twin)}
    return found


def test_every_compiled_pass_is_the_twin_of_one_formula() -> None:
    passes = [
        f"{room}.{name}"
        for room in ROOMS
        for name in importlib.import_module(f"topopt.kernels.{room}").__all__
    ]
    defined = {t.compiled for t in twins().values()}
    assert sorted(defined) == sorted(passes)


@pytest.mark.parametrize("where", twins())
def test_twins_take_and_return_the_same(where: str) -> None:
    one = twins()[where]
    compiled = one.loaded()
    assert inspect.signature(getattr(compiled, "py_func", compiled)) == inspect.signature(one.plain)


def test_the_length_decides() -> None:
    one = next(iter(twins().values()))
    assert one.of(LONG - 1) is one.plain
    assert one.of(LONG) is one.loaded()
    assert one.of(LONG, fits=False) is one.plain


def test_a_small_run_imports_no_compiler() -> None:
    code = f"""
import sys
from topopt import MMA, OC, Stop, solve
from topopt.files import read
job = read({str(ROOT.parent / "problems/mbb.yaml")!r}, ["grid.cells=[60,20]"])
for optimizer in (MMA(), OC()):
    solve(job.problem, optimizer, job.continuation, Stop(iterations=2))
print("numba" in sys.modules)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT.parent
    )
    assert done.stdout.split() == ["False"]
