"""From the word behind `type:` to a class: ours by name, a user's own by dotted path."""

from __future__ import annotations

import functools
import importlib
import inspect
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

from topopt import continuation, optimizers, stages
from topopt.chain import Stage
from topopt.continuation import Guarded, Schedule
from topopt.errors import InputError, suggestion
from topopt.files.fields import form

__all__ = ["KINDS", "importable", "known", "looked_up", "type_name"]

KINDS = ("stage", "schedule", "optimizer", "model")

METHODS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"optimizer": ("init", "step"), "model": ("initial", "bounds", "parameters", "evaluate")}
)
"""What makes a class one of a kind that has no base class."""


@functools.cache
def known(kind: str) -> Mapping[str, type]:
    """Return our own classes of a kind by the name that a file gives them.

    Every public class of the room is found, so a new one needs no entry anywhere.

    Parameters
    ----------
    kind : {"stage", "schedule", "optimizer", "model"}
        What is wanted.
    """
    room = {"stage": stages, "schedule": continuation, "optimizer": optimizers}.get(kind) or _models()
    classes = [getattr(room, name) for name in sorted(set(room.__all__))]
    # A guard is written into the schedule that it bounds.
    ours = [cls for cls in classes if _complaint(cls, kind) is None and cls is not Guarded]
    return MappingProxyType({type_name(cls): cls for cls in ours})


def _models() -> Any:
    """Return the room of models, which a design on a grid never opens."""
    from topopt.nets import models

    return models


def type_name(cls: type) -> str:
    """Return what a file calls one of our classes.

    Examples
    --------
    >>> from topopt.stages import SensitivityFilter
    >>> type_name(SensitivityFilter)
    'sensitivity_filter'
    """
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", cls.__name__).lower()


def looked_up(name: str, kind: str) -> type:
    """Return the class that a file names.

    Parameters
    ----------
    name : str
        One of `known`, or a dotted path ``package.module:Class``, which is imported.
    kind : {"stage", "schedule", "optimizer", "model"}
        What it must be.

    Raises
    ------
    InputError
        For an unknown name, an import that fails, and a class that is not of the kind.
    """
    if name in known(kind):
        return known(kind)[name]
    if ":" not in name:
        raise InputError(
            f"no {kind} '{name}': {suggestion(name, known(kind))}; your own is named package.module:Class"
        )
    module_name, _, class_name = name.partition(":")
    if not re.fullmatch(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*", name):
        raise InputError(f"'{name}' is no dotted path; write it like package.module:Class")
    module = _imported(module_name, name)
    if not hasattr(module, class_name):
        raise InputError(
            f"module '{module_name}' has no '{class_name}': {suggestion(class_name, _classes(module))}"
        )
    cls = getattr(module, class_name)
    complaint = _complaint(cls, kind)
    if complaint:
        raise InputError(f"'{name}' {complaint}")
    form(cls)
    return cls  # type: ignore[no-any-return]


@contextmanager
def importable(folder: Path) -> Iterator[None]:
    """Make modules in the problem file's folder and in the working directory importable for a while."""
    before = list(sys.path)
    sys.path[:0] = [str(folder.resolve()), str(Path.cwd())]
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.path[:] = before


def _imported(module: str, name: str) -> Any:
    """Import a module; what stops it comes back as one sentence."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name and (module == error.name or module.startswith(f"{error.name}.")):
            raise InputError(
                f"'{name}': there is no module '{error.name}'; it must be installed, or lie beside the "
                "problem file or in the working directory"
            ) from error
        raise InputError(f"'{name}': importing '{module}' failed: {error}") from error
    except (ImportError, SyntaxError) as error:
        raise InputError(f"'{name}': importing '{module}' failed: {error}") from error
    except Exception as error:
        error.add_note(f"while importing '{module}', which the problem file names in '{name}'")
        raise


def _complaint(cls: Any, kind: str) -> str | None:
    """Say why an object is not a class of a kind, or nothing."""
    if not inspect.isclass(cls):
        return "is no class"
    if kind in METHODS:
        lacking = [name for name in METHODS[kind] if not callable(getattr(cls, name, None))]
        if lacking or getattr(cls, "_is_protocol", False):
            return f"is no {kind}: it lacks {' and '.join(lacking)}"
        return None
    base: type = Stage if kind == "stage" else Schedule
    if not issubclass(cls, base):
        return f"is no {kind}: derive it from topopt.{base.__name__}"
    if inspect.isabstract(cls):
        missing = ", ".join(sorted(getattr(cls, "__abstractmethods__", ())))
        return f"is abstract: it lacks {missing}"
    return None


def _classes(module: Any) -> list[str]:
    """Return the names of a module's own classes."""
    return [
        name
        for name, value in vars(module).items()
        if inspect.isclass(value) and value.__module__ == module.__name__
    ]
