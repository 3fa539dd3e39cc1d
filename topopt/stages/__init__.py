"""The stages that chains are built of, from the design to a number."""

from __future__ import annotations

from topopt.stages.aggregates import Extreme, PowerNorm, Scaled, SoftMaximum
from topopt.stages.buckling import BucklingFactors
from topopt.stages.equilibrium import Equilibrium
from topopt.stages.filters import Cone, SensitivityFilter
from topopt.stages.heat import Conduction, MeanTemperature
from topopt.stages.helmholtz import Helmholtz
from topopt.stages.interpolation import OrderedSimp, Ramp, Simp
from topopt.stages.levels import OrderedTanh
from topopt.stages.making import Cast, Extruded, Printed, Repeated, Rotated, Symmetric
from topopt.stages.modes import Frequencies, Masses
from topopt.stages.offset import Offset, erosion_threshold
from topopt.stages.preserving import PreservingExponential, PreservingTanh
from topopt.stages.projections import Eroding, Exponential, Tanh
from topopt.stages.responses import Compliance, Displacement, Mean, SelfWeight, TotalWork, WorstDirection
from topopt.stages.spinning import Centrifugal
from topopt.stages.stress import VonMises
from topopt.stages.subpixel import Ssp, Ssp2
from topopt.stages.surrogate import Surrogate
from topopt.stages.thermal import ThermalLoad
from topopt.stages.thickness import LocalMean
from topopt.stages.vibration import DynamicCompliance

__all__ = [
    "BucklingFactors",
    "Cast",
    "Centrifugal",
    "Compliance",
    "Conduction",
    "Cone",
    "Displacement",
    "DynamicCompliance",
    "Equilibrium",
    "Eroding",
    "Exponential",
    "Extreme",
    "Extruded",
    "Frequencies",
    "Helmholtz",
    "LocalMean",
    "Masses",
    "Mean",
    "MeanTemperature",
    "Offset",
    "OrderedSimp",
    "OrderedTanh",
    "PowerNorm",
    "PreservingExponential",
    "PreservingTanh",
    "Printed",
    "Ramp",
    "Repeated",
    "Rotated",
    "Scaled",
    "SelfWeight",
    "SensitivityFilter",
    "Simp",
    "SoftMaximum",
    "Ssp",
    "Ssp2",
    "Surrogate",
    "Symmetric",
    "Tanh",
    "ThermalLoad",
    "TotalWork",
    "VonMises",
    "WorstDirection",
    "erosion_threshold",
]
