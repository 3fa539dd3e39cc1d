"""A mollified net is linear where it is all soft and itself where it is not; an example shows it learn."""

from __future__ import annotations

from itertools import pairwise

import pytest

from topopt.errors import InputError

torch = pytest.importorskip("torch")

from topopt.nets.torch.mollified import Deep  # noqa: E402


def test_all_soft_it_is_linear_and_unsoftened_it_is_the_plain_net() -> None:
    net, x = Deep(3, 5, seed=1).double(), torch.randn(4, 64, dtype=torch.float64)
    net.softness = 1e9
    torch.testing.assert_close(net(x), net.outward(net.inward(x)), rtol=1e-13, atol=1e-13)
    net.softness = 0.0
    state = net.inward(x)
    for layer in net.layers:
        state = torch.sigmoid(layer(state))
    torch.testing.assert_close(net(x), net.outward(state), rtol=1e-13, atol=1e-13)


def test_upper_layers_copy_more_than_lower_ones() -> None:
    """1 - exp(-k l / depth) of the units do."""
    net, seen = Deep(2, 400), []
    net.softness = 1.0
    state = net.inward(torch.randn(50, 64))
    for layer in net.layers:
        layer.register_forward_hook(lambda _module, inputs, _output: seen.append(inputs[0]))
    net.outward.register_forward_hook(lambda _module, inputs, _output: seen.append(inputs[0]))
    net.inward.register_forward_hook(lambda *_: state)
    net(torch.zeros(50, 64))
    shares = [(after == before).double().mean().item() for before, after in pairwise(seen)]
    assert shares == pytest.approx([0.393, 0.632], abs=0.02)


def test_a_net_of_no_layers_is_refused() -> None:
    with pytest.raises(InputError, match="at least one layer of one unit, got 0 of 32"):
        Deep(0)
