"""Every study file can be read, asks for what a comparison needs, and leaves problems as they are."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from topopt.continuation import Constant, Counter, Follow, Geometric, Linear, Power, Staircase, Survival
from topopt.files import parse
from topopt.files.study import StudyFile, read_study
from topopt.nets.models import HashedDigits, SignDigits
from topopt.study.study import trials_of

FOLDER = Path(__file__).parents[2] / "problems" / "studies"
FILES = sorted(FOLDER.glob("*.yaml"))
NETS = ("sign_gates",)
"""Studies of nets, which need scikit-learn's digits."""
SHARPENING = ("beta_quick", "beta_full", "beta_large")
"""Studies that ask how fast a projection may be sharpened."""


@pytest.fixture(name="study", params=FILES, ids=lambda path: path.stem)
def study_file(request: pytest.FixtureRequest) -> StudyFile:
    if request.param.stem in NETS:
        pytest.importorskip("sklearn")
    return read_study(request.param)


def test_the_studies_of_the_guide_are_there() -> None:
    assert {path.stem for path in FILES} >= {"beta_quick", "beta_full"}


def test_a_study_is_right_and_says_what_it_is_for(study: StudyFile) -> None:
    assert study.name == Path(study.said.source).stem
    assert study.description
    assert all("frozen at the start" in warning and "abrupt" in warning for warning in study.warnings)


def test_every_combination_stands_by_itself(study: StudyFile) -> None:
    for entry in study.entries[:: max(1, len(study.entries) // 12)]:
        assert parse(entry.job.resolved) == entry.job


@pytest.mark.parametrize("name", SHARPENING)
def test_a_study_has_the_rows_that_no_comparison_may_lack(name: str) -> None:
    study = read_study(FOLDER / f"{name}.yaml")
    schedules = {
        entry.continuation: entry.job.continuation.schedules["physical.beta"]
        for entry in study.entries
        if "physical.beta" in entry.job.continuation.schedules
    }
    assert Constant(0.0) in schedules.values(), "density filter only"
    assert any(isinstance(rule, Constant) and rule.value > 0 for rule in schedules.values()), "fixed"
    assert any("plain ramp" in name for name in schedules)
    assert any(isinstance(rule, Survival) for rule in schedules.values()), "the default"


def test_all_trials_have_the_same_budget(study: StudyFile) -> None:
    assert {entry.job.stop.iterations for entry in study.entries} == {study.budget}


def test_signs_are_sharpened_by_every_rule_on_every_net_and_all_gates_together() -> None:
    pytest.importorskip("sklearn")
    study = read_study(FOLDER / "sign_gates.yaml")
    kinds: dict[type, set[float]] = {}
    for entry in study.entries:
        layers = len(entry.job.problem.bits)
        rules = entry.job.continuation.schedules
        assert [rules[f"code{k}.beta"] for k in range(2, layers + 1)] == [Follow("code1.beta")] * (layers - 1)
        assert f"code{layers + 1}.beta" not in rules
        assert rules["batch"] == Counter()
        # a step that does not shrink is for the soft way back, and for controls
        if entry.job.problem.way_back == "soft":
            assert "optimizer.rate" not in rules
        kinds.setdefault(type(rules["code1.beta"]), set()).add(rules["code1.beta"].final)
    assert kinds == {
        Survival: {64.0, 512.0},
        Constant: {math.inf, 1.0, 50.0},
        Staircase: {64.0},
        Geometric: {64.0},
        Linear: {64.0},
        Power: {64.0},
    }
    nets = {(type(entry.job.problem), len(entry.job.problem.bits)) for entry in study.entries}
    assert nets == {(SignDigits, 1), (SignDigits, 4), (HashedDigits, 1), (HashedDigits, 4)}


def test_a_net_is_tried_from_seeds_and_each_trial_can_be_resumed_by_its_own_file() -> None:
    pytest.importorskip("sklearn")
    trials = trials_of(read_study(FOLDER / "sign_gates.yaml"))
    assert len(trials) == 4 * 10 * 5
    for trial in trials[:5]:
        assert trial.start == f"seed-{trial.model.seed}"
        assert parse(trial.resolved).problem == trial.model
    assert [trial.model.seed for trial in trials[:5]] == [0, 1, 2, 3, 4]
    first, second = (trial.model.initial() for trial in trials[:2])
    assert not np.array_equal(first, second)
