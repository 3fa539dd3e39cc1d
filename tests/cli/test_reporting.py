"""What a terminal, a file and a script get to see of a run."""

from __future__ import annotations

import dataclasses
import io
import json
import math
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from topopt.cli import reporting, terminal
from topopt.cli.progress import duration, progress_line
from topopt.cli.reporting import JsonReporter, LiveReporter, QuietReporter, reporter
from topopt.files import read
from topopt.run import Step, optimize

ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\r")


@pytest.fixture
def steps(problem: Path) -> list[Step]:
    job = read(problem, ["grid.cells=[40,20]", "stop.iterations=3"])
    return list(optimize(job.problem, job.optimizer, job.continuation, job.stop))


def changed(step: Step, **changes: Any) -> Step:
    """Return the step with another log entry."""
    return dataclasses.replace(step, iteration=dataclasses.replace(step.iteration, **changes))


class Window(io.StringIO):
    """A terminal of some width."""

    def isatty(self) -> bool:
        return True


def window(monkeypatch: pytest.MonkeyPatch, width: int) -> Window:
    """Let the program write to a terminal of some width."""
    file = Window()
    console = type(terminal.console)(
        file=file, force_terminal=True, width=width, soft_wrap=True, emoji=False, highlight=False
    )
    monkeypatch.setattr(terminal, "console", console)
    monkeypatch.setattr(reporting, "console", console)
    monkeypatch.setattr(reporting, "REFRESH", 0.0)
    return file


def test_the_line(steps: list[Step]) -> None:
    line = progress_line(steps[1], 120, remaining=75.2)
    number = r"[-+.\de]+"
    assert re.fullmatch(
        rf"  2/120  objective {number}  volume 0\.3\d{{3}}  beta 1\.005  penal 1\.014  M_nd \d\d\.\d %"
        rf"  survival {number} *  change 0\.20  at most 76 s left",
        line,
    )
    assert "left" not in progress_line(steps[-1], 3, remaining=0.0), "the last one has nothing left"


def test_the_line_fits(steps: list[Step]) -> None:
    for width in range(8, 130):
        line = progress_line(steps[1], 120, 75.0, width)
        assert 0 < len(line) <= width
        kept = [part in line for part in ("objective", "beta", "volume", "M_nd", "survival", "change")]
        assert kept == sorted(kept, reverse=True), "the least important go first"


def test_parameters_of_one_name_keep_their_links(steps: list[Step]) -> None:
    both = changed(steps[0], parameters={"a.beta": 1.0, "b.beta": math.inf, "optimizer.move": 0.2})
    line = progress_line(both, 9)
    assert "a.beta 1.000  b.beta inf  move 0.2000" in line


def test_a_grey_design_is_100_percent_grey(steps: list[Step]) -> None:
    assert "M_nd 100.0 %" in progress_line(changed(steps[0], measures={"discreteness": 1.0}), 9)


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.0, "0 s"), (0.2, "1 s"), (89.5, "90 s"), (600.0, "10 min"), (9000.0, "2.5 h")]
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_modes() -> None:
    kinds = [type(reporter(mode, 9)) for mode in ("live", "quiet", "json")]
    assert kinds == [LiveReporter, QuietReporter, JsonReporter]


def test_json_has_null_for_what_it_cannot_say(steps: list[Step], capsys: pytest.CaptureFixture[str]) -> None:
    odd = changed(steps[0], objective=math.nan, change=math.inf, violation=-math.inf)
    with reporter("json", 9) as shown:
        shown.step(odd)
    record = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)
    assert [record[key] for key in ("objective", "change", "violation")] == [None, None, None]
    assert record["responses.volume"] == pytest.approx(steps[0].iteration.responses["volume"])


@pytest.mark.parametrize("width", [40, 80, 200])
def test_the_live_line_never_wraps(width: int, steps: list[Step], monkeypatch: pytest.MonkeyPatch) -> None:
    file = window(monkeypatch, width)
    with reporter("live", 100) as shown:
        shown.wait("preparing: " + "x" * 300)
        for step in steps[:-1]:
            shown.step(step)
    states = [ESCAPES.sub("", state) for state in file.getvalue().split("\x1b[2K")]
    assert len(states) >= 4
    assert all(len(line) <= width for state in states for line in state.splitlines())
    assert "  2/100  objective" in states[-1], "the last state stays"
    if width == 40:
        assert states[-1].strip() == progress_line(steps[1], 100, None, 40).strip(), (
            "whole parts, not half ones"
        )


def test_what_was_waited_for_is_wiped_away(steps: list[Step], monkeypatch: pytest.MonkeyPatch) -> None:
    file = window(monkeypatch, 80)
    with reporter("live", 3) as shown:
        for step in steps:
            shown.step(step)
        shown.wait("drawing the figures ...")
    assert file.getvalue().endswith("\x1b[?25h\r\x1b[1A\x1b[2K"), "cursor shown again, line erased"
    assert "3/3  objective" in file.getvalue()


def test_sentences_are_not_broken_within_words(monkeypatch: pytest.MonkeyPatch) -> None:
    file = window(monkeypatch, 30)
    terminal.say("The sensitivity was weakest at iteration twenty.\n\na/very/long/path/that/is/not/to/be/cut")
    assert file.getvalue() == (
        "The sensitivity was weakest at\niteration twenty.\n\na/very/long/path/that/is/not/to/be/cut\n"
    )


def test_an_alarm_is_explained_once(steps: list[Step], capsys: pytest.CaptureFixture[str]) -> None:
    with reporter("live", 3) as shown:
        for step in steps[:2]:
            shown.step(changed(step, alarms=("freeze",)))
    said = capsys.readouterr().out
    assert said.count("alarm 'freeze': more than 99 % of the sensitivities are dead") == 1


def test_a_file_gets_ten_lines_and_a_sign_of_life(
    steps: list[Step], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = 100.0
    monkeypatch.setattr(reporting.time, "monotonic", lambda: now)
    with reporter("live", 200) as shown:
        for number in range(1, 201):
            now += 40.0 if number == 50 else 0.1
            shown.step(changed(steps[0], number=number))
    numbers = [int(line.split("/")[0]) for line in capsys.readouterr().out.splitlines()]
    assert numbers == [1, 20, 40, 50, 60, 80, 100, 120, 140, 160, 180, 200]


def test_the_time_left_forgets_the_first_iteration(
    steps: list[Step], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = 100.0
    monkeypatch.setattr(reporting.time, "monotonic", lambda: now)
    with reporter("live", 10) as shown:
        shown.step(changed(steps[0], number=1, seconds={"evaluate": 9.0, "log": 1.0}))
        now += 2.0
        shown.step(changed(steps[0], number=2))
    first, second = capsys.readouterr().out.splitlines()
    assert first.endswith("at most 90 s left".replace("90 s", "2 min"))
    assert second.endswith("at most 16 s left")


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="Windows has no pseudo-terminals")
def test_on_a_terminal(problem: Path, quick: Any, program: Any, surroundings: Any) -> None:
    keeper, terminal_end = os.openpty()
    environment = surroundings | {"COLUMNS": "60", "TERM": "xterm", "NO_COLOR": "1"}
    child = subprocess.Popen([*program, "run", str(problem), *quick], stdout=terminal_end, env=environment)
    os.close(terminal_end)
    out = b""
    while True:
        try:
            chunk = os.read(keeper, 65536)
        except OSError:  # how Linux says that the other end was closed
            break
        if not chunk:
            break
        out += chunk
    os.close(keeper)
    assert child.wait(timeout=30) == 0
    text = out.decode()
    assert "preparing: " in text
    assert "3/3  objective" in text
    assert text.rstrip("\r\n").endswith("\x1b[2K")
    assert not re.search(r"\x1b\[[0-9;]*m", text), "no colour was asked for"
