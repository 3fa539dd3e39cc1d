"""What a file says, in typed pieces, with every mistake of form."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from topopt.files.located import Located, Mistake, Path

__all__ = ["NAME", "Item", "Spec", "mapping"]

NAME = re.compile(r"[A-Za-z0-9][\w.-]*")
"""Of a problem, and so of its run folder."""


@dataclass(frozen=True)
class Item:
    """A class and what the file says of its fields; a link of the chain also has a name and reads."""

    path: Path
    cls: type
    values: dict[str, Any]
    type: str = ""
    name: str = ""
    reads: tuple[str, ...] = ()


@dataclass
class Spec:
    """What a file says; what was refused is missing, and there is a mistake for it."""

    located: Located
    top: dict[str, Any] = field(default_factory=dict)
    grid: Item | None = None
    mesh: dict[str, Any] | None = None
    material: Item | None = None
    supports: list[Item] = field(default_factory=list)
    cases: list[tuple[Path, str, float, list[Item]]] = field(default_factory=list)
    chain: list[Item] = field(default_factory=list)
    limits: dict[str, float | dict[str, float]] = field(default_factory=dict)
    start: float | dict[str, Any] | None = None
    continuation: dict[str, Item] = field(default_factory=dict)
    guards: dict[str, Item] = field(default_factory=dict)
    memory: str = "keep"
    rollback: Item | None = None
    rounds: int = 1
    optimizer: Item | None = None
    stop: Item | None = None
    mistakes: list[Mistake] = field(default_factory=list)

    def add(self, found: Iterable[Mistake]) -> None:
        """Add mistakes, but none about a value that an earlier sentence is about already."""
        known = {mistake.path for mistake in self.mistakes}
        self.mistakes += [mistake for mistake in found if mistake.path not in known]

    def looked_up(self) -> list[tuple[Path, str]]:
        """Return the responses that schedules look up in the log, with their places."""
        return [
            ((*item.path, field), item.values[field])
            for item in self.continuation.values()
            for field in getattr(item.cls, "reads", ())
            if isinstance(item.values.get(field), str)
        ]

    def objectives(self) -> list[tuple[Path, str]]:
        """Return the names of what is to be lowered, one or several, each with its path."""
        said = self.top.get("minimise")
        if isinstance(said, str):
            return [(("minimise",), said)]
        names = said if isinstance(said, list) else []
        return [(("minimise", index), name) for index, name in enumerate(names) if isinstance(name, str)]

    def refuses(self, *sections: str) -> bool:
        """Return whether something in one of these sections is wrong."""
        return any(mistake.path[:1] == (section,) for mistake in self.mistakes for section in sections)


def mapping(value: Any) -> dict[str, Any]:
    """Return a section, or nothing if it is no mapping.

    Parameters
    ----------
    value : object
        What the file says.
    """
    return value if isinstance(value, dict) else {}
