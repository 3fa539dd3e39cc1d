"""Optimal control: the costate recursion as such, and Riccati's exact answer to hold it against.

``x_(k+1) = f(x_k, u_k)``, ``J = sum_k r(x_k, u_k) + s(x_N)``. With the Hamiltonian ``H = r + l_(k+1) . f``
the costate is ``l_k = dH/dx``, ``l_N = ds/dx``, and the gradient of J with respect to u_k is ``dH/du``: what
deep learning calls back-propagation (Bryson and Ho 1975; LeCun 1988).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from topopt.errors import InputError
from topopt.evaluation import Bounds, Evaluation, Signals
from topopt.nets.costate import Path, followed
from topopt.parameters import Array

__all__ = ["LinearQuadratic", "Solution", "Steered"]


@dataclass(frozen=True, eq=False)
class Solution:
    """States, controls and costates of a path.

    Attributes
    ----------
    states : array, shape (steps + 1, n)
        x.
    controls : array, shape (steps, m)
        u.
    costates : array, shape (steps + 1, n)
        l.
    cost : float
        J.
    gradient : array, shape (steps, m)
        dH/du; zero at the optimum.
    """

    states: Array
    controls: Array
    costates: Array
    cost: float
    gradient: Array


@dataclass(frozen=True, eq=False)
class LinearQuadratic:
    """``x' = A x + B u`` at a cost of ``(x Q x + u R u) / 2`` a step and ``x P x / 2`` at the end.

    Parameters
    ----------
    a, b : array, shape (n, n), (n, m)
        Dynamics.
    q, r, p : array, shape (n, n), (m, m), (n, n)
        Costs: symmetric, r positive.
    """

    a: Array
    b: Array
    q: Array
    r: Array
    p: Array

    def __post_init__(self) -> None:
        """Refuse matrices that do not fit."""
        n, m = len(self.a), self.b.shape[-1]
        wanted = {"a": (n, n), "b": (n, m), "q": (n, n), "r": (m, m), "p": (n, n)}
        for name, shape in wanted.items():
            found = getattr(self, name).shape
            if found != shape:
                raise InputError(f"LinearQuadratic.{name}: expected shape {shape}, got {found}")

    def evaluate(self, start: Array, controls: Array) -> Solution:
        """Run the dynamics forward and the costate back.

        Parameters
        ----------
        start : array, shape (n,)
            The first state.
        controls : array, shape (steps, m)
            u.
        """
        states = [np.asarray(start, dtype=np.float64)]
        for u in controls:
            states.append(self.a @ states[-1] + self.b @ u)
        costates = [self.p @ states[-1]]
        for x in states[-2::-1]:
            costates.append(self.q @ x + self.a.T @ costates[-1])
        costates.reverse()
        pairs = zip(controls, costates[1:], strict=True)
        gradient = np.array([self.r @ u + self.b.T @ later for u, later in pairs])
        cost = 0.5 * sum(float(x @ self.q @ x) for x in states[:-1])
        cost += 0.5 * sum(float(u @ self.r @ u) for u in controls) + 0.5 * float(
            states[-1] @ self.p @ states[-1]
        )
        return Solution(np.array(states), np.asarray(controls), np.array(costates), cost, gradient)

    def riccati(self, steps: int) -> list[Array]:
        """Return the exact feedback, ``u_k = -K_k x_k``, of every step.

        References
        ----------
        Bertsekas, Dynamic Programming and Optimal Control, 2017, section 3.1
        """
        ahead: Array = self.p
        gains: list[Array] = []
        for _ in range(steps):
            weight = self.r + self.b.T @ ahead @ self.b
            gain: Array = np.asarray(np.linalg.solve(weight, self.b.T @ ahead @ self.a), dtype=np.float64)
            ahead = self.q + self.a.T @ ahead @ (self.a - self.b @ gain)
            gains.append(gain)
        return gains[::-1]

    def optimum(self, start: Array, steps: int) -> Solution:
        """Return the best path from a state."""
        x, controls = np.asarray(start, dtype=np.float64), []
        for gain in self.riccati(steps):
            controls.append(-gain @ x)
            x = self.a @ x + self.b @ controls[-1]
        return self.evaluate(start, np.array(controls))

    def sensitivity(self, seed: Array, steps: int, gains: Sequence[Array] = ()) -> Path:
        """Follow a costate back through the dynamics alone, or through the loop that feedback closes.

        Parameters
        ----------
        seed : array, shape (n,)
            Costate of the last state.
        steps : int
            Length of the path.
        gains : sequence of array
            The feedback of every step; none for the open loop.
        """
        closed = [self.a - self.b @ gain for gain in gains] or [self.a] * steps
        return followed(seed, (lambda v, a=a: a.T @ v for a in reversed(closed)))  # type: ignore[misc]


@dataclass(frozen=True, eq=False)
class Steered:
    """A `topopt.Model` whose design are the controls of a plant and whose objective is its cost.

    The vanishing log has the costate of every tenth state as a stage, `parameters` the weight of the effort:
    a continuation may lower it, and with it how far back a deviation at the end is heard of.

    Parameters
    ----------
    plant : LinearQuadratic
        What is steered.
    start : array, shape (n,)
        Its first state.
    steps : int
        Over which it is steered.
    reach : float
        Bound of every control, on both sides of 0.
    """

    plant: LinearQuadratic
    start: Array
    steps: int
    reach: float = 100.0

    def initial(self) -> Array:
        """Return controls of nothing."""
        return np.zeros(self.steps * self.plant.b.shape[1])

    def bounds(self) -> Bounds:
        """Return the box of the controls."""
        wide = np.full(self.initial().size, self.reach)
        return Bounds(-wide, wide)

    def parameters(self) -> dict[str, float]:
        """Return the weight of the effort, 1 where it is the plant's own."""
        return {"effort.weight": 1.0}

    def weighted(self, weight: float) -> LinearQuadratic:
        """Return the plant with another cost of effort."""
        plant = self.plant
        return LinearQuadratic(plant.a, plant.b, plant.q, weight * plant.r, plant.p)

    def evaluate(self, x: Array, parameters: Mapping[str, float] | None = None) -> Evaluation:
        """Evaluate controls; `measures` has the share of the cost above Riccati's optimum (``excess``)."""
        plant = self.weighted((parameters or {}).get("effort.weight", 1.0))
        found = plant.evaluate(self.start, x.reshape(self.steps, -1))
        best = plant.optimum(self.start, self.steps).cost
        costates = {f"state{k}": found.costates[k] for k in range(0, self.steps + 1, 10)}
        cotangents = {"controls": found.gradient.ravel()} | costates
        return Evaluation(
            objective=found.cost,
            gradient=found.gradient.ravel(),
            constraints=np.zeros(0),
            jacobian=np.zeros((0, x.size)),
            signals=Signals(cotangents, {}, cotangents, np.zeros((0, x.size))),
            output=found.states.ravel(),
            responses={"cost": found.cost},
            measures={"excess": found.cost / best - 1.0},
            solves=1,
        )
