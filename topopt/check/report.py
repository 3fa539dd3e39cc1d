"""What a set of tests found, as a table that a person reads."""

from __future__ import annotations

from dataclasses import dataclass

from topopt.check.remainder import Taylor
from topopt.errors import InputError, NumericalError

__all__ = ["Outcome", "Report", "judged"]


@dataclass(frozen=True)
class Outcome:
    """One test: its name, whether it passed (None: not tested) and what was found."""

    name: str
    passed: bool | None
    detail: str


@dataclass(frozen=True)
class Report:
    """What a set of tests found.

    Attributes
    ----------
    subject : str
        What was tested.
    outcomes : tuple of Outcome
        One entry per test.
    """

    subject: str
    outcomes: tuple[Outcome, ...]

    @property
    def ok(self) -> bool:
        """Whether no test failed."""
        return all(outcome.passed is not False for outcome in self.outcomes)

    @property
    def failures(self) -> tuple[Outcome, ...]:
        """The tests that failed."""
        return tuple(outcome for outcome in self.outcomes if outcome.passed is False)

    def __getitem__(self, name: str) -> Outcome:
        """Return the outcome of that name."""
        for outcome in self.outcomes:
            if outcome.name == name:
                return outcome
        raise InputError(f"no test '{name}' in the report on {self.subject}")

    def __str__(self) -> str:
        """Return a table, one line a test."""
        verdict = {True: "ok", False: "FAILED", None: "-"}
        width = max((len(outcome.name) for outcome in self.outcomes), default=0)
        lines = [f"{o.name:<{width}}  {verdict[o.passed]:<6}  {o.detail}".rstrip() for o in self.outcomes]
        return "\n".join([self.subject, *(f"  {line}" for line in lines)])

    def raise_if_failed(self) -> None:
        """Raise if a test failed.

        Raises
        ------
        NumericalError
            The message is the table.
        """
        if not self.ok:
            raise NumericalError(str(self))


def judged(name: str, test: Taylor) -> Outcome:
    """Return a Taylor test as an outcome; where nothing moves, nothing was tested."""
    return Outcome(name, None if test.still else test.ok, str(test))
