"""The one file that a run goes on from: the next design and the optimiser's memory, bit for bit."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from topopt.errors import InputError, RunFolderError
from topopt.files.arrays import read_arrays
from topopt.files.atomic import write_bytes
from topopt.history import History
from topopt.optimizers import Optimizer, packed, unpacked
from topopt.parameters import Array
from topopt.run import Snapshot, Step

__all__ = ["FORMAT", "Checkpoint"]

FORMAT = 3
"""Version of the run folder; a folder of another version is refused."""


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A snapshot without its history, which stands in the tables.

    Attributes
    ----------
    number : int
        Iterations done.
    x : array, shape (n,)
        The design that comes next.
    memory : str
        Class of the optimiser's state.
    state : mapping
        Its fields as arrays.
    output : array, optional
        The model's last output.
    kept : mapping
        Designs that may come again, by the numbers of their iterations, shape (n,) each; that of the last
        iteration once the run has ended.
    states, older : tuple of array
        What iterative solvers begin with.
    """

    number: int
    x: Array
    memory: str
    state: Mapping[str, NDArray[Any]]
    output: Array | None = None
    kept: Mapping[int, Array] = field(default_factory=dict)
    states: tuple[Array, ...] = ()
    older: tuple[Array, ...] = ()

    @classmethod
    def of(cls, step: Step) -> Checkpoint:
        """Return the checkpoint behind a step."""
        now = step.snapshot
        state = packed(now.state)
        for name, array in state.items():
            if array.dtype.hasobject:
                raise RunFolderError(
                    f"checkpoint: field '{name}' of {_name(now.state)} is no number and no array; "
                    f"an optimiser's state must be made of these to be resumed"
                )
        number = step.iteration.number
        return cls(
            number,
            now.x,
            _name(now.state),
            state,
            now.output,
            {**now.kept, number: step.x} if step.reason else now.kept,
            now.states,
            now.older,
        )

    def save(self, path: Path, durable: bool = False) -> None:
        """Write it whole or not at all."""
        arrays: dict[str, NDArray[Any]] = {
            "format": np.array(FORMAT),
            "number": np.array(self.number),
            "memory": np.array(self.memory),
            "x": self.x,
        }
        if self.output is not None:
            arrays["output"] = self.output
        arrays |= {f"design.{number}": design for number, design in self.kept.items()}
        arrays |= {f"state.{name}": array for name, array in self.state.items()}
        for name, found in (("solution", self.states), ("older", self.older)):
            arrays |= {f"{name}.{number}": array for number, array in enumerate(found)}
        # Into memory first: one large write takes half the time of many small ones.
        buffer = io.BytesIO()
        np.savez(buffer, **_shrunk(arrays))  # type: ignore[arg-type]
        write_bytes(path, buffer.getbuffer(), durable)

    @classmethod
    def load(cls, path: Path) -> Checkpoint | None:
        """Read it back; None if there is none yet.

        Raises
        ------
        RunFolderError
            If the file is damaged, or of another version.
        """
        try:
            arrays = _grown(read_arrays(path))
            found = int(arrays["format"])
            if found != FORMAT:
                raise RunFolderError(
                    f"{path}: written in format {found}, this topopt reads format {FORMAT}; "
                    f"resume it with the version that wrote it"
                )
            return cls(
                int(arrays["number"]),
                arrays["x"],
                str(arrays["memory"]),
                {
                    name.removeprefix("state."): array
                    for name, array in arrays.items()
                    if name.startswith("state.")
                },
                arrays.get("output"),
                _numbered(arrays, "design."),
                tuple(_numbered(arrays, "solution.").values()),
                tuple(_numbered(arrays, "older.").values()),
            )
        except FileNotFoundError:
            return None
        except RunFolderError:
            raise
        except (ValueError, KeyError) as error:
            raise RunFolderError(
                f"{path}: damaged ({error}); remove it to start again from the first iteration"
            ) from error

    def snapshot(self, history: History, optimizer: Optimizer) -> Snapshot:
        """Return what `topopt.optimize` goes on from.

        Raises
        ------
        RunFolderError
            If another optimiser wrote the state.
        """
        # The bounds do not matter for the class of the state, and any design lies between itself and itself.
        cls = type(optimizer.init(self.x, self.x, self.x))
        if f"{cls.__module__}.{cls.__qualname__}" != self.memory:
            raise RunFolderError(
                f"checkpoint: written with the state {self.memory}, but {type(optimizer).__name__} keeps a "
                f"{cls.__module__}.{cls.__qualname__}; resume with the optimiser that began the run"
            )
        try:
            state = unpacked(cls, self.state)
        except InputError as error:
            raise RunFolderError(f"checkpoint: written by another version of topopt: {error}") from error
        return Snapshot(history, self.x, state, self.output, self.kept, self.states, self.older)


def _numbered(arrays: Mapping[str, NDArray[Any]], prefix: str) -> dict[int, NDArray[Any]]:
    """Return the arrays whose names are a prefix and a number, by these, in their order."""
    numbers = sorted(int(name.removeprefix(prefix)) for name in arrays if name.startswith(prefix))
    return {number: arrays[f"{prefix}{number}"] for number in numbers}


def _shrunk(arrays: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Replace vectors of one and the same number, such as bounds, by the number and a length."""
    out = dict(arrays)
    for name, array in arrays.items():
        if array.dtype == np.float64 and array.ndim == 1 and array.size > 1:
            bits = np.ascontiguousarray(array).view(np.int64)  # so that 0.0 is not -0.0
            if bits[0] == bits[-1] and np.all(bits == bits[0]):
                out |= {name: array[:1], f"{name}:length": np.array(array.size)}
    return out


def _grown(arrays: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Undo `_shrunk`."""
    lengths = {name.removesuffix(":length"): int(v) for name, v in arrays.items() if name.endswith(":length")}
    plain = {name: v for name, v in arrays.items() if not name.endswith(":length")}
    return plain | {name: np.full(n, plain[name][0]) for name, n in lengths.items()}


def _name(state: object) -> str:
    """Return the dotted name of a state's class."""
    return f"{type(state).__module__}.{type(state).__qualname__}"
