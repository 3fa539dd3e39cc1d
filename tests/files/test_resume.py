"""A resumed run is the unbroken run, wherever it was cut."""

from __future__ import annotations

import collections
import contextlib
import io
import itertools
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from topopt.chain import Chain
from topopt.continuation import Continuation, Staircase
from topopt.errors import RunFolderError
from topopt.fem import PointLoad, Structure, Support
from topopt.files.folder import Recording, RunFolder
from topopt.files.status import read_status
from topopt.files.table import Table
from topopt.grid import Domain, Grid
from topopt.optimizers import MMA, OC
from topopt.problem import Problem
from topopt.regions import Plane, Point
from topopt.run import Stop
from topopt.stages import Compliance, Cone, Equilibrium, Mean, Simp, Tanh

EVERY = Recording(frames_every=1)


class Killed(BaseException):
    """Stands for SIGKILL: no handler of the package may catch it."""


class TornFile(io.FileIO):
    """A file whose writing process dies half way through, when its time has come."""

    countdown: Countdown

    def write(self, data: Any) -> int:
        if self.countdown.over():
            super().write(bytes(data)[: len(data) // 2])
            raise Killed
        return super().write(data)


class Countdown:
    """Counts what reaches the disk, and kills at a given count."""

    def __init__(self, events: int) -> None:
        self.events = events

    def over(self) -> bool:
        self.events -= 1
        return self.events == 0


@contextlib.contextmanager
def dying_after(events: int) -> Iterator[Countdown]:
    """Kill at the n-th write or rename: half way through a write, or just before a rename."""
    countdown, rename, plain = Countdown(events), os.replace, Path.open

    def replace(source: Any, target: Any) -> None:
        if countdown.over():
            raise Killed
        rename(source, target)

    def opened(path: Path, mode: str = "r", buffering: int = -1, **more: Any) -> Any:
        if buffering:
            return plain(path, mode, buffering, **more)
        file = TornFile(path, mode.replace("b", ""))
        file.countdown = countdown
        return file

    with mock.patch("os.replace", replace), mock.patch.object(Path, "open", opened):
        yield countdown


def finished(folder: RunFolder, run: tuple[Any, ...]) -> None:
    with folder:
        for step in folder.steps(*run):
            last = step
        folder.finish(last)


def test_killed_at_any_write_it_loses_one_iteration_at_most(
    cheap: Any, results: Any, optimizer: Any, tmp_path: Path
) -> None:
    run = cheap(optimizer=optimizer, iterations=4)
    finished(RunFolder.create(tmp_path / "unbroken", "run", recording=EVERY), run)
    expected = results(tmp_path / "unbroken" / "run")
    for events in itertools.count(1):
        folder = RunFolder.create(tmp_path / f"killed-{events}", "run", recording=EVERY)
        yielded = 0
        with dying_after(events) as countdown:
            try:
                for step in folder.steps(*run):
                    yielded = step.iteration.number
            except Killed:
                pass
        folder.close()
        if countdown.events > 0:
            break
        with RunFolder.open(folder.path) as again:
            assert len(again.history) - yielded in (0, 1)
        finished(RunFolder.open(folder.path), run)
        assert results(folder.path) == expected
    assert events > 4 * 6  # two tables; a frame and a checkpoint, each written and renamed


@settings(max_examples=10)
@given(cuts=st.lists(st.integers(1, 40), max_size=6))
def test_killed_again_and_again_it_still_ends_the_same(cheap: Any, results: Any, cuts: list[int]) -> None:
    run = cheap(iterations=7)
    with tempfile.TemporaryDirectory() as root:
        finished(RunFolder.create(Path(root, "unbroken"), "run"), run)
        RunFolder.create(Path(root, "broken"), "run").close()
        for events in cuts:
            folder = RunFolder.open(Path(root, "broken", "run"))
            with dying_after(events), contextlib.suppress(Killed):
                collections.deque(folder.steps(*run), maxlen=0)
            folder.close()
        finished(RunFolder.open(Path(root, "broken", "run")), run)
        assert results(Path(root, "broken", "run")) == results(Path(root, "unbroken", "run"))


@pytest.mark.parametrize("cut", range(1, 8))
def test_a_caller_who_stops_early_can_go_on(
    cheap: Any, results: Any, optimizer: Any, tmp_path: Path, cut: int
) -> None:
    run = cheap(optimizer=optimizer)
    finished(RunFolder.create(tmp_path / "unbroken", "run"), run)
    with RunFolder.create(tmp_path, "run") as folder:
        for step in folder.steps(*run):
            if step.iteration.number == cut:
                break
    assert folder.status().state == "interrupted"
    finished(RunFolder.open(folder.path), run)
    assert results(folder.path) == results(tmp_path / "unbroken" / "run")


def test_the_tables_are_those_of_the_history(cheap: Any, tmp_path: Path) -> None:
    with RunFolder.create(tmp_path, "run") as folder:
        for step in folder.steps(*cheap()):
            texts = (folder.path / "history.csv").read_text(), (folder.path / "vanishing.csv").read_text()
            assert texts == step.history.tables()


def test_a_run_killed_before_its_results_yields_its_last_step_again(cheap: Any, tmp_path: Path) -> None:
    run = cheap()
    with RunFolder.create(tmp_path, "run") as folder:
        *_, last = folder.steps(*run)
    with RunFolder.open(folder.path) as folder:
        (again,) = folder.steps(*run)
    assert again.reason == last.reason
    assert again.history == last.history
    assert again.evaluation.objective == last.evaluation.objective
    np.testing.assert_array_equal(again.x, last.x)
    np.testing.assert_array_equal(again.evaluation.output, last.evaluation.output)


def test_an_ended_run_goes_on_under_a_more_patient_rule(cheap: Any, tmp_path: Path) -> None:
    *run, _ = cheap()
    with RunFolder.create(tmp_path, "run") as folder:
        for _ in folder.steps(*run, Stop(change=0.0, iterations=5)):
            pass
    with RunFolder.open(folder.path) as folder:
        numbers = [step.iteration.number for step in folder.steps(*run, Stop(change=0.0, iterations=8))]
    assert numbers == [6, 7, 8]
    with RunFolder.create(tmp_path / "unbroken", "run") as unbroken:
        *_, last = unbroken.steps(*run, Stop(change=0.0, iterations=8))
    assert [it.objective for it in folder.history] == [it.objective for it in last.history]


def test_another_optimiser_is_refused(cheap: Any, tmp_path: Path) -> None:
    with RunFolder.create(tmp_path, "run") as folder:
        next(iter(folder.steps(*cheap(optimizer=OC()))))
    with (
        RunFolder.open(folder.path) as folder,
        pytest.raises(RunFolderError, match=r"OCState, but MMA keeps a"),
    ):
        folder.snapshot(MMA())


def test_a_step_that_does_not_follow_is_refused(cheap: Any, tmp_path: Path) -> None:
    with RunFolder.create(tmp_path, "run") as folder:
        first = next(iter(folder.steps(*cheap())))
        with pytest.raises(RunFolderError, match=r"iteration 1 does not follow the 1 on record"):
            folder.record(first)


def test_after_a_record_cut_short_the_folder_wants_to_be_opened_again(cheap: Any, tmp_path: Path) -> None:
    with RunFolder.create(tmp_path, "run") as folder:
        steps = folder.steps(*cheap())
        with dying_after(3), contextlib.suppress(Killed):
            next(steps)
        (tmp_path / "run" / "history.csv").unlink()
        run = cheap()
        with pytest.raises(RunFolderError, match="cut short; open the folder again"):
            next(folder.steps(*run))


def test_columns_that_turn_up_late_do_not_shift_the_others(tmp_path: Path) -> None:
    table = Table(tmp_path / "t.csv")
    rows = [{"number": "1", "b": "2.5"}, {"number": "2", "b": "3.5", "c": "x,y"}, {"number": "3", "c": "z"}]
    for row in rows:
        table.append([row])
    assert (tmp_path / "t.csv").read_text() == 'number,b,c\n1,2.5,\n2,3.5,"x,y"\n3,,z\n'
    Table(tmp_path / "t.csv").append([{"number": "4", "b": "1.0"}])
    assert (tmp_path / "t.csv").read_text().endswith("3,,z\n4,1.0,\n")


CHILD = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from test_resume import beam
from topopt.files.folder import RunFolder
path, cut = Path(sys.argv[2]), int(sys.argv[3])
folder = RunFolder.open(path) if path.exists() else RunFolder.create(path.parent, path.name)
with folder:
    for step in folder.steps(*beam()):
        if step.iteration.number == cut:
            break
    folder.finish(step)
"""


def beam() -> tuple[Any, ...]:
    """Return half of an MBB beam, 60 by 20 cells."""
    grid = Grid((60, 20), (3.0, 1.0))
    structure = Structure(
        grid,
        supports=(Support(Plane(x=0.0), "x"), Support(Point((3.0, 0.0)), "y")),
        loads=(PointLoad(Point((0.0, 1.0)), (0.0, -1.0)),),
    )
    links = [
        ("filtered", Cone(Domain(grid), 0.12)),
        ("physical", Tanh(1.0)),
        ("stiffness", Simp()),
        ("displacement", Equilibrium(structure)),
        ("compliance", Compliance(structure)),
        ("volume", Mean(grid), "physical"),
    ]
    problem = Problem(Chain(links), grid, "compliance", {"volume": 0.5})
    return problem, MMA(), Continuation({"physical.beta": Staircase(1.0, 8.0, every=4)}), Stop(iterations=12)


def test_a_beam_interrupted_twice_and_resumed_in_new_processes(results: Any, tmp_path: Path) -> None:
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1"}
    for name, cuts in [("unbroken", [99]), ("broken", [1, 5, 10, 99])]:
        for cut in cuts:
            arguments = [str(Path(__file__).parent), str(tmp_path / name / "run"), str(cut)]
            subprocess.run(
                [sys.executable, "-c", CHILD, *arguments], check=True, env=environment, timeout=120
            )
        assert read_status(tmp_path / name / "run").state == "finished"
    assert results(tmp_path / "broken" / "run") == results(tmp_path / "unbroken" / "run")
