"""`topopt study` and `topopt compare` on a mesh: judged, drawn, gone on with."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from tests.beams import PLATE
from tests.meshed import shaken, simplices, written
from topopt.grid import Grid
from topopt.study.archive import read_outcome

STUDY = """\
name: plates
problems: {plate: {file: plate.yaml, set: {chain.filtered.radius: 0.35}}}
continuations:
  short ramp: {physical.beta: {type: geometric, start: 1, final: 8, over: 10}}
  filter only: {physical.beta: 0}
starts: {perturbed: 1}
budget: 16
judge_every: 4
"""


@pytest.fixture(autouse=True)
def plate(tmp_path: Path) -> None:
    """Write the plate and its mesh."""
    written(tmp_path / "plate.msh", shaken(simplices(Grid((24, 8), (3.0, 1.0)))))
    (tmp_path / "plate.yaml").write_text(PLATE)


def test_a_study_on_a_mesh_judges_draws_and_goes_on(topopt: Any) -> None:
    Path("study.yaml").write_text(STUDY)
    result = topopt("study", "study.yaml", "--jobs", 1)
    assert (result.exit_code, result.stderr) == (0, "")
    trials = sorted(Path("results/plates/trials").iterdir())
    assert len(trials) == 4
    outcomes = [read_outcome(trial) for trial in trials]
    ramps = [outcome for outcome in outcomes if outcome and outcome.continuation == "short ramp"]
    assert [math.isfinite(ramp.value) for ramp in ramps] == [True, True]
    assert len({ramp.value for ramp in ramps}) == 2  # the second started elsewhere
    shapes = {outcome.density.shape for outcome in outcomes if outcome and outcome.density is not None}
    assert len(shapes) == 1
    assert len(shapes.pop()) == 2  # a picture, not a list of cells
    assert Path("results/plates/figures").is_dir()
    assert any("design" in picture.name for picture in Path("results/plates/figures").iterdir())
    again = topopt("study", "study.yaml", "--jobs", 1)
    assert again.exit_code == 0
    kept = [read_outcome(trial) for trial in trials]
    assert [k.value for k in kept if k] == [outcome.value for outcome in outcomes if outcome]


def test_runs_on_a_mesh_are_compared(topopt: Any) -> None:
    for name in ("one", "other"):
        done = topopt("run", "plate.yaml", "--name", name, "--quiet", "--no-figures",
                      "--set", f"chain.filtered.radius={0.7 if name == 'one' else 0.9}")  # fmt: skip
        assert done.exit_code == 0, done.output
    result = topopt("compare", "results/one", "results/other", "--output", "side.html")
    assert result.exit_code == 0, result.output
