"""Optuna at the desk: it suggests numbers, is told how good they were, and keeps a journal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from topopt.errors import MissingDependencyError
from topopt.study.dials import Dial

__all__ = ["Search", "require_optuna"]


def require_optuna() -> Any:
    """Return the package that suggests.

    Raises
    ------
    MissingDependencyError
        If it cannot be imported, with the install line.
    """
    try:
        import optuna
    except ImportError as error:
        raise MissingDependencyError(
            "tuning needs Optuna, which is not installed: pip install 'topopt[tune]'"
        ) from error
    return optuna


class Search:
    """The tree-structured Parzen estimator of Bergstra et al. 2011, with a journal that outlives the process.

    A suggestion depends on the seed, its number and the scores before it, so that an interrupted search
    goes on as the unbroken one would have.

    Parameters
    ----------
    journal : Path
        A file; several searches may share it.
    name : str
        Of this search in the journal: the same again goes on.
    dials : sequence of Dial
        What is varied.
    seed : int
        Of the suggestions.
    """

    def __init__(self, journal: Path, name: str, dials: Sequence[Dial], seed: int = 0) -> None:
        self._optuna = optuna = require_optuna()
        self._dials = dials
        self._seed = seed
        self._spans = {dial.path: self._span(dial) for dial in dials}
        before = optuna.logging.get_verbosity()
        optuna.logging.set_verbosity(optuna.logging.WARNING)  # it would greet every search in the journal
        try:
            backend = optuna.storages.journal.JournalFileBackend(str(journal))
            self._study = optuna.create_study(
                storage=optuna.storages.JournalStorage(backend),
                study_name=name,
                direction="maximize",
                load_if_exists=True,
            )
        finally:
            optuna.logging.set_verbosity(before)

    def begin(self, score: float) -> None:
        """Enter the present values as number 0, unless it has begun; outside the ranges it is void."""
        if self._study.get_trials(deepcopy=False):
            return
        create = self._optuna.trial.create_trial
        if all(dial.present in dial.range for dial in self._dials):
            present = {dial.path: dial.present for dial in self._dials}
            self._study.add_trial(create(params=present, distributions=self._spans, value=score))
        else:
            self._study.add_trial(create(state=self._optuna.trial.TrialState.FAIL))

    def past(self) -> Iterator[tuple[int, dict[str, float]]]:
        """Yield the suggestions that were heard of, number 0 left out: numbers and values."""
        for trial in self._study.get_trials(deepcopy=False)[1:]:
            if trial.state.is_finished() and len(trial.params) == len(self._dials):
                yield trial.number, self._values(trial.params)

    def ask(self) -> tuple[int, dict[str, float]]:
        """Return the number and values of the suggestion that was broken off, or else of a new one."""
        trials = self._study.get_trials(deepcopy=False)
        for trial in trials:
            if not trial.state.is_finished():
                if len(trial.params) == len(self._dials):
                    return trial.number, self._values(trial.params)
                self.tell(trial.number, None)  # killed while it was being made
        seed = int(np.random.SeedSequence([self._seed, len(trials)]).generate_state(1)[0])
        self._study.sampler = self._optuna.samplers.TPESampler(seed=seed)
        asked = self._study.ask(self._spans)
        return asked.number, self._values(asked.params)

    def tell(self, number: int, score: float | None) -> None:
        """Tell how good a suggestion was; None for numbers that do not fit together."""
        state = self._optuna.trial.TrialState.FAIL if score is None else None
        self._study.tell(number, score, state=state)

    def _values(self, params: Mapping[str, float]) -> dict[str, float]:
        """Return suggested numbers as they are tried, in the order of the dials."""
        return {dial.path: dial.rounded(params[dial.path]) for dial in self._dials}

    def _span(self, dial: Dial) -> Any:
        """Return a range as Optuna has it."""
        kinds = self._optuna.distributions
        low, high, log = dial.range.low, dial.range.high, dial.range.log
        if dial.whole:
            return kinds.IntDistribution(int(low), int(high), log=log)
        return kinds.FloatDistribution(low, high, log=log)
