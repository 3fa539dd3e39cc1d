"""Operators of all grids at fixed moduli, and the ladder that is climbed when the cycle does not do."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import DTypeLike

from topopt.errors import NumericalError, SingularSystemError
from topopt.fem.assembly import System
from topopt.parameters import Array
from topopt.solvers.cholmod import Cholmod, cholmod_available
from topopt.solvers.matrixfree.compiled import at_most
from topopt.solvers.matrixfree.operator import fixed_dofs
from topopt.solvers.multigrid.cycle import Steps
from topopt.solvers.multigrid.gradients import (
    LOST,
    Cycles,
    Exact,
    Goal,
    Outcome,
    Space,
    begin,
    begin_from_zero,
    conjugate_gradients,
    improved,
)
from topopt.solvers.multigrid.guesses import Guesses
from topopt.solvers.multigrid.host import Host
from topopt.solvers.multigrid.multigrid import Multigrid
from topopt.solvers.multigrid.plan import Plan, plan
from topopt.solvers.multigrid.scaled import Scaled
from topopt.solvers.protocol import Factor, Operator, Work
from topopt.solvers.superlu import SuperLU
from topopt.threads import alone, thread_count

__all__ = ["MultigridFactor"]

PRECISIONS = {"single": np.float32, "double": np.float64}
CYCLES = {2: Steps(2, 2, 1), 3: Steps(1, 2, 2)}
"""By dimension, where the solver does not say."""
ONLY_TWO = Steps(2, 2, 1)
"""Where the second lattice is solved for directly: members are a few cells thick, and smoothing is cheap."""
REFINED = 2
"""Refinements of a direct solution."""
ONE_THREAD = {2: 60_000, 3: 10_000}
"""Free unknowns, by dimension, below which kernels keep to one thread.

A second one gains a third at most there, and costs a slice of the scheduler's time a kernel where another
program wants its core: at a load of ten on two cores an iteration of 0.3 s took up to twelve.
"""

_log = logging.getLogger(__name__)


class Backend(Protocol):
    """Builds what a solve needs where it is to be computed."""

    def exact(self, body: Scaled) -> Any:
        """Return the operator in double precision, an `Exact`."""

    def space(self, operator: Any) -> Space:
        """Return where its vectors live."""

    def cycles(self, exact: Any, body: Scaled, plan: Plan, steps: Steps, dtype: DTypeLike) -> Cycles:
        """Return the preconditioner in a precision."""


@dataclass(eq=False)
class MultigridFactor:
    """Operators of all grids at fixed moduli; stays valid whatever is factored later in its thread.

    It works in vectors of the thread that has made it: two threads need a factor each.

    Attributes
    ----------
    outcomes : list of Outcome
        One for every right-hand side of the last `solve`: iterations, residual.
    """

    solver: Multigrid
    operator: Operator
    outcomes: list[Outcome] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Build the hierarchy of the ladder's first rung that can be built."""
        self._system: System = self.operator.system
        self._body = Scaled.of(self.operator)
        self._unit = self._body.unit
        self._rung = self._counted = self._climbs = 0
        self._backend = _backend(self.solver.device)
        self._exact: Exact = self._backend.exact(self._body)
        self._space = self._backend.space(self._exact)
        self._direct: Factor | None = None
        self._cycles: Cycles | None = None
        with alone(), self._threads():
            self._build()

    def solve(self, rhs: Array, guesses: Sequence[Array] = ()) -> Array:
        """Return the solutions, one column after the other; see `Factor.solve`.

        Raises
        ------
        NumericalError
            If even the direct solver leaves a residual.
        """
        columns = rhs.reshape(rhs.shape[0], -1)
        out = np.zeros(columns.shape)
        self.outcomes.clear()
        states = [guess.reshape(columns.shape) for guess in guesses]
        with alone(), self._threads():
            if columns.shape[1] == 1:
                out[:, 0] = self._one(columns[:, 0], [state[:, 0] for state in states])
            else:
                known = self._known(states)
                for number, column in enumerate(columns.T):
                    out[:, number] = self._one(column, known.best(column))
                    if number + 1 < columns.shape[1]:  # nobody comes after the last
                        known.add(out[:, number].copy(), column)
        self._climbs, self._counted = self._rung - self._counted, self._rung
        return out.reshape(rhs.shape)

    @property
    def work(self) -> Work:
        """What the last `solve` took."""
        return Work(
            sum(outcome.iterations for outcome in self.outcomes),
            self._climbs,
            max((outcome.residual for outcome in self.outcomes), default=0.0),
            max((outcome.error * (2.0 + outcome.error) for outcome in self.outcomes), default=0.0),
        )

    def _threads(self) -> AbstractContextManager[None]:
        """Say how many threads kernels use: one for what is soon done."""
        soon = self._system.n_free < ONE_THREAD[self._system.ndim]
        return at_most(1 if soon else thread_count())

    def _known(self, designs: list[Array]) -> Guesses:
        """Return the states of the last designs, made zero where nothing can move."""
        known, fixed = Guesses(), fixed_dofs(self._system)
        for states in designs:
            held = states
            if states[fixed].any():
                held = states.copy()
                held[fixed] = 0.0
            for state in held.T:
                known.add(state, self._exact.apply(state) * self._unit)
        return known

    def _one(self, column: Array, guesses: list[Array]) -> Array:
        """Solve for one right-hand side, climbing the ladder as far as it takes."""
        space = self._space
        f, x = space.states()
        space.load(f, column, 1.0)
        norm = space.norm(f)
        if norm == 0.0:
            self.outcomes.append(Outcome(0, 0.0))
            return np.zeros(len(column))
        space.scale(f, 1.0 / norm)
        goal = Goal(self.solver.tolerance, self.solver.limit, _least(self.solver))
        if guesses:
            space.load(x, guesses[0], self._unit / norm)
        while self._direct is None:
            assert self._cycles is not None
            parts = self._exact, self._cycles, space, f, x
            sums = begin(*parts) if guesses else begin_from_zero(*parts[1:])
            for guess in guesses[1:]:
                directions = space.directions(self._cycles.rhs)
                space.load(directions[0], guess, self._unit / norm)
                sums = improved(*parts[1:], sums, directions)
            outcome = conjugate_gradients(*parts, goal, sums)
            if not outcome.trouble:
                break
            self._climb(outcome.trouble)
            guesses = []
        else:
            return self._directly(column)
        self.outcomes.append(outcome)
        return space.unload(x, norm / self._unit)

    def _climb(self, trouble: str) -> None:
        """Go up one rung, and say so."""
        short = self.solver.ladder == "direct"
        self._rung = len(_LADDER) if short else self._rung + 1
        name = _LADDER[self._rung].name if self._rung < len(_LADDER) else "a direct solver"
        level = logging.INFO if short else logging.WARNING
        _log.log(level, "multigrid: %s; going on with %s", trouble, name)
        self._cycles = None
        self._build()

    def _build(self) -> None:
        """Build what the rung asks for; where no hierarchy can be built, only a direct solver is left."""
        if self._rung == len(_LADDER):
            from topopt.solvers.choose import require_room  # which knows this solver, too

            require_room(self._system, "cholmod" if cholmod_available() else "superlu")
            direct = Cholmod() if cholmod_available() else SuperLU()
            self._direct = direct.factor(self.operator)
            return
        rung, floors = _LADDER[self._rung], plan(self._system, self.solver.coarsest)
        usual = ONLY_TWO if len(floors.floors) == 2 else CYCLES[self._system.ndim]
        fine, coarse = self.solver.smoothing or (usual.fine, usual.coarse)
        visits = self.solver.visits or usual.visits
        steps = Steps(fine + rung.fine, coarse + rung.coarse, visits + rung.visits)
        dtype = rung.dtype or PRECISIONS[self.solver.precision]
        try:
            self._cycles = self._backend.cycles(self._exact, self._body, floors, steps, dtype)
        except SingularSystemError as error:
            self._rung = len(_LADDER) - 1
            self._climb(str(error))

    def _directly(self, column: Array) -> Array:
        """Solve with the ladder's last rung, refine by the operator itself, and look at the residual.

        What is so ill-conditioned that it comes here costs a factorisation its last digits: on a hinge at a
        contrast of 1e-9 it was 5 % off in compliance, after one refinement .2 %, after two .01 %.
        """
        assert self._direct is not None
        solution = self._direct.solve(column)
        missing, error = self._missing(solution, column), 0.0
        for _ in range(REFINED):
            correction = self._direct.solve(missing)
            refined = solution + correction
            left = self._missing(refined, column)
            if not np.linalg.norm(left) < np.linalg.norm(missing):
                break
            error = math.sqrt(abs(correction @ missing) / abs(refined @ column))
            solution, missing = refined, left
        residual = float(np.linalg.norm(missing) / np.linalg.norm(column))
        if not residual < max(LOST, self.solver.tolerance):
            raise NumericalError(
                f"multigrid: the direct solver, the last resort, leaves a residual of {residual:.1e}"
            )
        self.outcomes.append(Outcome(0, residual, error=error))
        return solution

    def _missing(self, solution: Array, column: Array) -> Array:
        """Return what a solution leaves of a right-hand side."""
        missing = np.asarray(column - self._exact.apply(solution) * self._unit)
        missing[fixed_dofs(self._system)] = 0.0
        return missing


@dataclass(frozen=True)
class _Rung:
    """What a step of the ladder adds to the cycle that was asked for."""

    name: str
    fine: int = 0
    coarse: int = 0
    visits: int = 0
    dtype: type[np.floating] | None = None


_LADDER = (
    _Rung("the cycle"),
    _Rung("more smoothing in double precision", 2, 3, 0, np.float64),
    _Rung("more smoothing and more visits of the coarse grids in double precision", 2, 3, 1, np.float64),
)
"""The last step is a direct solver."""


def _least(solver: Multigrid) -> float:
    """Return what the error e of a state may be, so that its energies are wrong by e (2 + e) = `error`."""
    return math.sqrt(1.0 + solver.error) - 1.0 if solver.follow else math.inf


def _backend(device: str) -> Backend:
    """Return what builds operators and vectors on a device."""
    if device == "cuda":
        from topopt.solvers.cuda import Card

        return Card()
    return Host()
