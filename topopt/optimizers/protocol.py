"""What every optimiser promises: a start, a step, and a memory that survives a file bit for bit."""

from __future__ import annotations

import dataclasses
import math
import typing
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Protocol, TypeVar

import annotated_types as at
import numpy as np
from numpy.typing import NDArray

from topopt.errors import InputError, suggestion
from topopt.evaluation import Evaluation
from topopt.kernels import twin
from topopt.parameters import Array
from topopt.threads import LIGHT, each

__all__ = [
    "Optimizer",
    "Share",
    "State",
    "Verifier",
    "check_bounds",
    "check_evaluation",
    "packed",
    "unpacked",
]

Share = Annotated[float, at.Gt(0), at.Le(1)]
"""A part of a whole, never nothing."""


class State(Protocol):
    """The memory of an optimiser: a frozen dataclass of floats, integers and arrays."""

    @property
    def multipliers(self) -> Array:
        """Of ``f + multipliers . constraints``, shape (m,); empty before the first step.

        Where the evaluation has k rivals their weights, which sum to 1, come first, shape (k + m,), and the
        Lagrangian is ``multipliers . (rivals, constraints)``.
        """


S = TypeVar("S")


class Optimizer(Protocol):
    """A frozen dataclass that proposes the next design; its float fields can be scheduled.

    The memory is an optimiser's own kind of `State`: hand it back untouched.
    """

    def init(self, x: Array, lower: Array, upper: Array) -> Any:
        """Return the memory to start with.

        Parameters
        ----------
        x : array, shape (n,)
            The start design.
        lower, upper : array, shape (n,)
            The bounds; they are kept in the state.

        Raises
        ------
        InputError
            If shapes differ, bounds cross or are infinite, or `x` lies outside them.
        """

    def step(self, x: Array, evaluation: Evaluation, state: Any) -> tuple[Array, Any]:
        """Return the next design (a fresh array within the bounds) and the new memory.

        Parameters
        ----------
        x : array, shape (n,)
            The design that was evaluated.
        evaluation : Evaluation
            What the model says of `x`.
        state : State
            The memory that came with `x`.

        Raises
        ------
        InputError
            If the evaluation has wrong shapes or holds numbers that are not finite.
        """

    def renewed(self, x: Array, state: Any, width: float | None) -> Any:
        """Return the memory without what earlier steps taught, after the model has changed its shape.

        What keeps the steps comparable, such as a constant scaling of the objective, is kept.

        Parameters
        ----------
        x : array, shape (n,)
            The design that comes next.
        state : State
            The memory so far.
        width : float or None
            How far, as a share of its range, a variable may be trusted to move in the next step; None for
            the optimiser's own first guess.
        """


class Verifier(Optimizer, Protocol):
    """An optimiser that compares what its model promised with what came, and may refuse a design.

    Its memory counts in `refused` the designs that it refused since it accepted one.
    """

    verifies: ClassVar[bool]

    def rebased(self, state: Any) -> Any:
        """Return the memory without what was promised, since the model has changed; all else stays.

        Parameters
        ----------
        state : State
            The memory so far.
        """


def packed(state: Any) -> dict[str, NDArray[Any]]:
    """Return the memory as arrays by field name, ready for NPZ; they are the memory's own.

    Parameters
    ----------
    state : dataclass
        Its fields are floats, integers and arrays.
    """
    return {field.name: np.asarray(getattr(state, field.name)) for field in dataclasses.fields(state)}


def unpacked(cls: type[S], arrays: Mapping[str, NDArray[Any]]) -> S:
    """Return the memory that `packed` took apart, bit for bit.

    Parameters
    ----------
    cls : type
        The state's class.
    arrays : mapping
        Arrays by field name.

    Raises
    ------
    InputError
        If a field is missing or a name is unknown.
    """
    hints = typing.get_type_hints(cls)
    names = [field.name for field in dataclasses.fields(typing.cast(Any, cls))]
    for name in arrays:
        if name not in names:
            raise InputError(f"{cls.__name__} has no field '{name}': {suggestion(name, names)}")
    missing = [name for name in names if name not in arrays]
    if missing:
        raise InputError(f"{cls.__name__}: the saved state lacks {', '.join(missing)}; start without it")
    values: dict[str, Any] = {}
    for name in names:
        kind = hints[name]
        values[name] = kind(arrays[name]) if kind in (int, float) else np.array(arrays[name])
    return cls(**values)


def check_bounds(x: Array, lower: Array, upper: Array) -> None:
    """Refuse a start whose shapes differ, whose bounds cross or are infinite, or that lies outside.

    Raises
    ------
    InputError
        Naming the first bad entry.
    """
    if x.ndim != 1 or x.shape != lower.shape or x.shape != upper.shape:
        raise InputError(
            f"design {x.shape}, lower {lower.shape} and upper {upper.shape} must share one shape (n,)"
        )

    within = _within.of(x.size)
    # then nothing is nan, and the bounds do not cross either
    if all(each(lambda at: within(x[at], lower[at], upper[at]), x.size, LIGHT)):
        return
    for name, values in (("design", x), ("lower bound", lower), ("upper bound", upper)):
        _refuse_nonfinite(values, name)
    for bad, text in (
        (lower > upper, "the lower bound exceeds the upper one"),
        (x < lower, "the design lies below its lower bound"),
        (x > upper, "the design lies above its upper bound"),
    ):
        if bad.any():
            j = int(np.argmax(bad))
            raise InputError(f"variable {j}: {text} (lower {lower[j]:g}, x {x[j]:g}, upper {upper[j]:g})")


@twin("sizes.within")
def _within(x: Array, lower: Array, upper: Array) -> bool:
    """Tell whether all entries of a piece lie within bounds that are finite."""
    return bool(((-math.inf < lower) & (lower <= x) & (x <= upper) & (upper < math.inf)).all())


def check_evaluation(x: Array, evaluation: Evaluation, state: Any) -> None:
    """Refuse an evaluation that does not fit the design and the memory, or is not finite.

    Raises
    ------
    InputError
        Naming what is wrong and where.
    """
    if not np.isfinite(evaluation.objective):
        raise InputError(f"objective: expected a finite number, got {evaluation.objective}")
    check_bounds(x, state.lower, state.upper)
    n, m, k = x.size, np.size(evaluation.constraints), np.size(evaluation.rivals)
    for name, values, shape in (
        ("gradient", evaluation.gradient, (n,)),
        ("rivals", evaluation.rivals, (k,)),
        ("rival_jacobian", evaluation.rival_jacobian, (k, n if k else 0)),
        ("constraints", evaluation.constraints, (m,)),
        ("jacobian", evaluation.jacobian, (m, n)),
    ):
        if np.shape(values) != shape:
            raise InputError(
                f"{name}: expected shape {shape} for {n} variables and {m} constraints, "
                f"got {np.shape(values)}"
            )
        _refuse_nonfinite(values, name)
    if state.steps and state.multipliers.size != k + m:
        now = f"{m} and {k} rivals" if k else m
        raise InputError(
            f"constraints: the state was made with {state.multipliers.size}, now there are {now}; "
            "start a new state with init"
        )


def _refuse_nonfinite(values: Array, name: str) -> None:
    """Name the first entry that is nan or infinite; one cheap pass where there is none."""
    with np.errstate(over="ignore", invalid="ignore"):
        flat = np.ravel(values)
        if np.isfinite(sum(each(lambda at: float(np.sum(flat[at])), flat.size))):
            return
    bad = ~np.isfinite(values)
    count = int(np.count_nonzero(bad))
    if count:
        where = tuple(int(i) for i in np.argwhere(bad)[0])
        place = where[0] if len(where) == 1 else where
        raise InputError(
            f"{name}: {count} of {bad.size} entries are not finite, the first is entry {place} "
            f"({values[where]}); look at the model's sensitivities there"
        )
