"""Controllers: schedules that read in the log how the design takes it, and sharpen accordingly."""

from __future__ import annotations

import dataclasses
import math
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

from topopt.continuation.guards import Guard
from topopt.continuation.schedules import Count, Schedule
from topopt.errors import InputError
from topopt.history import History, Iteration
from topopt.measures import RESOLVED
from topopt.parameters import NonNegative, Positive, UnitOpen

__all__ = ["Controller", "Homotopy", "Linked", "Survival"]


RESTLESS = 0.3
"""The part of its speed that the gate keeps while the objective is restless."""
GREY = 0.1
"""The part that it keeps while the design is all grey."""


@dataclass(frozen=True)
class Controller(Schedule):
    """A rule that raises a sharpness by what the log says, within the bounds of a guard.

    Parameters
    ----------
    start, final : float
        The first value and the largest.
    hold, interface : float
        Where it stands, as in `Guard`.
    """

    start: Positive = 1.0
    final: Positive = 512.0
    hold: NonNegative = 0.005
    interface: NonNegative = RESOLVED

    def __post_init__(self) -> None:
        """Refuse what never arrives."""
        super().__post_init__()
        if not math.isfinite(self.start) or self.final < self.start:
            name = type(self).__name__
            raise InputError(f"{name}: grows only, from {self.start:g} it never reaches {self.final:g}")

    @abstractmethod
    def wish(self, past: Sequence[float], history: History) -> float:
        """Return the value that the log suggests, whatever the bounds; called from the second iteration on.

        Parameters
        ----------
        past : sequence of float
            The values the parameter has had.
        history : History
            The log so far.
        """

    def __call__(self, past: Sequence[float], history: History) -> float:
        """Return what the log suggests, within the bounds."""
        if not past:
            return self.start
        return self._guard(min(self.wish(past, history), self.final), past, history)

    def settled(self, past: Sequence[float], history: History) -> bool:
        """Return whether it has arrived, at its final value or where the guard lets it go no further."""
        return super().settled(past, history) or self._guard.holds(past, history)

    @property
    def _guard(self) -> Guard:
        return Guard(self.hold, self.interface)


@dataclass(frozen=True)
class Survival(Controller):
    """The survival gate: sharpen as the design settles, as fast as the sensitivities survive it.

    ``beta <- beta (1 + growth clip(A / survival, 0, 1) clip(1 - |df| / (change |f|), 0.3, 1)
    clip(1 - M_nd, 0.1, 1))``, where A = ||s|| / ||r|| is the share of the sensitivity that the projections
    let through, as the vanishing log has it, df the last change of the objective, and M_nd the design's
    non-discreteness (0 where the log has none, as for the weights of a net). Only the first can stop it.

    The second and third give a topology the time to form: without them, on the finest of the benchmarks, thin
    bars are frozen in half grey, and lost when the design is made black and white (`problems/studies`,
    `docs/study.md` for what else was tried).

    Parameters
    ----------
    start, final, hold, interface : float
        As in `Controller`.
    growth : float
        Growth in an iteration in which enough survives and the objective stands still.
    survival : float
        The share of the sensitivity from which on it grows at full speed.
    change : float
        Relative change of the objective from which on it grows at three tenths of that speed.
    """

    growth: Positive = 0.16
    survival: UnitOpen = 0.1
    change: Positive = 0.002

    def wish(self, past: Sequence[float], history: History) -> float:
        """Grow by what survives, by how calm the objective is, and by how black and white the design."""
        last = history[-1]
        attenuation = last.vanishing.get("attenuation")
        if attenuation is None:
            raise InputError(
                "Survival reads the vanishing log, and this model gives no signals: take a schedule that "
                "needs none, such as Geometric"
            )
        gate = min(1.0, float(10.0**attenuation) / self.survival)
        calm = max(RESTLESS, _calm(last, self.change))
        formed = max(GREY, 1.0 - last.measures.get("discreteness", 0.0))
        return past[-1] * (1.0 + self.growth * gate * calm * formed)


@dataclass(frozen=True)
class Linked(Controller):
    """Growth linked to the objective: the calmer the objective, the faster the parameter grows.

    ``beta <- beta (1 + growth clip(1 - |df| / (change |f|), 0, 1))``. Tying the projection to the objective's
    change is the idea of Dunning & Wein 2024, arXiv:2404.14111; the rule here is a simpler one.

    Parameters
    ----------
    start, final, hold, interface : float
        As in `Controller`.
    growth : float
        Growth in an iteration in which the objective stands still.
    change : float
        Relative change of the objective from which on the parameter stands.
    """

    growth: Positive = 0.05
    change: Positive = 0.02

    def wish(self, past: Sequence[float], history: History) -> float:
        """Grow by how calm the objective is."""
        return past[-1] * (1.0 + self.growth * _calm(history[-1], self.change))


@dataclass(frozen=True)
class Homotopy(Controller):
    """Predictor and corrector along the path of optima.

    The corrector waits until the design has settled at the present sharpness: the residual is small, or the
    objective flat, or patience ends. The predictor then takes the largest step, at most a doubling, in which
    enough of the sensitivity survives and the objective jumps by little. Both are known without a solve: from
    the survivors that the log measured ahead, and from the slope of the homotopy.

    Parameters
    ----------
    start, final, hold, interface : float
        As in `Controller`.
    residual : float
        The relative residual that counts as settled.
    flat : float
        The relative change of the objective, in two iterations running, that counts as settled.
    patience : int
        Iterations after which it steps in any case.
    survivors : float
        The share of the sensitivity that must survive the step, of what survives now.
    jump : float
        Largest first-order relative change of the Lagrangian in the step.
    parameter : str
        The parameter whose path is followed; a continuation fills it in.

    References
    ----------
    Allgower & Georg, Numerical Continuation Methods, 1990, doi:10.1007/978-3-642-61257-2
    """

    residual: NonNegative = 0.05
    flat: NonNegative = 0.002
    patience: Count = 12
    survivors: UnitOpen = 0.7
    jump: Positive = 0.02
    parameter: str = ""

    def driving(self, parameter: str) -> Homotopy:
        """Return the controller with the name under which the log has its slope."""
        return self if self.parameter else dataclasses.replace(self, parameter=parameter)

    def wish(self, past: Sequence[float], history: History) -> float:
        """Correct, then predict."""
        if not self._corrected(past, history):
            return past[-1]
        last = history[-1]
        if last.vanishing.get("attenuation") == -math.inf:
            return past[-1]
        prefix = f"ahead:{self.parameter}:"
        ahead = sorted(
            (float(name.removeprefix(prefix)), share)
            for name, share in last.vanishing.items()
            if name.startswith(prefix)
        )
        slope = last.vanishing.get(f"homotopy:{self.parameter}")
        if not ahead or slope is None:
            raise InputError(
                f"Homotopy reads the slope of '{self.parameter}' and its survivors ahead, which the log does "
                "not have: drive the sharpness of a projection with it, or take Survival"
            )
        slow = self.jump * abs(last.objective) / abs(slope) if slope else math.inf
        return min(past[-1] * _reach(ahead, self.survivors), past[-1] + slow)

    def _corrected(self, past: Sequence[float], history: History) -> bool:
        """Return whether the design has settled at the present value."""
        stood = next((k for k, value in enumerate(reversed(past)) if value != past[-1]), len(past))
        flat = all(abs(it.actual) <= self.flat * abs(it.objective) for it in history[-2:])
        small = history[-1].vanishing.get("residual", math.inf) <= self.residual
        return stood >= self.patience or (stood > 1 and small) or (stood > 2 and flat)


def _calm(iteration: Iteration, change: float) -> float:
    """Return 1 where the objective stands still, falling to 0 where its relative change is `change`."""
    if math.isnan(iteration.actual):
        return 0.0
    unrest = abs(iteration.actual) / (change * abs(iteration.objective) or 1.0)
    return max(0.0, 1.0 - unrest)


def _reach(ahead: Sequence[tuple[float, float]], survivors: float) -> float:
    """Return the largest factor at which enough survives, interpolated between those that were measured."""
    factor, share = 1.0, 1.0
    for further, less in ahead:
        if less < survivors:
            return factor + (further - factor) * (share - survivors) / (share - less)
        factor, share = further, less
    return factor
