"""A file's continuation: schedules, their guards, three settings, and what it gets where it says nothing."""

from __future__ import annotations

import math
import re
from typing import Any

import pytest

from tests.beams import BRIEF as TEXT
from topopt.continuation import (
    Constant,
    Continuation,
    Follow,
    Guard,
    Guarded,
    Homotopy,
    Linked,
    Rollback,
    Schedule,
    Staircase,
    Survival,
)
from topopt.errors import ProblemFileError
from topopt.files import parse
from topopt.history import History

TWO = TEXT.replace(
    "  - {name: stiffness, type: simp}\n",
    "  - {name: twice, type: tanh}\n  - {name: stiffness, type: simp}\n",
)
GATE: dict[str, Schedule] = {"physical.beta": Survival()}
RISE: dict[str, Schedule] = {"stiffness.penal": Follow("physical.beta", 1.0, 3.0, (1.0, 2.0))}
STAIRS = "type: staircase, every: 7"
WATCH = Rollback(rise=0.03, grey=0.05)


def usual(schedules: dict[str, Schedule], **settings: Any) -> Continuation:
    """Return schedules in two rounds, watched over while black and white, and otherwise as a file says."""
    return Continuation(schedules, **({"rollback": WATCH, "rounds": 2} | settings))


def continuation(said: str, text: str = TEXT, **more: Any) -> Continuation:
    """Return what a file says, having seen that its resolved form says the same."""
    job = parse(text + said + "\n", **more)
    again = parse(job.resolved)
    assert again == job
    assert again.resolved == job.resolved
    return job.continuation


@pytest.mark.parametrize("said", ["", "continuation: {}"])
def test_a_sharpness_that_nobody_sets_is_driven_by_the_survival_gate(said: str) -> None:
    assert continuation(said) == usual(GATE | RISE)
    assert parse(TEXT).problem.parameters()["physical.beta"] == 1.0


def test_a_penalty_that_nobody_sets_rises_where_nobody_sets_a_sharpness() -> None:
    held = TEXT.replace("type: simp", "type: simp, penal: 3")
    assert continuation("", held) == usual(GATE)
    assert continuation("continuation: {stiffness.penal: 2}").schedules["stiffness.penal"] == Constant(2.0)
    assert continuation("continuation: {physical.beta: {type: survival}}") == Continuation(GATE)
    fixed = TWO.replace("name: twice, type: tanh", "name: twice, type: tanh, beta: 8")
    assert continuation("", fixed) == Continuation(GATE)
    assert continuation("continuation: {optimizer.move: 0.1}").schedules.keys() == (GATE | RISE).keys() | {
        "optimizer.move"
    }
    assert [RISE["stiffness.penal"].at(beta) for beta in (1.0, 2.0**0.5, 2.0, 64.0)] == pytest.approx(
        [1, 2, 3, 3]
    )  # type: ignore[attr-defined]


def test_a_sharpness_that_somebody_sets_is_left_alone() -> None:
    fixed = TEXT.replace("type: tanh", "type: tanh, beta: 8")
    assert continuation("", fixed) == Continuation()
    assert continuation("continuation: {physical.beta: 8}").schedules["physical.beta"].final == 8.0
    assert continuation("continuation: {stiffness.penal: 2}", fixed).schedules.keys() == {"stiffness.penal"}


def test_the_gate_drives_every_projection_that_nobody_sets() -> None:
    both = continuation("", TWO)
    assert both.schedules == GATE | {"twice.beta": Follow("physical.beta")} | RISE
    assert both.at(History()) == {"physical.beta": 1.0, "twice.beta": 1.0, "stiffness.penal": 1.0}


THREE = TWO.replace(
    "type: tanh}\n  - {name: stiffness", "type: tanh}\n  - {name: third, type: tanh}\n  - {name: stiffness"
)


@pytest.mark.parametrize(
    ("said", "leader"),
    [
        ("density: twice", "twice"),
        ("density: physical", "physical"),
        ("density: filtered", "physical"),
        ("density: twice\ncontinuation: {third.beta: {type: staircase}}", "third"),
        ("density: twice\ncontinuation: {third.beta: 3, twice.beta: 2}", "twice"),
        ("continuation: {twice.beta: {type: follow, leader: physical.beta}}", "physical"),
    ],
)
def test_the_sharpness_of_the_design_s_density_leads(said: str, leader: str) -> None:
    schedules = {n: rule for n, rule in continuation(said, THREE).schedules.items() if n.endswith("beta")}
    names = {f"{name}.beta" for name in ("physical", "twice", "third")}
    assert schedules.keys() == names
    following = {name: rule for name, rule in schedules.items() if isinstance(rule, Follow)}
    assert {rule.leader for rule in following.values()} == {f"{leader}.beta"}
    assert f"{leader}.beta" not in following


def test_the_resolved_file_has_no_anchors() -> None:
    said = (
        "continuation:\n"
        "  stiffness.penal: {type: follow, leader: physical.beta, start: 1, final: 3, between: &b [1, 8]}\n"
        "  optimizer.move: {type: follow, leader: physical.beta, start: 0.3, final: 0.1, between: *b}\n"
    )
    text = parse(TEXT + said).resolved
    assert text.count("between: [1.0, 8.0]") == 2
    assert not re.search(r"[&*]id\d", text)
    two = parse(TWO).resolved
    assert "&" not in two


def test_the_default_can_be_overridden_by_a_command() -> None:
    found = continuation(
        "",
        overrides=[
            "continuation.physical.beta={type: linked, growth: 0.1}",
            "continuation.memory=reset",
            "continuation.rollback={patience: 3}",
        ],
    )
    assert found == Continuation({"physical.beta": Linked(growth=0.1)}, "reset", Rollback(patience=3))


@pytest.mark.parametrize(
    ("said", "guard"),
    [
        ("{}", Guard()),
        ("{growth: 0.03}", Guard(growth=0.03)),
        ("{growth: .inf, hold: 0}", Guard(0.0, 0.08, math.inf)),
        ("{hold: 0.01, interface: 0.1, growth: 0.5}", Guard(0.01, 0.1, 0.5)),
    ],
)
def test_a_schedule_bears_its_guard(said: str, guard: Guard) -> None:
    found = continuation(f"continuation: {{physical.beta: {{{STAIRS}, guard: {said}}}}}")
    assert found == Continuation({"physical.beta": Guarded(Staircase(every=7), guard)})


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("memory: damp", usual(GATE | RISE, memory="damp")),
        ("rollback: {}", usual(GATE | RISE, rollback=Rollback())),
        ("memory: reset, rollback: {rise: 0.1}", usual(GATE | RISE, memory="reset", rollback=Rollback(0.1))),
        ("rollback: none", usual(GATE | RISE, rollback=None)),
        ("rounds: 1", usual(GATE | RISE, rounds=1)),
        ("rounds: 3", usual(GATE | RISE, rounds=3)),
        ("rounds: 1, rollback: none", Continuation(GATE | RISE)),
        (
            "physical.beta: {type: homotopy, jump: 0.1}",
            Continuation({"physical.beta": Homotopy(jump=0.1, parameter="physical.beta")}),
        ),
        (
            "physical.beta: {type: survival}, rounds: 2, rollback: {rise: 0.03, grey: 0.05}",
            usual(GATE),
        ),
        (
            "stiffness.penal: {type: follow, leader: physical.beta, start: 1, final: 3, between: [1, 16]}",
            usual({"stiffness.penal": Follow("physical.beta", 1.0, 3.0, (1.0, 16.0))} | GATE),
        ),
    ],
)
def test_what_a_continuation_says(said: str, expected: Continuation) -> None:
    assert continuation(f"continuation: {{{said}}}") == expected


FOLLOW = "stiffness.penal: {type: follow, leader: physical.beta, start: 1, final: 3"


@pytest.mark.parametrize(
    ("said", "text"),
    [
        ("memory: dump", "memory: expected one of keep, damp, reset, got 'dump'"),
        ("memory: [damp]", "memory: expected one of keep, damp, reset, got ['damp']"),
        ("rounds: 0", "rounds: expected an integer >= 1, got 0"),
        ("rounds: twice", "rounds: expected an integer >= 1, got 'twice'"),
        ("rollback: ", "rollback: expected a mapping with rise, patience, grey, got nothing"),
        ("rollback: {rise: -1}", "rollback.rise: expected a number > 0, got -1"),
        ("rollback: {patient: 3}", "rollback.patient: unknown key: did you mean 'patience'?"),
        (
            "rolback: {}",
            "rolback: is neither a parameter, link.field, nor a setting: did you mean 'rollback'?",
        ),
        (
            "beta: {type: survival}",
            "beta: is neither a parameter, link.field, nor a setting: valid names: memory, rollback, rounds",
        ),
        (
            f"physical.beta: {{{STAIRS}, guard: 3}}",
            '"physical.beta".guard: expected a mapping with hold, interface, growth, got 3',
        ),
        (
            f"physical.beta: {{{STAIRS}, guard: {{hold: -1}}}}",
            '"physical.beta".guard.hold: expected a number >= 0, got -1',
        ),
        (
            f"physical.beta: {{{STAIRS}, guard: {{grow: 1}}}}",
            "\"physical.beta\".guard.grow: unknown key: did you mean 'growth'?",
        ),
        (
            f"{FOLLOW}, guard: {{}}}}",
            '"stiffness.penal".guard: a parameter that follows goes its leader\'s way: guard that',
        ),
        (
            FOLLOW.replace("physical.beta", "physical.bta") + "}",
            "\"stiffness.penal\".leader: no schedule drives 'physical.bta': did you mean 'physical.beta'?",
        ),
        (
            FOLLOW.replace(", final: 3", "") + "}",
            '"stiffness.penal": Follow: give finite start and final, or neither to copy the leader',
        ),
        (
            FOLLOW.replace("start: 1", "start: -1") + "}",
            '"stiffness.penal": reaches -1: expected a value >= 1, got -1',
        ),
        (
            "physical.beta: {type: survival, start: 8, final: 4}",
            '"physical.beta": Survival: grows only, from 8 it never reaches 4',
        ),
    ],
)
def test_what_is_wrong_is_said_where_it_is(said: str, text: str) -> None:
    with pytest.raises(ProblemFileError, match=f"^{re.escape(f'<text>:17: continuation.{text}')}$"):
        parse(f"{TEXT}continuation: {{{said}}}\n")


def test_a_guard_has_no_type_of_its_own() -> None:
    with pytest.raises(
        ProblemFileError, match=r'"physical\.beta"\.type: no schedule \'guarded\': valid names:'
    ):
        parse(TEXT + "continuation: {physical.beta: {type: guarded}}\n")
