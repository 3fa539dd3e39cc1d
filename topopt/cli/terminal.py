"""The two ways out, standard output and error output, and how a command ends: a message and a code."""

from __future__ import annotations

import functools
import os
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import ParamSpec

from rich.console import Console

from topopt.errors import InputError, MissingDependencyError, RunFolderError, TooLargeError, TopoptError
from topopt.files.claim import MARKER

__all__ = [
    "FAILED",
    "INTERRUPTED",
    "VIOLATED",
    "console",
    "errors",
    "guarded",
    "require_file",
    "require_folder",
    "say",
    "silence",
]

P = ParamSpec("P")
WRONG, VIOLATED, FAILED, TOO_LARGE, INTERRUPTED = 2, 3, 4, 5, 130


class _Out(Console):
    """The standard output; when its reader has left, the command ends as after Ctrl-C."""

    def on_broken_pipe(self) -> None:
        """Let the error pass."""
        raise


class _Errors(Console):
    """The error output; when nobody reads it, what else it is given is dropped."""

    def on_broken_pipe(self) -> None:
        """Fall silent."""
        self.quiet = True


console = _Out(highlight=False, markup=False, emoji=False, soft_wrap=True)
errors = _Errors(stderr=True, highlight=False, markup=False, emoji=False, soft_wrap=True)


def say(text: str) -> None:
    """Print text to the standard output; a terminal gets whole words, a file gets whole lines."""
    if console.is_terminal:
        wrap = functools.partial(
            textwrap.fill, width=console.width, break_long_words=False, break_on_hyphens=False
        )
        text = "\n".join(wrap(line) for line in text.split("\n"))
    console.print(text)


def guarded(command: Callable[P, int]) -> Callable[P, int]:
    """Turn every error that is no mistake in topopt itself into one message and an exit code."""

    @functools.wraps(command)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> int:
        """Run the command and return its code, or that of the error that ended it."""
        try:
            return command(*args, **kwargs)
        except TopoptError as error:
            _complain(str(error), *(f"  {note}" for note in getattr(error, "__notes__", ())))
            return exit_code(error)
        except MemoryError as error:
            _complain(f"out of memory ({error}); choose a coarser grid")
            return TOO_LARGE
        except KeyboardInterrupt:
            errors.print("interrupted")
            return INTERRUPTED
        except BrokenPipeError:
            silence()
            return INTERRUPTED
        except OSError as error:  # a full disk, a folder that may not be written
            if error.errno is None or error.filename is None:
                raise
            _complain(f"{error.filename}: {error.strerror}")
            return WRONG

    return wrapper


def exit_code(error: TopoptError) -> int:
    """Return 2 for wrong input, 5 for too large, 4 for a computation that failed."""
    if isinstance(error, InputError | RunFolderError | MissingDependencyError):
        return WRONG
    return TOO_LARGE if isinstance(error, TooLargeError) else FAILED


def silence() -> None:
    """Send what is still to be printed nowhere, once the reader of the standard output has left."""
    sink = os.open(os.devnull, os.O_WRONLY)
    os.dup2(sink, sys.stdout.fileno())
    os.close(sink)


def require_file(path: Path) -> None:
    """Refuse a folder where a problem file is expected."""
    if (path / MARKER).is_file():
        raise InputError(f"{path} is a run folder: go on with it by `topopt resume {path}`")
    if path.is_dir():
        found = sorted(str(file) for file in path.glob("*.yaml"))
        hint = f"; did you mean {' or '.join(found[:3])}?" if found else ", and there is no .yaml file in it"
        raise InputError(f"{path} is a folder{hint}")


def require_folder(path: Path) -> None:
    """Refuse a path that is no run folder, and name those nearby."""
    if (path / MARKER).is_file():
        return
    if path.is_file():
        raise InputError(f"{path} is a file; give the folder of a run, such as results/{path.stem}")
    around = path if path.is_dir() else path.parent
    runs = sorted(str(marker.parent) for marker in around.glob(f"*/{MARKER}"))
    what = f"is no run folder (no {MARKER} in it)" if path.is_dir() else "does not exist"
    hint = f"the runs there: {', '.join(runs[:8])}" if runs else "`topopt run FILE` makes one"
    raise InputError(f"{path} {what}; {hint}")


def _complain(*lines: str) -> None:
    """Print lines to the error output, in red."""
    for line in lines:
        errors.print(line, style="red")
