"""`topopt plot`: the figures of a run, from its folder alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from topopt.cli.terminal import guarded, require_folder, say
from topopt.design import Design
from topopt.errors import MissingDependencyError, RunFolderError
from topopt.files import Job, parse, read_about, read_design, read_frames, read_history, read_problem
from topopt.files.claim import MANIFEST, noted
from topopt.history import History
from topopt.problem import Problem

__all__ = ["draw", "plot_folder"]


@guarded
def plot_folder(path: Path) -> int:
    """Draw the figures of a run again."""
    require_folder(path)
    resolved = read_problem(path, read_about(path))
    if resolved is None:
        raise RunFolderError(f"{path} was made in Python and holds no problem file: draw with topopt.figures")
    job = parse(resolved, source=str(path / "problem.yaml"), folder=path)
    history = read_history(path)
    if not len(history):
        raise RunFolderError(f"{path}: no iteration is on record yet; there is nothing to draw")
    say(f"drawing the figures of {len(history)} iterations ...")
    draw(job, path, history, _latest(path, job), lambda name: _noted(path, name), say)
    say(f"The figures are in {path}/")
    return 0


def draw(
    job: Job,
    folder: Path,
    history: History,
    picture: object,
    file: Callable[[str], Path],
    say: Callable[[str], None],
) -> None:
    """Draw every figure that a run has material for.

    Parameters
    ----------
    job : Job
        The problem.
    folder : Path
        The run folder, for its frames.
    history : History
        The log.
    picture : Design or None
        The last design.
    file : callable
        From a figure's name to its path.
    say : callable
        Gets a sentence for each figure that cannot be drawn.
    """
    from topopt import figures

    problem = job.design
    frames = _flat(list(read_frames(folder / "frames")))
    figure_of: dict[str, Callable[[], Any]] = {
        "convergence.png": lambda: figures.convergence(history),
    }
    if history[-1].stages:
        figure_of["vanishing.png"] = lambda: figures.vanishing(history)
    if problem is not None and job.structure is not None:
        structure = job.structure
        figure_of["problem.png"] = lambda: figures.sketch(structure, problem.domain)
    if problem is not None and isinstance(picture, Design):
        (shown,) = _uncovered(job, [picture.density])
        figure_of["design.png"] = lambda: figures.design(
            problem.mesh, shown, domain=problem.domain, materials=_materials(problem)
        )
    if len(frames) > 1:
        figure_of["densities.png"] = lambda: figures.densities(frames)
    for name, build in figure_of.items():
        try:
            figures.save(build(), file(name))
        except MissingDependencyError as error:
            say(f"{name} not drawn: {error}")
    if problem is not None and len(frames) > 1:
        film = _uncovered(job, [values for _, values in frames])
        numbered = [(number, values) for (number, _), values in zip(frames, film, strict=True)]
        figures.animate(problem.mesh, numbered, file("design.gif"), history)


def _materials(problem: Problem) -> tuple[float, ...]:
    """Return the densities of the materials that a design is made of, none if there is one."""
    from topopt.stages import OrderedSimp

    laws = [link.stage for link in problem.chain if isinstance(link.stage, OrderedSimp)]
    return laws[0].densities if laws else ()


def _latest(path: Path, job: Job) -> Design | None:
    """Return the last design that the folder holds: the finished one, or the last frame."""
    if job.design is None:
        return None
    mesh, finished = job.design.mesh, path / "design.npz"
    if finished.is_file():
        return Design(mesh, read_design(path, "density")["density"].ravel())
    frames = list(read_frames(path / "frames"))
    return Design(mesh, frames[-1][1].ravel() / 255.0) if frames else None


def _uncovered(job: Job, fields: Sequence[Any]) -> list[Any]:
    """Return densities without the cells that the file hides from pictures."""
    assert job.design is not None
    hidden = job.design.mesh.cells_in(job.hidden)
    return [np.where(hidden, 0, field).astype(field.dtype) for field in fields] if hidden.any() else [*fields]


def _flat(frames: Sequence[tuple[int, Any]]) -> list[tuple[int, Any]]:
    """Return frames with flat fields."""
    return [(number, values.ravel()) for number, values in frames]


def _noted(path: Path, name: str) -> Path:
    """Return the path of a figure, and note it as written by the run, so that the next may replace it."""
    manifest = path / MANIFEST
    if not manifest.is_file() or name not in manifest.read_text("utf-8").splitlines():
        noted(path, name)
    return path / name
