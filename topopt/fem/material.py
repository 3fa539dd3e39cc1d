"""The full material: Hooke's law of an isotropic solid, in the plane or in space."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated

import annotated_types as at
import numpy as np

from topopt.errors import InputError, suggestion
from topopt.parameters import Array, Positive, checked

__all__ = ["PLANES", "Material", "elasticity"]

PLANES = ("stress", "strain")
Poisson = Annotated[float, at.Gt(-1), at.Lt(0.5)]


@dataclass(frozen=True)
class Material:
    """An isotropic linear elastic material.

    Parameters
    ----------
    young : float
        Young's modulus, force per area in the user's units.
    poisson : float
        Poisson's ratio, between -1 and 0.5.
    plane : {"stress", "strain"}
        The 2-D idealisation; ignored, and therefore refused, in 3-D.
    thickness : float
        Thickness of a 2-D structure, in the user's unit of length; refused in 3-D.

    Examples
    --------
    >>> Material(young=210e9, poisson=0.3, plane="strain").plane
    'strain'
    """

    young: Positive = 1.0
    poisson: Poisson = 0.3
    plane: str = "stress"
    thickness: Positive = 1.0

    def __post_init__(self) -> None:
        """Refuse numbers out of bounds and an unknown plane."""
        checked(self)
        if not (math.isfinite(self.young) and math.isfinite(self.thickness)):
            raise InputError(
                f"Material: young = {self.young} and thickness = {self.thickness} must be finite"
            )
        if self.plane not in PLANES:
            raise InputError(
                f"Material.plane: '{self.plane}' is unknown; {suggestion(str(self.plane), PLANES)}"
            )


def elasticity(material: Material, ndim: int) -> Array:
    """Return Hooke's matrix D, stress = D @ strain.

    With the Lamé constants lambda = E nu / ((1 + nu)(1 - 2 nu)) and mu = E / (2 (1 + nu)),
    normal stresses are lambda tr(strain) + 2 mu strain and shear stresses mu gamma. Plane stress replaces
    lambda by 2 lambda mu / (lambda + 2 mu) = E nu / (1 - nu^2), which makes the stress along z vanish.

    Parameters
    ----------
    material : Material
        The constants.
    ndim : int
        2 or 3.

    Returns
    -------
    array, shape (3, 3) or (6, 6)
        In the order xx, yy, xy or xx, yy, zz, xy, xz, yz; shear strains are the engineering ones.

    Raises
    ------
    InputError
        If a plane or a thickness is given for a 3-D structure.
    """
    young, nu = material.young, material.poisson
    if ndim == 3 and (material.plane != "stress" or material.thickness != 1.0):
        raise InputError(
            "Material: plane and thickness belong to 2-D structures; leave them out on a 3-D grid"
        )
    mu = young / (2 * (1 + nu))
    flat = ndim == 2 and material.plane == "stress"
    lame = young * nu / (1 - nu**2) if flat else young * nu / ((1 + nu) * (1 - 2 * nu))
    n_shear = ndim * (ndim - 1) // 2
    law = np.diag([2 * mu] * ndim + [mu] * n_shear)
    law[:ndim, :ndim] += lame
    return law
