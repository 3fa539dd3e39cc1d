"""What a design has to obey to be made: symmetry, extrusion, repetition, and no overhangs in print."""

from __future__ import annotations

from topopt.stages.making.casting import Cast
from topopt.stages.making.patterns import Extruded, Repeated
from topopt.stages.making.printing import Printed
from topopt.stages.making.symmetry import Rotated, Symmetric

__all__ = ["Cast", "Extruded", "Printed", "Repeated", "Rotated", "Symmetric"]
