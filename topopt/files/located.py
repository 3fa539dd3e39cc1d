"""YAML 1.2 as plain values that remember their lines."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from topopt.errors import ProblemFileError

__all__ = ["Key", "Located", "Mistake", "Path", "located", "scalar", "shown"]

Key = str | int
Path = tuple[Key, ...]

MOST_VALUES = 100_000
"""A problem file is written by hand: more values than this are no problem file."""
DEEPEST = 40
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
    """

    data: dict[str, Any]
    source: str
    lines: Mapping[Path, int] = field(default_factory=dict)
    overrides: Mapping[Path, str] = field(default_factory=dict)

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
        """Return a mistake with its place in front."""
        name = self.named(mistake.path)
        return (
            f"{self.where(mistake.path)}: {name}: {mistake.text}"
            if name
            else (f"{self.where(mistake.path)}: {mistake.text}")
        )

    def refusal(self, mistakes: list[Mistake]) -> ProblemFileError:
        """Return the error that lists mistakes in the order of the file, each once."""
        order = sorted(dict.fromkeys(mistakes), key=lambda mistake: self._position(mistake.path))
        return ProblemFileError(self.sentence(mistake) for mistake in order)

    def _position(self, path: Path) -> int:
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
    node = _composed(text, source)
    if node is None:
        raise ProblemFileError([f"{source}:1: the file is empty; `topopt new` writes one to start from"])
    if not isinstance(node, MappingNode):
        raise ProblemFileError(
            [f"{source}:{_line(node)}: expected 'key: value' lines at the top, got {_noun(node)}"]
        )
    reader = _Reader(source)
    data = reader.value(node, ())
    if reader.mistakes:
        raise ProblemFileError(reader.mistakes)
    return Located(data, source, reader.lines)


def scalar(text: str, source: str) -> Any:
    """Return the value of a piece of YAML, such as the right-hand side of an override."""
    node = _composed(text, source)
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


class _Reader:
    """From nodes to plain values; lines and mistakes are gathered on the way."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.lines: dict[Path, int] = {}
        self.mistakes: list[str] = []

    def value(self, node: Node, path: Path, line: int | None = None) -> Any:
        """Return the value of a node and note its line."""
        self.lines[path] = _line(node) if line is None else line
        if len(self.lines) > MOST_VALUES or len(path) > DEEPEST:
            raise ProblemFileError(
                [f"{self.source}:{_line(node)}: more than {MOST_VALUES} values or {DEEPEST} levels; "
                 "an alias (*name) that holds itself?"]
            )  # fmt: skip
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
            line = _line(key_node)
            if not isinstance(key_node, ScalarNode):
                self.mistakes.append(f"{self.source}:{line}: expected text as a key, got {_noun(key_node)}")
                continue
            key = str(key_node.value)
            if key in first:
                self.mistakes.append(
                    f"{self.source}:{line}: {'.'.join(map(_quoted, (*path, key)))}: given twice, "
                    f"first on line {first[key]}"
                )
                continue
            first[key] = line
            plain = isinstance(value_node, ScalarNode) and value_node.value != ""
            inner = _line(value_node) if plain else line
            values[key] = self.value(value_node, (*path, key), max(inner, line))
        return values

    def scalar(self, node: Node) -> Any:
        """Return a number, a boolean, nothing or text."""
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
            self.mistakes.append(f"{self.source}:{_line(node)}: the tag '{node.tag}' is not known here")
        return text


def _composed(text: str, source: str) -> Node | None:
    """Return the tree of nodes; wrong syntax comes back as one located sentence."""
    if re.search(r"^%YAML\s+1\.[01]\b", text, re.MULTILINE):
        raise ProblemFileError([f"{source}:1: problem files are YAML 1.2; remove the %YAML line"])
    try:
        node: Node | None = YAML(typ="safe", pure=True).compose(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f":{mark.line + 1}" if mark else ""
        words = ", ".join(part for part in (error.problem, error.context) if part)
        hint = "; indent with spaces" if "\\t" in words else ""
        raise ProblemFileError([f"{source}{line}: not YAML: {words}{hint}"]) from error
    except YAMLError as error:
        position = getattr(error, "position", None)
        line = f":{text.count(chr(10), 0, position) + 1}" if isinstance(position, int) else ""
        raise ProblemFileError([f"{source}{line}: not YAML: {str(error).splitlines()[0]}"]) from error
    return node


def _line(node: Node) -> int:
    """Return the line that a node starts on, counted from 1."""
    return int(node.start_mark.line) + 1


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
