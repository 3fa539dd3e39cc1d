"""Every example of nets of torch runs from its first line to its last, and leaves its picture."""

from __future__ import annotations

import re
import runpy
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("sklearn")

FOLDER = Path(__file__).parents[2] / "docs" / "examples"
ROWS = {"chosen_pixels": 6, "digit_duel": 7, "genome": 8, "proteins": 8}
"""What each prints a table of: so many rows."""


@pytest.mark.parametrize("name", ROWS)
def test_an_example_runs_quickly_from_end_to_end(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [f"{name}.py", "--quick"])
    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", "1")  # in this process: workers would import torch again
    runpy.run_path(str(FOLDER / f"{name}.py"), run_name="__main__")
    assert (tmp_path / "results" / f"{name}_quick" / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    rule, *rows = [line for line in capsys.readouterr().out.splitlines() if line.startswith("|")][1:]
    assert re.fullmatch(r"[|:-]+", rule)
    assert len(rows) == ROWS[name]
