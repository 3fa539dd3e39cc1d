"""Every exception that topopt raises on purpose, one family, each saying where and what to do."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = [
    "ChainError",
    "InputError",
    "MissingDependencyError",
    "NumericalError",
    "ParameterError",
    "ProblemFileError",
    "RunFolderError",
    "SingularSystemError",
    "TooLargeError",
    "TopoptError",
    "suggestion",
]


class TopoptError(Exception):
    """The root of the family: catch this to catch everything topopt raises on purpose."""


class InputError(TopoptError, ValueError):
    """A value handed in by the user cannot be used."""


class ParameterError(InputError):
    """A parameter name is unknown, or a value lies outside the parameter's bounds."""


class ChainError(InputError):
    """The links of a chain do not fit together."""


class NumericalError(TopoptError, ArithmeticError):
    """A computation left the finite numbers."""


class SingularSystemError(NumericalError):
    """The structure is a mechanism: some body can move without resistance."""


class TooLargeError(TopoptError, MemoryError):
    """The problem would not fit into memory; the message holds the estimate."""


class MissingDependencyError(TopoptError, ImportError):
    """An optional package is absent; the message says how to install it."""


class RunFolderError(TopoptError, OSError):
    """A run folder cannot be written, read or resumed."""


class ProblemFileError(InputError):
    """A problem file holds mistakes; all of them are listed at once.

    Parameters
    ----------
    mistakes : iterable of str
        One located sentence per mistake.
    """

    def __init__(self, mistakes: Iterable[str]) -> None:
        self.mistakes = tuple(mistakes)
        super().__init__("\n".join(self.mistakes))


def suggestion(name: str, valid: Iterable[str]) -> str:
    """Say which valid name was probably meant, or list the valid ones.

    Examples
    --------
    >>> suggestion("fisical", ["filtered", "physical"])
    "did you mean 'physical'?"
    >>> suggestion("qqq", ["b", "a"])
    'valid names: a, b'
    """
    names = sorted(valid)
    close = difflib.get_close_matches(name, names, n=1)
    if close:
        return f"did you mean '{close[0]}'?"
    return f"valid names: {', '.join(names)}" if names else "there are none"
