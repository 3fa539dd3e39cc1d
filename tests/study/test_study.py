"""A study is every problem under every continuation from every start, run once and never twice."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.beams import BEAM
from tests.study.springs import Rounded, Springs, evaluations, exact, rising
from topopt.chain import Chain, Link
from topopt.continuation import Continuation
from topopt.errors import InputError, ParameterError
from topopt.fem import PointLoad, Structure, Support
from topopt.files import parse
from topopt.files.study import parse_study
from topopt.files.study_sections import StudySections, StudyStarts, StudyStop, StudyYardstick
from topopt.grid import Domain, Grid
from topopt.nets.models import FlossedRnn
from topopt.optimizers import GCMMA
from topopt.problem import Problem
from topopt.regions import Box, Plane, Point
from topopt.stages import Compliance, Cone, Equilibrium, Mean, SensitivityFilter, Simp, Tanh
from topopt.study.archive import read_outcome
from topopt.study.kept import responses
from topopt.study.progress import Progress
from topopt.study.starts import Starts
from topopt.study.stop import FairStop
from topopt.study.study import Study, trials_of
from topopt.study.trial import Trial, carried_out
from topopt.study.yardstick import Threshold

PROBLEMS = Path(__file__).parents[2] / "problems"


class Notes:
    """Writes down what it is told."""

    def __init__(self) -> None:
        self.shown: list[Progress] = []
        self.said: list[str] = []

    def show(self, progress: Progress) -> None:
        self.shown.append(progress)

    def say(self, sentence: str) -> None:
        self.said.append(sentence)


def mbb(volume: float = 0.5, cells: tuple[int, int] = (12, 4), **more: Any) -> Problem:
    """Return half of a small beam."""
    grid = Grid(cells)
    held = Support(Plane(x=0.0), "x"), Support(Point((float(cells[0]), 0.0)), "y")
    structure = Structure(grid, held, (PointLoad(Point((0.0, float(cells[1]))), (0.0, -1.0)),))
    links = [
        ("filtered", Cone(Domain(grid), 1.5)),
        ("physical", Tanh(1.0)),
        ("stiffness", Simp()),
        ("displacement", Equilibrium(structure)),
        ("compliance", Compliance(structure)),
        ("volume", Mean(grid), "physical"),
    ]
    return Problem(Chain(links), Domain(grid), "compliance", {"volume": volume}, **more)


def springs(folder: Path, **more: Any) -> Study:
    """Return a study of two problems of springs, one of which breaks under one of two continuations."""
    log = str(folder / "log")
    problems = {"strong": Springs(log, "strong"), "weak": Springs(log, "weak", breaks_at=1.08)}
    continuations = {"fixed": Continuation(), "rising": rising()}
    given = {"starts": Starts(perturbed=0), "budget": 10, "yardstick": Rounded()} | more
    return Study(problems, continuations, **given)


def test_a_trial_for_every_combination() -> None:
    study = Study({"a": mbb(), "b": mbb(0.3)}, {"fixed": Continuation()}, Starts(perturbed=2), budget=30)
    trials = study.trials()
    assert [trial.slug for trial in trials] == [
        "a--fixed--uniform", "a--fixed--perturbed-1", "a--fixed--perturbed-2",
        "b--fixed--uniform", "b--fixed--perturbed-1", "b--fixed--perturbed-2",
    ]  # fmt: skip
    assert {trial.stop for trial in trials} == {FairStop(30)}
    assert trials[0].model.initial().tolist() == [0.5] * 48


@pytest.mark.parametrize("volume", [0.02, 0.5, 0.99])
def test_noise_keeps_mean_and_bounds(volume: float) -> None:
    problem = mbb(volume)
    models = [model for _, model in Starts(perturbed=3, noise=0.3, seed=5).of(problem)]
    designs = [model.initial() for model in models]
    for design in designs[1:]:
        assert abs(design.mean() - volume) < 1e-12
        assert design.min() >= 0.0
        assert design.max() <= 1.0
        assert np.abs(design - volume).max() > 0.01
    assert not np.array_equal(designs[1], designs[2])
    again = [model.initial() for _, model in Starts(perturbed=3, noise=0.3, seed=5).of(problem)]
    other = [model.initial() for _, model in Starts(perturbed=3, noise=0.3, seed=9).of(problem)]
    assert np.array_equal(again[2], designs[2])
    assert not np.array_equal(other[2], designs[2])


def test_noise_leaves_passive_cells_alone() -> None:
    plain = mbb()
    domain = Domain(plain.grid, solid=Box((0.0, 3.0), (12.0, 4.0)))
    problem = dataclasses.replace(plain, domain=domain, start=None)
    _, noisy = list(Starts(perturbed=1).of(problem))[1]
    assert isinstance(noisy, Problem)
    assert np.array_equal(np.asarray(noisy.start) == problem.start, ~domain.active)
    assert abs(noisy.initial().mean() - problem.initial().mean()) < 1e-12


def test_a_net_starts_from_its_seed_and_those_that_follow() -> None:
    net = FlossedRnn(units=4, count=2, steps=12, seed=3)
    found = dict(Starts(perturbed=2).of(net))
    assert [(name, net.seed) for name, net in found.items()] == [("seed-3", 3), ("seed-4", 4), ("seed-5", 5)]
    assert np.array_equal(found["seed-3"].initial(), net.initial())
    assert not np.array_equal(found["seed-4"].initial(), net.initial())
    assert list(dict(Starts(uniform=False, perturbed=1).of(net))) == ["seed-4"]


def test_starts_without_a_start_are_refused() -> None:
    with pytest.raises(InputError, match=r"starts: there is none; say uniform=True or perturbed=1"):
        Starts(uniform=False, perturbed=0)
    with pytest.raises(InputError, match=r"only a topopt.Problem or a net can be perturbed, got a Springs"):
        Study({"a": Springs()}, {"fixed": Continuation()}, Starts(perturbed=1)).trials()
    with pytest.raises(ParameterError, match=r"Starts.noise: expected a value <= 1"):
        Starts(noise=1.5)


def test_what_is_no_study_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="study: expected problems by name, at least one, got"):
        Study({}, {"fixed": Continuation()})
    with pytest.raises(InputError, match="study: continuation 'gate': expected a Continuation, got 3"):
        Study({"a": mbb()}, {"gate": 3})  # type: ignore[dict-item]
    with pytest.raises(InputError, match="jobs: expected an integer >= 1, got 0"):
        springs(tmp_path).run(tmp_path / "study", jobs=0)
    same = {"a b": Continuation(), "A-B": Continuation()}
    study = Study({"p": mbb()}, same, Starts(perturbed=0))
    with pytest.raises(InputError, match="study: 2 trials have the folder 'p--a-b--uniform'; give problems"):
        study.run(tmp_path / "study")
    assert not (tmp_path / "study").exists()


def test_an_optimiser_that_would_refuse_the_model_is_refused_before_there_is_a_folder(tmp_path: Path) -> None:
    grid = Grid((6, 4))
    chain = Chain((Link("physical", SensitivityFilter(grid, 1.5)), Link("mass", Mean(grid), "physical")))
    told_wrong = Study({"p": Problem(chain, grid, "mass")}, {"c": Continuation()}, optimizer=GCMMA())
    with pytest.raises(InputError, match=r"GCMMA checks every step .* 'physical' \(SensitivityFilter\)"):
        told_wrong.run(tmp_path / "study", jobs=1)
    assert not (tmp_path / "study").exists()


def test_a_beam_is_judged_by_the_threshold(tmp_path: Path) -> None:
    study = Study({"mbb": mbb()}, {"fixed": Continuation()}, Starts(perturbed=1), budget=10)
    outcomes = study.run(tmp_path / "study", jobs=1)
    assert [outcome.start for outcome in outcomes] == ["uniform", "perturbed-1"]
    for outcome in outcomes:
        assert (outcome.crashed, len(outcome.history), len(outcome.judgements)) == (False, 10, 2)
        assert (tmp_path / "study" / outcome.folder / "outcome.json").is_file()


def test_a_failure_is_a_row_and_nothing_that_has_ended_is_repeated(tmp_path: Path) -> None:
    first, notes = springs(tmp_path).run(tmp_path / "study", jobs=1), Notes()
    assert [(o.problem, o.continuation, o.failed) for o in first] == [
        ("strong", "fixed", False), ("strong", "rising", False),
        ("weak", "fixed", False), ("weak", "rising", True),
    ]  # fmt: skip
    assert evaluations(tmp_path / "log") == {"strong": 20, "weak": 17}
    again = springs(tmp_path).run(tmp_path / "study", jobs=1, progress=notes)
    assert [exact(outcome) for outcome in again] == [exact(outcome) for outcome in first]
    assert evaluations(tmp_path / "log") == {"strong": 20, "weak": 17}
    assert notes.said == ["4 of 4 trials have ended already; they are not repeated"]
    assert (notes.shown[-1].done, notes.shown[-1].failed, notes.shown[-1].total) == (4, 1, 4)


def test_only_what_was_changed_is_repeated_and_that_is_said(tmp_path: Path) -> None:
    springs(tmp_path).run(tmp_path / "study", jobs=1)
    (tmp_path / "log").unlink()
    changed, notes = springs(tmp_path), Notes()
    weak = dataclasses.replace(changed.problems["weak"], breaks_at=1.5)
    study = dataclasses.replace(changed, problems={**changed.problems, "weak": weak})
    outcomes = study.run(tmp_path / "study", jobs=1, progress=notes)
    assert evaluations(tmp_path / "log") == {"weak": 20}
    assert not any(outcome.failed for outcome in outcomes)
    assert re.fullmatch(
        r"weak--fixed--uniform: changed since it ran in .*weak--fixed--uniform; it is computed anew",
        notes.said[0],
    )
    assert notes.said[2] == "2 of 4 trials have ended already; they are not repeated"


def test_progress_names_what_is_at_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("topopt.study.execution.OFTEN", 0.0)
    monkeypatch.setattr("topopt.files.folder.OFTEN", 0.0)
    notes = Notes()
    springs(tmp_path).run(tmp_path / "study", jobs=1, progress=notes)
    (first,) = {shown.running[0].slug for shown in notes.shown if shown.done == 0 and shown.running}
    assert first == "strong--fixed--uniform"
    seen = [(r.iteration, r.budget) for shown in notes.shown if shown.done == 0 for r in shown.running]
    assert (1, 10) in seen
    assert (8, 10) in seen
    assert [shown.done for shown in notes.shown] == sorted(shown.done for shown in notes.shown)


def test_ctrl_c_leaves_everything_and_says_how_to_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Impatient(Notes):
        def show(self, progress: Progress) -> None:
            if progress.done == 2:
                raise KeyboardInterrupt("pressed")

    monkeypatch.setattr("topopt.study.execution.OFTEN", 0.0)
    notes = Impatient()
    with pytest.raises(KeyboardInterrupt, match="pressed"):
        springs(tmp_path).run(tmp_path / "study", jobs=1, progress=notes)
    assert notes.said == [
        "interrupted: 2 of 4 trials have ended; the study goes on where it was if it is started again in the "
        "same folder"
    ]
    springs(tmp_path).run(tmp_path / "study", jobs=1)
    assert evaluations(tmp_path / "log") == {"strong": 20, "weak": 17}


FILE = """
name: two
problems:
  beam: {file: beam.yaml}
continuations:
  ramp: {physical.beta: {type: geometric, start: 1, final: 8, over: 4}}
starts: {perturbed: 1, noise: 0.2}
stop: {window: 2}
yardstick: {volume: 0.4}
budget: 7
judge_every: 3
"""


def test_a_study_file_that_says_nothing_and_a_study_in_python_have_the_same_settings() -> None:
    for section, cls in ((StudyStarts, Starts), (StudyStop, FairStop), (StudyYardstick, Threshold)):
        said = dict(section())
        assert said == {name: getattr(cls(), name) for name in said}
    fields = {field.name: field.default for field in dataclasses.fields(Study)}
    sections = {name: field.default for name, field in StudySections.model_fields.items()}
    assert (sections["budget"], sections["judge_every"]) == (fields["budget"], fields["every"])
    assert FairStop().budget == fields["budget"]


def test_a_study_file_becomes_trials(tmp_path: Path) -> None:
    (tmp_path / "beam.yaml").write_text(BEAM)
    trials = trials_of(parse_study(FILE, folder=tmp_path))
    assert [trial.slug for trial in trials] == ["beam--ramp--uniform", "beam--ramp--perturbed-1"]
    for trial in trials:
        assert trial.stop == FairStop(7, window=2)
        assert trial.yardstick == Threshold(volume=0.4)
        assert trial.every == 3
        assert list(trial.schedules.schedules) == ["physical.beta"]
        assert trial.resolved is not None
    assert 0.1 < np.abs(trials[1].model.initial() - 0.5).max() <= 0.25
    # Read again, they are the same trials.
    again = trials_of(parse_study(FILE, folder=tmp_path))
    assert [trial.fingerprint for trial in again] == [trial.fingerprint for trial in trials]


def test_what_the_other_limits_come_to_stands_beside_the_value(tmp_path: Path) -> None:
    text = (PROBLEMS / "l_bracket_stress.yaml").read_text("utf-8")
    job = parse(text, "f", ["grid.cells=[24,24]", "chain.filtered.radius=0.08"], PROBLEMS)
    model = job.design
    assert model is not None
    parts = model, job.optimizer, job.continuation, FairStop(budget=30), Threshold()
    made = Trial("bracket", "file", "uniform", *parts)
    outcome = carried_out(made, tmp_path / "trials" / made.slug)
    (peak,) = outcome.limits
    assert (peak.limit.response, peak.limit.bound) == ("peak", 52.0)  # not the norm that stands for it
    assert outcome.density is not None
    solid = Threshold().solid(model, outcome.density.ravel())
    assert peak.values[1] == responses(model, solid, ["peak"])["peak"].value
    assert peak.values[0] == outcome.history[-1].responses["peak"]
    assert peak.values[1] > 1.02 * 52.0
    (said,) = outcome.broken
    assert said == f"peak <= 52: broken by {100 * (peak.values[1] / 52.0 - 1.0):.3g} %"
    read = read_outcome(tmp_path / "trials" / made.slug)
    assert read is not None
    assert read.limits == outcome.limits
