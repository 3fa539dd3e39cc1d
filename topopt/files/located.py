"""YAML 1.2 as plain values that remember their lines."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from topopt.errors import ProblemFileError
from topopt.files.syntax import DEEPEST, MOST_VALUES, composed, line_of, too_much

__all__ = ["Key", "Located", "Mistake", "Path", "located", "scalar", "shown", "tupled"]

Key = str | int
Path = tuple[Key, ...]

MOST_SHOWN = 20
"""Mistakes that are listed; more than these nobody reads."""
_TAG = "tag:yaml.org,2002:"
_PLAIN = re.compile(r"[A-Za-z_][\w-]*")


@dataclass(frozen=True)
class Mistake:
    """A sentence about the value at a path.

    Attributes
    ----------
    path : tuple
        Keys and list indices from the top.
    text : str
        What was expected and what was found.
    """

    path: Path
    text: str


@dataclass(frozen=True)
class Located:
    """What a file says, and where.

    Attributes
    ----------
    data : dict
        Plain values: dict, list, str, int, float, bool, None.
    source : str
        Name of the file, for messages.
    lines : mapping
        Line of each path, counted from 1.
    overrides : mapping
        The texts of the overrides by the path that they set.
    origins : mapping
        What another file put in, by path: that file, and the path of the value there.
    """

    data: dict[str, Any]
    source: str
    lines: Mapping[Path, int] = field(default_factory=dict)
    overrides: Mapping[Path, str] = field(default_factory=dict)
    origins: Mapping[Path, tuple[Located, Path]] = field(default_factory=dict)

    def said(self, path: Path) -> tuple[Located, Path]:
        """Return the file that says what stands at a path, and the path there."""
        for length in range(len(path), -1, -1):
            if path[:length] in self.origins:
                origin, there = self.origins[path[:length]]
                return origin.said((*there, *path[length:]))
            if path[:length] in self.overrides or path[:length] in self.lines:
                break
        return self, path

    def where(self, path: Path) -> str:
        """Return ``file:line``, or the override that set the value or its neighbourhood."""
        for length in range(len(path), -1, -1):
            if path[:length] in self.overrides:
                return f"--set {self.overrides[path[:length]]}"
            if path[:length] in self.lines:
                return f"{self.source}:{self.lines[path[:length]]}"
        return self.source

    def named(self, path: Path) -> str:
        """Return a dotted path in which list items that have a name are called by it."""
        words, value = [], self.data
        for key in path:
            value = _child(value, key)
            name = value.get("name") if isinstance(key, int) and isinstance(value, dict) else None
            words.append(_quoted(name if isinstance(name, str) else key))
        return ".".join(words)

    def sentence(self, mistake: Mistake) -> str:
        """Return a mistake with its place in front; of what another file put in, the place there."""
        origin, path = self.said(mistake.path)
        name = origin.named(path)
        return (
            f"{origin.where(path)}: {name}: {mistake.text}"
            if name
            else (f"{origin.where(path)}: {mistake.text}")
        )

    def refusal(self, mistakes: list[Mistake]) -> ProblemFileError:
        """Return the error that lists mistakes in the order of the file, each once."""
        order = sorted(dict.fromkeys(mistakes), key=lambda mistake: self.position(mistake.path))
        sentences = [self.sentence(mistake) for mistake in order[:MOST_SHOWN]]
        more = len(order) - len(sentences)
        return ProblemFileError([*sentences, f"... and {more} more"] if more else sentences)

    def position(self, path: Path) -> int:
        """Return the line to sort by; what an override set comes last."""
        for length in range(len(path), -1, -1):
            if path[:length] in self.overrides:
                return MOST_VALUES
            if path[:length] in self.lines:
                return self.lines[path[:length]]
        return 0


def located(text: str, source: str) -> Located:
    """Read YAML 1.2 text.

    Parameters
    ----------
    text : str
        One document, a mapping at the top.
    source : str
        Name of the file, for messages.

    Raises
    ------
    ProblemFileError
        For wrong syntax (the first place), and for keys that are given twice (all of them).
    """
    node = composed(text, source)
    if node is None:
        raise ProblemFileError([f"{source}:1: the file is empty; `topopt new` writes one to start from"])
    if not isinstance(node, MappingNode):
        raise ProblemFileError(
            [f"{source}:{line_of(node)}: expected 'key: value' lines at the top, got {_noun(node)}"]
        )
    reader = _Reader(source)
    data = reader.value(node, ())
    if reader.mistakes:
        raise ProblemFileError(reader.mistakes)
    return Located(data, source, reader.lines)


def scalar(text: str, source: str) -> Any:
    """Return the value of a piece of YAML, such as the right-hand side of an override."""
    node = composed(text, source)
    reader = _Reader(source)
    value = None if node is None else reader.value(node, ())
    if reader.mistakes:
        raise ProblemFileError(reader.mistakes)
    return value


def shown(value: Any) -> str:
    """Write a value as the file would, short.

    Examples
    --------
    >>> shown("ten"), shown(True), shown(None), shown([1, 2.5])
    ("'ten'", 'true', 'nothing', '[1, 2.5]')
    """
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value in (float("inf"), float("-inf")):
        return ".inf" if value > 0 else "-.inf"
    if isinstance(value, list):
        text = "[" + ", ".join(shown(entry) for entry in value) + "]"
    elif isinstance(value, dict):
        text = "{" + ", ".join(f"{key}: {shown(entry)}" for key, entry in value.items()) + "}"
    else:
        text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def tupled(value: Any) -> Any:
    """Return what a file lists as tuples, which frozen dataclasses can hold."""
    return tuple(tupled(entry) for entry in value) if isinstance(value, list) else value


class _Reader:
    """From nodes to plain values; lines and mistakes are gathered on the way."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.lines: dict[Path, int] = {}
        self.mistakes: list[str] = []

    def value(self, node: Node, path: Path, line: int | None = None) -> Any:
        """Return the value of a node and note its line."""
        self.lines[path] = line_of(node) if line is None else line
        if len(self.lines) > MOST_VALUES or len(path) > DEEPEST:
            raise too_much(self.source, line_of(node))
        if not isinstance(node, ScalarNode) and str(node.tag).removeprefix(_TAG) not in ("map", "seq"):
            self.mistakes.append(f"{self.source}:{line_of(node)}: the tag '{_tag(node)}' is not known here")
        if isinstance(node, MappingNode):
            return self.mapping(node, path)
        if isinstance(node, SequenceNode):
            return [self.value(child, (*path, index)) for index, child in enumerate(node.value)]
        return self.scalar(node)

    def mapping(self, node: MappingNode, path: Path) -> dict[str, Any]:
        """Return a mapping; keys are text and stand once."""
        values: dict[str, Any] = {}
        first: dict[str, int] = {}
        for key_node, value_node in node.value:
            line = line_of(key_node)
            if not isinstance(key_node, ScalarNode):
                self.mistakes.append(f"{self.source}:{line}: expected text as a key, got {_noun(key_node)}")
                continue
            key = str(key_node.value)
            if key == "<<" and key_node.style is None:
                text = "YAML 1.2 has no merge keys (<<); write the keys out"
                self.mistakes.append(f"{self.source}:{line}: {text}")
                continue
            if key in first:
                self.mistakes.append(
                    f"{self.source}:{line}: {'.'.join(map(_quoted, (*path, key)))}: given twice, "
                    f"first on line {first[key]}"
                )
                continue
            first[key] = line
            plain = isinstance(value_node, ScalarNode) and value_node.value != ""
            inner = line_of(value_node) if plain else line
            values[key] = self.value(value_node, (*path, key), max(inner, line))
        return values

    def scalar(self, node: Node) -> Any:
        """Return a number, a boolean, nothing or text."""
        try:
            return self.plain(node)
        except ValueError:
            self.mistakes.append(f"{self.source}:{line_of(node)}: '{node.value}' is no {_tag(node)}")
            return None

    def plain(self, node: Node) -> Any:
        """Return what the tag of a scalar makes of its text."""
        kind, text = str(node.tag).removeprefix(_TAG), str(node.value)
        if kind == "int":
            digits = text.replace("_", "")
            return int(digits, 0) if digits.lstrip("+-")[:2] in ("0o", "0x", "0b") else int(digits)
        if kind == "float":
            return float(text.replace("_", "").lower().replace(".inf", "inf").replace(".nan", "nan"))
        if kind == "bool":
            return text.lower() == "true"
        if kind == "null":
            return None
        if kind not in ("str", "timestamp"):
            self.mistakes.append(f"{self.source}:{line_of(node)}: the tag '{_tag(node)}' is not known here")
        return text


def _tag(node: Node) -> str:
    """Return a node's tag as a file writes it."""
    return str(node.tag).replace(_TAG, "!!")


def _noun(node: Node) -> str:
    """Name a node's kind."""
    if isinstance(node, SequenceNode):
        return "a list"
    return "a mapping" if isinstance(node, MappingNode) else f"the text {node.value!r}"


def _child(value: Any, key: Key) -> Any:
    """Return what lies under a key, or None."""
    if isinstance(key, int):
        return value[key] if isinstance(value, list) and key < len(value) else None
    return value.get(key) if isinstance(value, dict) else None


def _quoted(key: Key) -> str:
    """Write one part of a dotted path."""
    return str(key) if isinstance(key, int) or _PLAIN.fullmatch(key) else f'"{key}"'
