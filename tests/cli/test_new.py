"""`topopt new`: what it writes can be checked and run at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from topopt.files import read

SMALL = {
    2: ("--set", "grid.cells=[40,20]"),
    3: ("--set", "grid.cells=[12,6,4]", "--set", "chain.filtered.radius=0.3"),
}


@pytest.mark.parametrize("dimensions", [2, 3])
def test_a_starter_file_runs_and_its_gradients_are_true(dimensions: int, topopt: Any) -> None:
    result = topopt("new", "start.yaml", "--dimensions", dimensions)
    assert (result.exit_code, result.stdout) == (0, "wrote start.yaml; now: topopt check start.yaml\n")
    job = read("start.yaml")
    assert (job.name, job.problem.grid.ndim, job.warnings) == ("start", dimensions, ())
    checked = topopt("check", "start.yaml", *SMALL[dimensions])
    assert checked.exit_code == 0, checked.output
    assert checked.stdout.count("  ok  ") == 6
    words = ("--set", "stop.iterations=2", "--no-figures", "--quiet")
    assert topopt("run", "start.yaml", *SMALL[dimensions], *words).exit_code == 0


def test_the_default_name_and_the_commands_in_the_file(topopt: Any) -> None:
    topopt("new")
    assert "`topopt run problem.yaml`" in Path("problem.yaml").read_text()
    topopt("new", "my FILE of NAME.yaml")
    text = Path("my FILE of NAME.yaml").read_text()
    assert "`topopt run 'my FILE of NAME.yaml'`" in text
    assert read("my FILE of NAME.yaml").name == "my_FILE_of_NAME"


@pytest.mark.parametrize(
    ("stem", "name"),
    [("12", "12"), ("true", "true"), ("brücke", "brücke"), ("-", "problem"), (".a b", "a_b")],
)
def test_every_file_name_gives_a_valid_problem(stem: str, name: str, topopt: Any) -> None:
    assert topopt("new", "--", f"{stem}.yaml").exit_code == 0
    assert read(f"{stem}.yaml").name == name


def test_nothing_is_overwritten(topopt: Any) -> None:
    Path("mine.yaml").write_text("precious")
    for path in ("mine.yaml", "."):
        result = topopt("new", path)
        assert (result.exit_code, result.stderr) == (2, f"{path} exists already; choose another name\n")
    assert Path("mine.yaml").read_text() == "precious"


def test_a_folder_that_is_missing(topopt: Any) -> None:
    result = topopt("new", "sub/x.yaml")
    assert (result.exit_code, result.stderr) == (2, "sub/x.yaml: there is no folder sub; make it first\n")
