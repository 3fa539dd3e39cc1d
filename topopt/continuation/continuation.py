"""A continuation maps parameter names to schedules."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from topopt.continuation.schedules import Schedule
from topopt.errors import InputError, ParameterError, suggestion
from topopt.history import History

__all__ = ["Continuation"]


@dataclass(frozen=True)
class Continuation:
    """Schedules by parameter name.

    Parameters
    ----------
    schedules : mapping
        For example ``{"physical.beta": Staircase(1, 64), "optimizer.move": Linear(0.2, 0.05)}``.

    Examples
    --------
    >>> from topopt.continuation import Staircase
    >>> Continuation({"physical.beta": Staircase(1.0, 64.0)}).at(History())
    {'physical.beta': 1.0}
    """

    schedules: Mapping[str, Schedule] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse what is no schedule."""
        for name, schedule in self.schedules.items():
            if not isinstance(schedule, Schedule):
                raise InputError(f"continuation of '{name}': expected a Schedule, got {schedule!r}")

    def at(self, history: History) -> dict[str, float]:
        """Return the parameters for the iteration that follows the log."""
        return {name: float(rule(history.values(name), history)) for name, rule in self.schedules.items()}

    def settled(self, history: History) -> bool:
        """Return whether the last iteration ran with every parameter at its final value."""
        return all(rule.settled(history.values(name)) for name, rule in self.schedules.items())

    def require(self, valid: Iterable[str]) -> None:
        """Refuse schedules for parameters that do not exist.

        Raises
        ------
        ParameterError
            Naming every unknown parameter, each with a suggestion.
        """
        names = list(valid)
        unknown = [name for name in self.schedules if name not in names]
        if unknown:
            raise ParameterError(
                "; ".join(
                    f"'{name}' is not a parameter that can be scheduled: {suggestion(name, names)}"
                    for name in unknown
                )
            )
