"""A system in its own unit of stiffness, in which single precision has room on both sides."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from topopt.errors import SingularSystemError
from topopt.fem.assembly import System
from topopt.parameters import Array
from topopt.solvers.protocol import Operator

__all__ = ["Scaled"]


@dataclass(frozen=True, eq=False)
class Scaled:
    """A system whose largest modulus and largest entry of an element matrix are one.

    Attributes
    ----------
    system : System
        As it was given.
    moduli : array, shape (n_cells,)
        At most 1.
    scale, spring : float
        Factors on the element matrix and on the springs.
    unit : float
        What the operator was divided by.
    """

    system: System
    moduli: Array
    scale: float = 1.0
    spring: float = 1.0
    unit: float = 1.0

    @classmethod
    def of(cls, operator: Operator) -> Scaled:
        """Take the unit of an operator.

        Raises
        ------
        SingularSystemError
            If no modulus is positive.
        """
        largest = float(operator.moduli.max())
        entry = float(np.abs(np.diag(operator.system.element_matrix)).max())
        if not largest * entry > 0.0:
            raise SingularSystemError("multigrid: no cell has a positive modulus")
        moduli = np.asarray(operator.moduli / largest, dtype=np.float64)
        return cls(operator.system, moduli, 1.0 / entry, 1.0 / (largest * entry), largest * entry)
