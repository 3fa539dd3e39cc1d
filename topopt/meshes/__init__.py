"""Geometry from files: unstructured meshes to design on, and regions cut from meshes and surfaces."""

from topopt.meshes.elements import Mapped
from topopt.meshes.mesh import Group, Mesh
from topopt.meshes.pieces import pieces
from topopt.meshes.places import Among, Voxels
from topopt.meshes.reading import read_mesh
from topopt.meshes.refining import refined
from topopt.meshes.solids import Solid, read_solid
from topopt.meshes.voxels import read_voxels

__all__ = [
    "Among", "Group", "Mapped", "Mesh", "Solid", "Voxels", "pieces", "read_mesh", "read_solid",
    "read_voxels", "refined",
]  # fmt: skip
