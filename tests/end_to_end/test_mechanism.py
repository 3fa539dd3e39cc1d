"""The force inverter: alive under the survival gate, dead from the first iteration if it starts sharp."""

from pathlib import Path

import pytest

import topopt as to
from topopt.files.job import read

FILE = Path(__file__).parents[2] / "problems" / "inverter.yaml"
COARSE = ("grid.cells=[40,20]", "chain.filtered.radius=0.06", "stop.iterations=150")


def ended(*overrides):
    job = read(FILE, (*COARSE, *overrides))
    return to.solve(job.problem, job.optimizer, job.continuation, job.stop)


def test_it_moves_further_than_the_published_one():
    """Bendsoe and Sigmund 2003: -1.117 on 40 x 20 cells with a sensitivity filter."""
    last = ended()
    assert last.iteration.objective == pytest.approx(-1.136, abs=0.03)
    assert last.iteration.measures["discreteness"] < 0.02
    assert last.iteration.violation < 1e-3


def test_started_sharp_it_is_dead_and_the_log_says_where():
    last = ended("continuation={physical.beta: 64}")
    first = last.snapshot.history[0]
    assert "freeze" in first.alarms
    assert first.vanishing["dead3"] > 0.99
    assert first.stages["physical"]["slope_mean"] < 1e-6
    assert abs(last.iteration.objective) < 1e-3
