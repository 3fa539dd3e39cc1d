"""The optimality criteria: one constraint, met exactly at the physical field after every step."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from topopt.errors import InputError
from topopt.evaluation import Evaluation
from topopt.optimizers.oc_search import Lesson, found
from topopt.optimizers.oc_update import TINY, Update
from topopt.optimizers.protocol import Share, check_bounds, check_evaluation
from topopt.parameters import Array, Checked, Positive
from topopt.threads import extremes, pieces

__all__ = ["OC", "OCState"]


@dataclass(frozen=True, eq=False)
class OCState:
    """The memory of OC.

    Attributes
    ----------
    lower, upper : array, shape (n,)
        Bounds.
    multipliers : array, shape (1,)
        Of ``f + multipliers . constraints`` in the user's units; 0 where the constraint does not bind.
    steps : int
        Steps taken.
    rechecks : int
        Re-evaluations of the constraint in the last step.
    lesson : array, shape (3,)
        How the linearised constraint failed in the last steps, see `Lesson`.
    """

    lower: Array
    upper: Array
    multipliers: Array
    steps: int
    rechecks: int
    lesson: Array


@dataclass(frozen=True)
class OC(Checked):
    """Optimality criteria: ``x_new = clip(x * (-df/dx / (lambda dg/dx)) ** damping)``.

    Parameters
    ----------
    move : float
        Largest change of a variable in a step, as a share of its range.
    damping : float
        The exponent; 0.5 for compliance.
    tolerance : float
        Largest violation or reserve of the constraint at the new design.

    Notes
    -----
    The multiplier makes the constraint zero as evaluated anew at the new design, filter and projection
    included. The linearised constraint proposes it, corrected by how it failed in the last steps; then what
    was seen is interpolated.

    * Positive objective derivatives count as 0, as in the 99- and 88-line codes.
    * If no multiplier meets the constraint within the move limits, the step goes to the end that violates it
      least; if even the most generous end has reserves, it goes there with a multiplier of 0.
    * A variable without any sensitivity, of objective and constraint, stays. If no objective derivative is
      left at all, a design that meets its constraint stays, another is scaled uniformly until it does.
    * A projection that jumps may admit no exact root; of the designs tried, the one nearest to it is taken.

    References
    ----------
    Bendsoe 1995, doi:10.1007/978-3-662-03115-5; Sigmund 2001, doi:10.1007/s001580050176;
    Andreassen et al. 2011, doi:10.1007/s00158-010-0594-7.

    Examples
    --------
    >>> import numpy as np
    >>> from topopt.evaluation import Evaluation
    >>> oc, x = OC(), np.array([0.5, 0.5])
    >>> state = oc.init(x, np.zeros(2), np.ones(2))
    >>> def volume(x):
    ...     return np.array([x.mean() / 0.5 - 1])
    >>> for _ in range(30):  # two bars in series with flexibilities 1 / x and 4 / x
    ...     f, df = float(1 / x[0] + 4 / x[1]), np.array([-1 / x[0] ** 2, -4 / x[1] ** 2])
    ...     x, state = oc.step(x, Evaluation(f, df, volume(x), np.ones((1, 2)), recheck=volume), state)
    >>> print(x.round(4), state.multipliers.round(4))
    [0.3333 0.6667] [9.]
    """

    move: Share = 0.2
    damping: Share = 0.5
    tolerance: Positive = 1e-10

    def init(self, x: Array, lower: Array, upper: Array) -> OCState:
        """Return the memory to start with.

        Parameters
        ----------
        x : array, shape (n,)
            The start design; a variable at zero can never grow.
        lower, upper : array, shape (n,)
            Finite bounds, not negative.

        Raises
        ------
        InputError
            If shapes differ, bounds cross, are infinite or negative, or `x` lies outside them.
        """
        x, lower, upper = (np.array(values, dtype=np.float64) for values in (x, lower, upper))
        check_bounds(x, lower, upper)
        if x.size and lower.min() < 0.0:
            j = int(np.argmin(lower))
            raise InputError(f"variable {j}: OC needs lower bounds >= 0, got {lower[j]:g}; use MMA")
        return OCState(lower, upper, multipliers=np.zeros(1), steps=0, rechecks=0, lesson=np.array(Lesson()))

    def step(self, x: Array, evaluation: Evaluation, state: OCState) -> tuple[Array, OCState]:
        """Return the next design and the new memory.

        Parameters
        ----------
        x : array, shape (n,)
            The design that was evaluated.
        evaluation : Evaluation
            Objective, the constraint, their derivatives at `x`, and `recheck`.
        state : OCState
            The memory that came with `x`.

        Raises
        ------
        InputError
            If there are several objectives, or not exactly one constraint, if it has no `recheck` or falls
            where a variable grows, if shapes are wrong or numbers are not finite.
        """
        recheck = self._checked(x, evaluation, state)
        slope, cost, reserve = evaluation.gradient, evaluation.jacobian[0], float(evaluation.constraints[0])
        steps = state.steps + 1
        if not any(bool((np.abs(slope[at]) >= TINY).any()) for at in pieces(x.size)):
            if reserve <= self.tolerance:
                idle = dataclasses.replace(state, multipliers=np.zeros(1), steps=steps, rechecks=0)
                return x.copy(), idle
            slope = -cost
        update = Update.of(x, slope, cost, (state.lower, state.upper), self.move, self.damping)
        last = float(state.multipliers[0])
        guess = math.log(last) - update.center if last > 0.0 else 0.0
        lesson = Lesson(*state.lesson.tolist())
        result = found(update, recheck, reserve, guess, lesson, self.tolerance)
        taught = dataclasses.replace(
            state,
            multipliers=np.array([result.multiplier]),
            steps=steps,
            rechecks=result.count,
            lesson=np.array(result.lesson),
        )
        return result.design.copy(), taught  # the design itself is frozen, since recheck may keep it

    def renewed(self, x: Array, state: OCState, width: float | None) -> OCState:
        """Return the memory without what only saves rechecks; see `Optimizer`."""
        return dataclasses.replace(state, multipliers=np.zeros(1), lesson=np.array(Lesson()))

    def _checked(self, x: Array, evaluation: Evaluation, state: OCState) -> Callable[[Array], Array]:
        """Refuse an evaluation that OC cannot work with; return its recheck."""
        m, k = np.size(evaluation.constraints), np.size(evaluation.rivals)
        if k:
            raise InputError(f"OC lowers one objective, got {k} rivals; use MMA")
        if m != 1:
            raise InputError(f"OC needs exactly one constraint, got {m}; use MMA")
        if evaluation.recheck is None:
            raise InputError("OC needs a constraint without a state solve; use MMA")
        check_evaluation(x, evaluation, state)
        row = evaluation.jacobian[0]
        least, largest = extremes(row)
        if least < -1e-6 * max(largest, TINY):
            j = int(np.argmin(row))
            raise InputError(
                f"jacobian: variable {j} lowers the constraint ({row[j]:.3g}); OC needs a constraint that "
                "grows with every variable; use MMA"
            )
        return evaluation.recheck
