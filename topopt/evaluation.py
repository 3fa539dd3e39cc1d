"""What a model says of one design: numbers for the optimiser, signals for the log, a picture for the eye."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from topopt.kernels import twin
from topopt.parameters import Array
from topopt.threads import LIGHT, each

__all__ = ["Bounds", "Evaluation", "Gate", "Model", "Signals", "unblocked"]

AT_BOUND = 1e-3
"""A variable closer to a bound than this share of its range counts as lying on it."""
AHEAD = (1.25, 1.6, 2.0)
"""Factors on a gate's sharpness at which the log looks ahead."""


def _empty() -> Array:
    """Return a vector of no numbers."""
    return np.zeros(0)


def _none() -> Array:
    """Return a matrix of no rows."""
    return np.zeros((0, 0))


@dataclass(frozen=True, eq=False)
class Gate:
    """An elementwise map whose slope can die: a projection of a design, a neuron of a net.

    Attributes
    ----------
    output : array, shape (k,)
        What came out, 0 (closed) to 1 (open).
    slope : array, shape (k,)
        Derivative of output with respect to input, entry by entry.
    objective : array, shape (k,)
        Derivative of the objective with respect to the output.
    constraints : array, shape (m, k)
        Derivatives of the constraints with respect to the output.
    tilts : mapping
        Derivative of the output with respect to each of the gate's parameters, by dotted name.
    ahead : mapping
        By dotted name of a sharpness, and by the factor on it: how much of the sensitivity that passes the
        gate now would pass it then, as a ratio of norms.
    rivals : array, shape (r, k)
        Derivatives of the rivals with respect to the output; empty where there is one objective.
    """

    output: Array
    slope: Array
    objective: Array
    constraints: Array
    tilts: Mapping[str, Array] = field(default_factory=dict)
    ahead: Mapping[str, Mapping[float, float]] = field(default_factory=dict)
    rivals: Array = field(default_factory=_none)


@dataclass(frozen=True, eq=False)
class Signals:
    """What the vanishing log reads: how the sensitivity fares on its way from the objective to the design.

    Attributes
    ----------
    cotangents : mapping
        Derivative of the objective with respect to the value at each name, the design first.
    gates : mapping
        The sharp stages by name.
    references : mapping
        The same with every gate replaced by the identity: what would arrive if nothing vanished.
    reference_constraints : array, shape (m, n)
        Derivatives of the constraints with respect to the design, gates replaced by the identity.
    reference_rivals : array, shape (k, n)
        The same of the rivals; empty where there is one objective.
    """

    cotangents: Mapping[str, Array]
    gates: Mapping[str, Gate]
    references: Mapping[str, Array]
    reference_constraints: Array
    reference_rivals: Array = field(default_factory=_none)


@dataclass(frozen=True, eq=False)
class Evaluation:
    """A model at one design and one set of parameters.

    Attributes
    ----------
    objective : float
        To be made small; of several rivals the worst.
    gradient : array, shape (n,)
        Of the objective.
    constraints : array, shape (m,)
        Each is met where it is <= 0; normalised, so that 0.01 means one per cent over the limit.
    jacobian : array, shape (m, n)
        Of the constraints.
    constraint_names : tuple of str
        One a constraint, for the log, which numbers them if none are given.
    recheck : callable, optional
        The constraints at another design without a state solve, shape (n,) to (m,); None where a constraint
        needs a state.
    signals : Signals, optional
        What the vanishing log reads; None if the model keeps no such record.
    output : array, optional
        What the model ends in (a physical density, the outputs on a probe batch), to tell progress by.
    responses : mapping
        The scalars by name, in the user's units.
    measures : mapping
        Further numbers for the log, by name.
    solves : int
        State solves that this evaluation took.
    seconds : mapping
        Where the time went, by name.
    picture : object, optional
        What a notebook shows for this design.
    rivals : array, shape (k,)
        The objectives whose largest is to be made small; empty where there is only one.
    rival_jacobian : array, shape (k, n)
        Of the rivals.
    rival_names : tuple of str
        One a rival, for the log, which numbers them if none are given.
    """

    objective: float
    gradient: Array
    constraints: Array
    jacobian: Array
    constraint_names: tuple[str, ...] = ()
    recheck: Callable[[Array], Array] | None = None
    signals: Signals | None = None
    output: Array | None = None
    responses: Mapping[str, float] = field(default_factory=dict)
    measures: Mapping[str, float] = field(default_factory=dict)
    solves: int = 0
    seconds: Mapping[str, float] = field(default_factory=dict)
    picture: object = None
    rivals: Array = field(default_factory=_empty)
    rival_jacobian: Array = field(default_factory=_none)
    rival_names: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Bounds:
    """The box that the design lives in.

    Attributes
    ----------
    lower, upper : array, shape (n,)
        Bounds of each variable.
    """

    lower: Array
    upper: Array

    @property
    def ranges(self) -> Array:
        """Width of the box along each variable, 1 where it has none, shape (n,)."""
        widths = np.empty(np.shape(self.lower))

        def work(at: slice) -> None:
            width = np.subtract(self.upper[at], self.lower[at], out=widths[at])
            np.copyto(width, 1.0, where=width <= 0)

        each(work, widths.size, LIGHT)
        return widths

    def inward(self, x: Array, direction: Array) -> Array:
        """Return the part of a descent's gradient that the box does not block at `x`.

        Optimisers end beside a bound, not on it: MMA by rounding or by a weak pull, OC because it shrinks by
        a factor. What is left to go there is no way to improve, so a variable within a thousandth of its
        range counts as blocked. (MBB beam, 120 x 40 cells, 60 steps of OC: the residual is .24 if only exact
        bounds count and .02 this way; after 100 steps of MMA with beta doubled to 64 the latent residual is
        .59 and .33, and .34 from a tolerance of 1e-9 on.)
        """
        free, write = np.empty(np.shape(direction)), unblocked.of(x.size)
        low, high = self.lower, self.upper
        each(lambda at: write(x[at], low[at], high[at], direction[at], AT_BOUND, free[at]), free.size)
        return free


@twin("sizes.unblocked")
def unblocked(x: Array, lower: Array, upper: Array, direction: Array, near: float, out: Array) -> None:
    """Write `Bounds.inward` of a piece, where `near` is the share of its range that counts as on a bound."""
    close = near * (upper - lower)
    blocked = (x <= lower + close) & (direction > 0)
    blocked |= (x >= upper - close) & (direction < 0)
    out[...] = np.where(blocked, 0.0, direction)


class Model(Protocol):
    """The one thing `topopt.optimize` asks for: an evaluation at a design and parameters."""

    def initial(self) -> Array:
        """Return the design to start from, shape (n,)."""

    def bounds(self) -> Bounds:
        """Return the box that the design lives in."""

    def parameters(self) -> dict[str, float]:
        """Every parameter that may be scheduled, with its value."""

    def evaluate(self, x: Array, parameters: Mapping[str, float]) -> Evaluation:
        """Evaluate the design `x` at the parameters, which override the model's own."""
