"""Runs the problems that README and guide show, and keeps their figures: `make figures`."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from topopt.files import read_history
from topopt.history import History

HERE = Path(__file__).parent
SHOWN = {
    "bridge": ("problem.png", "convergence.png", "vanishing.png", "densities.png"),
    "bridge_3d": ("problem.png", "design.png"),
}
WIDTH = 1000
STAGES = ("physical", "filtered", "design")


def main() -> None:
    """Run each problem in a scratch folder and keep what is shown."""
    target = HERE / "figures"
    target.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        for problem, names in SHOWN.items():
            file = HERE.parent / "problems" / f"{problem}.yaml"
            command = [sys.executable, "-c", "from topopt.cli import main; main()", "run", str(file)]
            subprocess.run([*command, "--results", scratch], check=True)
            for name in names:
                kept(Path(scratch, problem, name), target / f"{problem}_{name}")
        first_screen(Path(scratch, "bridge")).savefig(target / "bridge.png")


def kept(source: Path, target: Path) -> None:
    """Copy a picture at the width that pages show."""
    with Image.open(source) as picture:
        height = round(picture.height * WIDTH / picture.width)
        picture.convert("RGB").resize((WIDTH, height), Image.Resampling.LANCZOS).save(target, optimize=True)


def first_screen(run: Path) -> Figure:
    """Draw what a visitor sees first: a design, its convergence, where its sensitivities faded."""
    history = read_history(run)
    with np.load(run / "design.npz") as arrays:
        density, spacing = arrays["density"], arrays["spacing"]
    figure = Figure(figsize=(10.0, 4.4), dpi=100, layout="constrained")
    grid = figure.add_gridspec(2, 2, width_ratios=(1.25, 1.0), height_ratios=(1.0, 0.62))
    design = figure.add_subplot(grid[0, 0])
    width, height = density.shape * spacing
    design.imshow(density.T[::-1], cmap="Greys", vmin=0, vmax=1, extent=(0, width, 0, height))
    design.set(xticks=[], yticks=[], title="the bridge, 240 x 120 cells, three load cases")
    convergence(figure.add_subplot(grid[0, 1]), history)
    strip(figure, figure.add_subplot(grid[1, :]), history)
    for axes in figure.axes:
        axes.title.set_fontsize(10)
    return figure


def convergence(axes: Axes, history: History) -> None:
    """Draw the objective, and the sharpness behind it."""
    numbers = np.arange(1, len(history) + 1)
    axes.semilogy(numbers, history.column("objective"), color="#0072B2", label="objective")
    axes.set(xlabel="iteration", title=r"objective (blue) under the ramp of $\beta$ (orange)")
    sharpness = axes.twinx()
    sharpness.semilogy(numbers, history.values("physical.beta"), color="#D55E00", lw=1)
    sharpness.set_yticks([1, 4, 16, 64], ["1", "4", "16", "64"])
    sharpness.minorticks_off()


def strip(figure: Figure, axes: Axes, history: History) -> None:
    """Draw the share of entries that still carry a sensitivity, stage by stage."""
    alive = 1 - np.array([history.stage(stage, "dead3") for stage in STAGES])
    extent = (0.5, len(history) + 0.5, len(STAGES) - 0.5, -0.5)
    image = axes.imshow(alive, aspect="auto", cmap="cividis_r", vmin=0, vmax=1, extent=extent)
    axes.set_yticks(range(len(STAGES)), STAGES)
    axes.set(
        xlabel="iteration",
        title="share of the sensitivities that is alive, from projection to design",
    )
    figure.colorbar(image, ax=axes, pad=0.01)


if __name__ == "__main__":
    main()
