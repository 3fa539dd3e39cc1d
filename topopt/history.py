"""The log: one frozen iteration per step, and its exact form as a table."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast, overload

import numpy as np

from topopt.errors import InputError, suggestion
from topopt.parameters import Array

__all__ = ["JUMP", "History", "Iteration", "jumps"]

JUMP = 0.1
"""A relative change of a parameter by more than this, from one iteration to the next, is a jump."""

_NUMBERS = ("objective", "violation", "change", "move", "progress", "actual", "predicted")
_GROUPS = ("parameters", "responses", "multipliers", "measures", "vanishing", "solver", "seconds")

T = TypeVar("T")


@dataclass(frozen=True)
class Iteration:
    """What is written down of one step.

    Attributes
    ----------
    number : int
        Counts from 1.
    parameters : mapping
        Scheduled parameters by name.
    objective : float
        Value of the objective.
    violation : float
        Largest normalised constraint value; positive means violated.
    change : float
        Largest change of a design variable in the step that follows, as a share of its range.
    move : float
        Largest such change that the optimiser allowed; inf if it knows no such limit.
    progress : float
        Root mean square change of the model's output since the iteration before, refused ones apart; nan in
        the first, after a roll-back, and where the optimiser refused the design.
    actual : float
        Change of the objective since the iteration before, or since the one that this one starts again
        from; nan in the first.
    predicted : float
        Change of the objective that the gradient predicts for the step that follows.
    responses, multipliers, measures, vanishing, seconds : mapping
        Numbers by name; `vanishing` holds the metrics of the whole chain.
    stages : mapping
        Vanishing metrics stage by stage.
    alarms : tuple of str
        Names of the alarms that rang.
    solves : int
        State solves spent so far.
    restored : int
        The iteration whose design this one starts again from, after a roll-back; 0 if there was none.
    refused : bool
        Whether the optimiser refused the design, and goes on from one that it accepted before.
    solver : mapping
        Of iterative solvers: cycles, rungs climbed, residual, error of sensitivities; see `topopt.solves`.
    """

    number: int
    objective: float
    violation: float = float("-inf")
    change: float = float("inf")
    move: float = float("inf")
    progress: float = float("nan")
    actual: float = float("nan")
    predicted: float = float("nan")
    parameters: Mapping[str, float] = field(default_factory=dict)
    responses: Mapping[str, float] = field(default_factory=dict)
    multipliers: Mapping[str, float] = field(default_factory=dict)
    measures: Mapping[str, float] = field(default_factory=dict)
    vanishing: Mapping[str, float] = field(default_factory=dict)
    seconds: Mapping[str, float] = field(default_factory=dict)
    stages: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    alarms: tuple[str, ...] = ()
    solves: int = 0
    restored: int = 0
    refused: bool = False
    solver: Mapping[str, float] = field(default_factory=dict)

    def calm(self, change: float) -> bool:
        """Return whether the next step changes little, and not only because it may not change more.

        The step behind a refused design says nothing: it leads back.
        """
        return not self.refused and self.change <= change and self.change < 0.99 * self.move

    def row(self) -> dict[str, str]:
        """Return the iteration as cells of a table; every float is written exactly."""
        cells = {
            "number": str(self.number),
            "solves": str(self.solves),
            "restored": str(self.restored or ""),
            "refused": str(int(self.refused) or ""),
            "alarms": " ".join(self.alarms),
        }
        cells |= {name: repr(float(getattr(self, name))) for name in _NUMBERS}
        for group in _GROUPS:
            cells |= {f"{group}:{name}": repr(float(v)) for name, v in getattr(self, group).items()}
        return cells

    def stage_rows(self) -> list[dict[str, str]]:
        """Return one row of cells per stage."""
        return [
            {"number": str(self.number), "stage": stage} | {k: repr(float(v)) for k, v in metrics.items()}
            for stage, metrics in self.stages.items()
        ]

    @classmethod
    def from_rows(cls, cells: Mapping[str, str], stages: Iterable[Mapping[str, str]]) -> Iteration:
        """Read back what `row` and `stage_rows` wrote."""
        groups: dict[str, dict[str, float]] = {group: {} for group in _GROUPS}
        for column, text in cells.items():
            group, colon, name = column.partition(":")
            if colon and text != "":
                groups[group][name] = float(text)
        values: dict[str, Any] = {name: float(cells[name]) for name in _NUMBERS} | groups
        return cls(
            number=int(cells["number"]),
            solves=int(cells["solves"]),
            restored=int(cells.get("restored") or 0),
            refused=bool(int(cells.get("refused") or 0)),
            alarms=tuple(cells["alarms"].split()),
            stages={
                row["stage"]: {
                    name: float(text)
                    for name, text in row.items()
                    if name not in ("number", "stage") and text != ""
                }
                for row in stages
            },
            **values,
        )


class History(Sequence[Iteration]):
    """The iterations so far; schedules, stop rules, figures and diagnoses read it and nothing else.

    Examples
    --------
    >>> history = History([Iteration(1, 3.0), Iteration(2, 2.5)])
    >>> history.column("objective").tolist()
    [3.0, 2.5]
    """

    def __init__(self, iterations: Iterable[Iteration] = ()) -> None:
        self._iterations = list(iterations)
        self._known: dict[Hashable, Any] = {}

    def __len__(self) -> int:
        """Return the number of iterations."""
        return len(self._iterations)

    def __iter__(self) -> Iterator[Iteration]:
        """Walk the iterations in order."""
        return iter(self._iterations)

    @overload
    def __getitem__(self, index: int) -> Iteration: ...
    @overload
    def __getitem__(self, index: slice) -> History: ...
    def __getitem__(self, index: int | slice) -> Iteration | History:
        """Return an iteration, or the history of a slice."""
        if isinstance(index, slice):
            return History(self._iterations[index])
        return self._iterations[index]

    def __eq__(self, other: object) -> bool:
        """Compare the exact written forms."""
        return isinstance(other, History) and self.tables() == other.tables()

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        """Name the length and the last objective."""
        last = f", objective {self[-1].objective:.6g}" if len(self) else ""
        return f"History({len(self)} iterations{last})"

    def append(self, iteration: Iteration) -> None:
        """Write one more iteration down."""
        if len(self) and iteration.number != self[-1].number + 1:
            raise InputError(f"iteration {iteration.number} cannot follow iteration {self[-1].number}")
        self._iterations.append(iteration)
        self._known.clear()

    def once(self, key: Hashable, read: Callable[[History], T]) -> T:
        """Return what is read in the log, which is done once as long as nothing is written down.

        Parameters
        ----------
        key : hashable
            What it is known by.
        read : callable
            What reads it.
        """
        if key not in self._known:
            self._known[key] = read(self)
        return cast(T, self._known[key])

    def values(self, parameter: str) -> list[float]:
        """Return the values that a scheduled parameter has had."""
        return [it.parameters[parameter] for it in self if parameter in it.parameters]

    def column(self, name: str) -> Array:
        """Return one number per iteration, nan where it was not logged.

        Parameters
        ----------
        name : str
            ``objective``, ``violation``, ``change``, ``progress``, ``predicted``, ``solves``, or
            ``group:name`` such as ``parameters:physical.beta``, ``vanishing:participation``.
        """
        if name in (*_NUMBERS, "number", "solves"):
            return np.array([float(getattr(it, name)) for it in self])
        group, _, key = name.partition(":")
        if group not in _GROUPS or (len(self) and not any(key in getattr(it, group) for it in self)):
            logged = (f"{known}:{key}" for it in self for known in _GROUPS for key in getattr(it, known))
            valid = dict.fromkeys([*_NUMBERS, "solves", *logged])
            raise InputError(f"no column '{name}' in the history: {suggestion(name, valid)}")
        return np.array([float(getattr(it, group).get(key, np.nan)) for it in self])

    def stage(self, stage: str, metric: str) -> Array:
        """Return a stage's metric per iteration, nan where it was not logged."""
        return np.array([float(it.stages.get(stage, {}).get(metric, np.nan)) for it in self])

    def tables(self) -> tuple[str, str]:
        """Return the texts of ``history.csv`` and ``vanishing.csv``."""
        return _written([it.row() for it in self]), _written([r for it in self for r in it.stage_rows()])

    @classmethod
    def from_tables(cls, iterations: str, stages: str) -> History:
        """Read back what `tables` returned, digit for digit."""
        by_number: dict[str, list[dict[str, str]]] = {}
        for row in csv.DictReader(io.StringIO(stages)):
            by_number.setdefault(row["number"], []).append(row)
        return cls(
            Iteration.from_rows(row, by_number.get(row["number"], []))
            for row in csv.DictReader(io.StringIO(iterations))
        )


def jumps(before: Mapping[str, float], after: Mapping[str, float]) -> dict[str, tuple[float, float]]:
    """Return the parameters that change by more than a tenth, each with its two values.

    Parameters
    ----------
    before, after : mapping
        Parameters of an iteration and of the next, by name.

    Examples
    --------
    >>> jumps({"a.b": 8.0, "c.d": 1.0}, {"a.b": 16.0, "c.d": 1.05, "e.f": 2.0})
    {'a.b': (8.0, 16.0)}
    """
    return {
        name: (value, after[name])
        for name, value in before.items()
        if name in after and abs(after[name] - value) > JUMP * abs(value)
    }


def _written(rows: Sequence[Mapping[str, str]]) -> str:
    """Return rows as CSV; the columns are all that any row has, in order of appearance."""
    columns = list(dict.fromkeys(column for row in rows for column in row))
    out = io.StringIO()
    writer = csv.DictWriter(out, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()
