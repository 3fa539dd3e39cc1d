"""The method of moving asymptotes: many constraints, one convex separable subproblem per step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import annotated_types as at
import numpy as np

from topopt.errors import NumericalError, ParameterError
from topopt.evaluation import Evaluation
from topopt.optimizers.mma_dual import Dual, Solution, Subproblem
from topopt.optimizers.mma_interior import solve_interior
from topopt.optimizers.protocol import Share, check_bounds, check_evaluation
from topopt.parameters import Array, Positive, UnitOpen, checked

__all__ = ["MMA", "MMAState"]

Widening = Annotated[float, at.Ge(1)]
SIZE = 100.0
"""The scaled objective at first: the larger of its value and of its derivatives times the ranges."""


@dataclass(frozen=True, eq=False)
class MMAState:
    """The memory of MMA.

    Attributes
    ----------
    lower, upper : array, shape (n,)
        Bounds.
    span : array, shape (n,)
        Distance of both asymptotes from the design of the last step.
    last, earlier : array, shape (n,)
        The designs of the last step and of the one before.
    multipliers : array, shape (m,)
        Of ``f + multipliers . constraints`` in the user's units.
    elastic : array, shape (m,)
        What each constraint of the last subproblem had to be violated by; above zero if no design within the
        move limits met it, or if its multiplier outgrew the penalty.
    scale : float
        Constant factor on the objective; 0 until the first step that has a value or a derivative.
    steps : int
        Steps taken.
    """

    lower: Array
    upper: Array
    span: Array
    last: Array
    earlier: Array
    multipliers: Array
    elastic: Array
    scale: float
    steps: int


@dataclass(frozen=True)
class MMA:
    """Method of moving asymptotes (Svanberg 1987), with the 2007 rules for asymptotes and move limits.

    Parameters
    ----------
    move : float
        Largest change of a variable in a step, as a share of its range.
    asyinit : float
        First distance of the asymptotes, as a share of the range.
    asyincr, asydecr : float
        Growth of that distance while a variable keeps its direction; shrinkage when it turns.
    nearest, farthest : float
        Bounds on that distance, as shares of the range. Around an optimum inside its bounds an objective may
        keep oscillating by about half of `nearest`.
    albefa : float
        Share of the way to the asymptote that is kept as a distance from it.
    raa0 : float
        Curvature given to every approximation, as a share of the mean derivative at the first step. A
        variable whose derivatives fall far below it takes short steps instead of full ones, and one without
        any derivative stays where it is.
    penalty, softness : float
        Of the elastic variables, ``penalty y + softness y**2 / 2``: an infeasible design is brought home as
        long as the penalty exceeds the multipliers of the scaled objective (about 1 to 100 for constraints
        that are normalised to 1).

    Notes
    -----
    The objective is multiplied by ONE constant, chosen at the first step so that its value and its largest
    possible linear change are at most 100; it is never changed later, since rescaling sensitivities that have
    vanished turns rounding errors into full steps. The price: a start that is worse than the result by many
    decades leaves the later sensitivities small beside `raa0`, and steps become short.

    References
    ----------
    Svanberg 1987, doi:10.1002/nme.1620240207; Svanberg 2002, doi:10.1137/S1052623499362822;
    Svanberg 2007, "MMA and GCMMA, two methods for nonlinear optimization" (notes, KTH Stockholm).

    Examples
    --------
    >>> import numpy as np
    >>> from topopt.evaluation import Evaluation
    >>> mma, x = MMA(), np.array([0.5, 0.5])
    >>> state = mma.init(x, np.zeros(2), np.ones(2))
    >>> for _ in range(40):  # the point of x1 + x2 <= 1 that is closest to (1, 0.5)
    ...     f, g = float(np.sum((x - [1, 0.5]) ** 2)), 2 * (x - [1, 0.5])
    ...     x, state = mma.step(x, Evaluation(f, g, np.array([x.sum() - 1]), np.ones((1, 2))), state)
    >>> print(x.round(4), state.multipliers.round(4))
    [0.75 0.25] [0.5]
    """

    move: Share = 0.2
    asyinit: Positive = 0.5
    asyincr: Widening = 1.2
    asydecr: Share = 0.7
    nearest: Positive = 0.01
    farthest: Positive = 10.0
    albefa: UnitOpen = 0.1
    raa0: Positive = 1e-5
    penalty: Positive = 1000.0
    softness: Positive = 1.0

    def __post_init__(self) -> None:
        """Check that numbers lie in their bounds."""
        checked(self)
        if self.nearest > self.farthest:
            raise ParameterError(
                f"MMA.nearest: expected a value <= farthest ({self.farthest:g}), got {self.nearest:g}"
            )

    def init(self, x: Array, lower: Array, upper: Array) -> MMAState:
        """Return the memory to start with.

        Parameters
        ----------
        x : array, shape (n,)
            The start design.
        lower, upper : array, shape (n,)
            Finite bounds; where they agree the variable is fixed.

        Raises
        ------
        InputError
            If shapes differ, bounds cross or are infinite, or `x` lies outside them.
        """
        x, lower, upper = (np.array(values, dtype=np.float64) for values in (x, lower, upper))
        check_bounds(x, lower, upper)
        none = np.zeros(0)
        span = self.asyinit * _ranges(lower, upper)
        return MMAState(lower, upper, span, x, x, none, none, scale=0.0, steps=0)

    def step(self, x: Array, evaluation: Evaluation, state: MMAState) -> tuple[Array, MMAState]:
        """Return the next design and the new memory.

        Parameters
        ----------
        x : array, shape (n,)
            The design that was evaluated.
        evaluation : Evaluation
            Objective, constraints and their derivatives at `x`.
        state : MMAState
            The memory that came with `x`.

        Raises
        ------
        InputError
            If the evaluation has wrong shapes or holds numbers that are not finite.
        NumericalError
            If the subproblem cannot be solved.
        """
        check_evaluation(x, evaluation, state)
        ranges = _ranges(state.lower, state.upper)
        scale = state.scale or _scale(evaluation, ranges)
        span = self._span(x, ranges, state)
        problem = self._subproblem(x, evaluation, state, span, ranges, scale)
        solution = _solution(problem, state.multipliers * scale)
        xi = solution.xi
        xi *= span
        xi += x
        new = np.clip(xi, state.lower, state.upper, out=xi)
        memory = MMAState(
            lower=state.lower,
            upper=state.upper,
            span=span,
            last=x.copy(),
            earlier=state.last,
            multipliers=solution.multipliers / (scale or 1.0),
            elastic=solution.elastic,
            scale=scale,
            steps=state.steps + 1,
        )
        return new, memory

    def _span(self, x: Array, ranges: Array, state: MMAState) -> Array:
        """Draw the asymptotes in where a variable oscillates, push them out where it keeps its way."""
        if state.steps < 2:
            return self.asyinit * ranges
        turn = (x - state.last) * (state.last - state.earlier)
        factor = np.where(turn > 0.0, self.asyincr, np.where(turn < 0.0, self.asydecr, 1.0))
        factor *= state.span
        return np.clip(factor, self.nearest * ranges, self.farthest * ranges, out=factor)

    def _subproblem(
        self, x: Array, evaluation: Evaluation, state: MMAState, span: Array, ranges: Array, scale: float
    ) -> Subproblem:
        """Build the convex separable approximation around `x`."""
        reach = np.minimum((1.0 - self.albefa) * span, self.move * ranges)
        return Subproblem(
            gradient=evaluation.gradient * (scale or 1.0),
            constraints=np.asarray(evaluation.constraints, dtype=np.float64),
            jacobian=evaluation.jacobian,
            magnitude=np.abs(evaluation.jacobian),
            span=span,
            curvature=self.raa0 / x.size / ranges,
            stature=SIZE,
            floor=np.maximum(-reach, state.lower - x) / span,
            ceiling=np.minimum(reach, state.upper - x) / span,
            penalty=self.penalty,
            softness=self.softness,
        )


def _ranges(lower: Array, upper: Array) -> Array:
    """Return upper - lower, and 1 for a fixed variable, which its bounds hold anyway."""
    ranges = upper - lower
    ranges[ranges == 0.0] = 1.0
    return ranges


def _scale(evaluation: Evaluation, ranges: Array) -> float:
    """Return the factor that brings the objective to MMA's liking, 0 if there is nothing to go by."""
    size = max(abs(evaluation.objective), float(np.abs(evaluation.gradient) @ ranges))
    return SIZE / size if size > 0.0 else 0.0


def _solution(problem: Subproblem, start: Array) -> Solution:
    """Solve a subproblem on its dual, which is quick, or where that has sharp kinks by interior points."""
    m = problem.constraints.size
    if m == 0:
        return Solution(problem.minimiser(np.zeros(0)), np.zeros(0), np.zeros(0))
    dual = Dual.of(problem)
    solution = dual.climbed(start) or solve_interior(problem, dual)
    if solution is None:
        raise NumericalError(
            f"MMA: the subproblem ({problem.gradient.size} variables, {m} constraints) could not be solved; "
            f"are the constraints normalised to about 1? Their sizes lie between {dual.size.min():.1e} "
            f"and {dual.size.max():.1e}"
        )
    return solution
