"""Better numbers for a schedule: varied within ranges, tried on a whole study, scored by its data profile."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from topopt.errors import InputError, RunFolderError
from topopt.files.atomic import write_text
from topopt.files.claim import slugged
from topopt.files.lock import Lock
from topopt.files.study import Place, StudyFile
from topopt.study.bench import Bench, bench_of
from topopt.study.dials import Dial, Range, dials_of
from topopt.study.execution import carry_out
from topopt.study.fingerprint import fingerprint
from topopt.study.outcome import Outcome
from topopt.study.progress import Watcher
from topopt.study.scoring import Target, score, target_of
from topopt.study.search import Search, require_optuna
from topopt.study.study import Study
from topopt.study.trial import Trial
from topopt.study.tuned import Suggestion, Tuned, report, table

__all__ = ["tune"]

TUNING = "tuning"
"""Where tunings are, in the study's folder."""
Watch = Callable[[], AbstractContextManager[Watcher | None]]
"""Makes who watches, anew for each suggestion."""


def tune(
    study: Study | StudyFile,
    continuation: str,
    over: Mapping[str, Range],
    folder: Path | str,
    trials: int = 30,
    within: float = 0.01,
    seed: int = 0,
    jobs: int | None = None,
    scheduler: str | None = None,
    watch: Watch = contextlib.nullcontext,
    say: Callable[[str], None] = lambda sentence: None,
) -> Tuned:
    """Vary the numbers of a continuation's schedules, and rank what comes of it.

    The study itself is carried out first, as far as it has not been: the best value of each problem is what
    the suggestions are to come near to, and the present numbers are scored by it like all others. Then
    every problem is run from every start with each suggestion. The same call again goes on where it was
    interrupted, and adds suggestions if more are wanted.

    Parameters
    ----------
    study : Study or StudyFile
        What is run; the other continuations in it help to know how good a design can be.
    continuation : str
        The name of the one that is varied.
    over : mapping
        Ranges by the name of the number, such as ``{"physical.beta.growth": Range(0.02, 0.15)}``; a number
        of the guard is called ``physical.beta.guard.growth``.
    folder : path
        The study's folder; all that is new goes to ``tuning/<continuation>/`` in it.
    trials : int
        Suggestions in all, beside the present numbers.
    within : float
        The share of the best value within which a design solves its problem; it must be black and white, too.
    seed : int
        Of the suggestions.
    jobs, scheduler
        See `topopt.study.execution.carry_out`.
    watch : callable
        Makes the watcher of a suggestion.
    say : callable
        Takes sentences for the user.

    Raises
    ------
    InputError
        With a line for each mistake.
    MissingDependencyError
        If Optuna is not installed.
    TopoptError
        If the study has no sound design for one of its problems.
    """
    require_optuna()
    bench = bench_of(study, continuation)
    dials = dials_of(bench.present, over, bench.parameters)
    _require_numbers(bench, trials, within, seed)
    untuned = bench.trials()
    labour = _Labour(jobs, scheduler, watch)
    say(f"first the study as it is: {len(untuned)} trials, of which the best values are the reference")
    outcomes = labour.carry_out(untuned, Path(folder))
    home = Path(folder) / TUNING / slugged(continuation)
    desk = _Desk(bench, dials, target_of(outcomes, within), home, labour)
    with _locked(home):
        identity = _identity(untuned, continuation, dials, within, seed)
        search = Search(home / "journal.log", identity, dials, seed)
        return desk.finished(_searched(desk, search, desk.present(outcomes), trials, say))


def _searched(
    desk: _Desk, search: Search, present: Suggestion, trials: int, say: Callable[[str], None]
) -> list[Suggestion]:
    """Return so many suggestions behind the present numbers, those that were tried before among them."""
    search.begin(present.score)
    found = [present, *(desk.tried(number, values, quietly=True) for number, values in search.past())]
    if len(found) > 1:
        say(f"suggestions that have been tried already and are not repeated: {len(found) - 1}")
    while len(found) <= trials:
        number, values = search.ask()
        found.append(desk.tried(number, values))
        search.tell(number, found[-1].score if not found[-1].refused else None)
        say(f"{len(found) - 1}/{trials}  {found[-1].line()}")
    return found


@dataclass(frozen=True)
class _Labour:
    """How trials are carried out."""

    jobs: int | None
    scheduler: str | None
    watch: Watch

    def carry_out(self, trials: list[Trial], folder: Path, quietly: bool = False) -> list[Outcome]:
        """Carry trials out in a folder."""
        with contextlib.nullcontext() if quietly else self.watch() as watcher:
            return carry_out(trials, folder, self.jobs, self.scheduler, watcher)


@dataclass(frozen=True, eq=False)
class _Desk:
    """Where a suggestion becomes a score."""

    bench: Bench
    dials: tuple[Dial, ...]
    target: Target
    home: Path
    labour: _Labour

    def present(self, outcomes: Sequence[Outcome]) -> Suggestion:
        """Return the present numbers with their score, from the study itself."""
        values = {dial.path: dial.present for dial in self.dials}
        return self._scored(0, values, [o for o in outcomes if o.continuation == self.bench.name], "")

    def tried(self, number: int, values: Mapping[str, float], quietly: bool = False) -> Suggestion:
        """Carry out the study with suggested numbers; equal ones share a folder, whoever suggested them."""
        try:
            trials = self.bench.varied(self._placed(values))
        except InputError as error:
            return Suggestion(number, values, refused=str(error).splitlines()[0])
        name = fingerprint(dict(values))[:12]
        return self._scored(number, values, self.labour.carry_out(trials, self.home / name, quietly), name)

    def finished(self, found: Sequence[Suggestion]) -> Tuned:
        """Return what was found, and leave it in the folder."""
        tuned = Tuned(self.bench.name, tuple(found), self.target, self.bench.budget, str(self.home))
        text = self.bench.text(self._placed(tuned.best.values))
        tuned = dataclasses.replace(tuned, text=text)
        write_text(self.home / "tuning.csv", table(tuned))
        write_text(self.home / "tuning.txt", report(tuned) + "\n")
        return tuned

    def _scored(
        self, number: int, values: Mapping[str, float], outcomes: Sequence[Outcome], folder: str
    ) -> Suggestion:
        """Return numbers with how soon they solved what."""
        cases = tuple(map(self.target.case, outcomes))
        return Suggestion(number, values, cases, score(cases, self.bench.budget), folder=folder)

    def _placed(self, values: Mapping[str, float]) -> dict[Place, float]:
        """Return numbers by where they stand."""
        return {dial.place: values[dial.path] for dial in self.dials}


def _identity(
    untuned: Sequence[Trial], continuation: str, dials: Sequence[Dial], within: float, seed: int
) -> str:
    """Return a name that changes with all that the scores and the suggestions depend on."""
    return fingerprint([trial.fingerprint for trial in untuned], continuation, list(dials), within, seed)


def _require_numbers(bench: Bench, trials: int, within: float, seed: int) -> None:
    """Refuse numbers with which nothing can be tuned."""
    mistakes = [
        sentence
        for wrong, sentence in (
            (trials < 1, f"trials: expected an integer >= 1, got {trials}"),
            (not 0 < within < 1, f"within: expected a share, 0 < within < 1, got {within:g}"),
            (seed < 0, f"seed: expected an integer >= 0, got {seed}"),
            (bench.budget < 2, f"budget: expected at least 2 state solves, got {bench.budget}"),
        )
        if wrong
    ]
    if mistakes:
        raise InputError("\n".join(mistakes))


@contextlib.contextmanager
def _locked(home: Path) -> Iterator[None]:
    """Make the folder of the tuning, for this process alone as long as the block lasts."""
    try:
        home.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunFolderError(f"{home}: cannot be made: {error.strerror or error}") from error
    lock = Lock(home)
    try:
        yield
    finally:
        lock.release()
