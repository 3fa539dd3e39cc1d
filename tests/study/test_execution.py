"""Many trials at once, on processes and on a real Dask cluster: a kill costs one iteration and no trial."""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import re
import signal
import sys
import threading
import time
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.study.springs import Listening, Rounded, Springs, evaluations, exact, rising
from topopt.continuation import Continuation
from topopt.errors import InputError, MissingDependencyError, RunFolderError
from topopt.files.lock import Lock, is_locked
from topopt.files.reading import read_history
from topopt.study.archive import read_outcome
from topopt.study.execution import carry_out
from topopt.study.outcome import Outcome
from topopt.study.progress import Progress
from topopt.study.starts import Starts
from topopt.study.study import Study
from topopt.study.task import performed, stored, task_of

needs_kill = pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="only Unix has SIGKILL")
BUDGET = 16


def study(folder: Path, pause: float = 0.0, n: int = 3) -> Study:
    """Return a study of so many rows of springs under two continuations; the last row breaks under one."""
    names = [f"s{k}" for k in range(n)]
    problems = {
        name: Springs(str(folder / "log"), name, pause, breaks_at=1.08 if name == names[-1] else 2.0)
        for name in names
    }
    continuations = {"fixed": Continuation(), "rising": rising()}
    return Study(problems, continuations, Starts(perturbed=0), budget=BUDGET, yardstick=Rounded())


def compared(outcomes: list[Outcome]) -> list[dict[str, Any]]:
    """Return what must be the same however the work was shared."""
    return [exact(outcome) for outcome in outcomes]


class Killer:
    """Kills the process that has a trial far enough, so many times, and remembers which trials these were."""

    def __init__(self, folder: Path, kills: int = 1, only: str = "", done: int = 1) -> None:
        self.said: list[str] = []
        self.killed: list[str] = []
        self._processes: set[int] = set()
        self._folder, self._kills, self._only, self._done = folder, kills, only, done

    def show(self, progress: Progress) -> None:
        for running in progress.running:
            enough = progress.done >= self._done and running.iteration >= 5 and self._only in running.slug
            process = holder(self._folder / "trials" / running.slug) if enough else None
            if process and process not in self._processes and len(self.killed) < self._kills:
                os.kill(process, signal.SIGKILL)
                self._processes.add(process)
                self.killed.append(running.slug)

    def say(self, sentence: str) -> None:
        self.said.append(sentence)


class Impatient(Killer):
    """Presses Ctrl-C when the first trial has ended and another is on its way."""

    def show(self, progress: Progress) -> None:
        if progress.done and any(running.iteration >= 2 for running in progress.running):
            raise KeyboardInterrupt("pressed")


def holder(folder: Path) -> int | None:
    """Return the process that holds a folder; None while it changes hands."""
    found = re.match(r"process (\d+) on", (folder / "lock").read_text())
    return int(found[1]) if found else None


def released(folder: Path) -> bool:
    """Wait until nobody works in a study any more; return whether that came to be."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if not any(is_locked(trial) for trial in (folder / "trials").iterdir()):
            return True
        time.sleep(0.1)
    return False


def wasted(log: Path) -> dict[str, int]:
    """Return how many evaluations of each row of springs were not needed."""
    needed = {"s0": 2 * BUDGET, "s1": 2 * BUDGET, "s2": BUDGET + 7}
    return {name: count - needed[name] for name, count in evaluations(log).items()}


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("topopt.study.execution.OFTEN", 0.05)


def test_several_processes_give_what_one_gives(tmp_path: Path) -> None:
    one = study(tmp_path).run(tmp_path / "one", jobs=1)
    (tmp_path / "log").unlink()
    several = study(tmp_path).run(tmp_path / "several", jobs=2)
    assert compared(several) == compared(one)
    assert [outcome.failed for outcome in several] == [False, False, False, False, False, True]
    assert evaluations(tmp_path / "log") == {"s0": 32, "s1": 32, "s2": 16 + 7}
    assert sorted(path.name for path in (tmp_path / "several").iterdir()) == ["lock", "trials"]


@needs_kill
@pytest.mark.usefixtures("often")
def test_a_killed_process_costs_one_iteration(tmp_path: Path) -> None:
    killer = Killer(tmp_path / "study")
    outcomes = study(tmp_path, pause=0.05).run(tmp_path / "study", jobs=2, progress=killer)
    assert len(killer.killed) == 1
    assert killer.said == [
        "a process was killed, most likely because the machine ran out of memory: going on with 1 at a time"
    ]
    # The other one at work is stopped, too: all processes are started anew.
    assert sum(wasted(tmp_path / "log").values()) <= 2
    assert compared(outcomes) == compared(study(tmp_path).run(tmp_path / "unbroken", jobs=1))


@needs_kill
@pytest.mark.usefixtures("often")
def test_a_trial_that_the_last_process_dies_of_is_a_row_and_tried_again(tmp_path: Path) -> None:
    whole = study(tmp_path, pause=0.03, n=1)
    killer = Killer(tmp_path / "study", kills=9, only="fixed", done=0)
    fixed, rising = whole.run(tmp_path / "study", jobs=2, progress=killer)
    assert len(killer.killed) == 2
    assert fixed.reason == (
        "MemoryError: its process was killed, most likely because the machine ran out of memory"
    )
    assert rising.reason == "power 1.1025 is too much"
    fixed, rising = whole.run(tmp_path / "study", jobs=1)
    assert not fixed.failed
    assert rising.failed


@pytest.mark.usefixtures("often")
def test_ctrl_c_stops_the_processes_and_keeps_everything(tmp_path: Path) -> None:
    impatient = Impatient(tmp_path / "study")
    with pytest.raises(KeyboardInterrupt, match="pressed"):
        study(tmp_path, pause=0.05).run(tmp_path / "study", jobs=2, progress=impatient)
    assert re.match(r"interrupted: [1-5] of 6 trials have ended; the study goes on where", impatient.said[-1])
    assert released(tmp_path / "study")
    before = evaluations(tmp_path / "log")
    assert before.total() < 87
    study(tmp_path, pause=0.05).run(tmp_path / "study", jobs=1)
    assert 0 <= sum(wasted(tmp_path / "log").values()) <= 2, (
        "more than the iterations at work were done twice"
    )


class Pressed(Killer):
    """Presses Ctrl-C as soon as so many trials have ended and others are on their way."""

    def show(self, progress: Progress) -> None:
        if progress.done >= self._done and any(running.iteration >= 2 for running in progress.running):
            raise KeyboardInterrupt("pressed")


@pytest.mark.usefixtures("often")
@pytest.mark.parametrize("done", [0, 2])
def test_ctrl_c_with_many_trials_waiting_leaves_no_traceback(tmp_path: Path, done: int) -> None:
    many = study(tmp_path, pause=0.05, n=6)
    with pytest.raises(KeyboardInterrupt, match="pressed"):
        many.run(tmp_path / "study", jobs=2, progress=Pressed(tmp_path / "study", done=done))
    assert released(tmp_path / "study")
    assert evaluations(tmp_path / "log").total() <= (done + 2) * BUDGET, "they went on"


@pytest.mark.skipif(not hasattr(signal, "pthread_sigmask"), reason="Windows has no masks")
def test_processes_never_hear_of_ctrl_c(tmp_path: Path) -> None:
    if not Path("/proc/self/status").is_file():
        pytest.skip("only Linux tells which signals a process has blocked")
    model = Listening(name=str(tmp_path / "blocked"))
    Study({"p": model}, {"c": Continuation()}, Starts(perturbed=0), budget=1, yardstick=Rounded()).run(
        tmp_path / "study", jobs=2
    )
    assert int((tmp_path / "blocked").read_text(), 16) & 1 << signal.SIGINT - 1
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, ())


def test_two_studies_never_share_a_folder(tmp_path: Path) -> None:
    lock = Lock(tmp_path)
    with pytest.raises(RunFolderError, match="in use by another process"):
        study(tmp_path).run(tmp_path, jobs=1)
    lock.release()
    (tmp_path / "file").touch()
    with pytest.raises(RunFolderError, match="file: cannot be made"):
        study(tmp_path).run(tmp_path / "file", jobs=1)


def test_a_folder_that_another_process_still_writes_to_is_waited_for(tmp_path: Path) -> None:
    trial = study(tmp_path).trials()[0]
    with contextlib.ExitStack() as stack:
        (tmp_path / "trials" / trial.slug).mkdir(parents=True)
        lock = Lock(tmp_path / "trials" / trial.slug)
        timer = threading.Timer(0.5, lock.release)
        stack.callback(timer.join)
        timer.start()
        (outcome,) = carry_out([trial], tmp_path, jobs=1)
    assert not outcome.failed


@pytest.mark.parametrize(
    ("file", "text", "why"),
    [
        ("outcome.json", '{"problem": "s0", "cra', "damaged: Unterminated string"),
        ("outcome.json", "[]", "damaged: no object in it"),
        ("outcome.json", '{"limits": [{"response": "peak"}]}', "damaged: limits: KeyError('bound')"),
        ("outcome.json", None, "damaged: settled: expected bool, got 'yes'"),
        ("trial.json", '{"fingerprint": 3}', "damaged: fingerprint: expected text, got 3"),
        ("trial.json", "", "damaged: Expecting value"),
        ("judgements.csv", "iteration,solves\n4,4\n", "damaged: 'value'"),
        ("history.csv", "number,objective\n1,one\n", "history.csv or vanishing.csv is damaged"),
        ("design.npz", "PK", "damaged"),
    ],
)
def test_a_damaged_trial_is_named_and_computed_again(
    tmp_path: Path, file: str, text: str | None, why: str
) -> None:
    whole = study(tmp_path, n=1)
    before = whole.run(tmp_path / "study", jobs=1)
    damaged = tmp_path / "study" / before[0].folder / file
    if text is None:
        text = json.dumps(json.loads(damaged.read_text()) | {"settled": "yes"})
    damaged.write_text(text)
    watcher = Killer(tmp_path / "study", kills=0)
    (tmp_path / "log").unlink()
    assert compared(whole.run(tmp_path / "study", jobs=1, progress=watcher)) == compared(before)
    assert evaluations(tmp_path / "log") == {"s0": BUDGET}, "the damaged trial alone is computed again"
    said, kept = watcher.said
    assert said.startswith(f"{Path(before[0].folder).name}: ")
    assert why in said
    assert said.endswith("; it is computed anew")
    assert kept == "1 of 2 trials have ended already; they are not repeated"


def test_where_the_folder_is_not_seen_the_trial_travels_back(tmp_path: Path) -> None:
    trial = study(tmp_path).trials()[0]
    here = tmp_path / "here"
    here.mkdir()
    delivery = performed(task_of(trial, here, "a place that is not there"))
    assert list(here.iterdir()) == []
    assert delivery.files
    (here / "trials" / trial.slug).mkdir(parents=True)
    outcome = stored(delivery, here / "trials" / trial.slug)
    read = read_outcome(here / "trials" / trial.slug)
    assert read is not None
    assert exact(read) == exact(outcome)
    assert len(list((here / "trials" / trial.slug / "frames").iterdir())) == 4
    assert carry_out([trial], here, jobs=1)[0].reason == outcome.reason
    assert evaluations(tmp_path / "log") == {"s0": BUDGET}


def test_a_module_from_beside_a_problem_file_is_found_by_workers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "beside.py").write_text(
        "from tests.study.springs import Springs\nclass Mine(Springs): pass\n"
    )
    with monkeypatch.context() as patch:
        patch.syspath_prepend(tmp_path)
        mine = importlib.import_module("beside").Mine()
    try:
        whole = Study(
            {"mine": mine}, {"fixed": Continuation()}, Starts(perturbed=0), yardstick=Rounded(), budget=3
        )
        assert task_of(whole.trials()[0], tmp_path, "").paths == (str(tmp_path),)
        (outcome,) = whole.run(tmp_path / "study", jobs=2)
        assert outcome.reason.startswith("budget: 3 of 3")
    finally:
        del sys.modules["beside"]


def test_the_script_has_two_names_and_is_no_module_beside_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    script = types.ModuleType("__main__")
    script.__file__ = "/somewhere/script.py"
    monkeypatch.setitem(sys.modules, "__main__", script)
    monkeypatch.setitem(sys.modules, "__mp_main__", script)
    assert task_of(study(Path("here")).trials()[0], Path("here"), "").paths == ()


def test_what_cannot_be_pickled_is_refused_at_once(tmp_path: Path) -> None:
    broken = Study({"p": Springs(name=(_ for _ in ()))}, {"c": Continuation()}, Starts(perturbed=0))  # type: ignore[arg-type]
    with pytest.raises(InputError, match="a generator cannot be pickled"):
        broken.run(tmp_path, jobs=1)


def test_without_dask_it_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(MissingDependencyError, match=r"is not installed: pip install 'topopt\[dask\]'$"):
        study(tmp_path).run(tmp_path / "study", scheduler="tcp://127.0.0.1:1")
    assert not (tmp_path / "study").exists()


def test_a_scheduler_that_is_not_there_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("topopt.study.cluster.CONNECT", 0.3)
    with pytest.raises(
        InputError, match=r"no Dask scheduler answers at tcp://127.0.0.1:1: .*`dask scheduler`"
    ):
        study(tmp_path).run(tmp_path / "study", scheduler="tcp://127.0.0.1:1")


@pytest.fixture(scope="module")
def scheduler() -> Iterator[str]:
    """Start two workers, each a process."""
    from distributed import LocalCluster

    with LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0", host="127.0.0.1"
    ) as started:
        yield started.scheduler_address


@needs_kill
@pytest.mark.usefixtures("often")
def test_a_killed_worker_of_a_cluster_costs_one_iteration_and_no_trial(
    tmp_path: Path, scheduler: str
) -> None:
    killer = Killer(tmp_path / "study")
    outcomes = study(tmp_path, pause=0.05).run(tmp_path / "study", scheduler=scheduler, progress=killer)
    (killed,) = killer.killed
    waste = wasted(tmp_path / "log")
    assert compared(outcomes) == compared(study(tmp_path).run(tmp_path / "unbroken", jobs=1))
    assert 0 <= waste.pop(killed[:2]) <= 1, "more than the iteration at work was done twice"
    assert set(waste.values()) == {0}, "what had ended was done twice"


@pytest.mark.usefixtures("often")
def test_ctrl_c_stops_the_workers_of_a_cluster(tmp_path: Path, scheduler: str) -> None:
    impatient = Impatient(tmp_path / "study")
    with pytest.raises(KeyboardInterrupt, match="pressed"):
        study(tmp_path, pause=0.15).run(tmp_path / "study", scheduler=scheduler, progress=impatient)
    assert released(tmp_path / "study"), "the workers go on"
    assert evaluations(tmp_path / "log").total() < 80
    outcomes = study(tmp_path, pause=0.15).run(tmp_path / "study", jobs=2)
    assert [outcome.failed for outcome in outcomes] == [False] * 5 + [True]
    assert set(wasted(tmp_path / "log").values()) == {0}


def test_workers_that_do_not_see_the_folder_send_it_back(
    tmp_path: Path, scheduler: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("topopt.study.execution.write_text", lambda path, text: None)  # no place to be seen
    outcomes = study(tmp_path, n=1).run(tmp_path / "study", scheduler=scheduler)
    assert compared(outcomes) == compared(study(tmp_path, n=1).run(tmp_path / "unbroken", jobs=1))
    for outcome in outcomes:
        assert read_history(tmp_path / "study" / outcome.folder) == outcome.history
