"""`topopt verify`: a design is computed again where nobody optimised it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from typer.testing import Result

from tests.cli.conftest import SMALL
from topopt.files.export import body
from topopt.files.export.surface import write_stl
from topopt.grid import Grid
from topopt.study.verification import verified


def test_a_design_is_worth_about_the_same_on_a_finer_grid(
    topopt: Callable[..., Result], problem: Path
) -> None:
    ramp = "continuation={physical.beta: {type: geometric, start: 1, final: 32, over: 40}}"
    assert topopt("run", problem, *SMALL, "--set", "stop.iterations=60", "--set", ramp, "-q").exit_code == 0
    found = verified("results/problem")
    assert found.cells == (80, 40)
    assert found.black == pytest.approx(found.grey, rel=0.1)
    assert found.fine == pytest.approx(found.black, rel=0.1)
    assert found.fine > found.black  # finer cells are softer
    said = topopt("verify", "results/problem")
    assert said.exit_code == 0
    assert "On 80 x 40 cells that design has" in said.output
    volume = said.output.splitlines()[-1].split()
    assert volume[:3] == ["volume", "<=", "0.4"]
    assert [float(value) for value in volume[3:6]] == pytest.approx([0.4] * 3, rel=0.01)
    assert volume[6:] == ["holds"]
    facts = json.loads(topopt("verify", "results/problem", "--json").output)
    assert facts["fine"] == found.fine
    assert facts["limits"][0]["response"] == "volume"
    assert facts["limits"][0]["holds"] is True
    exported = topopt("verify", "results/problem", "--body")
    assert exported.exit_code == 0
    assert "Read back from design.stl onto 80 x 40 cells, the body has" in exported.output
    whole = body(Grid((40, 20)), np.ones(800))
    assert whole is not None
    write_stl(Path("results/problem/design.stl"), whole.surface(), "whole")
    fat = topopt("verify", "results/problem", "--body")
    assert fat.exit_code == 3  # as of a run that ends outside its limits
    assert fat.output.splitlines()[-1].endswith("broken by 150 %")


def test_what_cannot_be_verified_is_refused(topopt: Callable[..., Result], problem: Path) -> None:
    missing = topopt("verify", "results/none")
    assert missing.exit_code == 2
    Path("net.yaml").write_text(
        "name: net\nmodel: {type: flossed_rnn, units: 4, count: 2, steps: 12}\nstop: {iterations: 2}\n"
    )
    assert topopt("run", "net.yaml", "-q", "--no-figures").exit_code == 0
    refused = topopt("verify", "results/net")
    assert refused.exit_code == 2
    assert "no design on a grid" in refused.stderr


@pytest.mark.parametrize("command", [("verify",), ("compare", "results/other"), ("plot",)])
def test_a_damaged_design_is_written_again(
    topopt: Callable[..., Result], problem: Path, command: tuple[str, ...]
) -> None:
    words = ("--set", "chain.stiffness.penal=3.0", "--set", "stop.iterations=4", "-q", "--no-figures")
    assert topopt("run", problem, *SMALL, *words).exit_code in (0, 3)
    file = Path("results/problem/design.npz")
    shutil.copytree("results/problem", "results/other")
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    refused = topopt(*command, "results/problem")
    assert refused.exit_code == 2
    assert refused.stderr == (
        "results/problem/design.npz: damaged (File is not a zip file); "
        "`topopt resume results/problem` writes the design again\n"
    )
    assert topopt("resume", "results/problem", "-q", "--no-figures").exit_code in (0, 3)
    assert topopt("verify", "results/problem").exit_code in (0, 3)
    with np.load(file) as arrays:
        np.savez(file, x=arrays["x"][1:], density=arrays["density"])
    other = topopt("verify", "results/problem")
    assert other.exit_code == 2
    assert "expected shape (800,), got (799,)" in other.stderr
