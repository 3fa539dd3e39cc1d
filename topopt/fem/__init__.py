"""Finite elements: what a structure is, and the stiffness operator that it gives with moduli."""

from topopt.fem.loads import BodyLoad, LineLoad, Load, LoadCase, PointLoad, SurfaceLoad
from topopt.fem.material import Material
from topopt.fem.operator import StiffnessOperator
from topopt.fem.structure import Structure
from topopt.fem.supports import Support

__all__ = [
    "BodyLoad", "LineLoad", "Load", "LoadCase", "Material", "PointLoad", "StiffnessOperator", "Structure",
    "Support", "SurfaceLoad",
]  # fmt: skip
