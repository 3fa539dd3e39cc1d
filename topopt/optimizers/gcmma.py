"""Globally convergent MMA: a step that its approximation was too hopeful about is taken back."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from topopt.evaluation import Bounds, Evaluation
from topopt.optimizers.mma_model import MovingAsymptotes, heights, multiplier_units, scaling, solved
from topopt.optimizers.mma_subproblem import Subproblem
from topopt.optimizers.protocol import check_evaluation
from topopt.parameters import Array

__all__ = ["GCMMA", "GCMMAState"]

FADING = 0.1
"""What is left of the curvature after a trial was accepted; at first, the share of the mean derivative."""
GROWTH = 10.0
"""The most that a curvature grows by after a trial was refused."""
ROUNDING = 1e-10
"""Share of a function's size that an approximation may be too low by."""
PATIENCE = 20
"""Trials in a row that may be refused: then the model itself has changed since the design was accepted."""


@dataclass(frozen=True, eq=False)
class GCMMAState:
    """The memory of GCMMA: the accepted design with all that was evaluated there, and the trial's promise.

    Attributes
    ----------
    lower, upper : array, shape (n,)
        Bounds.
    span : array, shape (n,)
        Distance of both asymptotes from the accepted design.
    base, last, earlier : array, shape (n,)
        The accepted design and the two that were accepted before.
    values, rows : array, shape (p,) and (p, n)
        The objective or each of k rivals, and each constraint, p of them, at the accepted design.
    curvature : array, shape (p,)
        Given to each approximation; it rises until the approximation is not too low.
    promise : array, shape (p,)
        What the approximations say of the trial that comes next.
    distance : float
        What a unit of curvature adds to a promise.
    multipliers : array, shape (k + m,)
        Weights of the rivals, which sum to 1, if there are any, and multipliers in the user's units.
    elastic : array, shape (m,)
        What each constraint of the last subproblem had to be violated by.
    scale : float
        Constant factor on the objective; 0 until there is something to scale.
    steps, accepted, refused : int
        Trials, designs accepted, and trials refused since the last of these.
    """

    lower: Array
    upper: Array
    span: Array
    base: Array
    last: Array
    earlier: Array
    values: Array
    rows: Array
    curvature: Array
    promise: Array
    distance: float
    multipliers: Array
    elastic: Array
    scale: float
    steps: int
    accepted: int
    refused: int


@dataclass(frozen=True)
class GCMMA(MovingAsymptotes):
    """Globally convergent method of moving asymptotes (Svanberg 2002).

    Each step is a trial. If an approximation was below its function there, the trial is taken back: the next
    one starts from the last accepted design, with more curvature where it lacked. So what is accepted is
    never worse than what was accepted before, once the constraints are met.

    Parameters
    ----------
    move, asyinit, asyincr, asydecr, nearest, farthest, albefa, raa0, penalty, softness : float
        As of `MMA`; asymptotes adapt to accepted designs only, and `raa0` is the least curvature.

    Notes
    -----
    A trial costs an evaluation and is an iteration of the log, refused or not: the objective in the log may
    rise, that of the accepted designs does not. The model must be the same from trial to trial, and its
    gradients true. Where a schedule changes the model the promises of the old one are void, and the next
    design is accepted as it is (`rebased`); so is the twentieth trial in a row, if no promise can be kept.

    References
    ----------
    Svanberg 2002, doi:10.1137/S1052623499362822; Svanberg 2007, "MMA and GCMMA" (notes, KTH Stockholm).

    Examples
    --------
    >>> import numpy as np
    >>> from topopt.evaluation import Evaluation
    >>> gcmma, x = GCMMA(), np.array([0.5, 0.5])
    >>> state = gcmma.init(x, np.zeros(2), np.ones(2))
    >>> for _ in range(40):  # the point of x1 + x2 <= 1 that is closest to (1, 0.5)
    ...     f, g = float(np.sum((x - [1, 0.5]) ** 2)), 2 * (x - [1, 0.5])
    ...     x, state = gcmma.step(x, Evaluation(f, g, np.array([x.sum() - 1]), np.ones((1, 2))), state)
    >>> print(state.base.round(4), state.multipliers.round(4))
    [0.75 0.25] [0.5]
    """

    verifies: ClassVar[bool] = True
    """It checks its model against the function, so the gradient must be the function's own."""

    def step(self, x: Array, evaluation: Evaluation, state: GCMMAState) -> tuple[Array, GCMMAState]:
        """Accept or refuse the design that was evaluated, and return the next trial with the new memory.

        Parameters
        ----------
        x : array, shape (n,)
            The design that was evaluated.
        evaluation : Evaluation
            Objective, constraints and their derivatives at `x`.
        state : GCMMAState
            The memory that came with `x`.

        Raises
        ------
        InputError
            If the evaluation has wrong shapes or holds numbers that are not finite.
        NumericalError
            If the subproblem cannot be solved.
        """
        check_evaluation(x, evaluation, state)
        bounds = Bounds(state.lower, state.upper)
        state = dataclasses.replace(state, scale=state.scale or scaling(evaluation, bounds.ranges))
        values = _scaled(_values(evaluation), evaluation, state.scale)
        slack = ROUNDING * (heights(evaluation) + np.abs(values))
        lacking = values - (state.promise if state.accepted else values)
        if np.all(lacking <= slack) or state.refused >= PATIENCE - 1:
            state = self._accepted(x, evaluation, state)
        else:
            # Svanberg's rule: a little more than would have been enough, but not all at once.
            enough = 1.1 * (state.curvature + np.maximum(lacking, 0.0) / state.distance)
            raised = np.minimum(enough, GROWTH * state.curvature)
            curvature = np.where(lacking > slack, raised, state.curvature)
            state = dataclasses.replace(state, curvature=curvature, refused=state.refused + 1)
        return self._tried(bounds, state, evaluation)

    def renewed(self, x: Array, state: GCMMAState, width: float | None) -> GCMMAState:
        """Return the memory with asymptotes that have learnt nothing, so that the next design is accepted.

        Scale and multipliers stay. With a `width` the asymptotes start at that share of the range.
        """
        share = self.asyinit if width is None else min(width, self.asyinit)
        span = share * Bounds(state.lower, state.upper).ranges
        return dataclasses.replace(
            state, span=span, base=x.copy(), last=x.copy(), earlier=x.copy(), accepted=0, refused=0
        )

    def rebased(self, state: GCMMAState) -> GCMMAState:
        """Return the memory without its promises, so that the next design is accepted; all else stays."""
        return dataclasses.replace(state, promise=np.full_like(state.promise, np.inf), refused=0)

    def _begun(self, x: Array, bounds: Bounds, span: Array) -> GCMMAState:
        """Return the memory in front of the first step."""
        none, rows = np.zeros(0), np.zeros((0, x.size))
        return GCMMAState(
            lower=bounds.lower,
            upper=bounds.upper,
            span=span,
            base=x,
            last=x,
            earlier=x,
            values=none,
            rows=rows,
            curvature=none,
            promise=none,
            distance=0.0,
            multipliers=none,
            elastic=none,
            scale=0.0,
            steps=0,
            accepted=0,
            refused=0,
        )

    def _accepted(self, x: Array, evaluation: Evaluation, state: GCMMAState) -> GCMMAState:
        """Return the memory with the design that was evaluated as the one to go on from."""
        ranges = Bounds(state.lower, state.upper).ranges
        rows = np.concatenate([_objectives(evaluation), evaluation.jacobian])
        least = self.raa0 / x.size * heights(evaluation)
        mean = _scaled(np.abs(rows) @ ranges / x.size, evaluation, state.scale)
        fresh = state.accepted == 0 or state.refused >= PATIENCE - 1
        span = state.span
        if state.accepted >= 2:
            span = self.adapted(span, x, state.base, state.last, ranges)
        return dataclasses.replace(
            state,
            span=span,
            base=x.copy(),
            last=state.base,
            earlier=state.last,
            values=_values(evaluation),
            rows=rows,
            curvature=np.maximum(FADING * (mean if fresh else state.curvature), least),
            accepted=state.accepted + 1,
            refused=0,
        )

    def _tried(self, bounds: Bounds, state: GCMMAState, shape: Evaluation) -> tuple[Array, GCMMAState]:
        """Return the next trial, and the memory with what the approximations promise of it."""
        here = _restored(state, shape)
        problem = self.approximation(state.base, here, bounds, state.span, state.scale, state.curvature)
        units = multiplier_units(here, state.scale)
        solution = solved(problem, state.multipliers * units[: state.multipliers.size])
        new = np.clip(state.base + solution.xi * state.span, state.lower, state.upper)
        memory = dataclasses.replace(
            state,
            promise=_promised(problem, (new - state.base) / state.span, here, state.scale or 1.0),
            distance=_distance((new - state.base) / state.span, state.span / bounds.ranges),
            multipliers=solution.multipliers / units,
            elastic=solution.elastic,
            steps=state.steps + 1,
        )
        return new, memory


def _objectives(evaluation: Evaluation) -> Array:
    """Return the derivatives of the objective or of each rival as rows."""
    return evaluation.rival_jacobian if evaluation.rivals.size else evaluation.gradient[None]


def _values(evaluation: Evaluation) -> Array:
    """Return the objective or each rival, then the constraints."""
    first = evaluation.rivals if evaluation.rivals.size else np.array([evaluation.objective])
    return np.concatenate([first, evaluation.constraints])


def _scaled(values: Array, evaluation: Evaluation, scale: float) -> Array:
    """Return one number a function with those of the objective or the rivals scaled."""
    k = max(evaluation.rivals.size, 1)
    return np.concatenate([values[:k] * (scale or 1.0), values[k:]])


def _restored(state: GCMMAState, shape: Evaluation) -> Evaluation:
    """Return what was evaluated at the accepted design, of as many rivals and constraints as now."""
    k = shape.rivals.size
    first, rows = state.values[: max(k, 1)], state.rows[: max(k, 1)]
    worst = int(np.argmax(first))
    return Evaluation(
        objective=float(first[worst]),
        gradient=rows[worst],
        constraints=state.values[max(k, 1) :],
        jacobian=state.rows[max(k, 1) :],
        rivals=state.values[:k],
        rival_jacobian=state.rows[:k] if k else np.zeros((0, 0)),
    )


def _promised(problem: Subproblem, xi: Array, here: Evaluation, scale: float) -> Array:
    """Return what the approximations say of a move: scaled objective or rivals, then constraints."""
    rows = problem.approximated(xi)
    if problem.rivals:
        rows[: problem.rivals] += here.rivals.max() * scale
        return rows
    return np.concatenate([[here.objective * scale + problem.promised(xi)], rows])


def _distance(xi: Array, widths: Array) -> float:
    """Return what a unit of curvature adds to an approximation; never zero."""
    square = xi * xi
    return max(2.0 * float(widths @ (square / (1.0 - square))), 1e-300)
