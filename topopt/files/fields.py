"""From the fields of a dataclass to the model of what a file may say about it."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import re
import types
import typing
from typing import Annotated, Any, Literal

from annotated_types import Len
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, WithJsonSchema, create_model
from pydantic.fields import FieldInfo

from topopt.cells import Cells
from topopt.errors import InputError
from topopt.fem import Structure
from topopt.grid import Domain, Grid
from topopt.regions import Region
from topopt.solvers import Solver

__all__ = ["REGION", "Entry", "Form", "described", "form", "model"]

REGION = "x-region"
"""Marks, in the raw JSON Schema, where a region stands."""
_CONTEXT = (Structure, Domain, Grid, Cells)


class Entry(BaseModel):
    """What every model shares: unknown keys are refused, and nothing is converted silently."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class _NoFileForm(Exception):
    """A type that a file has no way to write."""


def _no_nan(value: float) -> float:
    """Refuse nan, which YAML can write."""
    if value != value:
        raise ValueError("nan")
    return value


Number = Annotated[float, AfterValidator(_no_nan)]
FiniteNumber = Annotated[float, Field(allow_inf_nan=False)]
RegionField = Annotated[Any, WithJsonSchema({REGION: True})]


@dataclasses.dataclass(frozen=True)
class Form:
    """What a file may say about a class.

    Attributes
    ----------
    cls : type
        The dataclass.
    fields : mapping
        Type and default by field name; the default is ``...`` where there is none.
    context : mapping
        Fields that the file's other parts give: Domain, Structure or Grid by field name.
    regions : tuple of str
        Fields that name a region.
    floats : tuple of str
        Fields that a schedule may drive.
    solvers : tuple of str
        Fields that name a solver, or say its settings.
    """

    cls: type
    fields: dict[str, tuple[Any, Any]]
    context: dict[str, type]
    regions: tuple[str, ...]
    floats: tuple[str, ...]
    solvers: tuple[str, ...] = ()


@functools.cache
def form(cls: type, finite: bool = False) -> Form:
    """Return what a file may say about a dataclass.

    Parameters
    ----------
    cls : type
        A dataclass whose annotations bear its bounds (`topopt.parameters`).
    finite : bool
        Refuse infinite numbers everywhere but in fields called ``value`` and ``values``.

    Raises
    ------
    InputError
        If it is no dataclass, or a field without a default cannot be written in a file.
    """
    if not (isinstance(cls, type) and dataclasses.is_dataclass(cls)):
        raise InputError(f"{cls!r} is no dataclass; write it as a frozen dataclass")
    hints = typing.get_type_hints(cls, include_extras=True)
    result = Form(cls, {}, {}, (), ())
    regions, floats, solvers = [], [], []
    docs = _documented(cls)
    for field in dataclasses.fields(cls):
        hint = hints[field.name]
        given = _context(hint)
        if given or not field.init:
            if given:
                result.context[field.name] = given
            continue
        number = FiniteNumber if finite and field.name not in ("value", "values") else Number
        try:
            kind = _kind(hint, number)
        except _NoFileForm:
            if _default(field) is ...:
                raise InputError(
                    f"{cls.__name__}.{field.name}: a problem file cannot write a {hint}; give the field "
                    "a default, or a type of numbers, text, lists and regions"
                ) from None
            continue
        if kind is RegionField:
            regions.append(field.name)
        if _plain(hint) is float:
            floats.append(field.name)
        if Solver in typing.get_args(hint):
            solvers.append(field.name)
        text = docs.get(field.name)
        result.fields[field.name] = (
            Annotated[kind, Field(description=text)] if text else kind,
            _default(field),
        )
    return dataclasses.replace(result, regions=tuple(regions), floats=tuple(floats), solvers=tuple(solvers))


@functools.cache
def model(
    cls: type, kind: str = "", type_name: str = "", lenient: bool = False, name: str = ""
) -> type[BaseModel]:
    """Return the pydantic model of what a file may say about a dataclass.

    Parameters
    ----------
    cls : type
        The dataclass.
    kind : {"", "link", "typed"}
        A link of a chain also has a name and reads; a link and a typed entry have a type.
    type_name : str
        The type that the file must name; any text if empty.
    lenient : bool
        Let number fields be left out even if they have no default: a schedule may drive them.
    name : str
        Of the model, in the JSON Schema; the class's if empty.
    """
    shape = form(cls, kind == "typed")
    fields: dict[str, Any] = {}
    if kind == "link":
        fields["name"] = (Annotated[str, Field(description="Name of the link's output.")], ...)
    if kind:
        fields["type"] = (Literal[type_name] if type_name else str, ...)
    if kind == "link":
        text = "Names that it reads; the link before, if left out."
        fields["reads"] = (Annotated[list[str], Field(description=text)], None)
    for field, (annotation, default) in shape.fields.items():
        optional = lenient and default is ... and field in shape.floats
        fields[field] = (annotation, None if optional else default)
    about = _documented(cls)[""]
    return create_model(name or cls.__name__, __base__=Entry, __doc__=about, **fields)


def described(annotation: Any, metadata: typing.Iterable[Any] = (), plural: bool = False) -> str:
    """Say in words what a type with its bounds expects.

    Examples
    --------
    >>> import annotated_types as at
    >>> described(Annotated[int, at.Ge(1)]), described(list[float]), described(int | list[int])
    ('an integer >= 1', 'a list of numbers', 'an integer or a list of integers')
    """
    metadata = list(metadata)
    while typing.get_origin(annotation) is Annotated:
        annotation, *more = typing.get_args(annotation)
        metadata = more + metadata
    nouns = {
        float: ("a number", "numbers"), int: ("an integer", "integers"), str: ("text", "texts"),
        bool: ("true or false", "true or false"),
    }  # fmt: skip
    if annotation in nouns:
        return nouns[annotation][plural] + _bounds(metadata)
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Literal:
        return ("one of " if len(arguments) > 1 else "") + ", ".join(repr(entry) for entry in arguments)
    if origin is list:
        length = next((f"{entry.min_length} " for entry in metadata if isinstance(entry, Len)), "")
        return f"{'lists' if plural else 'a list'} of {length}{described(arguments[0], plural=True)}"
    if origin in (typing.Union, types.UnionType):
        return " or ".join(described(entry) for entry in arguments if entry is not type(None))
    if inspect.isclass(annotation) and issubclass(annotation, BaseModel):
        return f"a mapping with {', '.join(annotation.model_fields)}"
    if origin is dict or annotation is dict:
        return "mappings" if plural else "a mapping"
    return "values" if plural else "a value"


def _bounds(metadata: list[Any]) -> str:
    """Write bounds behind a noun."""
    signs = (("gt", ">"), ("ge", ">="), ("lt", "<"), ("le", "<="))
    flat = [
        part for entry in metadata for part in (entry.metadata if isinstance(entry, FieldInfo) else [entry])
    ]
    words = [
        f"{sign} {getattr(entry, attribute):g}"
        for entry in flat
        for attribute, sign in signs
        if getattr(entry, attribute, None) is not None
    ]
    return " " + " and ".join(words) if words else ""


def _plain(hint: Any) -> Any:
    """Return a hint without its metadata."""
    return typing.get_args(hint)[0] if typing.get_origin(hint) is Annotated else hint


def _context(hint: Any) -> type | None:
    """Return the class that the file's other parts give for a field, if that is what it wants."""
    hint = _plain(hint)
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return next((found for entry in typing.get_args(hint) if (found := _context(entry))), None)
    return next((kind for kind in _CONTEXT if hint is kind), None)


def _kind(hint: Any, number: Any) -> Any:
    """Translate a type into what YAML can write."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is Annotated:
        if arguments[0] is float:  # bounds first, so that they enter the JSON Schema
            return Annotated[float, *arguments[1:], *typing.get_args(number)[1:]]
        return Annotated[_kind(arguments[0], number), *arguments[1:]]
    if hint is float:
        return number
    if hint in (int, str, bool, type(None)) or origin is Literal:
        return hint
    if hint is Solver:
        return dict[str, Any]
    if inspect.isclass(hint) and issubclass(hint, Region):
        return RegionField
    if origin in (tuple, list, typing.get_origin(typing.Sequence[int])):
        entries = [entry for entry in arguments if entry is not Ellipsis]
        kind = _kind(entries[0], number)
        if origin is tuple and Ellipsis not in arguments:
            if len(set(entries)) > 1:
                raise _NoFileForm
            return Annotated[list[kind], Len(len(entries), len(entries))]  # type: ignore[valid-type]
        return list[kind]  # type: ignore[valid-type]
    if origin in (typing.Union, types.UnionType):
        return _union(arguments, number)
    raise _NoFileForm


def _union(arguments: tuple[Any, ...], number: Any) -> Any:
    """Return the union of those members that YAML can write."""
    kinds = []
    for entry in arguments:
        try:
            kinds.append(_kind(entry, number))
        except _NoFileForm:
            continue
    if not [kind for kind in kinds if kind is not type(None)]:
        raise _NoFileForm
    if RegionField in kinds:
        return RegionField
    return functools.reduce(lambda a, b: a | b, kinds)


def _default(field: dataclasses.Field[Any]) -> Any:
    """Return a field's default as a file would write it, or ``...``."""
    if field.default is not dataclasses.MISSING:
        return _listed(field.default)
    if field.default_factory is not dataclasses.MISSING:
        return _listed(field.default_factory())
    return ...


def _listed(value: Any) -> Any:
    """Return tuples as lists."""
    return [_listed(entry) for entry in value] if isinstance(value, tuple) else value


@functools.cache
def _documented(cls: type) -> dict[str, str]:
    """Return the first paragraph of a docstring, under the empty name, and what it says of each parameter."""
    lines = inspect.cleandoc(cls.__doc__ or "").splitlines()
    first = next((i for i, line in enumerate(lines) if not line.strip()), len(lines))
    texts = {"": " ".join(" ".join(lines[:first]).split())}
    if "Parameters" not in lines:
        return texts
    names: list[str] = []
    for line in lines[lines.index("Parameters") + 2 :]:
        heading = re.fullmatch(r"(\w+(?:, \w+)*) : .*", line)
        if heading:
            names = heading[1].split(", ")
        elif line.startswith("    ") and names:
            for name in names:
                texts[name] = f"{texts.get(name, '')} {line.strip()}".strip()
        elif line.strip():
            break
    return texts
