"""`topopt run`: what it leaves, what it says, how it is stopped."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from topopt.cli import running
from topopt.errors import NumericalError
from topopt.files.status import read_status

FIGURES = {"convergence.png", "densities.png", "design.gif", "design.png", "problem.png", "vanishing.png"}
ENDLESS = ("--no-figures", "--set", "grid.cells=[40,20]", "--set", "stop={change: 0, iterations: 1000000}")


def test_a_run_leaves_everything_and_says_where(topopt: Any, problem: Path, small: Any) -> None:
    result = topopt("run", problem, *small)
    assert result.exit_code == 0
    assert result.stderr == ""
    left = {path.name for path in Path("results/problem").iterdir()}
    assert left >= FIGURES | {"design.npz", "design.vti", "design.svg", "diagnosis.txt", "history.csv"}
    said = result.stdout.splitlines()
    places = [
        next(i for i, line in enumerate(said) if line.startswith(start))
        for start in (
            "cholmod",
            "preparing",
            "3/3",
            "After 3 iterations",
            "drawing the figures",
            "The results",
        )
        if start != "cholmod" or said[0].startswith("cholmod")
    ]
    assert places == sorted(places)
    assert said[-1] == "The results are in results/problem/"
    assert Path("results/problem/diagnosis.txt").read_text() in result.stdout


def test_lines_in_a_file_are_whole(
    topopt: Any, problem: Path, quick: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    lines = topopt("run", problem, *quick).stdout.splitlines()
    (last,) = (line for line in lines if line.startswith("3/3"))
    assert "survival" in last
    assert "change" in last
    assert "\x1b" not in "".join(lines)


def test_two_runs_get_two_folders_unless_told_otherwise(topopt: Any, finished: Path, quick: Any) -> None:
    again = topopt("run", "problem.yaml", *quick)
    assert f"{finished} is taken; the results go to results/problem-2" in again.stdout
    (finished / "mine.txt").write_text("a user's own")
    over = topopt("run", "problem.yaml", *quick, "--overwrite")
    assert "files that no run wrote are kept: mine.txt" in over.stdout
    assert {path.name for path in Path("results").iterdir()} == {"problem", "problem-2"}
    named = topopt("run", "problem.yaml", *quick, "--name", "other", "--results", "elsewhere")
    assert "elsewhere/other/" in named.stdout


def test_quiet_prints_the_folder_alone(topopt: Any, finished: Path, quick: Any) -> None:
    result = topopt("run", "problem.yaml", *quick, "--quiet")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "results/problem-2\n", "")


def test_json_lines_and_nothing_else_on_stdout(topopt: Any, problem: Path, quick: Any) -> None:
    result = topopt("run", problem, *quick, "--json")
    records = [json.loads(line) for line in result.stdout.splitlines()]
    assert [record["iteration"] for record in records] == [1, 2, 3]
    assert [record["reason"] is None for record in records] == [True, True, False]
    assert records[0]["parameters.physical.beta"] == 1.0
    assert records[0]["measures.interface"] is None, "no edge yet: infinite, which JSON cannot say"
    assert "The results are in results/problem/" in result.stderr
    assert "preparing" in result.stderr


def test_a_violated_limit_has_its_own_code(topopt: Any, problem: Path, quick: Any) -> None:
    words = (*quick, "--set", "stop.iterations=1", "--set", "start=0.9")
    result = topopt("run", problem, *words)
    assert result.exit_code == running.VIOLATED == 3
    assert "The results are in results/problem/" in result.stdout


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (NumericalError("'physical' gave 3 entries"), 4, "'physical' gave 3 entries\n"),
        (MemoryError("1 TB"), 5, "out of memory (1 TB); choose a coarser grid\n"),
        (OSError(28, "No space left on device", "x/y.png"), 2, "x/y.png: No space left on device\n"),
    ],
)
def test_what_fails_on_the_way_leaves_a_run_to_go_on_with(
    error: Exception,
    code: int,
    text: str,
    topopt: Any,
    problem: Path,
    quick: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def failing(*_: object) -> None:
        raise error

    monkeypatch.setattr(running, "_last", failing)
    result = topopt("run", problem, *quick)
    assert (result.exit_code, result.stderr) == (code, text)
    status = read_status(Path("results/problem"))
    assert status.state == "interrupted"
    assert type(error).__name__ in status.reason


def test_a_bug_shows_its_traceback(
    topopt: Any, problem: Path, quick: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wrong(*_: object) -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(running, "_last", wrong)
    with pytest.raises(ZeroDivisionError, match="a bug"):
        topopt("run", problem, *quick)


def test_ctrl_c_while_drawing_leaves_a_finished_run(
    topopt: Any, problem: Path, small: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(running, "draw", interrupted)
    result = topopt("run", problem, *small)
    assert result.exit_code == 130
    assert "After 3 iterations" in result.stdout
    assert result.stderr == (
        "interrupted; the run is finished, draw its figures with:\n  topopt plot results/problem\n"
    )
    assert read_status(Path("results/problem")).state == "finished"
    assert Path("results/problem/design.npz").is_file()


def started(program: Any, surroundings: Any, *words: str) -> subprocess.Popen[str]:
    """Start the program and wait until it has some iterations on record."""
    child = subprocess.Popen(
        [*program, "run", "problem.yaml", *ENDLESS, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=surroundings,
    )
    table, deadline = Path("results/problem/history.csv"), time.monotonic() + 60
    while child.poll() is None and time.monotonic() < deadline:
        if table.is_file() and table.read_bytes().count(b"\n") > 4:
            return child
        time.sleep(0.01)
    child.kill()
    raise AssertionError(child.communicate())


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="Windows knows no signals between processes")
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGKILL"])
def test_stopped_by_a_signal_and_resumed_to_the_same_digits(
    name: str, topopt: Any, problem: Path, program: Any, surroundings: Any
) -> None:
    child = started(program, surroundings)
    child.send_signal(getattr(signal, name))
    _, complaint = child.communicate(timeout=30)
    status = read_status(Path("results/problem"))
    assert status.state == "interrupted"
    if name == "SIGKILL":
        assert child.returncode == -signal.SIGKILL
        done = Path("results/problem/history.csv").read_bytes().count(b"\n") - 1
    else:
        assert child.returncode == 130
        done = status.iterations
        expected = "stopping after this iteration (again: at once)\n"
        expected += f"interrupted after iteration {done}; go on with:\n  topopt resume results/problem\n"
        assert complaint == expected

    budget = str(done + 3)
    assert topopt("resume", "results/problem", "--iterations", budget, "--no-figures").exit_code == 0
    unbroken = (*ENDLESS, "--set", f"stop.iterations={budget}", "--name", "unbroken")
    assert topopt("run", problem, *unbroken).exit_code == 0
    with np.load("results/unbroken/design.npz") as whole, np.load("results/problem/design.npz") as resumed:
        assert np.array_equal(whole["x"], resumed["x"])
        assert np.array_equal(whole["density"], resumed["density"])
    tables = [Path(f"results/{name}/vanishing.csv").read_bytes() for name in ("unbroken", "problem")]
    assert tables[0] == tables[1]


@pytest.mark.skipif(not hasattr(signal, "SIGPIPE"), reason="Windows has no such pipes")
@pytest.mark.parametrize("words", [("--set", "stop.iterations=1000"), ("--json",)])
def test_a_reader_that_leaves_interrupts_without_a_traceback(
    words: tuple[str, ...], problem: Path, program: Any, surroundings: Any
) -> None:
    child = started(program, surroundings, *words)
    assert child.stdout is not None
    assert child.stderr is not None
    child.stdout.close()
    complaint = child.stderr.read()
    child.stderr.close()
    assert child.wait(timeout=30) == 130
    assert complaint.endswith("go on with:\n  topopt resume results/problem\n")
    assert "Traceback" not in complaint
    assert "BrokenPipe" not in complaint
