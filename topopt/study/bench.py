"""What is tuned: a study, of which one continuation can be had with other numbers in its schedules."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Protocol

from topopt.continuation import Continuation
from topopt.errors import InputError, suggestion
from topopt.files.study import Place, StudyFile
from topopt.study.dials import turned
from topopt.study.study import Study, trials_of
from topopt.study.trial import Trial

__all__ = ["Bench", "bench_of"]


class Bench(Protocol):
    """A study with one of its continuations on the bench."""

    @property
    def name(self) -> str:
        """The continuation's."""

    @property
    def budget(self) -> int:
        """State solves of a trial."""

    @property
    def present(self) -> Continuation:
        """The continuation as it is; of a file, under the first problem."""

    @property
    def parameters(self) -> tuple[str, ...]:
        """Those whose schedules may be varied."""

    def trials(self) -> list[Trial]:
        """Return all trials of the study as it is."""

    def varied(self, values: Mapping[Place, float]) -> list[Trial]:
        """Return the continuation's trials with some numbers set anew.

        Raises
        ------
        InputError
            If they do not fit together.
        """

    def text(self, values: Mapping[Place, float]) -> str:
        """Return the continuation with these numbers as one would write it."""


@dataclasses.dataclass(frozen=True, eq=False)
class _FileBench:
    """A study file."""

    file: StudyFile
    name: str

    @property
    def budget(self) -> int:
        return self.file.budget

    @property
    def present(self) -> Continuation:
        entries = self.file.entries
        return next(entry.job.continuation for entry in entries if entry.continuation == self.name)

    @property
    def parameters(self) -> tuple[str, ...]:
        return self.file.parameters(self.name)

    def trials(self) -> list[Trial]:
        return trials_of(self.file)

    def varied(self, values: Mapping[Place, float]) -> list[Trial]:
        return trials_of(self.file.varied(self.name, values))

    def text(self, values: Mapping[Place, float]) -> str:
        return self.file.text(self.name, values)


@dataclasses.dataclass(frozen=True, eq=False)
class _StudyBench:
    """A study made in Python."""

    study: Study
    name: str

    @property
    def budget(self) -> int:
        return self.study.budget

    @property
    def present(self) -> Continuation:
        return self.study.continuations[self.name]

    @property
    def parameters(self) -> tuple[str, ...]:
        return tuple(self.present.schedules)

    def trials(self) -> list[Trial]:
        return self.study.trials()

    def varied(self, values: Mapping[Place, float]) -> list[Trial]:
        made = {self.name: turned(self.present, values)}
        return dataclasses.replace(self.study, continuations=made).trials()

    def text(self, values: Mapping[Place, float]) -> str:
        return f"{turned(self.present, values)!r}\n"


def bench_of(study: Study | StudyFile, continuation: str) -> Bench:
    """Put a continuation of a study on the bench.

    Raises
    ------
    InputError
        If the study has no such continuation.
    """
    names = study.continuations
    if continuation not in names:
        raise InputError(f"no continuation '{continuation}' in the study: {suggestion(continuation, names)}")
    return _StudyBench(study, continuation) if isinstance(study, Study) else _FileBench(study, continuation)
