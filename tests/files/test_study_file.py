"""The study file: every problem under every continuation, and what a user is told who got it wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import beams
from topopt.continuation import Constant, Staircase
from topopt.errors import ProblemFileError
from topopt.files import parse, read
from topopt.files.study import StudyFile, parse_study, read_study
from topopt.optimizers import MMA
from topopt.run import Stop

BEAM = beams.BEAM + beams.STAIRS
OTHER = BEAM.replace("name: physical", "name: projected").replace("[physical]", "[projected]").replace(
    "  physical.beta", "  projected.beta"
).replace("minimise", "density: projected\nminimise")  # fmt: skip
GOOD = """\
name: quick
problems:
  half: {file: beam.yaml}
  third: {file: beam.yaml, set: {limits.volume: 0.3}, starts: {perturbed: 2}}
continuations:
  doubling: {physical.beta: {type: staircase, every: 50}}
  filter only: {physical.beta: 0, set: {chain.physical.eta: 0.4}}
starts: {noise: 0.2}
budget: 40
optimizer: {type: mma, move: 0.1}
"""


@pytest.fixture(name="study")
def study_of(tmp_path: Path) -> Path:
    """Return a good study file, with its problems beside it."""
    (tmp_path / "beam.yaml").write_text(BEAM)
    (tmp_path / "other.yaml").write_text(OTHER)
    path = tmp_path / "study.yaml"
    path.write_text(GOOD)
    return path


def mistakes(path: Path, old: str, new: str, *overrides: str) -> list[str]:
    """Return what is said about the good file with one piece replaced; paths without their folder."""
    assert GOOD.count(old) == 1, f"{old!r} is no single piece of the good file"
    with pytest.raises(ProblemFileError, match=":") as refusal:
        parse_study(GOOD.replace(old, new), "study.yaml", overrides, path.parent)
    return [sentence.replace(f"{path.parent}/", "") for sentence in refusal.value.mistakes]


def test_every_problem_comes_under_every_continuation(study: Path) -> None:
    found = read_study(study)
    assert found.name == "quick"
    assert (found.budget, found.judge_every, found.warnings) == (40, 5, ())
    assert [(entry.problem, entry.continuation) for entry in found.entries] == [
        ("half", "doubling"), ("half", "filter only"), ("third", "doubling"), ("third", "filter only"),
    ]  # fmt: skip
    assert found.problems == ("half", "third")
    assert found.continuations == ("doubling", "filter only")
    assert found.starts == {
        "half": {"perturbed": 0, "noise": 0.2, "seed": 0}, "third": {"perturbed": 2, "noise": 0.2, "seed": 0}
    }  # fmt: skip
    jobs = {(entry.problem, entry.continuation): entry.job for entry in found.entries}
    third = jobs["third", "filter only"]
    assert third.continuation.schedules == {"physical.beta": Constant(0.0)}
    assert jobs["half", "doubling"].continuation.schedules == {"physical.beta": Staircase()}
    assert third.problem.limits["volume"].upper == 0.3
    assert jobs["half", "filter only"].problem.limits["volume"].upper == 0.5
    assert third.problem.parameters()["physical.eta"] == 0.4
    assert jobs["third", "doubling"].problem.parameters()["physical.eta"] == 0.5
    assert third.optimizer == MMA(move=0.1)
    assert third.stop == Stop(change=0.0, progress=1e-4, window=5, iterations=40)


def test_a_combination_stands_by_itself(study: Path) -> None:
    for entry in read_study(study).entries:
        assert parse(entry.job.resolved) == entry.job
        assert entry.job.description == f"{entry.problem}, {entry.continuation}"
        assert entry.job.name == "beam"


def test_without_changes_a_problem_is_that_of_its_file(study: Path) -> None:
    job, own = read_study(study, ["optimizer="]).entries[0].job, read(study.parent / "beam.yaml")
    assert job.structure == own.structure
    assert job.optimizer == own.optimizer
    assert job.regions == own.regions


def test_values_can_be_overridden(study: Path) -> None:
    found = read_study(
        study, ["budget=7", "continuations.doubling.physical.beta.every=3", "problems.third.starts.seed=5"]
    )
    assert found.budget == 7
    assert found.entries[0].job.stop.iterations == 7
    assert found.entries[0].job.continuation.schedules["physical.beta"] == Staircase(every=3)
    assert found.starts["third"] == {"perturbed": 2, "noise": 0.2, "seed": 5}


def test_two_studies_are_equal_if_the_same_follows_from_them(study: Path) -> None:
    assert read_study(study) == read_study(study)
    assert read_study(study) != read_study(study, ["budget=7"])
    assert isinstance(read_study(study), StudyFile)


FORM = [
    ("name: quick", "name: a b",
     "study.yaml:1: name: expected letters, digits, '_', '-' and '.', a letter or digit first, got 'a b'"),
    ("budget: 40", "budget: 0", "study.yaml:9: budget: expected an integer >= 1, got 0"),
    ("budget: 40", "budgett: 40", "study.yaml:9: budgett: unknown key: did you mean 'budget'?"),
    ("noise: 0.2", "noise: 0", "study.yaml:8: starts.noise: expected a number > 0 and <= 1, got 0"),
    ("budget: 40", "stop: {progress: 0}", "study.yaml:9: stop.progress: expected a number > 0, got 0"),
    ("budget: 40", "yardstick: {volume: half}",
     "study.yaml:9: yardstick.volume: expected a number > 0 and <= 1, got 'half'"),
    ("{perturbed: 2}", "{perturbed: -1}",
     "study.yaml:4: problems.third.starts.perturbed: expected an integer >= 0, got -1"),
    ("half: {file: beam.yaml}", "half: beam.yaml",
     "study.yaml:3: problems.half: expected a mapping with file, set, starts, got 'beam.yaml'"),
    ("half: {file: beam.yaml}", "half: {}", "study.yaml:3: problems.half.file: missing: expected text"),
    ("half: {file: beam.yaml}", "half: {file: bean.yaml}",
     "study.yaml:3: problems.half.file: bean.yaml: there is no such file; did you mean 'beam.yaml'?"),
    ("filter only: {physical.beta: 0, set: {chain.physical.eta: 0.4}}", "filter only: 0",
     "study.yaml:7: continuations.\"filter only\": expected a mapping, got 0"),
    ("  half: {file: beam.yaml}\n  third", "  .half: {file: beam.yaml}\n  -half",
     "study.yaml:4: problems.\"-half\": the folders of its trials would be those of '.half'; choose another "
     "name"),
    ("  third", "  HALF",
     "study.yaml:4: problems.HALF: the folders of its trials would be those of 'half'; choose another name"),
    ("  third", "  '*'", 'study.yaml:4: problems."*": expected a name with letters or digits'),
    ("set: {limits.volume: 0.3}", "set: {continuation: {}}",
     "study.yaml:4: problems.third.set.continuation: the study gives continuation itself, for all trials "
     "alike"),
    ("set: {chain.physical.eta: 0.4}", "set: {stop.iterations: 4}",
     'study.yaml:7: continuations."filter only".set."stop.iterations": the study gives stop itself, for all '
     "trials alike"),
    ("set: {chain.physical.eta: 0.4}", "set: 4",
     'study.yaml:7: continuations."filter only".set: expected a mapping of values by dotted path, got 4'),
]  # fmt: skip

MEANING = [
    ("limits.volume: 0.3", "limits.volume: 3",
     'study.yaml:4: problems.third.set."limits.volume": expected a share between 0 and 1, both excluded, got '
     "3"),
    ("limits.volume: 0.3", "limits.mass: 0.3",
     "study.yaml:4: problems.third.set.\"limits.mass\": no 'mass' in the chain: valid names: compliance, "
     "displacement, filtered, physical, stiffness, volume"),
    ("chain.physical.eta: 0.4", "chain.fysical.eta: 0.4",
     'study.yaml:7: continuations."filter only".set."chain.fysical.eta": chain has no item \'fysical\': did '
     "you mean 'physical'?"),
    ("chain.physical.eta: 0.4", "chain.physical.eta: 4",
     'study.yaml:7: continuations."filter only".set."chain.physical.eta": expected a number >= 0 and <= 1, '
     "got 4"),
    ("{type: staircase, every: 50}", "{type: stairs}",
     "study.yaml:6: continuations.doubling.\"physical.beta\".type: no schedule 'stairs': did you mean "
     "'staircase'?; your own is named package.module:Class"),
    ("every: 50", "every: 0",
     'study.yaml:6: continuations.doubling."physical.beta".every: expected an integer >= 1, got 0'),
    ("physical.beta: {type", "physical.eta: 0.4, physical.bta: {type",
     "study.yaml:6: continuations.doubling.\"physical.bta\": is not a parameter that can be scheduled: did "
     "you mean 'physical.beta'?"),
    ("optimizer: {type: mma, move: 0.1}", "optimizer: {type: mma, move: -1}",
     "study.yaml:10: optimizer.move: expected a number > 0 and <= 1, got -1"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "sentence"), FORM + MEANING)
def test_a_mistake_is_told_with_its_place(study: Path, old: str, new: str, sentence: str) -> None:
    found = mistakes(study, old, new)
    assert found[0] == sentence
    assert len(found) <= 2, "a chain that lacks its beta says so too"


def test_a_parameter_that_one_problem_lacks_names_the_problem(study: Path) -> None:
    found = mistakes(study, "half: {file: beam.yaml}", "half: {file: other.yaml}")
    first, *others = found
    assert first.startswith(
        'study.yaml:6: continuations.doubling."physical.beta": is not a parameter that can be scheduled: '
    )
    assert first.endswith(" (in problem 'half')")
    assert others == [
        'study.yaml:7: continuations."filter only".set."chain.physical.eta": chain has no item \'physical\': '
        "valid names: compliance, displacement, filtered, projected, stiffness, volume (in problem 'half')",
    ]


def test_a_mistake_in_a_problem_file_is_told_once_with_its_own_place(study: Path) -> None:
    (study.parent / "beam.yaml").write_text(BEAM.replace("radius: 0.6", "radius: -1"))
    assert mistakes(study, "budget: 40", "budget: 41") == [
        "beam.yaml:11: chain.filtered.radius: expected a number > 0, got -1"
    ]


def test_a_mistake_that_a_change_brings_out_names_who_changed(study: Path) -> None:
    assert mistakes(study, "limits.volume: 0.3", "minimise: volume, chain.volume.reads: [displacement]") != []
    changed = mistakes(study, "limits.volume: 0.3", "grid.cells: [12, 4, 4]")
    assert changed[0].startswith("beam.yaml:2: grid.size: expected 3 lengths like grid.cells")
    assert changed[0].endswith("(in problem 'third')")


def test_wrong_syntax_in_a_problem_file_is_quoted(study: Path) -> None:
    (study.parent / "beam.yaml").write_text("name: [")
    (first,) = mistakes(study, "budget: 40", "budget: 41")
    assert first.startswith("beam.yaml:1: not YAML: ")


def test_all_mistakes_come_at_once_in_the_order_of_the_file(study: Path) -> None:
    (study.parent / "beam.yaml").write_text(BEAM.replace("radius: 0.6", "radius: -1"))
    wrong = GOOD.replace("budget: 40", "budget: x").replace("every: 50", "every: x")
    wrong = wrong.replace("limits.volume", "limits.vol").replace("physical.eta", "fysical.eta")
    found = mistakes(study, GOOD, wrong)
    assert [sentence.split(": ")[0] for sentence in found] == [
        "study.yaml:4", "study.yaml:6", "study.yaml:7", "study.yaml:9", "beam.yaml:11"
    ]  # fmt: skip


def test_an_override_is_named_as_the_place(study: Path) -> None:
    found = mistakes(study, "budget: 40", "budget: 41", "problems.third.set.limits.volume=7")
    assert found == [
        '--set problems.third.set.limits.volume=7: problems.third.set."limits.volume": '
        "expected a share between 0 and 1, both excluded, got 7"
    ]


def test_what_is_odd_but_runs_is_a_warning_told_once(study: Path) -> None:
    (study.parent / "beam.yaml").write_text(BEAM.replace("  tip:", "  idle: {point: [0.0, 0.0]}\n  tip:"))
    (warning,) = read_study(study).warnings
    assert warning.endswith("beam.yaml:5: regions.idle: nothing uses this region")


def test_a_missing_study_file_says_what_may_have_been_meant(study: Path) -> None:
    with pytest.raises(ProblemFileError, match=r"studdy.yaml: there is no such file; did you mean"):
        read_study(study.with_name("studdy.yaml"))


def test_a_file_of_the_other_kind_is_recognised(study: Path) -> None:
    with pytest.raises(ProblemFileError, match="this is a problem file, run it by `topopt run`"):
        read_study(study.with_name("beam.yaml"))
    with pytest.raises(ProblemFileError, match="this is a study file; carry it out by `topopt study`"):
        read(study)
