"""A design in the formats of other programs."""

from topopt.files.export.body import Body, body
from topopt.files.export.design import Plan, export_design
from topopt.files.export.outline import Outline, outline
from topopt.files.export.surface import Surface, surface
from topopt.files.export.voxels import voxels

__all__ = ["Body", "Outline", "Plan", "Surface", "body", "export_design", "outline", "surface", "voxels"]
