"""From the log and the frames to plain arrays: everything in a chart that can be right or wrong."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from topopt.diagnosis import weakest
from topopt.errors import InputError, suggestion
from topopt.history import History
from topopt.parameters import Array

__all__ = [
    "Frame", "Histogram", "Span", "Stairs", "Strip", "alive", "as_density", "histogram", "iterations",
    "spans", "stairs", "strip", "symbol", "verdict", "watched",
]  # fmt: skip

Frame = tuple[int, ArrayLike]
"""An iteration's number and its densities: floats from 0 to 1, or bytes from 0 to 255."""

_SYMBOLS = {"beta": r"$\beta$", "eta": r"$\eta$", "penal": r"$p$", "radius": r"$R$", "move": "move limit"}


@dataclass(frozen=True, eq=False)
class Stairs:
    """A scheduled parameter as it is drawn.

    Attributes
    ----------
    name : str
        Dotted, as in the history.
    symbol : str
        For the axis, matplotlib's mathtext.
    iterations : array, shape (n,)
        Numbers.
    values : array, shape (n,)
        The parameter; infinite values stay.
    level : array, shape (n,)
        The same, finite: infinity is drawn one step above the rest.
    infinity : float or None
        The level that stands for infinity.
    log : bool
        Whether a log axis suits.
    changes : array
        The iterations that were the first at a new value.
    """

    name: str
    symbol: str
    iterations: Array
    values: Array
    level: Array
    infinity: float | None
    log: bool
    changes: Array

    @property
    def steady(self) -> bool:
        """Whether the parameter never changed."""
        return len(self.changes) == 0


@dataclass(frozen=True, eq=False)
class Strip:
    """A metric of every stage at every iteration.

    Attributes
    ----------
    metric : str
        Its name in the history.
    stages : tuple of str
        Design first, the order of the chain.
    iterations : array, shape (n,)
        Numbers.
    values : array, shape (n_stages, n)
        nan where nothing was logged.
    """

    metric: str
    stages: tuple[str, ...]
    iterations: Array
    values: Array


@dataclass(frozen=True)
class Span:
    """An alarm that rang from one iteration to another, both included."""

    alarm: str
    first: int
    last: int


@dataclass(frozen=True, eq=False)
class Histogram:
    """How the densities were distributed over time.

    Attributes
    ----------
    iterations : array, shape (n,)
        Numbers, ascending.
    edges : array, shape (bins + 1,)
        Of the bins, 0 to 1.
    shares : array, shape (bins, n)
        Share of all cells in each bin; each column sums to 1.
    """

    iterations: Array
    edges: Array
    shares: Array


def iterations(history: History) -> Array:
    """Return the numbers of the iterations, refusing an empty history."""
    if not len(history):
        raise InputError("the history is empty; there is nothing to draw before the first iteration")
    return history.column("number")


def symbol(name: str, names: Sequence[str] = ()) -> str:
    r"""Return how a parameter is written on an axis, with its owner where another shares the symbol.

    Examples
    --------
    >>> symbol("physical.beta")
    '$\\beta$'
    >>> symbol("physical.beta", ["physical.beta", "second.beta"])
    '$\\beta$ of physical'
    """
    owner, _, field = name.rpartition(".")
    written = _SYMBOLS.get(field, field.replace("_", " "))
    shared = sum(other.rpartition(".")[2] == field for other in names) > 1
    return f"{written} of {owner}" if shared else written


def stairs(history: History) -> list[Stairs]:
    """Return every scheduled parameter, those that never changed included."""
    numbers = iterations(history)
    names = list(dict.fromkeys(name for it in history for name in it.parameters))
    return [_stairs(name, symbol(name, names), numbers, history) for name in names]


def _stairs(name: str, written: str, numbers: Array, history: History) -> Stairs:
    """Return one parameter."""
    values = history.column(f"parameters:{name}")
    finite = values[np.isfinite(values)]
    low, high = (finite.min(), finite.max()) if finite.size else (1.0, 1.0)
    log = bool(low > 0 and (high >= 5 * low or np.isinf(values).any()))
    infinity = None
    level = values.copy()
    if np.isinf(values).any():
        infinity = float(high * max(4.0, (high / low) ** 0.25) if log else high + ((high - low) / 2 or 1.0))
        level[np.isinf(values)] = infinity
    new = values[1:] != values[:-1]
    return Stairs(name, written, numbers, values, level, infinity, log, numbers[1:][new])


def strip(history: History, metric: str = "attenuation") -> Strip:
    """Return a metric of every stage that has it, at every iteration.

    Parameters
    ----------
    history : History
        Of a run that kept a vanishing log.
    metric : str
        ``attenuation`` (log10 of the norm against its reference), ``norm`` (log10), ``gain``, ``dead3``, ...

    Raises
    ------
    InputError
        If no stage has that metric.
    """
    numbers = iterations(history)
    known = {name for it in history for metrics in it.stages.values() for name in metrics}
    if not known:
        raise InputError("the history has no stages: the model that was run gives no signals to watch")
    if metric not in known:
        raise InputError(f"no stage has a metric '{metric}': {suggestion(metric, known)}")
    every = dict.fromkeys(stage for it in history for stage in it.stages)
    rows = {stage: history.stage(stage, metric) for stage in every}
    kept = {stage: row for stage, row in rows.items() if not np.isnan(row).all()}
    return Strip(metric, tuple(kept), numbers, np.array(list(kept.values())))


def watched(history: History) -> Strip:
    """Return the share of entries that are alive, 1 - dead3, where it tells something of the gates.

    Those are the stages that a gate attenuates, and the one behind the last gate to compare them with. Beyond
    it, few entries may be alive for good reason: a point load has a sensitivity at one node only.
    """
    fade, dead = strip(history, "attenuation"), strip(history, "dead3")
    hit = [row for row, values in enumerate(fade.values) if np.any(np.nan_to_num(values, nan=0.0) != 0.0)]
    count = min(max(hit, default=-1) + 2, len(fade.stages))
    kept = [row for row, stage in enumerate(dead.stages) if stage in fade.stages[:count]]
    return Strip("alive", tuple(dead.stages[row] for row in kept), dead.iterations, 1.0 - dead.values[kept])


def spans(history: History) -> list[Span]:
    """Return when each alarm rang, in the order in which they first did."""
    open_since: dict[str, int] = {}
    found: list[Span] = []
    previous = 0
    for it in history:
        over = [name for name in open_since if name not in it.alarms]
        found += [Span(alarm, open_since.pop(alarm), previous) for alarm in over]
        for alarm in it.alarms:
            open_since.setdefault(alarm, it.number)
        previous = it.number
    found += [Span(alarm, first, previous) for alarm, first in open_since.items()]
    return sorted(found, key=lambda span: (span.first, span.alarm))


def alive(history: History) -> dict[str, Array]:
    """Return the three shares that fall when sensitivities vanish, each 1 where nothing is lost.

    Returns
    -------
    dict
        ``arriving``: ||s||/||r||; ``participation``; ``alive``: 1 - dead3. Each of shape (n,).
    """
    iterations(history)
    with np.errstate(over="ignore"):
        arriving = 10.0 ** history.column("vanishing:attenuation")
    return {
        "arriving": arriving,
        "participation": history.column("vanishing:participation"),
        "alive": 1.0 - history.column("vanishing:dead3"),
    }


def verdict(history: History) -> str:
    """Say in one sentence when the least sensitivity arrived, and what was alive then."""
    shares = alive(history)
    it = weakest(history)
    if it is None:
        return "The model gave no signals, so nothing is known of its sensitivities."
    beta = [value for name, value in it.parameters.items() if name.rpartition(".")[2] == "beta"]
    at = f" (β = {_number(beta[0])})" if beta else ""
    if np.nanmin(shares["alive"]) > 0.99:
        return "At no iteration was more than 1 % of the variables dead."
    dead = 100.0 * it.vanishing["dead3"]
    norm = 10.0 ** it.vanishing["attenuation"]
    arrives = f"{100.0 * norm:.2g} % of" if norm < 0.995 else f"{norm:.2g} times"
    return (
        f"Weakest at iteration {it.number}{at}: {dead:.0f} % of the variables are dead; "
        f"what arrives has {arrives} the norm of the reference."
    )


def _number(value: float) -> str:
    """Write a parameter's value."""
    return "∞" if math.isinf(value) else f"{value:.3g}"


def as_density(values: ArrayLike) -> Array:
    """Return densities as floats from 0 to 1, whether they come as floats or as bytes."""
    array = np.asarray(values)
    if array.dtype == np.uint8:
        return array.ravel() / 255.0
    return array.astype(np.float64).ravel()


def histogram(frames: Sequence[Frame], bins: int = 32) -> Histogram:
    """Return the distribution of the densities in each frame.

    Parameters
    ----------
    frames : sequence of (int, array)
        Iteration and densities, in ascending order.
    bins : int
        Of equal width over [0, 1]; values outside count in the first and last.

    Raises
    ------
    InputError
        If there is no frame, or their order is not ascending.
    """
    if not len(frames):
        raise InputError("no frames: there is nothing to draw before the first iteration")
    numbers = np.array([float(number) for number, _ in frames])
    if np.any(np.diff(numbers) <= 0):
        raise InputError(f"frames: expected ascending iterations, got {[int(n) for n in numbers]}")
    columns = []
    for _, values in frames:
        counts, _ = np.histogram(np.clip(as_density(values), 0.0, 1.0), bins=bins, range=(0.0, 1.0))
        columns.append(counts / counts.sum())
    return Histogram(numbers, np.linspace(0.0, 1.0, bins + 1), np.array(columns).T)
