"""Makes stool.stl: a body of revolution with a seat, a waist and a foot, 200 mm high.

Needs trimesh: ``python problems/meshes/make_stool.py``.
"""

from pathlib import Path

import numpy as np
import trimesh

OUTLINE = np.array(
    [[0, 0], [90, 0], [90, 12], [72, 60], [66, 100], [72, 140], [100, 176], [100, 200], [0, 200]]
)
"""Radius and height of the outline's corners, mm; the foot stands at height 0."""


def main():
    """Write the surface in 48 sectors, its axis upright along y, in the middle of a base of 200 x 200 mm."""
    stool = trimesh.creation.revolve(OUTLINE.astype(float), sections=48)
    stool.apply_transform([[1, 0, 0, 100], [0, 0, 1, 0], [0, -1, 0, 100], [0, 0, 0, 1]])
    file = Path(__file__).with_name("stool.stl")
    stool.export(file)
    print(f"{file.name}: {len(stool.faces)} triangles, {stool.volume:.4g} mm3, closed: {stool.is_watertight}")


if __name__ == "__main__":
    main()
