"""Everything that a chain relies on in a stage, tested on one stage at a time."""

from __future__ import annotations

import copy
import dataclasses
import math
import pickle
from collections.abc import Sequence

import numpy as np

from topopt.chain import Stage
from topopt.check.remainder import Taylor, taylor
from topopt.check.report import Outcome, Report, judged
from topopt.errors import ParameterError
from topopt.parameters import Array, replaced, scalars

__all__ = ["dot", "stage"]

GAP = 1e-9
"""The relative gap that passes in tests of linearity."""


def dot(stage: Stage, *inputs: Array, rng: np.random.Generator) -> float:
    """Return the relative gap between <J a, b> and <a, transpose(J) b> for a linear or affine stage.

    Parameters
    ----------
    stage : Stage
        The stage; J a is computed as ``stage(a) - stage(0)``.
    *inputs : array
        Where the pullback is taken; only the shapes matter if the stage is affine.
    rng : numpy.random.Generator
        Draws a and b.
    """
    zero = stage(*(np.zeros_like(value) for value in inputs))
    ahead = [rng.standard_normal(np.shape(value)) for value in inputs]
    image = stage(*ahead) - zero
    back = rng.standard_normal(zero.shape)
    pulled = stage.vjp(*inputs)[1](back)
    left = float(np.vdot(image, back))
    right = sum(float(np.vdot(a, part)) for a, part in zip(ahead, pulled, strict=True))
    size = float(np.linalg.norm(image) * np.linalg.norm(back))
    return abs(left - right) / size if size else abs(right)


def stage(
    stage: Stage, *inputs: Array, rng: np.random.Generator, directions: int = 3, step: float = 0.1
) -> Report:
    """Put a stage through every test that a chain relies on.

    Parameters
    ----------
    stage : Stage
        The stage.
    *inputs : array
        Typical inputs, inside their bounds by `step` times their size.
    rng : numpy.random.Generator
        Draws directions and cotangents.
    directions : int
        Random directions per input.
    step : float
        The largest step of the Taylor tests, relative to the size of the input or parameter.

    Examples
    --------
    >>> import numpy as np
    >>> from topopt.stages import Tanh
    >>> rng = np.random.default_rng(1)
    >>> stage(Tanh(beta=64.0), rng.uniform(0.2, 0.8, 50), rng=rng).ok
    True
    """
    values = [np.array(value, dtype=np.float64) for value in inputs]
    outcomes = [*_purity(stage, values, rng), *_identity(stage, values)]
    if outcomes[0].passed:  # nothing can be said about a pullback of the wrong shape
        outcomes += _calculus(stage, values, rng, directions, step)
    outcomes += [_slope(stage, name, values, rng, step) for name in scalars(stage)]
    return Report(f"stage {stage!r}"[:200], tuple(outcomes))


def _purity(stage: Stage, values: list[Array], rng: np.random.Generator) -> list[Outcome]:
    """Test that a stage neither changes, keeps nor hands out what is not its own."""
    before = [value.copy() for value in values]
    output, pullback = stage.vjp(*values)
    again, pullback_again = stage.vjp(*values)
    cotangent = rng.standard_normal(np.shape(output))
    kept = cotangent.copy()
    parts, parts_again = pullback(cotangent), pullback_again(cotangent)
    fits = isinstance(parts, tuple) and [np.shape(p) for p in parts] == [v.shape for v in values]
    passed_on = any(output is value for value in values)
    finite = bool(np.isfinite(output).all()) and all(bool(np.isfinite(part).all()) for part in parts)
    unchanged = _same(values, before) and np.array_equal(cotangent, kept)
    alone = passed_on or not any(np.shares_memory(output, other) for other in (*values, again))
    own = all(
        part is cotangent or not any(np.shares_memory(part, other) for other in (*values, output, *others))
        for part, others in ((p, parts_again) for p in parts)
    )
    repeated = np.array_equal(output, again, equal_nan=True) and _same(parts, parts_again)
    called = np.array_equal(output, stage(*values), equal_nan=True)
    return [
        Outcome("pullback shapes", fits, "" if fits else f"got {[np.shape(part) for part in parts]}"),
        Outcome("finite", finite, "" if finite else "nan or infinite entries"),
        Outcome("inputs unmodified", unchanged, "" if unchanged else "an input or a cotangent was changed"),
        Outcome("output fresh", alone, "" if alone else "the output shares memory with an input or a cache"),
        Outcome("cotangents fresh", own, "" if own else "a cotangent shares memory with another array"),
        Outcome("repeatable", repeated, "" if repeated else "a second run gave other digits"),
        Outcome("output alone", called, "" if called else "a call gives other digits than vjp"),
    ]


def _identity(stage: Stage, values: list[Array]) -> list[Outcome]:
    """Test that a stage is a value: frozen, equal to its copy, hashable, picklable."""
    frozen = dataclasses.is_dataclass(stage) and type(stage).__dataclass_params__.frozen
    twin = copy.deepcopy(stage)
    equal = twin == stage
    try:
        hashed = hash(twin) == hash(stage)
    except TypeError:
        hashed = False
    try:
        thawed = pickle.loads(pickle.dumps(stage))
        pickled = bool(thawed == stage and np.array_equal(thawed(*values), stage(*values), equal_nan=True))
    except (pickle.PicklingError, TypeError, AttributeError):
        pickled = False
    return [
        Outcome("frozen dataclass", frozen, "" if frozen else "write @dataclass(frozen=True)"),
        Outcome("equal copies", equal, "" if equal else "a deep copy is not equal"),
        Outcome("hashable", hashed, "" if hashed else "equal stages must have equal hashes"),
        Outcome("pickles", pickled, "" if pickled else "the stage does not survive pickling"),
    ]


def _calculus(
    stage: Stage, values: list[Array], rng: np.random.Generator, directions: int, step: float
) -> list[Outcome]:
    """Test the pullback: linear, the derivative of the map, and the transpose where the map is linear."""
    output, pullback = stage.vjp(*values)
    u, v = rng.standard_normal((2, *output.shape))
    a, b = rng.standard_normal(2)
    both, first, second = pullback(a * u + b * v), pullback(u), pullback(v)
    gap = max(
        _relative(w - a * p - b * q, np.abs(a * p) + np.abs(b * q))
        for w, p, q in zip(both, first, second, strict=True)
    )
    outcomes = [Outcome("pullback linear", gap <= GAP, f"relative gap {gap:.1e}")]
    if stage.heuristic:
        return [*outcomes, Outcome("taylor", None, "heuristic: not tested")]
    for position in range(len(values)):
        tests = [_probe(stage, values, position, rng, step) for _ in range(directions)]
        worst = min(tests, key=lambda test: -math.inf if math.isnan(test.rate) else test.rate)
        outcomes.append(judged(f"taylor input {position}", worst))
    if stage.linear:
        gap = dot(stage, *values, rng=rng)
        outcomes.append(Outcome("dot", gap <= GAP, f"relative gap {gap:.1e}"))
    return outcomes


def _probe(stage: Stage, values: list[Array], position: int, rng: np.random.Generator, step: float) -> Taylor:
    """Run one Taylor test of a random combination of the outputs along a random direction of one input."""
    output, pullback = stage.vjp(*values)
    weights = rng.standard_normal(output.shape)
    size = float(np.abs(values[position]).max(initial=0.0)) or 1.0
    direction = size * rng.uniform(-1.0, 1.0, values[position].shape)

    def function(value: Array) -> float:
        return float(np.vdot(weights, stage(*values[:position], value, *values[position + 1 :]) - output))

    rounding = _rounding(weights * output)
    return taylor(
        function, values[position], pullback(weights)[position], direction, step=step, rounding=rounding
    )


def _slope(stage: Stage, name: str, values: list[Array], rng: np.random.Generator, step: float) -> Outcome:
    """Test `derivative` for one parameter."""
    label, here = f"derivative {name}", scalars(stage)[name]
    if stage.derivative(name, *values) is None:
        return Outcome(label, None, "not given")
    if math.isinf(here):
        return Outcome(label, None, "infinite: not tested")
    output = stage(*values)
    weights = rng.standard_normal(output.shape)
    slope = np.vdot(weights, np.asarray(stage.derivative(name, *values)))
    size = abs(here) or 1.0

    def function(value: Array) -> float:
        moved = replaced(stage, {name: float(value[0])}, type(stage).__name__)
        return float(np.vdot(weights, moved(*values) - output))

    for way in (1.0, -1.0):
        try:
            test = taylor(
                function, np.array([here]), np.array([slope]), np.array([way * size]),
                step=step, rounding=_rounding(weights * output),
            )  # fmt: skip
        except ParameterError:
            continue  # the other way may stay in bounds
        return judged(label, test)
    return Outcome(label, None, "bounds leave no room for a step")


def _rounding(terms: Array) -> float:
    """Return the typical rounding error of a sum whose terms were rounded each."""
    return float(np.finfo(np.float64).eps * np.linalg.norm(terms))


def _same(left: Sequence[Array], right: Sequence[Array]) -> bool:
    """Tell whether two lists of arrays hold the same digits."""
    return all(np.array_equal(a, b, equal_nan=True) for a, b in zip(left, right, strict=True))


def _relative(gap: Array, size: Array) -> float:
    """Return the largest gap relative to the largest size."""
    return float(np.abs(gap).max(initial=0.0) / (size.max(initial=0.0) or 1.0))
