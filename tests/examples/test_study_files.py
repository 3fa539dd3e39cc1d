"""Every study file can be read, asks for what a comparison needs, and leaves problems as they are."""

from __future__ import annotations

from pathlib import Path

import pytest

from topopt.continuation import Constant, Survival
from topopt.files import parse
from topopt.files.study import StudyFile, read_study

FOLDER = Path(__file__).parents[2] / "problems" / "studies"
FILES = sorted(FOLDER.glob("*.yaml"))


@pytest.fixture(name="study", params=FILES, ids=lambda path: path.stem)
def study_file(request: pytest.FixtureRequest) -> StudyFile:
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


def test_a_study_has_the_rows_that_no_comparison_may_lack(study: StudyFile) -> None:
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
