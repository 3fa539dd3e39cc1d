"""`topopt study`: problems under continuations, all with the same chances, and a report on who did best."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from topopt.cli.interruption import again, at_once, handled
from topopt.cli.study_progress import watcher
from topopt.cli.terminal import FAILED, INTERRUPTED, console, errors, guarded, say
from topopt.errors import InputError, RunFolderError
from topopt.files.claim import MARKER
from topopt.files.study import StudyFile, read_study
from topopt.study.archive import forget
from topopt.study.comparison import Comparison
from topopt.study.execution import carry_out
from topopt.study.report import write_report
from topopt.study.study import trials_of
from topopt.study.task import TRIALS
from topopt.study.trial import Trial

__all__ = ["elsewhere", "how_measured", "reported", "require_free", "require_study_file", "study_file"]


@guarded
def study_file(
    file: Path,
    overrides: Sequence[str],
    results: Path,
    name: str | None,
    overwrite: bool,
    jobs: int | None,
    scheduler: str | None,
    quiet: bool,
    report: bool,
) -> int:
    """Carry out a study, or what is left of it, and write its report.

    Parameters
    ----------
    file : Path
        The study file.
    overrides : sequence of str
        ``path=value`` on it.
    results : Path
        Where the study's folder goes.
    name : str or None
        Name of that folder; the study's if None.
    overwrite : bool
        Begin trials anew that have run already.
    jobs : int or None
        Trials at a time; as many as there are cores if None.
    scheduler : str or None
        Address of a Dask scheduler whose workers do the work.
    quiet : bool
        Print nothing but the folder.
    report : bool
        Write the report.

    Returns
    -------
    int
        0; 4 if every trial failed; 130 if it was interrupted.
    """
    require_study_file(file)
    study = read_study(file, overrides)
    trials = trials_of(study)
    folder = results / (name or study.name)
    require_free(folder)
    if overwrite:
        _forgotten(trials, folder)
    if not quiet:
        for warning in study.warnings:
            say(f"warning: {warning}")
        say(_announced(study, trials))
    try:
        with handled(at_once), watcher(quiet) as shown:
            outcomes = carry_out(trials, folder, jobs, scheduler, shown)
    except KeyboardInterrupt:
        # Not --overwrite: that would begin anew.
        options = {
            "--set": overrides, "--results": elsewhere(results), "--name": name, "--jobs": jobs,
            "--scheduler": scheduler, "--quiet": quiet, "--no-report": not report,
        }  # fmt: skip
        errors.print(f"interrupted; go on with:\n  {again('study', file, options)}")
        return INTERRUPTED
    if report:
        reported(Comparison(tuple(outcomes)), folder, study.name, how_measured(study), quiet)
    elif quiet:
        console.print(str(folder))
    else:
        say(f"The trials are in {folder / TRIALS}/")
    if all(outcome.failed for outcome in outcomes):
        first = f"{outcomes[0].problem} under {outcomes[0].continuation}: {outcomes[0].why}"
        errors.print(f"all {len(outcomes)} trials failed, so no design is sound; {first}", style="red")
        return FAILED
    return 0


def reported(comparison: Comparison, folder: Path, title: str, measured: Sequence[str], quiet: bool) -> None:
    """Write a report and say what it says.

    Parameters
    ----------
    comparison : Comparison
        What was found.
    folder : Path
        Where the report goes.
    title : str
        Its heading.
    measured : sequence of str
        How it was measured, a line each.
    quiet : bool
        Print the folder alone.
    """
    if not quiet:
        say("writing the report ...")
    report = write_report(comparison, folder, title, measured)
    if quiet:
        console.print(str(folder))
        return
    say("\n" + "\n".join(report.verdict) + "\n")
    say(f"The report is {report.html}")


def how_measured(study: StudyFile) -> list[str]:
    """Say how a study is measured, a line each.

    Parameters
    ----------
    study : StudyFile
        What is carried out.
    """
    stop, yardstick = study.stop, study.yardstick
    share = "the problem's limit" if yardstick["volume"] is None else f"{yardstick['volume']:g} of the cells"
    value = yardstick["response"] or "what the problem minimises"
    nets = {entry.problem for entry in study.entries if entry.job.design is None}
    lines = [
        f"Every trial may spend {study.budget} state solves, a net evaluations; it ends before that once its "
        f"continuation has, M_nd is at most {100 * stop['discreteness']:g} % and the densities, or a net's "
        f"answers, change by less than {stop['progress']:g} (root mean square) for {stop['window']} "
        "iterations.",
    ]
    often = f"of every {study.judge_every} iterations and the last one"
    if nets != set(study.problems):
        lines.append(
            f"The design {often} are judged: the densest cells become solid ({share}), all others void, and "
            f"{value} is computed again with e_min {yardstick['e_min']:g}; a design that leaves a load "
            "without a way to a support is broken."
        )
    if nets:
        lines.append(
            f"The net {often} are judged with every gate a sign, on samples held out: f₀₁ is one over the "
            "share of right answers, or over the mean average precision of what codes find."
        )
    for name, starts in study.starts.items():
        if starts["perturbed"]:
            kind = (
                "from the seeds that follow"
                if name in nets
                else f"with noise of {starts['noise']:g} (seed {starts['seed']})"
            )
            lines.append(f"{name}: {starts['perturbed']} starts {kind} beside the problem's own.")
    return [study.description, *lines] if study.description else lines


def _announced(study: StudyFile, trials: Sequence[Trial]) -> str:
    """Say what will be done."""
    return (
        f"{study.name}: {len(study.problems)} problems under {len(study.continuations)} continuations, "
        f"{len(trials)} trials of at most {study.budget} state solves"
    )


def require_study_file(file: Path) -> None:
    """Refuse a folder where a study file is expected."""
    if file.is_dir():
        hint = (
            "give the study file again to go on with it" if (file / TRIALS).is_dir() else "give a study file"
        )
        raise InputError(f"{file} is a folder; {hint}")


def require_free(folder: Path) -> None:
    """Refuse the folder of a run, in which a study would be lost."""
    if (folder / MARKER).is_file():
        raise RunFolderError(f"{folder} is the folder of a run; choose another name for the study by --name")


def elsewhere(results: Path) -> Path | None:
    """Return where results go, None if it is where they go anyhow."""
    return results if results != Path("results") else None


def _forgotten(trials: Sequence[Trial], folder: Path) -> None:
    """Let trials that have run count as others, so that they are begun anew; other files stay."""
    for trial in trials:
        forget(folder / TRIALS / trial.slug)
