"""Gradient flossing: a recurrent net is taught to let gradients pass before it is taught anything else.

The sum of the squares of its first Lyapunov exponents is the objective, and what `optimize` lowers; its
gradient goes back through states and QR factors.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.linalg import solve_triangular

from topopt.errors import InputError
from topopt.evaluation import Bounds, Evaluation
from topopt.nets.recurrent import RNN
from topopt.parameters import Array, Positive, checked

__all__ = ["Flossing"]


@dataclass(frozen=True, eq=False)
class Flossing:
    """A `topopt.Model` whose design are the weights of an RNN and whose objective are its exponents.

    Parameters
    ----------
    cell : RNN
        With the weights to begin with.
    drives : array, shape (steps, inputs)
        What it is driven with.
    count : int
        How many exponents are pushed.
    discard : int
        Steps that are run before the exponents are counted.
    target : float
        Where they are pushed to, nats a step; a continuation may move it.
    reach : float
        Bound of every weight, on both sides of 0.

    References
    ----------
    Engelken 2023, arXiv:2312.17306; the pullback of a QR factorisation: Walter and Lehmann 2018,
    arXiv:1009.6112
    """

    cell: RNN
    drives: Array
    count: int = 16
    discard: int = 5
    target: float = 0.0
    reach: Positive = 10.0

    def __post_init__(self) -> None:
        """Refuse more exponents than units, and a path that is too short."""
        checked(self)
        if not 1 <= self.count <= len(self.cell.b):
            raise InputError(f"Flossing.count: expected 1 to {len(self.cell.b)} exponents, got {self.count}")
        if not 0 <= self.discard < len(self.drives):
            raise InputError(
                f"Flossing.discard: {self.discard} of {len(self.drives)} steps leave nothing to count"
            )

    def initial(self) -> Array:
        """Return the weights to begin with."""
        return self.cell.weights

    def bounds(self) -> Bounds:
        """Return the box of the weights."""
        wide = np.full(self.cell.weights.size, self.reach)
        return Bounds(-wide, wide)

    def parameters(self) -> dict[str, float]:
        """Return the target."""
        return {"exponents.target": self.target}

    def made(self, x: Array) -> RNN:
        """Return the cell with other weights."""
        n, m = self.cell.w.size, self.cell.u.size
        w, u = x[:n].reshape(self.cell.w.shape), x[n : n + m].reshape(self.cell.u.shape)
        return RNN(w, u, x[n + m :])

    def evaluate(self, x: Array, parameters: Mapping[str, float] | None = None) -> Evaluation:
        """Evaluate weights; `measures` has the largest exponent and the smallest of those that count."""
        target = (parameters or {}).get("exponents.target", self.target)
        cell = self.made(x)
        path = _run(cell, self.drives, self.count)
        counted = len(self.drives) - self.discard
        growth = np.array([np.log(np.abs(np.diagonal(factor))) for factor in path.triangles[self.discard :]])
        exponents = growth.mean(axis=0)
        off = exponents - target
        gradient = _pulled(cell, self.drives, path, 2.0 * off / counted, self.discard)
        return Evaluation(
            objective=float(off @ off),
            gradient=gradient,
            constraints=np.zeros(0),
            jacobian=np.zeros((0, x.size)),
            output=exponents,
            measures={"largest": float(exponents.max()), "smallest": float(exponents.min())},
            solves=1,
        )


@dataclass(frozen=True, eq=False)
class _Path:
    """States, directions and triangular factors of a path; one more of the first two than steps."""

    states: list[Array]
    directions: list[Array]
    triangles: list[Array]


def _run(cell: RNN, drives: Array, count: int) -> _Path:
    """Run states and directions forward."""
    state = np.zeros(len(cell.b))
    directions = np.eye(len(cell.b), count)
    path = _Path([state], [directions], [])
    for drive in drives:
        state = np.tanh(state @ cell.w + drive @ cell.u + cell.b)
        directions, triangle = np.linalg.qr((1.0 - state**2)[:, None] * (cell.w.T @ directions))
        path.states.append(state)
        path.directions.append(directions)
        path.triangles.append(triangle)
    return path


def _pulled(cell: RNN, drives: Array, path: _Path, weights: Array, discard: int) -> Array:
    """Return the gradient of sum_i weights_i ln |R_ii|, over the steps that count."""
    dw, du, db = np.zeros_like(cell.w), np.zeros_like(cell.u), np.zeros_like(cell.b)
    v_state, v_directions = np.zeros(len(cell.b)), np.zeros_like(path.directions[0])
    for step in range(len(drives) - 1, -1, -1):
        before, after = path.states[step], path.states[step + 1]
        q, r = path.directions[step + 1], path.triangles[step]
        v_r = np.diag(weights / np.diagonal(r)) if step >= discard else np.zeros_like(r)
        v = _qr_pulled(q, r, v_directions, v_r)
        slope = 1.0 - after**2
        carried = cell.w.T @ path.directions[step]
        v_state = v_state - 2.0 * after * (v * carried).sum(axis=1)
        back = slope[:, None] * v
        dw += path.directions[step] @ back.T
        v_directions = cell.w @ back
        inner = slope * v_state
        dw += np.outer(before, inner)
        du += np.outer(drives[step], inner)
        db += inner
        v_state = cell.w @ inner
    return np.concatenate([dw.ravel(), du.ravel(), db])


def _qr_pulled(q: Array, r: Array, v_q: Array, v_r: Array) -> Array:
    """Return the cotangent of A = Q R from those of its factors."""
    m = r @ v_r.T - v_q.T @ q
    symmetric = np.tril(m) + np.tril(m, -1).T
    return np.asarray(solve_triangular(r, (v_q + q @ symmetric).T, lower=False).T)
