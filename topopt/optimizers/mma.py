"""The method of moving asymptotes: many constraints, one convex separable subproblem per step."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from topopt.evaluation import Bounds, Evaluation
from topopt.optimizers.mma_model import MovingAsymptotes, heights, moved, multiplier_units, scaling, solved
from topopt.optimizers.protocol import check_evaluation
from topopt.parameters import Array

__all__ = ["MMA", "MMAState"]


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
    multipliers : array, shape (k + m,)
        The weights of the rivals, which sum to 1, if there are k of them, and then the multipliers of the
        constraints in the user's units.
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
class MMA(MovingAsymptotes):
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
    Several objectives are rivals: the largest is lowered, as ``min z`` with every approximated rival ``<= z``
    and z free (Svanberg 2007, section 4). At the optimum the weights say how much each of them counts.

    The objective is multiplied by ONE constant, the same for all rivals, chosen at the first step so that its
    value and its largest possible linear change are at most 100; it is never changed later, since rescaling
    sensitivities that have vanished turns rounding errors into full steps. The price: a start that is worse
    than the result by many decades leaves the later sensitivities small beside `raa0`, and steps become
    short.

    Nothing bounds what a step does to the function itself. Where a sharp projection bends it, variables that
    creep towards a settled design push their asymptotes far out, the approximation becomes all but linear,
    and a small change of the multiplier then moves many of them by full steps: a beam of 24 x 8 cells that
    had stood at beta = 32 for 45 iterations was shattered. ``farthest=0.5`` prevents that and spoils others
    (MBB beam 60 x 20 at volume .3 under the survival gate: 4304 instead of 294.8), ``raa0=1e-3`` likewise;
    no value is innocent. `topopt.GCMMA` takes such steps back, and so does a `topopt.Rollback`.

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
        bounds = Bounds(state.lower, state.upper)
        ranges = bounds.ranges
        scale = state.scale or scaling(evaluation, ranges)
        span = self.asyinit * ranges
        if state.steps >= 2:
            span = self.adapted(state.span, x, state.last, state.earlier, ranges)
        curvature = self.raa0 / x.size * heights(evaluation)
        problem = self.approximation(x, evaluation, bounds, span, scale, curvature)
        units = multiplier_units(evaluation, scale)
        solution = solved(problem, state.multipliers * units[: state.multipliers.size])
        new = moved(solution.xi, span, x, bounds)
        memory = MMAState(
            lower=state.lower,
            upper=state.upper,
            span=span,
            last=x.copy(),
            earlier=state.last,
            multipliers=solution.multipliers / units,
            elastic=solution.elastic,
            scale=scale,
            steps=state.steps + 1,
        )
        return new, memory

    def _begun(self, x: Array, bounds: Bounds, span: Array) -> MMAState:
        """Return the memory in front of the first step."""
        none = np.zeros(0)
        return MMAState(bounds.lower, bounds.upper, span, x, x, none, none, scale=0.0, steps=0)

    def renewed(self, x: Array, state: MMAState, width: float | None) -> MMAState:
        """Return the memory with asymptotes that have learnt nothing; scale and multipliers stay.

        Without a `width` the next two steps are as free as the first two were; with one the asymptotes start
        at that share of the range, if they are not closer already, and adapt from there.
        """
        ranges = Bounds(state.lower, state.upper).ranges
        span = self.asyinit * ranges if width is None else np.minimum(state.span, width * ranges)
        # From the second step on the span is taken from the memory; without a step there is none to take.
        steps = max(state.steps, 2) if state.steps else 0
        return dataclasses.replace(state, span=span, last=x.copy(), earlier=x.copy(), steps=steps)
