"""Runs the problems that README and guide show, and keeps their figures: `make figures`."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

HERE = Path(__file__).parent
SHOWN = {
    "bridge": ("problem.png", "design.png", "convergence.png", "vanishing.png", "densities.png"),
    "bridge_3d": ("problem.png", "design.png"),
}
WIDTH = 1000


def main() -> None:
    """Run each problem in a scratch folder and keep what is shown, small enough for a repository."""
    target = HERE / "figures"
    target.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        for problem, names in SHOWN.items():
            file = HERE.parent / "problems" / f"{problem}.yaml"
            command = [sys.executable, "-c", "from topopt.cli import main; main()", "run", str(file)]
            subprocess.run([*command, "--results", scratch], check=True)
            for name in names:
                kept(Path(scratch, problem, name), target / f"{problem}_{name}")
    stacked([target / "bridge_design.png", target / "bridge_vanishing.png"], target / "bridge.png")


def kept(source: Path, target: Path) -> None:
    """Copy a picture at the width that pages show, with few colours."""
    with Image.open(source) as picture:
        height = round(picture.height * WIDTH / picture.width)
        small = picture.convert("RGB").resize((WIDTH, height), Image.Resampling.LANCZOS)
    small.quantize(128).save(target, optimize=True)


def stacked(sources: list[Path], target: Path) -> None:
    """Put pictures of one width below each other."""
    pictures = [Image.open(source).convert("RGB") for source in sources]
    sheet = Image.new("RGB", (WIDTH, sum(p.height for p in pictures)), "white")
    top = 0
    for picture in pictures:
        sheet.paste(picture, (0, top))
        top += picture.height
    sheet.quantize(128).save(target, optimize=True)


if __name__ == "__main__":
    main()
