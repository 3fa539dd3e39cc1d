"""A study file goes in, and every problem under every continuation comes out, or all mistakes at once."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from topopt.errors import ProblemFileError
from topopt.files.claim import slugged
from topopt.files.combining import Combination, Complaints, combined
from topopt.files.job import Job
from topopt.files.located import Located, Mistake, located, shown
from topopt.files.mistakes import fitted
from topopt.files.overrides import overridden
from topopt.files.resolved import written
from topopt.files.source import text_of
from topopt.files.spec import NAME, mapping
from topopt.files.study_sections import StudySections, StudyStarts, StudyStop, StudyYardstick

__all__ = ["Place", "StudyEntry", "StudyFile", "parse_study", "read_study", "understood_study"]

Place = tuple[str, ...]
"""Where a number stands in a continuation: ``("physical.beta", "growth")``."""


@dataclass(frozen=True)
class StudyEntry:
    """A problem under a continuation.

    Attributes
    ----------
    problem, continuation : str
        Their names in the study.
    job : Job
        What is run; its resolved problem file stands by itself.
    """

    problem: str
    continuation: str
    job: Job

    __hash__ = None  # type: ignore[assignment]


@dataclass(frozen=True)
class StudyFile:
    """All that a study file describes.

    Attributes
    ----------
    name : str
        Names the study's folder.
    description : str
        For the reader.
    entries : tuple of StudyEntry
        Every problem under every continuation, problem by problem, in the order of the file.
    starts : mapping
        By the problem's name: `perturbed`, how many there are beside its own, `noise` and `seed`.
    budget : int
        State solves of a trial.
    judge_every : int
        Iterations between two judgements.
    stop : mapping
        When a trial ends before its budget does: `progress`, `window`, `discreteness`.
    yardstick : mapping
        Of the yardstick: `volume` and `response`, None where the problem decides, and `e_min`.
    warnings : tuple of str
        Located sentences on what does not stop the study.
    said : Located
        The values of the file and where they stand.
    folder : Path
        From where it looks for problem files.
    """

    name: str
    entries: tuple[StudyEntry, ...]
    starts: Mapping[str, Mapping[str, Any]]
    budget: int = 400
    judge_every: int = 5
    stop: Mapping[str, Any] = field(default_factory=lambda: dict(StudyStop()))
    yardstick: Mapping[str, Any] = field(default_factory=lambda: dict(StudyYardstick()))
    description: str = ""
    warnings: tuple[str, ...] = field(default=(), compare=False)
    said: Located = field(kw_only=True, compare=False, repr=False)
    folder: Path = field(kw_only=True, compare=False)

    __hash__ = None  # type: ignore[assignment]

    @property
    def problems(self) -> tuple[str, ...]:
        """The names of the problems."""
        return tuple(dict.fromkeys(entry.problem for entry in self.entries))

    @property
    def continuations(self) -> tuple[str, ...]:
        """The names of the continuations."""
        return tuple(dict.fromkeys(entry.continuation for entry in self.entries))

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
        for (parameter, *inner, last), value in values.items():
            if not isinstance(entry[parameter], dict):  # a number alone is short for a constant
                entry[parameter] = {"type": "constant"}
            target = entry[parameter]
            for key in inner:
                target = target[key]
            target[last] = value
        return entry


def read_study(path: str | Path, overrides: Iterable[str] = ()) -> StudyFile:
    """Read a study file.

    Parameters
    ----------
    path : str or Path
        A YAML file; the problem files that it names are looked for from its folder.
    overrides : iterable of str
        ``path=value`` on the study file, such as ``budget=100``.

    Raises
    ------
    ProblemFileError
        With every mistake, in this file and in the problem files: ``file:line: path: sentence``.
    TooLargeError
        If a problem would not fit into memory.
    """
    path = Path(path)
    return parse_study(text_of(path), str(path), overrides, path.parent)


def parse_study(
    text: str, source: str = "<text>", overrides: Iterable[str] = (), folder: str | Path = "."
) -> StudyFile:
    """Read a study from text; see `read_study`.

    Parameters
    ----------
    text : str
        YAML 1.2.
    source : str
        Name for messages.
    overrides : iterable of str
        ``path=value``.
    folder : str or Path
        From where problem files are looked for.

    Raises
    ------
    ProblemFileError
        With every mistake.
    """
    return understood_study(overridden(located(text, source), overrides), Path(folder))


def understood_study(said: Located, folder: Path) -> StudyFile:
    """Return what the values of a study file mean; see `parse_study`."""
    if ("grid" in said.data or "mesh" in said.data) and "problems" not in said.data:
        raise ProblemFileError([f"{said.source}: this is a problem file, run it by `topopt run`"])
    complaints, warnings = Complaints(said), Complaints(said)
    top = _shaped(said, complaints)
    combinations = combined(said, folder, _stop(top), complaints, warnings)
    complaints.refuse()
    return StudyFile(
        name=top["name"],
        entries=tuple(_entry(combination) for combination in combinations),
        starts={name: _starts(said, name) for name in said.data["problems"]},
        budget=top["budget"],
        judge_every=top["judge_every"],
        stop=dict(top["stop"]),
        yardstick=dict(top["yardstick"]),
        description=top["description"],
        warnings=warnings.sentences(),
        said=said,
        folder=folder,
    )


def _shaped(said: Located, complaints: Complaints) -> dict[str, Any]:
    """Return the sections, with defaults for those that are refused."""
    top, found = fitted(StudySections, said.data, ())
    found = [*found, *_names(said.data), *_slugs(said.data)]
    complaints.add(found)
    defaults = {
        name: f.get_default(call_default_factory=True) for name, f in StudySections.model_fields.items()
    }
    return defaults if top is None else top


def _names(data: Mapping[str, Any]) -> Iterable[Mistake]:
    """Look at the study's name."""
    name = data.get("name")
    if isinstance(name, str) and not NAME.fullmatch(name):
        text = f"expected letters, digits, '_', '-' and '.', a letter or digit first, got {shown(name)}"
        yield Mistake(("name",), text)


def _slugs(data: Mapping[str, Any]) -> Iterable[Mistake]:
    """Look for names that differ only in what a folder's name cannot show."""
    for section in ("problems", "continuations"):
        first: dict[str, str] = {}
        for name in mapping(data.get(section)):
            slug = slugged(name).casefold()
            if not slug.strip("-."):
                yield Mistake((section, name), "expected a name with letters or digits")
            elif slug in first:
                text = f"the folders of its trials would be those of '{first[slug]}'; choose another name"
                yield Mistake((section, name), text)
            first.setdefault(slug, name)


def _starts(said: Located, problem: str) -> dict[str, Any]:
    """Return a problem's starts: the study's, and what the problem says otherwise."""
    own = mapping(said.data["problems"][problem].get("starts"))
    return {**dict(StudyStarts()), **mapping(said.data.get("starts")), **own}


def _stop(top: Mapping[str, Any]) -> dict[str, Any]:
    """Return the stop of a single trial's problem file, for who resumes it by itself."""
    rest = top["stop"]
    return {
        "change": 0.0, "progress": rest.progress, "window": rest.window, "iterations": top["budget"]
    }  # fmt: skip


def _entry(combination: Combination) -> StudyEntry:
    """Return a combination without mistakes as an entry."""
    assert combination.job is not None
    return StudyEntry(combination.problem, combination.continuation, combination.job)
