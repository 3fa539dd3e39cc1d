"""From what a model refuses to sentences that say where, what was expected and what was found."""

from __future__ import annotations

import functools
import re
import types
import typing
from collections.abc import Iterable, Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from topopt.errors import suggestion
from topopt.files.fields import described
from topopt.files.located import Mistake, Path, shown
from topopt.files.sections import Sections

__all__ = ["blamed", "fitted"]

_TUPLE = re.compile(r"got \(([^()]*?),?\)")
_OBJECT = re.compile(r",? got [A-Z]\w*\([^()]*\)")
_ECHOES = (
    "limit",
    "start",
    "output",
    "passive",
    "structure",
    "structure.loads",
    "structure.supports",
    "optimizer",
)
"""Words in front of an error that the path says already."""


def fitted(model: type[BaseModel], data: Any, path: Path) -> tuple[dict[str, Any] | None, list[Mistake]]:
    """Fit a value into a model.

    Parameters
    ----------
    model : type
        What is expected.
    data : object
        What the file says.
    path : tuple
        Where it says so.

    Returns
    -------
    tuple
        The fields with their defaults (None if there are mistakes), and the mistakes.
    """
    if not isinstance(data, dict):
        return None, [Mistake(path, f"expected {described(model)}, got {shown(data)}")]
    try:
        return dict(model.model_validate(data)), []
    except ValidationError as refusal:
        details = refusal.errors(include_url=False)
        typos = {_meant(model, detail): detail for detail in details if detail["type"] == "extra_forbidden"}
        sentences = [
            _sentence(model, detail, data, path) for detail in details if not _forgotten(detail, typos)
        ]
        return None, list(dict.fromkeys(sentences))


def blamed(error: ValueError, path: Path, fields: Iterable[str] = ()) -> Mistake:
    """Return a constructor's error as a mistake.

    ``Class.field:`` in front of it becomes part of the path; what only repeats the place is dropped.

    Parameters
    ----------
    error : ValueError
        What was raised.
    path : tuple
        Of the item that was refused.
    fields : iterable of str
        The item's fields.
    """
    said = _TUPLE.sub(_as_written, _OBJECT.sub("", str(error)))
    head, colon, rest = said.partition(": ")
    if colon and (head in _ECHOES or (" on " in head and head.endswith(")"))):
        return Mistake(path, rest)
    owner, dot, field = head.partition(".")
    if colon and dot and owner.isidentifier() and field in set(fields):
        return Mistake((*path, field), rest)
    return Mistake(path, said)


def _as_written(found: re.Match[str]) -> str:
    """Write a tuple as a file would."""
    return f"got [{found[1]}]"


def _forgotten(detail: ErrorDetails, typos: Mapping[tuple[Any, ...], ErrorDetails]) -> bool:
    """Return whether a field is missing only because its name is misspelt."""
    return detail["type"] == "missing" and tuple(detail["loc"]) in typos


def _meant(model: type[BaseModel], detail: ErrorDetails) -> tuple[Any, ...]:
    """Return the location that an unknown key probably meant."""
    *place, key = detail["loc"]
    hint = suggestion(str(key), _siblings(model, tuple(place)))
    return (*place, hint.removeprefix("did you mean '").removesuffix("'?"))


def _sentence(model: type[BaseModel], detail: ErrorDetails, data: Any, path: Path) -> Mistake:
    """Return one refusal as a mistake."""
    place = tuple(detail["loc"])
    if detail["type"] == "extra_forbidden":
        hint = suggestion(str(place[-1]), _siblings(model, place[:-1]))
        return Mistake((*path, *place), f"unknown key: {hint}")
    depth, annotation, metadata = _expected(model, place)
    expectation = described(annotation, metadata)
    if detail["type"] == "missing":
        return Mistake((*path, *place), f"missing: expected {expectation}")
    value = functools.reduce(lambda part, key: part[key], place[:depth], data)
    if detail["type"] == "finite_number":
        expectation = expectation.replace("a number", "a finite number", 1)
    text = f"expected {expectation}, got {shown(value)}{_hint(annotation, value)}"
    return Mistake((*path, *place[:depth]), text)


def _hint(annotation: Any, value: Any) -> str:
    """Suggest quotes around a text that YAML takes for a number, or the word that was probably meant."""
    if annotation is str and isinstance(value, bool | int | float):
        return "; quote it"
    words = [entry for entry in typing.get_args(annotation) if isinstance(entry, str)]
    if typing.get_origin(annotation) is typing.Literal and len(words) > 1 and isinstance(value, str):
        close = suggestion(value, words)
        return f"; {close}" if close.startswith("did") else ""
    return ""


def _expected(model: type[BaseModel], place: tuple[Any, ...]) -> tuple[int, Any, list[Any]]:
    """Walk down a model: how far the place can be followed, and the type that stands there."""
    annotation: Any = model
    metadata: list[Any] = []
    for depth, key in enumerate(place):
        annotation, metadata = _unwrapped(annotation, metadata)
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            field = annotation.model_fields[str(key)]
            annotation, metadata = field.annotation, list(field.metadata)
        elif typing.get_origin(annotation) in (list, dict):
            annotation, metadata = typing.get_args(annotation)[-1], []
        else:
            return depth, annotation, metadata
    annotation, metadata = _unwrapped(annotation, metadata)
    return len(place), annotation, metadata


def _unwrapped(annotation: Any, metadata: list[Any]) -> tuple[Any, list[Any]]:
    """Take off Annotated, and the None of an optional type."""
    while True:
        if typing.get_origin(annotation) is Annotated:
            annotation, *more = typing.get_args(annotation)
            metadata = [*more, *metadata]
            continue
        if typing.get_origin(annotation) in (typing.Union, types.UnionType):
            members = [entry for entry in typing.get_args(annotation) if entry is not type(None)]
            if len(members) == 1:
                annotation = members[0]
                continue
        return annotation, metadata


def _siblings(model: type[BaseModel], place: tuple[Any, ...]) -> list[str]:
    """Return the fields of the model at a place."""
    annotation = _expected(model, place)[1]
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [name for name in annotation.model_fields if (annotation, name) != (Sections, "folder")]
    return []
