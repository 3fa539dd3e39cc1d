"""Makes cold_plate.msh: a round plate with three channels for a coolant, in triangles.

Needs gmsh: ``python problems/meshes/make_cold_plate.py``.
"""

from pathlib import Path

import gmsh
import numpy as np

RADIUS, CHANNEL, AWAY = 1.0, 0.14, 0.68
"""Radius of the plate and of a channel, and how far the channels lie from the middle."""
EDGE = 0.032


def main():
    """Write the mesh with the groups plate and channels."""
    gmsh.initialize(["", "-v", "2"])
    plate = gmsh.model.occ.addDisk(0.0, 0.0, 0.0, RADIUS, RADIUS)
    holes = [
        (2, gmsh.model.occ.addDisk(AWAY * np.cos(angle), AWAY * np.sin(angle), 0.0, CHANNEL, CHANNEL))
        for angle in np.pi / 2 + 2 * np.pi / 3 * np.arange(3)
    ]
    (body,), _ = gmsh.model.occ.cut([(2, plate)], holes)
    gmsh.model.occ.synchronize()
    rims = [tag for _, tag in gmsh.model.getBoundary([body], oriented=False)]
    channels = [tag for tag in rims if gmsh.model.occ.getMass(1, tag) < np.pi * RADIUS]
    gmsh.model.addPhysicalGroup(2, [body[1]], name="plate")
    gmsh.model.addPhysicalGroup(1, channels, name="channels")
    for option, value in {"MeshSizeMax": EDGE, "MeshSizeMin": EDGE, "Algorithm": 6, "RandomSeed": 1,
                          "MshFileVersion": 2.2}.items():  # fmt: skip
        gmsh.option.setNumber(f"Mesh.{option}", value)
    gmsh.model.mesh.generate(2)
    file = Path(__file__).with_name("cold_plate.msh")
    gmsh.write(str(file))
    count = len(gmsh.model.mesh.getElementsByType(2)[0])
    quality = gmsh.model.mesh.getElementQualities(gmsh.model.mesh.getElementsByType(2)[0], "gamma")
    print(f"{file.name}: {count} triangles, worst quality {min(quality):.2f}")
    gmsh.finalize()


if __name__ == "__main__":
    main()
