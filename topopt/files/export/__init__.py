"""A design in the formats of other programs."""

from topopt.files.export.design import Plan, export_design
from topopt.files.export.outline import Outline, outline
from topopt.files.export.surface import Surface, surface

__all__ = ["Outline", "Plan", "Surface", "export_design", "outline", "surface"]
