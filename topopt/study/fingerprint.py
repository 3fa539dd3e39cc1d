"""Whether two things are the same although they were made in different processes, in 64 letters."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import pickle
from collections.abc import Iterator, Mapping
from typing import Any

import cloudpickle
import numpy as np

from topopt.errors import InputError

__all__ = ["fingerprint"]

GROWN = ("topopt.chain", "topopt.regions", "topopt.stages.making")
"""Modules that have become packages: their classes count as before, so that studies begun earlier go on."""


def fingerprint(*parts: Any) -> str:
    """Return a SHA-256 of values.

    Dataclasses count by their fields, arrays by their numbers, all else by its pickle. Two things that differ
    have different fingerprints. Of two equal ones that are neither numbers, texts, arrays, dataclasses nor
    collections of these, the pickles may differ, and then the fingerprints do. A class counts by its name:
    what its methods do is not looked at.

    Parameters
    ----------
    *parts
        In order.

    Raises
    ------
    InputError
        If a part cannot be pickled.

    Examples
    --------
    >>> fingerprint(1.0, ["a"]) == fingerprint(1.0, ["a"]), fingerprint(1.0) == fingerprint(1)
    (True, False)
    """
    digest = hashlib.sha256()
    for piece in _pieces(parts):
        # With the length in front, so that "ab", "c" is not "a", "bc".
        digest.update(len(piece).to_bytes(8, "big"))
        digest.update(piece)
    return digest.hexdigest()


def _pieces(value: Any) -> Iterator[bytes]:
    """Take a value apart."""
    if value is None or isinstance(value, bool | int | float | str | bytes | os.PathLike):
        yield f"{type(value).__name__} {value!r}".encode()
    elif isinstance(value, np.ndarray) and not value.dtype.hasobject:
        yield f"array {value.dtype.str} {value.shape}".encode()
        yield np.ascontiguousarray(value).tobytes()
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        yield _name(type(value)).encode()
        for field in dataclasses.fields(value):
            yield field.name.encode()
            yield from _pieces(getattr(value, field.name))
    elif isinstance(value, Mapping):
        yield f"mapping {len(value)}".encode()
        for key, entry in value.items():
            yield from _pieces(key)
            yield from _pieces(entry)
    elif isinstance(value, list | tuple):
        yield f"sequence {len(value)}".encode()
        for entry in value:
            yield from _pieces(entry)
    elif isinstance(value, set | frozenset):
        yield f"set {len(value)}".encode()
        yield from sorted(fingerprint(entry).encode() for entry in value)
    else:
        yield _pickled(value)


def _name(cls: type) -> str:
    """Return the name that a class counts by."""
    module = next((grown for grown in GROWN if cls.__module__.startswith(f"{grown}.")), cls.__module__)
    return f"{module}.{cls.__qualname__}"


def _pickled(value: Any) -> bytes:
    """Return anything else as bytes."""
    try:
        return bytes(cloudpickle.dumps(value))
    except (pickle.PicklingError, TypeError, AttributeError) as error:
        raise InputError(
            f"a {type(value).__name__} cannot be pickled ({error}), so a study cannot hand it to its workers"
        ) from error
