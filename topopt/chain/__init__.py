"""A chain of named, frozen, differentiable stages; running it leaves a tape that knows every sensitivity."""

from topopt.chain.chain import Chain, Link
from topopt.chain.stage import Pullback, Stage
from topopt.chain.tape import Tape

__all__ = ["Chain", "Link", "Pullback", "Stage", "Tape"]
