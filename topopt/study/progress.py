"""How far a study is: what is told to whoever watches it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

__all__ = ["Progress", "Running", "Watcher"]


@dataclass(frozen=True)
class Running:
    """A trial that is being worked on.

    Attributes
    ----------
    slug : str
        Its name.
    iteration : int
        Iterations on record.
    budget : int or None
        State solves that it may spend; None if its stop rule names no such number.
    """

    slug: str
    iteration: int
    budget: int | None = None


@dataclass(frozen=True)
class Progress:
    """Where a study stands.

    Attributes
    ----------
    total : int
        Trials.
    done : int
        Trials that have ended, the failed ones included.
    failed : int
        Trials that ended in an error or with a broken design.
    running : tuple of Running
        Those at work; empty as long as they work where their folders cannot be seen.
    """

    total: int
    done: int = 0
    failed: int = 0
    running: tuple[Running, ...] = ()


class Watcher(Protocol):
    """Is told how a study goes; called by the study's own process, a few times a second at most."""

    def show(self, progress: Progress) -> None:
        """Show where the study stands."""

    def say(self, sentence: str) -> None:
        """Show a sentence that stays."""
