"""Every problem under every continuation, and whose mistake it is where they do not fit together."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Any

from topopt.errors import ProblemFileError, TooLargeError
from topopt.files.job import Job, understood
from topopt.files.located import MOST_SHOWN, Located, Mistake, Path, located, shown
from topopt.files.overrides import grafted
from topopt.files.source import text_of
from topopt.files.spec import mapping

__all__ = ["Combination", "Complaints", "combined"]

_OURS = ("continuation", "stop", "name", "description")
"""Sections of a problem file that the study gives."""


@dataclass(frozen=True)
class Combination:
    """A problem under a continuation; its job is None if something is wrong with it."""

    problem: str
    continuation: str
    job: Job | None = None

    __hash__ = None  # type: ignore[assignment]


@dataclass
class Complaints:
    """Sentences on what is wrong, each once, with the combinations that it is about."""

    said: Located
    _about: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    _order: dict[str, tuple[int, str, int]] = field(default_factory=dict)
    _places: dict[str, tuple[str, Path]] = field(default_factory=dict)
    _examined: dict[tuple[str, str], None] = field(default_factory=dict)

    def add(
        self, mistakes: Iterable[Mistake], said: Located | None = None, pair: tuple[str, str] | None = None
    ) -> None:
        """Add mistakes of a file, and the problem and continuation that made them."""
        for mistake in mistakes:
            origin, path = (said or self.said).said(mistake.path)
            sentence = origin.sentence(Mistake(path, mistake.text))
            rank = 0 if origin is self.said else 1
            self._note(sentence, (rank, origin.source, origin.position(path)), (origin.source, path), pair)

    def quote(self, sentences: Iterable[str], pair: tuple[str, str] | None = None) -> None:
        """Add sentences that another reader wrote."""
        for sentence in sentences:
            self._note(sentence, (1, sentence, 0), ("", ()), pair)

    def examine(self, pair: tuple[str, str]) -> None:
        """Note that a problem under a continuation is looked at."""
        self._examined[pair] = None

    def sentences(self) -> tuple[str, ...]:
        """Return all sentences, those on the study file first, in the order of the files."""
        order = sorted(self._about, key=lambda sentence: self._order[sentence])
        return tuple(map(self._labelled, order))

    def refuse(self) -> None:
        """Raise the error with all sentences, if there are any."""
        sentences = self.sentences()
        more = len(sentences) - MOST_SHOWN
        if sentences:
            raise ProblemFileError(
                [*sentences[:MOST_SHOWN], f"... and {more} more"] if more > 0 else sentences
            )

    def _note(self, sentence: str, order: tuple[int, str, int], place: tuple[str, Path], pair: Any) -> None:
        """Book a sentence."""
        about = self._about.setdefault(sentence, [])
        self._order.setdefault(sentence, order)
        self._places.setdefault(sentence, place)
        if pair is not None and pair not in about:
            about.append(pair)

    def _labelled(self, sentence: str) -> str:
        """Say which problem and continuation it is about, where that is not clear from its place."""
        about = self._about[sentence]
        if not about:
            return sentence
        source, path = self._places[sentence]
        ours = source == self.said.source
        words = []
        here = {problem for problem, _ in about}
        same = {p for p, _ in self._examined if ours or any(self._file(p) == self._file(q) for q in here)}
        if not (ours and path[:1] == ("problems",)) and here != same:
            words.append(f"in problem {_listed(p for p, _ in about)}")
        there = {continuation for _, continuation in about}
        if not (ours and path[:1] == ("continuations",)) and there != {c for _, c in self._examined}:
            words.append(f"with continuation {_listed(c for _, c in about)}")
        return f"{sentence} ({' '.join(words)})" if words else sentence

    def _file(self, problem: str) -> Any:
        """Return what the study says is a problem's file."""
        return mapping(mapping(self.said.data["problems"])[problem]).get("file")


def combined(
    said: Located, folder: FilePath, stop: Mapping[str, Any], complaints: Complaints, warnings: Complaints
) -> tuple[Combination, ...]:
    """Read every problem under every continuation.

    Parameters
    ----------
    said : Located
        The study file.
    folder : Path
        From where it looks for problem files.
    stop : mapping
        The stop that takes the place of every problem file's own.
    complaints, warnings : Complaints
        Take what is wrong, and what is odd.
    """
    pairs = []
    continuations = mapping(said.data.get("continuations"))
    for problem, base, place in _problems(said, folder, complaints):
        for name, entry in continuations.items():
            if isinstance(entry, dict):
                pair = problem, name
                complaints.examine(pair)
                warnings.examine(pair)
                made, refused = _under(said, base, problem, name, entry, stop)
                complaints.add(refused, pair=pair)
                job = None if refused else _job(made, place, complaints, pair)
                warnings.quote(job.warnings if job else (), pair)
                pairs.append(Combination(problem, name, job))
    return tuple(pairs)


def _problems(
    said: Located, folder: FilePath, complaints: Complaints
) -> Iterator[tuple[str, Located, FilePath]]:
    """Walk the problem files that can be read, as the study changes them, with the folder of each."""
    for name, entry in mapping(said.data.get("problems")).items():
        file = mapping(entry).get("file")
        if not isinstance(file, str):
            continue
        path = FilePath(os.path.normpath(folder / file))
        try:
            text = text_of(path)
        except ProblemFileError as error:
            complaints.add([Mistake(("problems", name, "file"), error.mistakes[0])])
            continue
        try:
            read = located(text, str(path))
        except ProblemFileError as error:
            complaints.quote(error.mistakes)
            continue
        general = said.data.get("optimizer")
        values = {"optimizer": (general, ("optimizer",))} if general is not None else {}
        own, refused = _settable(entry.get("set"), ("problems", name, "set"))
        changed, more = grafted(read, values | own, said)
        complaints.add([*refused, *more])
        if not refused and not more:
            yield name, changed, path.parent


def _settable(values: Any, path: Path) -> tuple[dict[str, tuple[Any, Path]], list[Mistake]]:
    """Return overrides of a problem file as `grafted` takes them, and those that are the study's to give."""
    found: dict[str, tuple[Any, Path]] = {}
    refused: list[Mistake] = []
    for name, value in mapping(values).items():
        section = name.strip().partition(".")[0]
        if section in _OURS:
            refused.append(Mistake((*path, name), f"the study gives {section} itself, for all trials alike"))
        else:
            found[name] = (value, (*path, name))
    return found, refused


def _under(
    said: Located, base: Located, problem: str, name: str, entry: Mapping[str, Any], stop: Mapping[str, Any]
) -> tuple[Located, list[Mistake]]:
    """Return a problem file with one of the study's continuations in place of its own."""
    place = ("continuations", name)
    values, refused = _settable(entry.get("set"), (*place, "set"))
    if "set" in entry and not isinstance(entry["set"], dict):
        text = f"expected a mapping of values by dotted path, got {shown(entry['set'])}"
        refused.append(Mistake((*place, "set"), text))
    schedules = {key: value for key, value in entry.items() if key != "set"}
    values["continuation"] = (schedules, place)
    values["stop"] = (dict(stop), ("stop",))
    values["description"] = (f"{problem}, {name}", place)
    made, more = grafted(base, values, said)
    return made, refused + more


def _job(made: Located, folder: FilePath, complaints: Complaints, pair: tuple[str, str]) -> Job | None:
    """Read one combination."""
    try:
        job, mistakes = understood(made, folder)
    except TooLargeError as error:
        error.add_note(f"in problem '{pair[0]}'")
        raise
    complaints.add(mistakes, made, pair)
    return job


def _listed(names: Iterable[str]) -> str:
    """List names, each once, three at most."""
    unique = list(dict.fromkeys(names))
    rest = f" and {len(unique) - 3} more" if len(unique) > 3 else ""
    return ", ".join(f"'{name}'" for name in unique[:3]) + rest
