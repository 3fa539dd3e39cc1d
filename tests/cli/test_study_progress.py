"""A study's progress fits the terminal, and where there is none, it is a line a trial."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from topopt.cli import study_progress
from topopt.study.progress import Progress, Running

RUNNING = tuple(Running(f"mbb-number-{k}--survival-gate--perturbed-1", 10 * k, 400) for k in range(12))


def test_lines_fit_the_terminal() -> None:
    shown = study_progress.lines(Progress(40, 3, 1, RUNNING), 500.0, width=60, height=8)
    assert shown[0] == "3/40 trials  1 failed  about 8 min left"
    assert shown[-1] == "  ... and 6 more"
    assert len(shown) == 8
    assert max(map(len, shown)) <= 60
    assert shown[2].endswith("10/400")


def test_without_a_budget_iterations_are_counted() -> None:
    assert study_progress.lines(Progress(2, 0, 0, (Running("a", 7),)))[1] == "  a     7 iterations"


def test_without_a_terminal_there_is_a_line_when_a_trial_has_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.StringIO()
    monkeypatch.setattr(study_progress, "console", Console(file=out))
    with study_progress.watcher(quiet=False) as shown:
        for done in (0, 0, 1, 1, 2):
            shown.show(Progress(2, done))
    assert out.getvalue().splitlines() == ["0/2 trials", "1/2 trials", "2/2 trials"]


def test_on_a_terminal_the_lines_are_rewritten_and_leave(monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.StringIO()
    monkeypatch.setattr(study_progress, "console", Console(file=out, force_terminal=True, width=60, height=6))
    with study_progress.watcher(quiet=False) as shown:
        shown.show(Progress(40, 3, 1, RUNNING))
        shown.show(Progress(40, 4, 1, RUNNING))
    assert "4/40 trials  1 failed" in out.getvalue()
    assert out.getvalue().endswith("\x1b[2K")


def test_nothing_is_shown_of_a_quiet_study(capsys: pytest.CaptureFixture[str]) -> None:
    with study_progress.watcher(quiet=True) as shown:
        shown.show(Progress(2, 1))
        shown.say("a sentence")
    assert capsys.readouterr() == ("", "")
