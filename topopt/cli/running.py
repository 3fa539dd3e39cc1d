"""`topopt run` and `topopt resume`: from a problem file to a finished run folder."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import numpy as np

from topopt.cli.plotting import draw
from topopt.cli.reporting import INTERRUPTED, Reporter, console, guarded, reporter
from topopt.diagnosis import diagnose
from topopt.errors import RunFolderError
from topopt.files import Job, Plan, Recording, RunFolder, parse, read
from topopt.run import Step

__all__ = ["resume_folder", "run_file"]

VIOLATED = 3
TOLERATED = 1e-3
"""Normalised violation of a limit that still counts as met."""


@guarded
def run_file(
    file: Path,
    overrides: Sequence[str],
    results: Path,
    name: str | None,
    overwrite: bool,
    mode: str,
    figures: bool,
) -> int:
    """Optimise the design of a problem file."""
    job = read(file, overrides)
    folder = RunFolder.create(
        results,
        name or job.name,
        job.resolved,
        solver=_solver(job),
        seed=job.seed,
        recording=Recording(frames_every=job.frames_every),
        overwrite=overwrite,
    )
    return _carried_out(job, folder, mode, figures)


@guarded
def resume_folder(path: Path, iterations: int | None, mode: str, figures: bool) -> int:
    """Go on with a run from its folder."""
    folder = RunFolder.open(path)
    if folder.resolved is None:
        folder.close()
        raise RunFolderError(f"{path} was made in Python and holds no problem file: resume it there")
    overrides = [] if iterations is None else [f"stop.iterations={iterations}"]
    job = parse(folder.resolved, source=str(path / "problem.yaml"), overrides=overrides, folder=path)
    return _carried_out(job, folder, mode, figures)


def _carried_out(job: Job, folder: RunFolder, mode: str, figures: bool) -> int:
    """Run to the end, or to the interruption, and write everything down."""
    shown = reporter(mode, job.stop.iterations)
    with folder, _terminable(), shown:
        for sentence in (*folder.notes, *job.warnings, _solver(job)):
            shown.say(sentence)
        try:
            last = _last(folder, job, shown)
        except KeyboardInterrupt:
            folder.interrupt()
            shown.say(f"interrupted after {len(folder.history)} iterations, nothing is lost; go on with:")
            shown.say(f"  topopt resume {folder.path}")
            return INTERRUPTED
        _written(job, folder, last, shown, figures)
    if mode == "quiet":
        console.print(str(folder.path), markup=False)
    return VIOLATED if last.iteration.violation > TOLERATED else 0


def _last(folder: RunFolder, job: Job, shown: Reporter) -> Step:
    """Run the loop and return its last step."""
    for step in folder.steps(job.problem, job.optimizer, job.continuation, job.stop):
        shown.step(step)
        last = step
    return last


def _written(job: Job, folder: RunFolder, last: Step, shown: Reporter, figures: bool) -> None:
    """Write design, diagnosis and figures."""
    text = diagnose(last.history, last.reason)
    folder.write_text("diagnosis.txt", text + "\n")
    for sentence in folder.finish(last, _plan(job, last)):
        if "not written" in sentence:
            shown.say(sentence)
    if figures:
        draw(job, folder.path, last.history, last.evaluation.picture, folder.file, shown.say)
    shown.say("")
    shown.say(text)
    shown.say(f"The results are in {folder.path}/")


def _solver(job: Job) -> str:
    """Return which solver was chosen and why."""
    return job.choice.reason if job.choice else "nothing is solved"


def _plan(job: Job, last: Step) -> Plan:
    """Return what is exported beside the density: the fields and displacements on the tape."""
    parameters = {k: v for k, v in last.iteration.parameters.items() if not k.startswith("optimizer.")}
    tape = job.problem.tape(last.x, parameters)
    structure = job.structure
    fields = {k: v for k, v in tape.values.items() if v.shape == (job.problem.grid.n_cells,)}
    displacements: dict[str, np.ndarray] = {}
    if structure is not None:
        shape = (structure.n_dofs, len(structure.cases))
        states = [value for value in tape.values.values() if value.shape == shape]
        displacements = dict(zip(structure.case_names, states[0].T, strict=True)) if states else {}
    thickness = structure.material.thickness if structure is not None else 1.0
    return Plan(fields=fields, displacements=displacements, thickness=thickness)


@contextmanager
def _terminable() -> Iterator[None]:
    """Treat a polite request to end (SIGTERM) like Ctrl-C."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
