"""Codes of signs: the likelihood of pairs by hand, and the precision of what is found by counting."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import topopt as to
from topopt import check
from topopt.errors import InputError
from topopt.nets import PairwiseLikelihood, Samples, SignGate, StraightThrough, digits, hash_net
from topopt.nets.hashing import mean_average_precision

LABELS = np.array([0, 1, 0, 2, 1, 0])


def samples(labels=LABELS) -> Samples:
    return Samples(np.zeros((len(labels), 3)), np.asarray(labels))


def test_the_loss_is_the_weighted_likelihood_pair_by_pair(rng) -> None:
    codes = rng.uniform(-1, 1, size=(6, 4))
    near, far = [], []
    for i, j in itertools.permutations(range(6), 2):
        chance = 1 / (1 + np.exp(-2.5 * codes[i] @ codes[j]))  # 10 over 4 bits
        if LABELS[i] == LABELS[j]:
            near.append(-np.log(chance))
        else:
            far.append(-np.log(1 - chance))
    assert PairwiseLikelihood(samples())(codes) == pytest.approx(
        0.5 * (np.mean(near) + np.mean(far)), rel=1e-12
    )


def test_its_derivative_passes_the_taylor_test(rng) -> None:
    check.stage(PairwiseLikelihood(samples()), rng.uniform(-1, 1, size=(6, 4)), rng=rng).raise_if_failed()


def test_likelihoods_of_long_codes_do_not_overflow() -> None:
    loss, pullback = PairwiseLikelihood(samples(), steepness=1e5).vjp(np.ones((6, 4)))
    assert np.isfinite(loss)
    assert np.isfinite(pullback(np.array(1.0))[0]).all()


def counted(codes, labels) -> float:
    """Return the precision by going through every order of the others that their distances allow."""
    everyone = []
    for asked in range(len(labels)):
        others = [k for k in range(len(labels)) if k != asked]
        distance = {k: int((codes[asked] != codes[k]).sum()) for k in others}
        orders = []
        for order in itertools.permutations(others):
            if any(distance[a] > distance[b] for a, b in itertools.pairwise(order)):
                continue
            right = np.array([labels[k] == labels[asked] for k in order])
            orders.append((np.cumsum(right) / np.arange(1, len(order) + 1))[right].mean())
        everyone.append(np.mean(orders))
    return float(np.mean(everyone))


@pytest.mark.parametrize("bits", [1, 2, 5])
def test_the_precision_is_the_mean_over_all_orders_of_what_lies_equally_near(rng, bits: int) -> None:
    labels = np.array([0, 1, 0, 1, 1, 0, 1])
    codes = np.where(rng.normal(size=(7, bits)) < 0, -1.0, 1.0)
    assert mean_average_precision(codes, labels) == pytest.approx(counted(codes, labels), rel=1e-12)


def test_codes_of_their_own_find_all_and_one_code_for_all_finds_by_chance() -> None:
    labels = np.repeat([0, 1], 50)
    apart = np.where(labels[:, None] == 1, 1.0, -1.0) * np.ones(8)
    assert mean_average_precision(apart, labels) == 1.0
    assert mean_average_precision(np.ones((100, 8)), labels) == pytest.approx(0.5, abs=0.03)


def test_precision_without_ties_is_that_of_scikit_learn(rng) -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    codes = np.tril(2.0 * np.ones((12, 12))) - 1.0  # k bits up: all distances from the first differ
    labels = rng.permutation([0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1])
    near = -np.array([(codes[0] != code).sum() for code in codes[1:]])
    first = metrics.average_precision_score(labels[1:] == labels[0], near)
    rest = [counted_by_distance(codes, labels, asked) for asked in range(1, 12)]
    assert mean_average_precision(codes, labels) == pytest.approx(np.mean([first, *rest]), rel=1e-12)


def counted_by_distance(codes, labels, asked: int) -> float:
    """Return one sample's precision where at most two others lie equally near: the mean of both orders."""
    others = [k for k in range(len(labels)) if k != asked]
    distance = np.array([(codes[asked] != codes[k]).sum() for k in others])
    right = np.array([labels[k] == labels[asked] for k in others])
    groups = [np.flatnonzero(distance == d) for d in np.unique(distance)]
    values = []
    for orders in itertools.product(*(itertools.permutations(group) for group in groups)):
        hits = right[np.concatenate([np.array(order) for order in orders])]
        values.append((np.cumsum(hits) / np.arange(1, len(hits) + 1))[hits].mean())
    return float(np.mean(values))


def test_what_cannot_be_found_is_refused() -> None:
    with pytest.raises(InputError, match="at least two samples of every class"):
        mean_average_precision(np.ones((3, 2)), np.array([0, 0, 1]))
    for labels in ([0, 0, 0], [0, 1, 2]):
        with pytest.raises(InputError, match="some that are of one class, and some not"):
            PairwiseLikelihood(samples(labels))


def test_codes_of_digits_learn_to_find_their_like_and_abrupt_signs_do_not() -> None:
    pytest.importorskip("sklearn")
    ended = {}
    for name, beta, gate in (
        ("gate", to.Survival(), StraightThrough(1.0)),
        ("abrupt", to.Constant(500.0), SignGate()),
    ):
        net = hash_net(*digits(300), (16,), gate, noise=0.25)
        rules = to.Continuation({"code1.beta": beta, "batch": to.Counter()})
        last = to.solve(net, to.Adam(rate=0.02, clip=1.0), rules, to.Stop(change=0.0, iterations=101))
        ended[name] = last.iteration.measures["sharp"]
    assert ended["abrupt"] < 0.65 < 0.8 < ended["gate"]
