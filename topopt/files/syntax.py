"""Wrong syntax, and what is no file that someone wrote, refused in one located sentence."""

from __future__ import annotations

import re

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import CollectionEndEvent, CollectionStartEvent
from ruamel.yaml.nodes import Node

from topopt.errors import ProblemFileError

__all__ = ["DEEPEST", "MOST_BYTES", "MOST_VALUES", "NO_DATA", "composed", "line_of", "too_much"]

MOST_VALUES = 100_000
"""A problem file is written by hand: more values than this are no problem file."""
DEEPEST = 40
MOST_BYTES = 1_000_000
NO_DATA = (
    "too large: a problem file is not data; put arrays into .npy files and name them: {array: {file: a.npy}}"
)


def composed(text: str, source: str) -> Node | None:
    """Return the tree of nodes of a YAML 1.2 document, None if there is nothing.

    Parameters
    ----------
    text : str
        The document.
    source : str
        Name for messages.

    Raises
    ------
    ProblemFileError
        For wrong syntax, and for what is too large or too deep.
    """
    if re.search(r"^%YAML\s+1\.[01]\b", text, re.MULTILINE):
        raise ProblemFileError([f"{source}:1: problem files are YAML 1.2; remove the %YAML line"])
    # What is cheap to count is counted first: a parser would take minutes over it.
    if len(text) > MOST_BYTES or text.count(",") + text.count("\n") > MOST_VALUES:
        raise ProblemFileError([f"{source}: {NO_DATA}"])
    try:
        node: Node | None = YAML(typ="safe", pure=True).compose(text)
    except RecursionError:
        raise too_much(source, _deep_line(text)) from None
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


def too_much(source: str, line: int) -> ProblemFileError:
    """Return the error that refuses what no one writes by hand.

    Parameters
    ----------
    source : str
        Name for messages.
    line : int
        Where it gets too much.
    """
    return ProblemFileError(
        [f"{source}:{line}: more than {MOST_VALUES} values or {DEEPEST} levels; "
         "an alias (*name) that holds itself?"]
    )  # fmt: skip


def _deep_line(text: str) -> int:
    """Return the first line on which a value lies too deep."""
    depth = 0
    for event in YAML(typ="safe", pure=True).parse(text):
        depth += isinstance(event, CollectionStartEvent) - isinstance(event, CollectionEndEvent)
        if depth > DEEPEST:
            return int(event.start_mark.line) + 1
    return 1


def line_of(node: Node) -> int:
    """Return the line that a node starts on, counted from 1.

    Parameters
    ----------
    node : Node
        Of the tree that `composed` returns.
    """
    return int(node.start_mark.line) + 1
