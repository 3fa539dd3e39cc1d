"""Geometry from files: unstructured meshes to design on, and regions cut from meshes and surfaces."""

from topopt.meshes.elements import Mapped
from topopt.meshes.mesh import Group, Mesh
from topopt.meshes.places import Among, Voxels

__all__ = ["Among", "Group", "Mapped", "Mesh", "Voxels"]
