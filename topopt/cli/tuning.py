"""`topopt tune`: the numbers of a schedule, varied and scored on a whole study."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from topopt.cli.interruption import again, at_once, handled
from topopt.cli.study_progress import watcher
from topopt.cli.studying import elsewhere, require_free, require_study_file
from topopt.cli.terminal import INTERRUPTED, console, errors, guarded, say
from topopt.errors import InputError
from topopt.files.study import StudyFile, read_study
from topopt.study.bench import bench_of
from topopt.study.dials import Range, dials_of, parsed_ranges
from topopt.study.search import require_optuna
from topopt.study.tuned import report
from topopt.study.tuning import tune

__all__ = ["tune_study"]


@guarded
def tune_study(
    file: Path,
    continuation: str,
    over: Sequence[str],
    overrides: Sequence[str],
    results: Path,
    name: str | None,
    trials: int,
    within: float,
    seed: int,
    jobs: int | None,
    scheduler: str | None,
    quiet: bool,
) -> int:
    """Tune a continuation of a study.

    Parameters
    ----------
    file : Path
        The study file.
    continuation : str
        Whose schedules are varied.
    over : sequence of str
        ``PARAMETER.FIELD=LOW:HIGH[:log]``.
    overrides : sequence of str
        ``path=value`` on the study file.
    results : Path
        Where the study's folder goes.
    name : str or None
        Name of that folder; the study's if None.
    trials, within, seed, jobs, scheduler
        See `topopt.study.tuning.tune`.
    quiet : bool
        Print nothing but the folder.

    Returns
    -------
    int
        0; 130 if it was interrupted.
    """
    require_optuna()
    require_study_file(file)
    study, ranges = _read(file, overrides, over, continuation)
    folder = results / (name or study.name)
    require_free(folder)
    try:
        with handled(at_once):
            tuned = tune(
                study, continuation, ranges, folder, trials, within, seed, jobs, scheduler,
                watch=lambda: watcher(quiet), say=(lambda sentence: None) if quiet else say,
            )  # fmt: skip
    except KeyboardInterrupt:
        options = {
            "--continuation": continuation, "--over": over, "--set": overrides, "--trials": trials,
            "--within": within, "--seed": seed, "--results": elsewhere(results), "--name": name,
            "--jobs": jobs, "--scheduler": scheduler, "--quiet": quiet,
        }  # fmt: skip
        errors.print(f"interrupted; go on with:\n  {again('tune', file, options)}")
        return INTERRUPTED
    if quiet:
        console.print(tuned.folder)
    else:
        console.print(f"\n{report(tuned)}\n")
        say(f"All suggestions are in {Path(tuned.folder) / 'tuning.csv'}")
    return 0


def _read(
    file: Path, overrides: Sequence[str], over: Sequence[str], continuation: str
) -> tuple[StudyFile, dict[str, Range]]:
    """Read the study and the ranges; all that is wrong comes at once."""
    ranges, mistakes = parsed_ranges(over)
    try:
        study = read_study(file, overrides)
        bench = bench_of(study, continuation)
        if ranges:
            dials_of(bench.present, ranges, bench.parameters)
    except InputError as error:
        mistakes.append(str(error))
    if mistakes:
        raise InputError("\n".join(mistakes))
    return study, ranges
