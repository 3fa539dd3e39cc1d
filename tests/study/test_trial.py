"""A trial ends the same however often it is killed, and one that fails has an outcome like the others."""

from __future__ import annotations

import dataclasses
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.study.springs import Rounded, Springs, evaluations, exact, rising, trial
from topopt.errors import InputError, RunFolderError
from topopt.evaluation import Evaluation, Model
from topopt.files.reading import read_history, read_status
from topopt.history import History, Iteration
from topopt.parameters import Array
from topopt.study.archive import read_judgements, read_outcome
from topopt.study.fingerprint import fingerprint
from topopt.study.stop import FairStop
from topopt.study.trial import Halted, Trial, carried_out, slug_of
from topopt.study.yardstick import Score

ROOT = Path(__file__).parents[2]


def test_a_trial_is_judged_on_its_way_and_at_its_end(tmp_path: Path) -> None:
    outcome = carried_out(trial(budget=10), tmp_path / "trials" / "springs")
    assert [judgement.iteration for judgement in outcome.judgements] == [4, 8, 10]
    assert outcome.final is outcome.judgements[-1]
    assert outcome.final.grey == outcome.history[-1].objective
    assert outcome.final.solves == 10
    assert outcome.final.discreteness == outcome.history[-1].measures["discreteness"]
    assert outcome.reason == "budget: 10 of 10 state solves spent, before the continuation had settled"
    assert (outcome.settled, outcome.failed, outcome.memory) == (False, False, "keep")
    assert outcome.density is not None
    assert outcome.density.shape == (12, 4)
    assert outcome.folder == "trials/springs"


def test_what_is_read_is_what_was_written(tmp_path: Path) -> None:
    outcome = carried_out(trial(), tmp_path / "trials" / "springs")
    read = read_outcome(tmp_path / "trials" / "springs")
    assert read is not None
    assert exact(read) == exact(outcome)
    assert (read.seconds, read.folder) == (outcome.seconds, outcome.folder)


def test_judgements_beyond_the_record_are_not_read(tmp_path: Path) -> None:
    outcome = carried_out(trial(), tmp_path / "springs")
    assert read_judgements(tmp_path / "springs", upto=9) == list(outcome.judgements[:2])
    (tmp_path / "springs" / "judgements.csv").write_text("iteration,solves\n4,4\n")
    with pytest.raises(RunFolderError, match=r"judgements.csv: damaged: 'value'\nrun its study again"):
        read_outcome(tmp_path / "springs")


def test_its_folder_is_an_ordinary_run_folder(tmp_path: Path) -> None:
    folder = tmp_path / "springs"
    outcome = carried_out(trial(), folder)
    status = read_status(folder)
    assert (status.state, status.iterations, status.reason) == ("finished", 12, outcome.reason)
    assert read_history(folder) == outcome.history
    assert {"design.npz", "design.stl", "diagnosis.txt", "judgements.csv", "outcome.json"} <= {
        path.name for path in folder.iterdir()
    }


def test_without_a_folder_nothing_is_kept_but_the_outcome(tmp_path: Path) -> None:
    outcome = carried_out(trial())
    assert outcome.folder == ""
    assert exact(outcome) == exact(carried_out(trial(), tmp_path / "springs"))


def test_what_has_ended_is_not_run_again(tmp_path: Path) -> None:
    once = trial(Springs(log=str(tmp_path / "log")))
    first = carried_out(once, tmp_path / "springs")
    assert exact(carried_out(once, tmp_path / "springs")) == exact(first)
    assert evaluations(tmp_path / "log") == {"springs": 12}
    assert read_status(tmp_path / "springs").state == "finished"


@pytest.mark.parametrize("after", [1, 3, 4, 5, 11])
def test_broken_off_after_any_iteration_it_goes_on_to_the_same_result(tmp_path: Path, after: int) -> None:
    looks = iter(range(1, 20))
    with pytest.raises(Halted, match=f"broken off after iteration {after}$"):
        carried_out(trial(), tmp_path / "springs", lambda: next(looks) == after)
    assert read_status(tmp_path / "springs").state == "interrupted"
    assert read_outcome(tmp_path / "springs") is None
    assert exact(carried_out(trial(), tmp_path / "springs")) == exact(carried_out(trial()))


def test_killed_between_its_last_iteration_and_its_outcome_it_only_writes_that(tmp_path: Path) -> None:
    once = trial(Springs(log=str(tmp_path / "log")))
    first = carried_out(once, tmp_path / "springs")
    (tmp_path / "springs" / "outcome.json").unlink()
    assert exact(carried_out(once, tmp_path / "springs")) == exact(first)
    assert evaluations(tmp_path / "log") == {"springs": 13}  # the last design, looked at once more


def test_killed_before_anything_was_written_it_begins(tmp_path: Path) -> None:
    (tmp_path / "springs").mkdir()
    (tmp_path / "springs" / "lock").touch()
    assert not carried_out(trial(), tmp_path / "springs").failed


@dataclass(frozen=True)
class Slow(Rounded):
    """Takes its time, and is interrupted at its second judgement, once."""

    flag: Path
    pause: float = 0.0

    def judge(self, model: Model, x: Array, evaluation: Evaluation, parameters: Mapping[str, float]) -> Score:
        time.sleep(self.pause)
        with self.flag.open("a") as file:
            file.write("judged\n")
        if self.flag.read_text().count("\n") == 2:
            raise KeyboardInterrupt("pressed")
        return super().judge(model, x, evaluation, parameters)


def test_interrupted_while_it_is_judged_no_judgement_is_missing(tmp_path: Path) -> None:
    slow = dataclasses.replace(trial(), yardstick=Slow(tmp_path / "flag"))
    with pytest.raises(KeyboardInterrupt, match="pressed"):
        carried_out(slow, tmp_path / "springs")
    assert exact(carried_out(slow, tmp_path / "springs")) == exact(carried_out(trial()))


def test_the_yardstick_costs_no_time(tmp_path: Path) -> None:
    slow = Slow(tmp_path / "flag", pause=0.5)
    slow.flag.write_text("judged\njudged\n")
    outcome = carried_out(dataclasses.replace(trial(), yardstick=slow))
    assert 0.0 < outcome.seconds < 0.5


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="only Unix has SIGKILL")
def test_killed_in_the_middle_it_goes_on_to_the_same_result(tmp_path: Path) -> None:
    folder, log = tmp_path / "springs", tmp_path / "log"
    words = [sys.executable, "-m", "tests.study.springs", str(folder), str(log)]
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1"}
    child = subprocess.Popen([*words, "0.03"], cwd=ROOT, env=environment)
    deadline = time.monotonic() + 60
    while evaluations(log)["springs"] < 14 and time.monotonic() < deadline:
        time.sleep(0.01)
    child.kill()
    assert child.wait() == -signal.SIGKILL, "it ended before it could be killed"
    assert 12 <= len(read_history(folder)) < 20
    subprocess.run([*words, "0.03"], cwd=ROOT, env=environment, check=True, timeout=60)
    killed = read_outcome(folder)
    assert killed is not None
    assert evaluations(log)["springs"] <= 41, "more than the iteration at work was done twice"
    unbroken = carried_out(trial(budget=40))
    assert exact(killed) == exact(unbroken)


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("NumericalError", "power 1.1025 is too much"),
        ("KeyError", "KeyError: 'power 1.1025 is too much'"),
    ],
)
def test_a_trial_that_fails_has_an_outcome(tmp_path: Path, kind: str, reason: str) -> None:
    broken = trial(Springs(log=str(tmp_path / "log"), breaks_at=1.08, breaks_by=kind))
    outcome = carried_out(broken, tmp_path / "springs")
    assert outcome.crashed
    assert outcome.failed
    assert outcome.reason == reason
    assert (outcome.value, outcome.final) == (math.inf, None)
    assert len(outcome.history) == 6
    assert [judgement.iteration for judgement in outcome.judgements] == [4]
    assert read_status(tmp_path / "springs").reason == f"failed: {reason}"
    assert exact(carried_out(broken, tmp_path / "springs")) == exact(outcome)
    assert evaluations(tmp_path / "log") == {"springs": 7}


def test_an_outcome_written_before_crashed_had_its_name_is_read(tmp_path: Path) -> None:
    broken = trial(Springs(log=str(tmp_path / "log"), breaks_at=1.08))
    for one, folder in ((broken, tmp_path / "broken"), (trial(), tmp_path / "sound")):
        now = carried_out(one, folder)
        text = (folder / "outcome.json").read_text("utf-8")
        assert '"crashed"' in text
        (folder / "outcome.json").write_text(text.replace('"crashed"', '"failed"'), "utf-8")
        assert exact(read_outcome(folder)) == exact(now)


def test_what_the_machine_is_to_blame_for_is_tried_again(tmp_path: Path) -> None:
    broken = trial(Springs(log=str(tmp_path / "log"), breaks_at=1.08, breaks_by="MemoryError"))
    for tries in (1, 2):
        outcome = carried_out(broken, tmp_path / "springs")
        assert outcome.failed
        assert outcome.reason == "MemoryError: power 1.1025 is too much"
        assert evaluations(tmp_path / "log") == {"springs": 6 + tries}


def test_a_folder_that_holds_something_else_is_a_failure_with_a_reason(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    outcome = carried_out(trial(), tmp_path)
    assert outcome.failed
    assert "exists and is no run folder, so it is not overwritten" in outcome.reason
    assert (tmp_path / "thesis.txt").read_text() == "mine"


@pytest.mark.parametrize("change", ["budget", "every", "model", "schedules", "yardstick"])
def test_a_trial_that_was_changed_begins_anew(tmp_path: Path, change: str) -> None:
    carried_out(trial(), tmp_path / "springs")
    changed = {
        "budget": lambda t: dataclasses.replace(t, stop=FairStop(6)),
        "every": lambda t: dataclasses.replace(t, every=3),
        "model": lambda t: dataclasses.replace(t, model=Springs(name="other")),
        "schedules": lambda t: dataclasses.replace(
            t, schedules=dataclasses.replace(rising(), memory="reset")
        ),
        "yardstick": lambda t: dataclasses.replace(t, yardstick=Strict()),
    }[change](trial())
    assert exact(carried_out(changed, tmp_path / "springs")) == exact(carried_out(changed))


@dataclass(frozen=True)
class Strict(Rounded):
    """Another yardstick."""


def test_ctrl_c_passes(tmp_path: Path) -> None:
    class Interrupted(Springs):
        def evaluate(self, x: Array, parameters: Mapping[str, float]) -> Evaluation:
            raise KeyboardInterrupt("pressed")

    with pytest.raises(KeyboardInterrupt, match="pressed"):
        carried_out(trial(Interrupted()), tmp_path / "springs")
    assert read_outcome(tmp_path / "springs") is None


def test_names_become_a_plain_folder_name() -> None:
    assert slug_of("MBB 120 40", "gate/β", ".hidden") == "MBB-120-40--gate-----hidden"
    with pytest.raises(InputError, match="trial: the start needs a name, got ' '"):
        trial(start=" ")


def test_fingerprints_tell_different_things_apart() -> None:
    things = [
        1,
        1.0,
        True,
        "1",
        b"1",
        None,
        [1],
        [[1]],
        {"1": 1},
        {1},
        1 + 0j,
        Springs(),
        Springs("a"),
        len,
        max,
    ]
    assert len({fingerprint(thing) for thing in things}) == len(things)
    assert fingerprint("ab", "c") != fingerprint("a", "bc")
    assert fingerprint({"a", "b", "c"}) == fingerprint({"c", "b", "a"})
    with pytest.raises(InputError, match=r"a generator cannot be pickled .*, so a study cannot hand it to"):
        fingerprint(_ for _ in ())


def log(progress: float, n: int = 6, black: float = 0.01, alarm: str = "", solves: int = 1) -> History:
    """Return a log of equal iterations."""
    alarms = (alarm,) if alarm else ()
    return History(
        Iteration(
            k, 1.0, progress=progress, measures={"discreteness": black}, alarms=alarms, solves=k * solves
        )
        for k in range(1, n + 1)
    )


@pytest.mark.parametrize(
    ("history", "settled", "reason"),
    [
        (log(1e-5), True, "settled: black and white, and the output changes by less than 0.0001"),
        (log(1e-5), False, None),
        (log(1e-5, n=4), True, None),
        (log(1e-3), True, None),
        (log(1e-5, black=0.03), True, None),
        (log(1e-5, black=0.03, alarm="freeze"), True, "frozen: the sensitivities are dead"),
        (log(1e-3, alarm="freeze"), True, None),
        (log(1e-3, n=20), True, "budget: 20 of 20 state solves spent$"),
        (log(1e-3, n=19), True, None),
        (log(1e-3, n=6, solves=3), False, "budget: 18 of 20 state solves spent, before the continuation"),
        (log(1e-3, n=20, solves=0), True, "budget: 20 of 20"),
        (History(), True, None),
    ],
)
def test_one_stop_test_for_all(history: History, settled: bool, reason: str | None) -> None:
    found = FairStop(budget=20)(history, settled)
    if reason is None:
        assert found is None
    else:
        assert found is not None
        assert found.startswith(reason.removesuffix("$"))
        assert not reason.endswith("$") or found == reason[:-1]


@dataclass(frozen=True)
class Late(FairStop):
    """Says that there is plenty until all is spent."""

    def left(self, history: History) -> float:
        left = super().left(history)
        return left if left < 1.0 else math.inf


def twice(stop: FairStop) -> Trial:
    once = trial()
    return dataclasses.replace(once, stop=stop, schedules=dataclasses.replace(once.schedules, rounds=2))


def test_a_trial_whose_budget_leaves_a_round_out_has_settled_all_the_same(tmp_path: Path) -> None:
    outcome = carried_out(twice(FairStop(30)), tmp_path / "springs")
    assert outcome.reason == "budget: 30 of 30 state solves spent; the budget left no room for round 2 of 2"
    assert outcome.settled
    (tmp_path / "springs" / "outcome.json").unlink()
    assert exact(carried_out(twice(FairStop(30)), tmp_path / "springs")) == exact(outcome)


@pytest.mark.parametrize("after", [21, 39, 40])
def test_broken_off_in_front_of_a_design_that_comes_back_it_ends_the_same(tmp_path: Path, after: int) -> None:
    outcome = carried_out(twice(Late(40)))
    assert outcome.reason.startswith(
        "budget: 40 of 40 state solves spent, before the continuation had settled"
    )
    back = outcome.history[-1].restored
    assert 15 < back < 30
    assert outcome.reason.endswith(f"the design of iteration {back}, which ended a better round, is back")
    assert outcome.final is not None
    assert outcome.final.iteration == len(outcome.history) == 41
    assert outcome.final.grey == outcome.history[back - 1].objective
    looks = iter(range(1, 60))
    with pytest.raises(Halted, match=f"after iteration {after}$"):
        carried_out(twice(Late(40)), tmp_path / "springs", lambda: next(looks) == after)
    assert exact(carried_out(twice(Late(40)), tmp_path / "springs")) == exact(outcome)
