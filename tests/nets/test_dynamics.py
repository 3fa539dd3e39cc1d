"""Costates, exponents and the theory of random networks against exact and published values."""

import math

import numpy as np
import pytest

from topopt.errors import InputError
from topopt.nets.costate import followed
from topopt.nets.lyapunov import RandomNetwork, spectrum
from topopt.nets.meanfield import mean_field
from topopt.nets.recurrent import LSTM, RNN, SEGMENT, chrono, costate_path, driven


@pytest.mark.parametrize("cell", [RNN.drawn(3, 4), LSTM.drawn(3, 4, forget=1.0)], ids=["rnn", "lstm"])
def test_a_cells_pullback_is_the_complex_step(cell, rng):
    state, drive = rng.normal(size=cell.rest(2).shape), rng.normal(size=(2, 3))
    v, direction = rng.normal(size=state.shape), rng.normal(size=state.shape)
    turned = rng.normal(size=cell.weights.shape)
    _, pullback = cell.vjp(state, drive)
    passed, gradient = pullback(v)
    h = 1e-30

    def moved(weights, state):
        n, made = cell.w.size, type(cell)
        w, u, b = weights[:n], weights[n : n + cell.u.size], weights[n + cell.u.size :]
        return made(w.reshape(cell.w.shape), u.reshape(cell.u.shape), b).step(state, drive)

    by_state = moved(cell.weights + 0j, state + 1j * h * direction).imag / h
    assert (passed * direction).sum() == pytest.approx((v * by_state).sum(), rel=1e-12)
    by_weight = moved(cell.weights + 1j * h * turned, state + 0j).imag / h
    assert gradient @ turned == pytest.approx((v * by_weight).sum(), rel=1e-12)


@pytest.mark.parametrize("make", [RNN.drawn, LSTM.drawn], ids=["rnn", "lstm"])
def test_segments_change_nothing(make, rng):
    """The path's costate is that of one tape over all steps."""
    cell, drives = make(2, 3), rng.normal(size=(2 * SEGMENT + 7, 1, 2))
    seed = rng.normal(size=cell.rest(1).shape)
    path = costate_path(cell, drives, seed)
    states = list(driven(cell, drives))
    v = seed
    for state, drive in zip(states[-2:-40:-1], drives[:-39:-1], strict=True):
        v = cell.vjp(state, drive)[1](v)[0]
    assert path.log_norms.size == len(drives) + 1
    assert 10 ** path.log_norms[-39] == pytest.approx(np.linalg.norm(v), rel=1e-12)


def test_one_unit_loses_the_logarithm_of_its_weight_a_step():
    path = followed(np.ones(1), (lambda v: 0.5 * v for _ in range(100_000)))
    assert path.rate == pytest.approx(math.log(0.5), rel=1e-10)
    assert path.log_norms[0] == pytest.approx(-100_000 * math.log10(2.0), rel=1e-10)
    assert path.lost > 30_000  # far under the smallest float


def test_at_the_edge_the_costate_falls_by_a_power_not_exponentially():
    """h' = tanh(h) from 1: h ~ sqrt(3 / 2k), so that the costate falls like k**(-3/2)."""
    h, slopes = 1.0, []
    for _ in range(20_000):
        slopes.append(4 / (math.exp(h) + math.exp(-h)) ** 2)
        h = math.tanh(h)
    total = np.concatenate([[0.0], np.cumsum(np.log10(slopes))])
    measured = (total[20_000] - total[2_000]) / math.log10(10)
    assert measured == pytest.approx(-1.5, abs=0.01)


def test_a_costate_that_dies_outright_says_so():
    path = followed(np.ones(2), [lambda v: 0.0 * v, lambda v: v])
    assert path.log_norms.tolist() == [-math.inf, -math.inf, math.log10(math.sqrt(2))]


@pytest.mark.parametrize(
    ("gain", "largest"),
    [(1.2, 0.016476), (1.5, 0.065217), (2, 0.154724), (3, 0.310249), (5, 0.532428), (10, 0.856435)],
)
def test_mean_field_values(gain, largest):
    assert mean_field(gain).largest == pytest.approx(largest, abs=2e-6)


def test_the_transition_lies_at_a_gain_of_one():
    assert mean_field(1.0).largest == 0.0
    assert mean_field(0.9).largest < 0 < mean_field(1.1).largest
    with pytest.raises(InputError, match="positive gain"):
        mean_field(0.0)


def test_below_the_transition_the_exponents_are_the_matrix_own(rng):
    network = RandomNetwork.drawn(60, 0.5)
    found = network.spectrum(8, steps=400, discard=100).exponents
    sizes = np.sort(np.log(np.abs(np.linalg.eigvals(network.coupling))))[::-1]
    assert found[:4].sum() == pytest.approx(sizes[:4].sum(), abs=0.06)
    assert found[0] == pytest.approx(sizes[0], abs=0.02)


def test_in_chaos_the_largest_exponent_is_that_of_theory_and_of_the_costate():
    network = RandomNetwork.drawn(200, 2.0)
    found = network.spectrum(3, steps=1500)
    path = network.costate_path(3000)
    assert found.exponents[0] == pytest.approx(mean_field(2.0).largest, rel=0.08)
    assert path.rate == pytest.approx(found.exponents[0], rel=0.03)
    assert 0 < found.errors[0] < 0.01


@pytest.mark.parametrize("gain", [0.5, 1.5, 2.0, 3.0, 5.0])
def test_over_one_long_path_the_costate_loses_what_the_exponent_says_to_a_hundredth(gain):
    network = RandomNetwork.drawn(200, gain)
    (largest,) = network.spectrum(1, steps=10_000, discard=500).exponents
    assert abs(largest) > 0.05
    assert network.costate_path(10_000, discard=500).rate == pytest.approx(largest, rel=0.01)


def test_the_sum_of_all_exponents_is_the_mean_contraction():
    network = RandomNetwork.drawn(40, 2.0)
    found = network.spectrum(40, steps=600)
    state, total = network.start(), []
    for number in range(800):
        if number >= 200:
            total.append(np.log(1 - np.tanh(state) ** 2).sum())
        state = network.step(state)
    volume = np.linalg.slogdet(network.coupling)[1]
    assert found.exponents.sum() == pytest.approx(volume + np.mean(total), rel=1e-9)
    assert 0 < found.dimension < 40
    assert found.entropy == found.exponents[found.exponents > 0].sum()


def test_a_linear_map_has_the_logarithms_of_its_eigenvalues():
    a = np.diag([2.0, 1.0, 0.25])
    found = spectrum(lambda x: 0 * x, lambda x, q: a @ q, np.ones(3), 3, steps=60)
    assert found.exponents == pytest.approx(np.log([2.0, 1.0, 0.25]), abs=1e-9)
    assert found.dimension == pytest.approx(2.5)


def test_what_cannot_be_measured_is_refused():
    network = RandomNetwork.drawn(4, 2.0)
    with pytest.raises(InputError, match="1 to 4 exponents"):
        network.spectrum(5)
    with pytest.raises(InputError, match="at least 20 steps"):
        network.spectrum(1, steps=10)
    with pytest.raises(InputError, match="at least 3 steps"):
        chrono(LSTM.drawn(1, 2), 2)


def test_a_default_net_goes_silent_and_a_chrono_lstm_does_not(rng):
    drives = np.eye(4)[rng.integers(0, 4, size=(1000, 2))]
    lost = {}
    for name, cell in (
        ("rnn", RNN.drawn(4, 16)),
        ("lstm", LSTM.drawn(4, 16)),
        ("chrono", chrono(LSTM.drawn(4, 16), 1000)),
    ):
        seed = np.zeros(cell.rest(2).shape)
        seed[:, :16] = rng.normal(size=(2, 16))
        lost[name] = costate_path(cell, drives, seed).lost
    assert lost["rnn"] > 100
    assert lost["lstm"] > 100
    assert lost["chrono"] < 2
