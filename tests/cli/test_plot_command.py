"""`topopt plot`: figures from the folder alone, also while the run goes on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from topopt.files import RunFolder

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


def test_a_run_without_iterations(topopt: Any, finished: Path) -> None:
    text = (finished / "problem.yaml").read_text()
    RunFolder.create("results", "empty", text).close()
    result = topopt("plot", "results/empty")
    assert result.exit_code == 2
    assert result.stderr == "results/empty: no iteration is on record yet; there is nothing to draw\n"
