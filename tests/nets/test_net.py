"""A net is driven like a bridge: same loop, same schedules, same log, and its gates die and recover alike."""

import dataclasses

import numpy as np
import pytest

import topopt as to
from topopt.continuation import Constant, Continuation, Follow, Geometric
from topopt.errors import ChainError, InputError
from topopt.nets import Net, Samples, SignGate, StraightThrough, digits, sign_net

BITS = (8, 8, 8)


@pytest.fixture
def blobs(rng):
    """Three clouds of points in five dimensions, to learn from and to judge by."""
    centres = 2.0 * rng.normal(size=(3, 5))

    def cloud(count):
        labels = rng.integers(0, 3, count)
        return Samples(centres[labels] + 0.7 * rng.normal(size=(count, 5)), labels)

    return cloud(120), cloud(60)


def schedules(first, rate=None):
    """One schedule for all gates, and a rate that falls as they sharpen."""
    others = {f"code{number}.beta": Follow("code1.beta") for number in range(2, len(BITS) + 1)}
    slower = {} if rate is None else {"optimizer.rate": Follow("code1.beta", factor=rate, power=-1.0)}
    return Continuation({"code1.beta": first, **others, **slower})


def learnt(net, continuation=Continuation(), steps=150, optimizer=to.Adam(rate=0.02, clip=1.0)):
    *_, last = to.optimize(net, optimizer, continuation, to.Stop(change=0, iterations=steps))
    return last


def test_the_gradient_is_that_of_a_complex_step(blobs, rng):
    net = sign_net(*blobs, BITS, SignGate(1.7))
    x, direction = net.initial(), rng.normal(size=net.start.size)
    evaluation = net.evaluate(x)
    z, number = blobs[0].inputs.astype(complex), 0
    moved = x + 1e-30j * direction
    for width in (*BITS, 3):
        size = (z.shape[1] + 1) * width
        own = moved[number : number + size].reshape(-1, width)
        z, number = z @ own[:-1] + own[-1], number + size
        if number < x.size:
            z = np.tanh(1.7 * z)
    shares = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    loss = -np.log(shares[np.arange(len(z)), blobs[0].labels]).mean()
    assert evaluation.objective == pytest.approx(loss.real, rel=1e-13)
    assert evaluation.gradient @ direction == pytest.approx(loss.imag / 1e-30, rel=1e-12)


def test_abrupt_gates_block_the_signal_and_a_continuation_learns():
    """Four sign layers on digits, as in `problems/nets/sign_digits.yaml`, in fewer steps."""
    pytest.importorskip("sklearn")
    train, held_out = digits(400)
    deep = sign_net(train, held_out, (16, 16, 16, 16))
    others = {f"code{number}.beta": Follow("code1.beta") for number in (2, 3, 4)}
    rate = {"optimizer.rate": Follow("code1.beta", factor=0.02, power=-1.0)}

    def ended(net, schedule, more):
        driven = Continuation({"code1.beta": schedule, **others, **more})
        return learnt(net, driven, steps=200).iteration.measures["sharp"]

    assert ended(deep, Constant(50.0), {}) < 0.4
    assert ended(deep, Geometric(1.0, 64.0, over=180), rate) > 0.7
    straight = sign_net(train, held_out, (16, 16, 16, 16), StraightThrough())
    assert learnt(straight, steps=200).iteration.measures["sharp"] > 0.8


def test_the_survival_gate_leads_to_true_signs_if_the_way_back_stays_soft():
    """What a file gets that says nothing of its gates; nothing of it is chosen for the problem."""
    pytest.importorskip("sklearn")
    net = sign_net(*digits(400), (16, 16, 16, 16), StraightThrough(beta=1.0))
    others = {f"code{number}.beta": Follow("code1.beta") for number in (2, 3, 4)}
    driven = Continuation({"code1.beta": to.Survival(), **others})
    log = learnt(net, driven, steps=300).iteration
    assert log.parameters["code1.beta"] == 512.0
    assert max(log.stages[f"code{layer}"]["discreteness"] for layer in (1, 2, 3, 4)) < 0.01
    assert log.measures["sharp"] > 0.8
    assert log.measures["sharp"] == pytest.approx(log.measures["held_out"], abs=0.005)


def test_the_log_says_layer_by_layer_where_the_signal_dies(blobs):
    net = sign_net(*blobs, BITS)
    log = learnt(net, schedules(Constant(500.0)), steps=1).iteration
    names = ["weights", "score1", "score2", "score3", "logits"]
    assert [name for name in log.stages if name in names] == names
    assert log.stages["logits"]["attenuation"] == 0.0
    assert log.stages["score1"]["dead3"] > 0.9 > log.stages["logits"]["dead3"]
    assert 0.0 < log.vanishing["blocked"] <= 1.0
    assert {"slope_mean", "blocked", "discreteness"} <= log.stages["code2"].keys()
    assert log.vanishing["homotopy:code1.beta"] != 0.0


def test_a_run_goes_on_from_a_snapshot_digit_for_digit(blobs):
    net, continuation = sign_net(*blobs, BITS), schedules(Geometric(1.0, 8.0, over=10), rate=0.02)
    steps = list(to.optimize(net, to.Adam(), continuation, to.Stop(change=0, iterations=12)))
    again = to.optimize(net, to.Adam(), continuation, to.Stop(change=0, iterations=12), steps[4].snapshot)
    *_, last = again
    assert np.array_equal(last.snapshot.x, steps[-1].snapshot.x)


def test_starts_differ_by_their_seed(blobs):
    one, other = (sign_net(*blobs, BITS, seed=seed) for seed in (0, 1))
    assert not np.array_equal(one.initial(), other.initial())
    assert np.array_equal(one.initial(), sign_net(*blobs, BITS, seed=0).initial())


def test_what_does_not_fit_is_refused(blobs):
    with pytest.raises(InputError, match="labels do not fit"):
        Samples(np.zeros((3, 2)), np.zeros(4, dtype=int))
    net = sign_net(*blobs, BITS)
    with pytest.raises(ChainError, match="no link 'loss'"):
        Net(net.chain.upto("logits"), net.start, net.held_out)
    unread = to.Chain([*net.chain.upto("code3"), ("loss", SignGate())], source="weights")
    with pytest.raises(InputError, match="expected a Loss as 'loss', got a SignGate"):
        Net(unread, net.start, net.held_out)


def test_digits_are_those_of_scikit_learn():
    pytest.importorskip("sklearn")
    train, held_out = digits()
    assert train.inputs.shape == (1200, 64)
    assert held_out.inputs.shape == (597, 64)
    assert train.inputs.min() == -1.0
    assert train.inputs.max() == 1.0
    assert train.classes == 10


def test_every_batch_has_noise_of_its_own_and_what_is_judged_has_none(blobs):
    plain, noisy = sign_net(*blobs, BITS), sign_net(*blobs, BITS, noise=0.5)
    x = plain.initial()
    clean = plain.evaluate(x)
    losses = [noisy.evaluate(x, {"batch": float(number)}).objective for number in (0, 1, 1)]
    assert losses[0] != losses[1] == losses[2]
    assert noisy.evaluate(x, {"batch": 3.0, "noise": 0.0}).objective == clean.objective
    assert noisy.evaluate(x).measures["held_out"] == clean.measures["held_out"]
    train = blobs[0]
    added = np.array([train.noisy(0.5, number).inputs - train.inputs for number in range(20)])
    assert added.std() == pytest.approx(0.5, rel=0.03)
    assert abs(added.mean()) < 0.02
    learnt_from = sign_net(train.noisy(0.5, 7), blobs[1], BITS).evaluate(x)
    np.testing.assert_array_equal(noisy.evaluate(x, {"batch": 7.0}).gradient, learnt_from.gradient)


def test_a_net_is_judged_at_every_so_many_batches(blobs):
    net = dataclasses.replace(sign_net(*blobs, BITS), judged=5)
    judged = [bool(net.evaluate(net.start, {"batch": float(k)}).measures) for k in range(7)]
    assert judged == [True, False, False, False, False, True, False]


@pytest.mark.parametrize("number", [-1.0, 2.5])
def test_a_batch_without_a_number_is_refused(blobs, number):
    with pytest.raises(InputError, match=rf"^Net\.batch: expected the number of a batch.*, got {number:g}$"):
        sign_net(*blobs, BITS).evaluate(np.zeros(1), {"batch": number})
