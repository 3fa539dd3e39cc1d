"""The commands with their options; each imports its work when it is called, so that `--help` is quick."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["app", "main"]

EPILOG = """\b
To begin:
  topopt new my_beam.yaml
  topopt check my_beam.yaml
  topopt run my_beam.yaml

\b
Exit codes:
  0    done
  2    the input is wrong
  3    done, but a limit is violated
  4    the computation failed
  5    too large for this machine
  130  interrupted: go on with topopt resume
"""

app = typer.Typer(
    name="topopt",
    help="Topology optimisation by continuation: sharpen a design without killing its sensitivities.",
    epilog=EPILOG,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    # Frames around the help would take longer to import than all the rest of it.
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

File = Annotated[Path, typer.Argument(metavar="FILE", help="A problem file (YAML).", show_default=False)]
Run = Annotated[
    Path, typer.Argument(metavar="RUN", help="A run folder, such as results/bridge.", show_default=False)
]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="PATH=VALUE", help="Override a value, such as grid.cells=[600,200]; repeatable."
    ),
]
Results = Annotated[Path, typer.Option("--results", metavar="FOLDER", help="Where run folders go.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors and the run folder.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object per iteration, for scripts.")]
Threads = Annotated[
    int | None,
    typer.Option(
        metavar="N", min=1, help="Threads to compute with; NUMBA_NUM_THREADS, or all cores, if left out."
    ),
]
Figures = Annotated[bool, typer.Option("--figures/--no-figures", help="Draw the figures at the end.")]


@app.command()
def new(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The problem file to write.")] = Path(
        "problem.yaml"
    ),
    dimensions: Annotated[
        int, typer.Option("--dimensions", "-d", metavar="N", min=2, max=3, help="2 or 3.")
    ] = 2,
) -> None:
    """Write a commented problem file to start from."""
    from topopt.cli.starting import new_file

    _leave(new_file(file, dimensions))


@app.command(short_help="Find mistakes, estimate the cost, draw the loads, test gradients.")
def check(
    file: File,
    overrides: Set = None,
    results: Results = Path("results"),
    taylor: Annotated[bool, typer.Option(help="Test the chain's gradients.")] = True,
) -> None:
    """List mistakes, estimate the cost, draw the loads, test gradients.

    The sketch of supports, loads and regions goes to checks/ in the results folder.
    """
    from topopt.cli.checking import check_file

    _leave(check_file(file, overrides or [], results, taylor))


@app.command()
def run(
    file: File,
    overrides: Set = None,
    results: Results = Path("results"),
    name: Annotated[
        str | None, typer.Option(metavar="NAME", help="Name of the run folder; the problem's if left out.")
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an earlier run of that name.")
    ] = False,
    quiet: Quiet = False,
    json: Json = False,
    threads: Threads = None,
    figures: Figures = True,
) -> None:
    """Optimise a design and leave everything in a run folder."""
    mode = _mode(quiet, json)
    _limit(threads)
    from topopt.cli.running import run_file

    _leave(run_file(file, overrides or [], results, name, overwrite, mode, figures))


@app.command()
def resume(
    run: Run,
    iterations: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="A new budget of iterations in all.")
    ] = None,
    quiet: Quiet = False,
    json: Json = False,
    threads: Threads = None,
    figures: Figures = True,
) -> None:
    """Go on with an interrupted or killed run.

    The result is that of the unbroken run, digit for digit. A run that has ended gets its results written
    and its figures drawn again.
    """
    mode = _mode(quiet, json)
    _limit(threads)
    from topopt.cli.running import resume_folder

    _leave(resume_folder(run, iterations, mode, figures))


@app.command()
def plot(run: Run) -> None:
    """Draw the figures of a run again, from its folder alone."""
    from topopt.cli.plotting import plot_folder

    _leave(plot_folder(run))


@app.command(short_help="Say what went wrong in a run, and what to write instead.")
def diagnose(
    run: Run,
    write: Annotated[
        Path | None, typer.Option("--write", metavar="FILE", help="Write a problem file with the cure in it.")
    ] = None,
) -> None:
    """Say what went wrong in a run, where it began, and what to write instead."""
    from topopt.cli.diagnosing import diagnose_folder

    _leave(diagnose_folder(run, write))


@app.command(short_help="Compute a finished design again, in black and white.")
def verify(
    run: Run,
    body: Annotated[
        bool,
        typer.Option("--body", help="Compute the exported body instead: design.stl, read back onto cells."),
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object, for scripts.")] = False,
) -> None:
    """Compute a finished design again in black and white, on its cells and on those of half the edge.

    With --body it is the smooth body that was exported, on the finer grid. Either way passive cells stay what
    the problem makes of them, and the difference from what the run ended with is said in per cent. A table
    says what every limit comes to, and whether it still holds, within 2 % of its bound.
    """
    from topopt.cli.verifying import verify_folder

    _leave(verify_folder(run, body, json))


@app.command(short_help="Find out which continuation does best on your problems.")
def study(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A study file (YAML).", show_default=False)],
    overrides: Set = None,
    results: Annotated[
        Path, typer.Option("--results", metavar="FOLDER", help="Where the study's folder goes.")
    ] = Path("results"),
    name: Annotated[
        str | None, typer.Option(metavar="NAME", help="Name of the study's folder; the study's if left out.")
    ] = None,
    jobs: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="Trials at a time; as many as there are cores if left out."),
    ] = None,
    scheduler: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="Let the workers of this Dask scheduler do it.")
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Begin trials anew that have run already.")
    ] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Print nothing but errors and the study's folder.")
    ] = False,
    report: Annotated[bool, typer.Option("--report/--no-report", help="Write the report at the end.")] = True,
) -> None:
    """Try continuations on problems, all with the same chances, and report who did best.

    The same command again goes on where the study was interrupted; a study that has ended gets its report
    written again. A trial that fails is a row of the report.
    """
    from topopt.cli.studying import study_file

    _leave(study_file(file, overrides or [], results, name, overwrite, jobs, scheduler, quiet, report))


@app.command(short_help="Compare runs that have ended, as a study would.")
def compare(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN", help="Run folders.", show_default=False)],
    results: Annotated[
        Path, typer.Option("--results", metavar="FOLDER", help="Where the report's folder goes.")
    ] = Path("results"),
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", metavar="FOLDER", help="The report's folder itself, instead.", show_default=False
        ),
    ] = None,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Print nothing but errors and the report's folder.")
    ] = False,
) -> None:
    """Compare runs of one problem that have ended, and write the report that a study would.

    The designs are made black and white at equal volume and computed again. The value over the state solves
    is known for the trials of studies; of an ordinary run only the end is.
    """
    from topopt.cli.comparing import compare_runs

    _leave(compare_runs(runs, results, output, quiet))


@app.command(short_help="Look for better numbers for a schedule.")
def tune(
    file: Annotated[Path, typer.Argument(metavar="STUDY", help="A study file (YAML).", show_default=False)],
    continuation: Annotated[
        str, typer.Option(metavar="NAME", help="Whose schedules are varied.", show_default=False)
    ],
    over: Annotated[
        list[str],
        typer.Option(
            metavar="PARAMETER.FIELD=LOW:HIGH[:log]",
            help="A number and its range, such as physical.beta.growth=0.02:0.15; repeatable.",
            show_default=False,
        ),
    ],
    overrides: Set = None,
    results: Annotated[
        Path, typer.Option("--results", metavar="FOLDER", help="Where the study's folder goes.")
    ] = Path("results"),
    name: Annotated[
        str | None, typer.Option(metavar="NAME", help="Name of the study's folder; the study's if left out.")
    ] = None,
    trials: Annotated[
        int, typer.Option(metavar="N", min=1, help="Suggestions in all, beside the present numbers.")
    ] = 30,
    within: Annotated[
        float, typer.Option(metavar="SHARE", help="Share above the best value that counts as solved.")
    ] = 0.01,
    seed: Annotated[int, typer.Option(metavar="N", min=0, help="Of the suggestions.")] = 0,
    jobs: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="Trials at a time; as many as there are cores if left out."),
    ] = None,
    scheduler: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="Let the workers of this Dask scheduler do it.")
    ] = None,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Print nothing but errors and the tuning's folder.")
    ] = False,
) -> None:
    """Look for better numbers for a schedule, by trying them on every problem of a study.

    The study itself runs first: its best values are the reference. The score is the area under the data
    profile on a logarithmic axis of state solves. The same command again goes on where it was interrupted.
    """
    from topopt.cli.tuning import tune_study

    _leave(
        tune_study(
            file,
            continuation,
            over,
            overrides or [],
            results,
            name,
            trials,
            within,
            seed,
            jobs,
            scheduler,
            quiet,
        )
    )


@app.command(short_help="Show how signals die in designs and nets, and what cures it.")
def gallery(
    results: Annotated[
        Path, typer.Option("--results", metavar="FOLDER", help="Where the gallery's folder goes.")
    ] = Path("results"),
) -> None:
    """Show how a signal dies in designs and nets of all kinds, and what is left of it after the cure."""
    from topopt.cli.showing import show_gallery

    _leave(show_gallery(results))


@app.callback(invoke_without_command=True)
def version(
    show: Annotated[
        bool, typer.Option("--version", help="Print the version and leave.", is_eager=True)
    ] = False,
) -> None:
    """Take the options that come before a command."""
    if show:
        from topopt import __version__

        typer.echo(__version__)
        raise typer.Exit


def main() -> None:
    """Run the command line."""
    app()


def _mode(quiet: bool, json: bool) -> str:
    """Return how the run reports: live, quiet or json."""
    if quiet and json:
        raise typer.BadParameter("--quiet and --json exclude each other")
    return "quiet" if quiet else "json" if json else "live"


def _limit(threads: int | None) -> None:
    """Limit the threads before anything that starts some is loaded."""
    if threads is not None:
        from topopt.threads import limit

        limit(threads)


def _leave(code: int) -> None:
    """Leave with an exit code."""
    raise typer.Exit(code)
