"""What all optimisers promise: a memory that survives a file bit for bit, and located refusals."""

from __future__ import annotations

import dataclasses
import io
from typing import Any

import numpy as np
import pytest

from topopt.errors import InputError
from topopt.evaluation import Evaluation
from topopt.optimizers import GCMMA, MMA, OC, MMAState, OCState, packed, unpacked
from topopt.parameters import Array, scalars

ALL = pytest.mark.parametrize("optimizer", [OC(), MMA(), GCMMA()], ids=["OC", "MMA", "GCMMA"])


def evaluate(x: Array) -> Evaluation:
    """Return a wavy, non-convex objective under a volume limit."""
    wave = np.linspace(1.0, 7.0, x.size)

    def volume(design: Array) -> Array:
        return np.array([design.mean() / 0.4 - 1.0])

    df = -wave / x**2 + 4.0 * np.cos(9.0 * x)
    f = float(np.sum(wave / x + 4.0 / 9.0 * np.sin(9.0 * x)))
    return Evaluation(f, df, volume(x), np.full((1, x.size), 2.5 / x.size), recheck=volume)


@ALL
def test_a_run_resumed_from_npz_continues_bit_for_bit(optimizer: Any) -> None:
    x = np.full(30, 0.4)
    state = optimizer.init(x, np.full(30, 0.01), np.ones(30))
    for step in range(12):
        if step == 6:
            file = io.BytesIO()
            np.savez(file, design=x, **packed(state))
            file.seek(0)
            with np.load(file) as saved:
                y = saved["design"]
                again = unpacked(type(state), {name: saved[name] for name in saved if name != "design"})
        x, state = optimizer.step(x, evaluate(x), state)
        if step >= 6:
            y, again = optimizer.step(y, evaluate(y), again)
            assert x.tobytes() == y.tobytes()
    for field in dataclasses.fields(state):
        one, two = getattr(state, field.name), getattr(again, field.name)
        assert type(one) is type(two)
        assert np.asarray(one).tobytes() == np.asarray(two).tobytes()
    assert state.steps == 12


@pytest.mark.parametrize("cls", [OCState, MMAState])
def test_a_saved_state_with_wrong_names_is_refused(cls: type) -> None:
    optimizer = OC() if cls is OCState else MMA()
    arrays = packed(optimizer.init(np.ones(2), np.zeros(2), np.ones(2)))
    with pytest.raises(InputError, match=f"{cls.__name__} has no field 'uper': did you mean 'upper'?"):
        unpacked(cls, arrays | {"uper": np.ones(2)})
    del arrays["steps"]
    with pytest.raises(InputError, match=f"{cls.__name__}: the saved state lacks steps"):
        unpacked(cls, arrays)


@ALL
def test_every_number_can_be_scheduled(optimizer: Any) -> None:
    assert set(scalars(optimizer)) == {field.name for field in dataclasses.fields(optimizer)}


@ALL
@pytest.mark.parametrize(
    ("x", "lower", "upper", "text"),
    [
        (
            [0.5, 2.0],
            [0, 0],
            [1, 1],
            r"variable 1: the design lies above its upper bound \(lower 0, x 2, upper 1\)",
        ),
        ([-0.5, 1.0], [0, 0], [1, 1], "variable 0: the design lies below its lower bound"),
        ([0.5, 0.5], [0, 0.9], [1, 0.8], "variable 1: the lower bound exceeds the upper one"),
        (
            [0.5, 0.5],
            [0, 0],
            [1, np.inf],
            r"upper bound: 1 of 2 entries are not finite, the first is entry 1",
        ),
        ([0.5, 0.5], [0], [1], r"design \(2,\), lower \(1,\) and upper \(1,\) must share one shape"),
    ],
)
def test_unusable_starts_are_refused(
    optimizer: Any, x: list[float], lower: list[float], upper: list[float], text: str
) -> None:
    with pytest.raises(InputError, match=text):
        optimizer.init(np.array(x), np.array(lower, dtype=float), np.array(upper, dtype=float))


@ALL
@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"gradient": np.ones(4)}, r"gradient: expected shape \(3,\) .* got \(4,\)"),
        ({"jacobian": np.ones(3)}, r"jacobian: expected shape \(1, 3\) .* got \(3,\)"),
        ({"gradient": np.array([1.0, np.nan, np.inf])}, r"gradient: 2 of 3 .* entry 1 \(nan\)"),
        ({"jacobian": np.array([[1.0, 1.0, np.inf]])}, r"jacobian: 1 of 3 .* entry \(0, 2\) \(inf\)"),
        ({"constraints": np.array([np.nan])}, r"constraints: 1 of 1 .* entry 0 \(nan\)"),
        ({"objective": np.nan}, "objective: expected a finite number, got nan"),
        (
            {"objective": np.nan, "gradient": np.full(3, np.nan)},
            "objective: expected a finite number, got nan",
        ),
    ],
)
def test_unusable_evaluations_are_located(optimizer: Any, changes: dict[str, object], text: str) -> None:
    x = np.full(3, 0.4)
    state = optimizer.init(x, np.full(3, 0.01), np.ones(3))
    with pytest.raises(InputError, match=text):
        optimizer.step(x, dataclasses.replace(evaluate(x), **changes), state)  # type: ignore[arg-type]


def test_a_change_in_the_number_of_constraints_is_refused() -> None:
    x = np.full(3, 0.4)
    x, state = MMA().step(x, evaluate(x), MMA().init(x, np.full(3, 0.01), np.ones(3)))
    two = dataclasses.replace(evaluate(x), constraints=np.zeros(2), jacobian=np.ones((2, 3)))
    with pytest.raises(InputError, match="the state was made with 1, now there are 2; start a new state"):
        MMA().step(x, two, state)


@ALL
def test_the_state_does_not_share_memory_with_the_callers_arrays(optimizer: Any) -> None:
    x, lower, upper = np.full(3, 0.4), np.full(3, 0.01), np.ones(3)
    state = optimizer.init(x, lower, upper)
    lower[:] = upper[:] = 0.5
    assert (state.lower[0], state.upper[0]) == (0.01, 1.0)
    new, state = optimizer.step(x, evaluate(x), state)
    x[:] = 9.0
    new[:] = 9.0
    assert all(np.all(values <= 1.0) for values in vars(state).values() if np.shape(values) == (3,))
