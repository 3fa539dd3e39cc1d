"""The checks find what they are meant to find: each fault of a stage, by name, and nothing in a good one."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest

from topopt import check
from topopt.chain import Chain, Stage
from topopt.errors import InputError, NumericalError, ParameterError
from topopt.grid import Domain, Grid
from topopt.stages import Cone, Mean, SensitivityFilter, Simp, Tanh


@dataclass(frozen=True)
class Square(Stage):
    """x**2 times a factor, with room for faults."""

    factor: float = 1.0

    def vjp(self, *inputs):
        (x,) = inputs
        return self.factor * x**2, lambda v: (2.0 * self.factor * x * v,)

    def derivative(self, parameter, *inputs):
        return inputs[0] ** 2


class Wrong(Square):
    def vjp(self, *inputs):
        return inputs[0] ** 2, lambda v: (2.001 * inputs[0] * v,)


class Curved(Square):
    def vjp(self, *inputs):
        return inputs[0] ** 2, lambda v: (2.0 * inputs[0] * v**3,)


class Rude(Square):
    def vjp(self, *inputs):
        (x,) = inputs
        output = x**2

        def pullback(v):
            v *= 2.0 * x
            return (v.copy(),)

        return output, pullback


class Overwriting(Square):
    def vjp(self, *inputs):
        (x,) = inputs
        old = x.copy()
        x *= x
        return x.copy(), lambda v: (2.0 * old * v,)


class View(Square):
    def vjp(self, *inputs):
        (x,) = inputs
        return x[::1].reshape(-1), lambda v: (v.copy(),)


class Borrowed(Square):
    def vjp(self, *inputs):
        (x,) = inputs
        return x + 1.0, lambda v: (v[::1],)


KEPT = np.arange(8.0)


class Cached(Square):
    def vjp(self, *inputs):
        return KEPT, lambda v: (0.0 * v,)


CALLS = [0]


class Forgetful(Square):
    def vjp(self, *inputs):
        CALLS[0] += 1
        return inputs[0] + CALLS[0], lambda v: (1.0 * v,)


class Flat(Square):
    def vjp(self, *inputs):
        return inputs[0] ** 2, lambda v: (np.array([1.0]),)


class Nan(Square):
    def vjp(self, *inputs):
        return inputs[0] * np.nan, lambda v: (1.0 * v,)


class Tilted(Square):
    def derivative(self, parameter, *inputs):
        return 1.1 * inputs[0] ** 2


class Pretender(Square):
    linear: ClassVar[bool] = True


class Loose(Square):
    __hash__ = None


@dataclass
class Soft(Stage):
    """Not frozen, hence not hashable."""

    factor: float = 1.0

    def vjp(self, *inputs):
        return self.factor * inputs[0], lambda v: (self.factor * v,)


@pytest.mark.parametrize(
    ("faulty", "test"),
    [
        (Wrong, "taylor input 0"),
        (Curved, "pullback linear"),
        (Rude, "inputs unmodified"),
        (Overwriting, "inputs unmodified"),
        (View, "output fresh"),
        (Borrowed, "cotangents fresh"),
        (Cached, "output fresh"),
        (Forgetful, "repeatable"),
        (Flat, "pullback shapes"),
        (Nan, "finite"),
        (Tilted, "derivative factor"),
        (Pretender, "dot"),
        (Loose, "hashable"),
        (Soft, "frozen dataclass"),
        (Soft, "hashable"),
    ],
)
def test_each_fault_is_named(faulty, test, rng):
    report = check.stage(faulty(), rng.uniform(0.5, 1.0, 8), rng=rng)
    assert report[test].passed is False
    assert not report.ok
    with pytest.raises(NumericalError, match=rf"{test} +FAILED"):
        report.raise_if_failed()


def test_a_class_that_cannot_be_pickled_is_named(rng):
    class Local(Square):
        pass

    assert check.stage(Local(), rng.random(8), rng=rng)["pickles"].passed is False


def test_a_good_stage_passes_everything(rng):
    report = check.stage(Square(3.0), rng.uniform(0.5, 1.0, 8), rng=rng)
    assert report.ok
    assert all(outcome.passed for outcome in report.outcomes)
    assert "FAILED" not in str(report)
    assert str(report).startswith("stage Square(factor=3.0)\n  pullback shapes    ok")
    report.raise_if_failed()
    with pytest.raises(InputError, match="no test 'taylr' in the report on stage Square"):
        report["taylr"]


@dataclass(frozen=True)
class Product(Stage):
    """Two inputs."""

    right: float = 1.0

    def vjp(self, *inputs):
        x, y = inputs
        return x * y, lambda v: (v * y, self.right * v * x)


def test_every_input_is_tested(rng):
    assert check.stage(Product(), *rng.random((2, 6)), rng=rng).ok
    report = check.stage(Product(1.01), *rng.random((2, 6)), rng=rng)
    assert [outcome.name for outcome in report.failures] == ["taylor input 1"]


def test_taylor_rates():
    x, d = np.array([0.7]), np.array([1.0])
    right = check.taylor(lambda x: float(np.sin(x[0])), x, np.cos(x), d)
    assert right.rate == pytest.approx(2.0, abs=0.02)
    assert right.ok
    assert "rate 2.0" in str(right)
    for slip in (1e-1, 1e-3, 1e-5):
        wrong = check.taylor(lambda x: float(np.sin(x[0])), x, np.cos(x) * (1 + slip), d)
        assert wrong.rate == pytest.approx(1.0, abs=0.2)
        assert not wrong.ok
    cubic = check.taylor(lambda x: float((x[0] - 0.7) ** 3), x, np.zeros(1), d)
    assert cubic.rate == pytest.approx(3.0, abs=0.02)


def test_taylor_says_when_a_function_is_linear():
    x, d = np.array([0.7, 2.0]), np.array([1.0, -0.3])
    linear = check.taylor(lambda x: float(3.0 * x[0] - x[1]), x, np.array([3.0, -1.0]), d)
    assert linear.exact
    assert linear.ok
    assert "linear here" in str(linear)
    wrong = check.taylor(lambda x: float(3.0 * x[0] - x[1]), x, np.array([3.0, -1.001]), d)
    assert wrong.rate == pytest.approx(1.0, abs=0.05)


def test_taylor_says_when_nothing_moves():
    x = np.ones(3)
    still = check.taylor(lambda x: 5.0, x, np.zeros(3), x)
    assert still.still
    assert not still.ok
    assert "not tested" in str(still)
    claimed = check.taylor(lambda x: 5.0, x, np.full(3, 1e-6), x)
    assert not claimed.still
    assert claimed.rate == pytest.approx(1.0, abs=0.01)


def test_taylor_says_when_noise_hides_the_answer(rng):
    noisy = check.taylor(lambda x: float(x @ x + 0.1 * rng.random()), np.ones(3), 2 * np.ones(3), np.ones(3))
    assert not noisy.ok
    assert not noisy.still or "not tested" in str(noisy)


@pytest.mark.parametrize("noise", [1e-12, 1e-9])
def test_taylor_reads_above_the_noise_of_an_iterative_solver(noise, rng):
    x = np.ones(3)
    test = check.taylor(lambda x: float((x @ x) ** 2 * (1 + noise * rng.random())), x, 12 * x, x)
    assert test.rate == pytest.approx(2.0, abs=0.1)
    wrong = check.taylor(lambda x: float((x @ x) ** 2 * (1 + noise * rng.random())), x, 12.1 * x, x)
    assert wrong.rate < 1.5


@pytest.mark.parametrize("width", [1e-1, 1e-3, 1e-5])
def test_taylor_finds_the_smooth_range_of_sharp_functions(width):
    x, d = np.array([0.5 + 0.3 * width]), np.ones(1)
    slope = 1 / np.cosh((x - 0.5) / width) ** 2 / width
    right = check.taylor(lambda x: math.tanh((x[0] - 0.5) / width), x, slope, d)
    assert right.rate == pytest.approx(2.0, abs=0.05)
    assert check.taylor(lambda x: math.tanh((x[0] - 0.5) / width), x, slope * 1.01, d).rate < 1.5


def test_a_staircase_is_exact_once_the_step_is_small():
    right = check.taylor(lambda x: float(np.floor(10 * x[0])), np.array([0.55]), np.zeros(1), np.ones(1))
    assert right.ok
    wrong = check.taylor(lambda x: float(np.floor(10 * x[0])), np.array([0.55]), np.ones(1), np.ones(1))
    assert not wrong.ok


def test_dot_sees_a_transpose_that_is_none(rng):
    @dataclass(frozen=True)
    class Shift(Stage):
        way: int = -1

        def vjp(self, *inputs):
            return np.roll(inputs[0], 1) + 5.0, lambda v: (np.roll(v, self.way),)

    x = rng.random(9)
    assert check.dot(Shift(), x, rng=rng) < 1e-14
    assert check.dot(Shift(1), x, rng=rng) > 1e-3
    assert check.dot(Product(), x, x, rng=rng) > 1e-3


DOMAIN = Domain(Grid((8, 6)))
CHAIN = Chain(
    [
        ("filtered", Cone(DOMAIN, 2.4)),
        ("physical", Tanh(beta=4.0)),
        ("stiffness", Simp()),
        ("volume", Mean(DOMAIN), "physical"),
        ("mean", Mean(DOMAIN), "stiffness"),
    ]
)


def test_chain_at_several_settings(rng):
    settings = [{"physical.beta": beta} for beta in (1.0, 8.0, 64.0)]
    report = check.chain(CHAIN, "mean", rng.uniform(0.2, 0.8, 48), rng, settings=settings, directions=2)
    assert report.ok
    assert [o.name for o in report.outcomes[::2]] == [f"taylor mean physical.beta={b}" for b in (1, 8, 64)]
    assert all(outcome.passed for outcome in report.outcomes)
    assert report.subject == "chain design -> filtered -> physical -> stiffness -> mean"


def test_chain_ignores_parameters_of_other_branches_but_not_unknown_ones(rng):
    x = rng.uniform(0.2, 0.8, 48)
    assert check.chain(CHAIN, "volume", x, rng, settings=[{"stiffness.penal": 2.0}]).ok
    with pytest.raises(ParameterError, match=r"did you mean 'physical\.beta'\?"):
        check.chain(CHAIN, "volume", x, rng, settings=[{"fysical.beta": 2.0}])


def test_chain_finds_a_wrong_link(rng):
    chain = Chain([("squared", Wrong()), ("mean", Mean(DOMAIN))])
    report = check.chain(chain, "mean", rng.uniform(0.2, 0.8, 48), rng)
    assert not report.ok
    assert "FAILED  rate 1." in str(report)


def test_chain_with_a_heuristic_is_not_tested(rng):
    chain = Chain([("seen", SensitivityFilter(DOMAIN, 2.4)), ("mean", Mean(DOMAIN))])
    report = check.chain(chain, "mean", rng.uniform(0.2, 0.8, 48), rng)
    assert report.ok
    assert report.outcomes[0].passed is None
    assert report.outcomes[0].detail == "heuristic: not tested (seen)"


def test_the_sensitivity_filter_would_fail_on_purpose(rng):
    class Claims(SensitivityFilter):
        heuristic: ClassVar[bool] = False

    assert (
        check.stage(Claims(DOMAIN, 2.4), rng.uniform(0.2, 0.8, 48), rng=rng)["taylor input 0"].passed is False
    )
