"""The stages that chains are built of, from the design to a number."""

from __future__ import annotations

from topopt.stages.equilibrium import Equilibrium
from topopt.stages.filters import Cone, SensitivityFilter
from topopt.stages.heat import Conduction, MeanTemperature
from topopt.stages.helmholtz import Helmholtz
from topopt.stages.interpolation import Ramp, Simp
from topopt.stages.making import Extruded, Printed, Repeated, Symmetric
from topopt.stages.offset import Offset, erosion_threshold
from topopt.stages.preserving import PreservingExponential, PreservingTanh
from topopt.stages.projections import Eroding, Exponential, Tanh
from topopt.stages.responses import Compliance, Displacement, Mean, SelfWeight, TotalWork
from topopt.stages.subpixel import Ssp, Ssp2
from topopt.stages.surrogate import Surrogate

__all__ = [
    "Compliance",
    "Conduction",
    "Cone",
    "Displacement",
    "Equilibrium",
    "Eroding",
    "Exponential",
    "Extruded",
    "Helmholtz",
    "Mean",
    "MeanTemperature",
    "Offset",
    "PreservingExponential",
    "PreservingTanh",
    "Printed",
    "Ramp",
    "Repeated",
    "SelfWeight",
    "SensitivityFilter",
    "Simp",
    "Ssp",
    "Ssp2",
    "Surrogate",
    "Symmetric",
    "Tanh",
    "TotalWork",
    "erosion_threshold",
]
