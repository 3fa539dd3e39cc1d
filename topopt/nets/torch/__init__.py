"""The bridge to torch: a module and a loss become a model that `topopt.optimize` drives."""

from __future__ import annotations

from topopt.errors import MissingDependencyError

try:
    import torch  # noqa: F401
except ImportError as error:
    raise MissingDependencyError(
        'topopt.nets.torch needs torch, which is not installed: pip install "topopt[nets]"'
    ) from error

from topopt.nets.torch.gates import SignGate
from topopt.nets.torch.model import TorchModel
from topopt.nets.torch.optimizer import TorchOptimizer
from topopt.nets.torch.segmented import Adjoint, segmented_adjoint
from topopt.nets.torch.stepped import Stepped
from topopt.nets.torch.tap import Tap

__all__ = ["Adjoint", "SignGate", "Stepped", "Tap", "TorchModel", "TorchOptimizer", "segmented_adjoint"]
