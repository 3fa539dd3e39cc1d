"""`topopt plot`: figures from the folder alone, also while the run goes on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure

from topopt.files import RunFolder
from topopt.grid import Grid

FIGURES = {"convergence.png", "densities.png", "design.gif", "design.png", "problem.png", "vanishing.png"}


def test_figures_of_a_run_that_another_process_holds(topopt: Any, finished: Path, quick: Any) -> None:
    Path("problem.yaml").rename("elsewhere.yaml")
    (finished / "design.npz").unlink()
    before = (finished / "status.json").read_bytes()
    with RunFolder.open(finished):
        result = topopt("plot", finished)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == f"drawing the figures of 3 iterations ...\nThe figures are in {finished}/\n"
    assert {path.name for path in finished.iterdir()} >= FIGURES
    assert before
    # They count as the run's own: an overwriting run takes them away.
    manifest = (finished / "manifest.txt").read_text().splitlines()
    assert set(manifest) >= FIGURES
    topopt("run", "elsewhere.yaml", *quick, "--overwrite")
    assert not {path.name for path in finished.iterdir()} & FIGURES


def test_a_hidden_region_is_left_out_of_pictures_and_of_nothing_else(
    topopt: Any, problem: Path, quick: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: dict[str, Any] = {}

    def drawn(grid: Grid, density: np.ndarray, **_: Any) -> Figure:
        shown["design"] = grid.shaped(density)
        return Figure()

    def filmed(grid: Grid, frames: Any, *_: Any) -> None:
        shown["film"] = [grid.shaped(values) for _, values in frames]

    monkeypatch.setattr("topopt.figures.design", drawn)
    monkeypatch.setattr("topopt.figures.animate", filmed)
    left = "output.hidden={box: {lower: [0, 0], upper: [1, 1]}}"
    assert topopt("run", problem, *quick, "--set", left).exit_code == 0
    assert topopt("plot", "results/problem").exit_code == 0
    with np.load("results/problem/design.npz") as arrays:
        density = arrays["density"]
    assert np.all(shown["design"][:20] == 0.0)
    assert density[:20].max() > 0.1
    assert np.array_equal(shown["design"][20:], density[20:])
    assert len(shown["film"]) == 2
    for values in shown["film"]:
        assert values.dtype == np.uint8
        assert not values[:20].any()
        assert values[20:].any()


def test_a_run_without_iterations(topopt: Any, finished: Path) -> None:
    text = (finished / "problem.yaml").read_text()
    RunFolder.create("results", "empty", text).close()
    result = topopt("plot", "results/empty")
    assert result.exit_code == 2
    assert result.stderr == "results/empty: no iteration is on record yet; there is nothing to draw\n"
