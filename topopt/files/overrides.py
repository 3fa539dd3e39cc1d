"""The same file with a few values changed: by `--set path=value`, or by another file."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable, Mapping
from typing import Any

from topopt.errors import ProblemFileError, suggestion
from topopt.files.located import Key, Located, Mistake, Path, scalar

__all__ = ["grafted", "overridden"]

_PART = re.compile(r'"([^"]*)"|\'([^\']*)\'|([^."\'\[\]]+)|\[(\d+)\]')


def overridden(read: Located, overrides: Iterable[str]) -> Located:
    """Return the values of a file with some of them set anew.

    Parameters
    ----------
    read : Located
        The file.
    overrides : iterable of str
        ``path=value``: the path is dotted, items of a list are called by their name or index, a key with a
        dot may be quoted; the value is YAML.

    Raises
    ------
    ProblemFileError
        For every override that cannot be applied.
    """
    data, lines, marks = copy.deepcopy(read.data), dict(read.lines), dict(read.overrides)
    mistakes: list[str] = []
    for text in overrides:
        try:
            name, equals, value = text.partition("=")
            if not equals or not name.strip():
                raise _Unusable("expected path=value, such as grid.cells=[600,200]")
            path = _set(data, _parts(name.strip()), scalar(value, f"--set {text}"))
        except ProblemFileError as error:
            mistakes += error.mistakes
        except _Unusable as error:
            mistakes.append(f"--set {text}: {error}")
        else:
            lines = {known: line for known, line in lines.items() if known[: len(path)] != path}
            marks[path] = text
    if mistakes:
        raise ProblemFileError(mistakes)
    return Located(data, read.source, lines, marks, read.origins)


def grafted(
    read: Located, values: Mapping[str, tuple[Any, Path]], origin: Located
) -> tuple[Located, list[Mistake]]:
    """Return the values of a file with some of them put in by another file, and what could not be put in.

    Parameters
    ----------
    read : Located
        The file.
    values : mapping
        By dotted path, as for `overridden`: the new value, and where it stands in the other file.
    origin : Located
        The other file; it is named where one of its values is wrong.

    Returns
    -------
    tuple
        The values, and mistakes with paths of the other file.
    """
    data, lines = copy.deepcopy(read.data), dict(read.lines)
    marks, origins = dict(read.overrides), dict(read.origins)
    mistakes: list[Mistake] = []
    for name, (value, said) in values.items():
        try:
            there = _set(data, _parts(name.strip()), copy.deepcopy(value))
        except _Unusable as error:
            mistakes.append(Mistake(said, str(error)))
            continue
        lines = {path: line for path, line in lines.items() if path[: len(there)] != there}
        marks = {path: text for path, text in marks.items() if path[: len(there)] != there}
        origins = {path: entry for path, entry in origins.items() if path[: len(there)] != there}
        origins[there] = (origin, said)
    return Located(data, read.source, lines, marks, origins), mistakes


class _Unusable(Exception):
    """An override that cannot be applied, and why."""


def _parts(name: str) -> list[str]:
    """Split a dotted path; quotes keep a part together."""
    parts, position = [], 0
    while position < len(name):
        match = _PART.match(name, position)
        if not match:
            raise _Unusable(f"'{name}' is no dotted path; write it like chain.physical.eta")
        parts.append(next(group for group in match.groups() if group is not None))
        position = match.end()
        if position < len(name) and name[position] == ".":
            position += 1
        elif position < len(name) and name[position] != "[":
            raise _Unusable(f"'{name}' is no dotted path; write it like chain.physical.eta")
    return parts


def _set(data: dict[str, Any], parts: list[str], value: Any) -> Path:
    """Set a value and return its path."""
    target: Any = data
    path: list[Key] = []
    while parts:
        key, parts = _next(target, parts, path)
        path.append(key)
        if not parts:
            target[key] = value
        elif isinstance(target, dict) and target.get(key) is None:
            target[key] = {}
        target = target[key]
    return tuple(path)


def _next(target: Any, parts: list[str], path: list[Key]) -> tuple[Key, list[str]]:
    """Take the next key off a path: what exists goes first, and the longest."""
    where = ".".join(map(str, path))
    if isinstance(target, list):
        names = [entry.get("name") if isinstance(entry, dict) else None for entry in target]
        if parts[0] in names:
            return names.index(parts[0]), parts[1:]
        if parts[0].isdigit() and int(parts[0]) < len(target):
            return int(parts[0]), parts[1:]
        known = [name for name in names if isinstance(name, str)]
        hint = suggestion(parts[0], known) if known else f"there are {len(target)}, counted from 0"
        raise _Unusable(f"{where} has no item '{parts[0]}': {hint}")
    if not isinstance(target, dict):
        raise _Unusable(f"{where} has no parts")
    for length in range(len(parts), 1, -1):
        joined = ".".join(parts[:length])
        if joined in target:
            return joined, parts[length:]
    if where == "continuation" and "." not in parts[0] and len(parts) > 1:
        return ".".join(parts[:2]), parts[2:]
    return parts[0], parts[1:]
