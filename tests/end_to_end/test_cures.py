"""Every failure is provoked, named within ten iterations, and cured by what `topopt diagnose` writes."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from ruamel.yaml import YAML

import topopt as to
from topopt.cures import cure
from topopt.failures import failures
from topopt.files import Job, parse
from topopt.files.resolved import written

BEAM = """
name: beam
grid: {cells: [60, 20]}
regions: {left: {plane: {x: 0}}, corner: {point: [60, 0]}, load: {point: [0, 20]}}
supports: [{on: left, fix: [x]}, {on: corner, fix: [y]}]
loads: [{on: load, force: [0, -1]}]
chain:
  - {name: filtered, type: cone, radius: 2.4}
  - {name: physical, type: tanh}
  - {name: stiffness, type: simp}
  - {name: displacement, type: equilibrium}
  - {name: compliance, type: compliance}
  - {name: volume, type: mean, reads: [physical]}
minimise: compliance
limits: {volume: VOLUME}
continuation: CONTINUATION
stop: {change: 0.01, progress: 1.0e-3, window: 5, iterations: 300}
"""
GOOD = {0.5: 189.3, 0.3: 295.0}
"""Objectives of good runs by volume: survival gate, geometric ramp and staircase end within .5 % of them."""
SPOILED = ("freeze", "concentration", "blow-up", "masked")


@dataclass(frozen=True)
class Case:
    """A way to fail: at a volume, with a schedule of the sharpness, and what to expect."""

    volume: float
    schedule: str
    failure: str
    began: int
    beta: float
    ruined: float


CASES = {
    "freeze-64": Case(0.3, "64", "freeze", 1, 64.0, 100.0),
    "freeze-512": Case(0.3, "512", "freeze", 1, 512.0, 100.0),
    "concentration-64": Case(0.5, "64", "concentration", 1, 64.0, 1.2),
    "concentration-512": Case(0.5, "512", "concentration", 1, 512.0, 2.0),
    "blow-up": Case(0.3, "{type: steps, values: [1, 64], every: 50}", "blow-up", 51, 64.0, 1.2),
    "shattered": Case(0.3, "{type: steps, values: [1, 4, 16, 512], every: 30}", "blow-up", 91, 512.0, 1.2),
    "stall": Case(0.3, "16", "stall", 1, 16.0, 2.0),
    "unresolved": Case(0.5, "{type: geometric, start: 1, final: 512, over: 60}", "unresolved", 36, 50.0, 0.0),
}


def beam(volume: float, schedule: str, radius: float = 2.4) -> Job:
    text = BEAM.replace("VOLUME", f"{volume:g}").replace("CONTINUATION", f"{{physical.beta: {schedule}}}")
    return parse(text.replace("radius: 2.4", f"radius: {radius!r}"))


def run(job: Job) -> to.Step:
    return to.solve(job.problem, job.optimizer, job.continuation, job.stop)


def rang(last: to.Step) -> set[str]:
    return {alarm for iteration in last.history for alarm in iteration.alarms}


def provoked(case: Case) -> tuple[Job, to.Step]:
    """Return a run that fails; whether a settled design is shattered is in the hands of rounding."""
    for nudge in range(5):
        job = beam(case.volume, case.schedule, 2.4 * (1 + 1e-9 * nudge))
        last = run(job)
        if last.iteration.objective > case.ruined * GOOD[case.volume]:
            break
    return job, last


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_failure_is_named_and_its_cure_works(case: Case) -> None:
    job, last = provoked(case)
    good = GOOD[case.volume]
    assert last.iteration.objective > case.ruined * good
    found = failures(last.history, last.reason, job.problem.parameters())
    assert found[0].name == case.failure
    assert case.began <= found[0].iteration <= case.began + 9
    assert found[0].parameters["physical.beta"] == pytest.approx(case.beta, rel=0.3)
    assert f"from iteration {found[0].iteration}, at physical.beta = " in to.diagnose(
        last.history, last.reason
    )

    chosen = cure(last.history, found, last.reason)
    assert chosen is not None
    data = YAML(typ="safe").load(job.resolved)
    # rounding decides whether slowed stairs stumble once on their way; none may end badly
    clean = False
    for nudge in range(3):
        data["chain"][0]["radius"] = 2.4 * (1 + 1e-9 * nudge)
        healed = parse(written(chosen.applied(data)))
        assert healed.continuation != job.continuation
        last = run(healed)
        assert last.reason is not None
        assert last.reason.startswith("settled")
        assert last.iteration.objective < 1.02 * good
        assert last.iteration.violation < 1e-3
        assert last.iteration.measures["discreteness"] < 0.02
        clean = not rang(last) & {*SPOILED, case.failure} and failures(last.history, last.reason) == []
        if clean:
            break
    assert clean


GATE = "{type: survival}"
RAMP = "{type: geometric, start: 1, final: 64, over: 100}"
STAIRS = "{type: staircase, start: 1, final: 64, every: 30}"


# No stairs at 0.3: after their last doublings a part in 10^9 of the radius decides whether MMA shatters it.
@pytest.mark.parametrize(
    ("volume", "schedule"), [(0.5, GATE), (0.5, RAMP), (0.5, STAIRS), (0.3, GATE), (0.3, RAMP)]
)
def test_a_good_run_rings_at_most_that_its_edges_are_not_resolved(volume: float, schedule: str) -> None:
    last = run(beam(volume, schedule))
    assert last.iteration.objective < 1.01 * GOOD[volume]
    assert rang(last) <= ({"unresolved"} if "64" in schedule else set())
