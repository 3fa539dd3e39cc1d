"""Your own torch network under a continuation in ten lines: your gates, their slope scheduled by its name.

``python docs/examples/own_net.py`` takes a quarter of a minute; ``--quick`` a few seconds. Needs torch.
"""

from __future__ import annotations

import sys

import torch
from torch import Tensor, nn

import topopt as to
from topopt.nets.torch import TorchModel


class Steep(nn.Module):
    """A gate that you wrote: any float of a module is a parameter, under its dotted name.

    Named among the model's `gates` it is passed by the references that the log compares with.
    """

    def __init__(self) -> None:
        super().__init__()
        self.slope = 1.0

    def forward(self, z: Tensor) -> Tensor:
        return torch.sigmoid(self.slope * z)


def network(depth: int = 6, width: int = 24) -> nn.Module:
    """Return a net with steep gates, as torch draws it."""
    torch.manual_seed(0)
    gate, layers = Steep(), [nn.Linear(2, width)]
    for _ in range(depth - 1):
        layers += [gate, nn.Linear(width, width)]
    return nn.Sequential(*layers, gate, nn.Linear(width, 1))


def spirals(number: int) -> tuple[Tensor, Tensor]:
    """Return a batch of points on one of two spirals, and on which."""
    random = torch.Generator().manual_seed(number)
    turn, arm = 6.0 * torch.rand(128, generator=random), torch.randint(0, 2, (128,), generator=random)
    angle = turn + torch.pi * arm
    return torch.stack([angle.cos(), angle.sin()], 1) * turn[:, None] / 6.0, arm[:, None].float()


def misfit(net: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
    """Return the loss of a batch."""
    return nn.functional.binary_cross_entropy_with_logits(net(batch[0]), batch[1])


def learnt(slope: to.Schedule, batches: int) -> to.Step:
    """Learn with a slope that follows a schedule; these are the ten lines."""
    model = TorchModel(network(), misfit, spirals, gates=("1",), every=10)
    continuation = to.Continuation(
        {
            "1.slope": slope,
            "optimizer.rate": to.Follow("1.slope", factor=0.02, power=-0.5),
            "batch": to.Counter(),
        }
    )
    stop = to.Stop(change=0.0, iterations=batches)
    return to.solve(model, to.Adam(), continuation, stop)


def main() -> None:
    """Learn with gates that are steep from the start, and with gates that become so."""
    batches = 300 if "--quick" in sys.argv else 1500
    ways = {
        "steep from the start": to.Constant(64.0),
        "sharpened": to.Geometric(4.0, 64.0, over=batches * 7 // 10),
    }
    for name, slope in ways.items():
        last = learnt(slope, batches)
        losses = [it.objective for it in last.history][-20:]
        dead = last.history[0].stages["0"]["dead3"]
        print(
            f"{name}: loss {sum(losses) / len(losses):.3f} at a slope of "
            f"{last.iteration.parameters['1.slope']:g}; at first {100 * dead:.0f} % of the first layer was "
            "dead"
        )


if __name__ == "__main__":
    main()
