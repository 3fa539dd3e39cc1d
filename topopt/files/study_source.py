"""A study file kept as it was read, so that a continuation can be had with other numbers in its schedules."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from topopt.files.located import Located, located
from topopt.files.overrides import overridden
from topopt.files.resolved import written
from topopt.files.source import text_of
from topopt.files.spec import mapping
from topopt.files.study import StudyFile, understood_study

__all__ = ["Place", "StudySource"]

Place = tuple[str, ...]
"""Where a number stands in a continuation: ``("physical.beta", "growth")``."""


@dataclass(frozen=True)
class StudySource:
    """What a study file says, and what it means.

    Attributes
    ----------
    said : Located
        Its values and where they stand.
    folder : Path
        From where it looks for problem files.
    study : StudyFile
        What it describes.
    """

    said: Located
    folder: Path
    study: StudyFile

    __hash__ = None  # type: ignore[assignment]

    @classmethod
    def read(cls, path: str | Path, overrides: Iterable[str] = ()) -> StudySource:
        """Read a study file; see `topopt.files.study.read_study`."""
        path = Path(path)
        said = overridden(located(text_of(path), str(path)), overrides)
        return cls(said, path.parent, understood_study(said, path.parent))

    def parameters(self, continuation: str) -> tuple[str, ...]:
        """Return the parameters that a continuation of the file names itself."""
        entry = mapping(self.said.data["continuations"][continuation])
        return tuple(name for name in entry if "." in name)

    def varied(self, continuation: str, values: Mapping[Place, float]) -> StudyFile:
        """Return the study with one continuation alone, some numbers of its schedules set anew.

        Parameters
        ----------
        continuation : str
            Its name, which it keeps.
        values : mapping
            The numbers by place; the parameter is one that the continuation names.

        Raises
        ------
        ProblemFileError
            If the numbers do not fit together.
        """
        data = self.said.data | {"continuations": {continuation: self._entry(continuation, values)}}
        return understood_study(dataclasses.replace(self.said, data=data), self.folder)

    def text(self, continuation: str, values: Mapping[Place, float]) -> str:
        """Return that continuation as YAML, as it would stand in the file."""
        return written({"continuations": {continuation: self._entry(continuation, values)}})

    def _entry(self, continuation: str, values: Mapping[Place, float]) -> dict[str, Any]:
        """Return what the file would say of the continuation."""
        entry: dict[str, Any] = copy.deepcopy(self.said.data["continuations"][continuation])
        for (parameter, *inner, field), value in values.items():
            if not isinstance(entry[parameter], dict):  # a number alone is short for a constant
                entry[parameter] = {"type": "constant"}
            target = entry[parameter]
            for key in inner:
                target = target[key]
            target[field] = value
        return entry
