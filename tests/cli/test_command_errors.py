"""Wrong words on the command line: one clear message on the error output, code 2, no traceback."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import pytest

from topopt.cli.terminal import exit_code, guarded
from topopt.errors import (
    InputError,
    MissingDependencyError,
    NumericalError,
    RunFolderError,
    SingularSystemError,
    TooLargeError,
)

CASES = [
    (("rum", "x"), "No such command 'rum'. Did you mean 'run', 'resume'?"),
    (("run",), "Missing argument 'FILE'"),
    (("run", "problem.yaml", "--sett", "x"), "No such option: --sett"),
    (("run", "problem.yaml", "-q", "--json"), "--quiet and --json exclude each other"),
    (("new", "x.yaml", "-d", "4"), "'--dimensions'"),
    (("run", "problm.yaml"), "problm.yaml: there is no such file; did you mean 'problem.yaml'?"),
    (("check", "problem"), "problem: there is no such file; did you mean 'problem.yaml'?"),
    (("run", "nowhere/x.yaml"), "nowhere/x.yaml: there is no such file; `topopt new` writes one"),
    (("run", "."), ". is a folder; did you mean problem.yaml?"),
    (("check", "results"), "results is a folder, and there is no .yaml file in it"),
    (("run", "results/old"), "results/old is a run folder: go on with it by `topopt resume results/old`"),
    (("resume", "problem.yaml"), "problem.yaml is a file; give the folder of a run, such as results/problem"),
    (("plot", "results"), "results is no run folder (no run.json in it); the runs there: results/old"),
    (("resume", "results/odl"), "results/odl does not exist; the runs there: results/old"),
    (("plot", "empty/x"), "empty/x does not exist; `topopt run FILE` makes one"),
    (("resume", "results/old"), "results/old/run.json: damaged"),
    (("run", "problem.yaml", "--name", "a/b"), "name: expected a plain name for the run folder"),
    (("run", "problem.yaml", "--results", "problem.yaml"), "problem.yaml/problem: cannot be made"),
]


@pytest.mark.parametrize(("words", "text"), CASES, ids=[" ".join(words) for words, _ in CASES])
def test_one_message_and_code_2(words: tuple[str, ...], text: str, topopt: Any, problem: Path) -> None:
    Path("results/old").mkdir(parents=True)
    Path("results/old/run.json").write_text("{")
    result = topopt(*words)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert text in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (InputError("x"), 2),
        (RunFolderError("x"), 2),
        (MissingDependencyError("x"), 2),
        (NumericalError("x"), 4),
        (SingularSystemError("x"), 4),
        (TooLargeError("x"), 5),
        (MemoryError("x"), 5),
        (PermissionError(errno.EACCES, "Permission denied", "x"), 2),
        (KeyboardInterrupt(), 130),
    ],
)
def test_codes(error: BaseException, code: int, capsys: pytest.CaptureFixture[str]) -> None:
    @guarded
    def command() -> int:
        raise error

    assert command() == code
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1


def test_notes_follow_the_message(capsys: pytest.CaptureFixture[str]) -> None:
    @guarded
    def command() -> int:
        error = NumericalError("'physical' gave nan [red]")
        error.add_note("while running link 'physical' (Tanh) :smile:")
        raise error

    assert command() == exit_code(NumericalError("x"))
    said = "'physical' gave nan [red]\n  while running link 'physical' (Tanh) :smile:\n"
    assert capsys.readouterr().err == said


@pytest.mark.parametrize("error", [ValueError("a bug"), OSError("no number, no file"), KeyError("x")])
def test_bugs_are_not_swallowed(error: Exception) -> None:
    @guarded
    def command() -> int:
        raise error

    with pytest.raises(type(error), match=str(error)):
        command()
