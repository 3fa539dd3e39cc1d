# The public names, in reading order; `__init__.py` reads this file and imports each name on first use.

from .chain import Chain, Link, Stage, Tape
from .continuation import (
    Constant,
    Continuation,
    Geometric,
    Linear,
    Petsc,
    Schedule,
    Settling,
    Staircase,
    Steps,
    Top99neo,
)
from .design import Design
from .diagnosis import diagnose
from .errors import TopoptError
from .evaluation import Evaluation, Model
from .fem import BodyLoad, LineLoad, LoadCase, Material, PointLoad, Structure, Support, SurfaceLoad
from .grid import Domain, Grid
from .history import History, Iteration
from .optimizers import MMA, OC
from .problem import Limit, Problem
from .regions import Ball, Box, Cylinder, Everywhere, Mask, Plane, Point, Polygon, Region
from .run import Snapshot, Step, Stop, optimize, solve
from .stages import (
    Compliance,
    Cone,
    Displacement,
    Equilibrium,
    Eroding,
    Exponential,
    Helmholtz,
    Mean,
    Ramp,
    SensitivityFilter,
    Simp,
    Tanh,
)

__version__: str
__all__ = [
    "MMA",
    "OC",
    "Ball",
    "BodyLoad",
    "Box",
    "Chain",
    "Compliance",
    "Cone",
    "Constant",
    "Continuation",
    "Cylinder",
    "Design",
    "Displacement",
    "Domain",
    "Equilibrium",
    "Eroding",
    "Evaluation",
    "Everywhere",
    "Exponential",
    "Geometric",
    "Grid",
    "Helmholtz",
    "History",
    "Iteration",
    "Limit",
    "LineLoad",
    "Linear",
    "Link",
    "LoadCase",
    "Mask",
    "Material",
    "Mean",
    "Model",
    "Petsc",
    "Plane",
    "Point",
    "PointLoad",
    "Polygon",
    "Problem",
    "Ramp",
    "Region",
    "Schedule",
    "SensitivityFilter",
    "Settling",
    "Simp",
    "Snapshot",
    "Stage",
    "Staircase",
    "Step",
    "Steps",
    "Stop",
    "Structure",
    "Support",
    "SurfaceLoad",
    "Tanh",
    "Tape",
    "Top99neo",
    "TopoptError",
    "diagnose",
    "optimize",
    "solve",
]
