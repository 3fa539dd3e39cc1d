"""Makes bracket.msh: an angle with a rounded inner corner, two bolt holes and a hole for a pin, in triangles.

Nodes are moved until edges are of even length, after Persson and Strang 2004, doi:10.1137/S0036144503429121.
Needs scipy and meshio: ``python problems/meshes/make_bracket.py``.
"""

from pathlib import Path

import meshio
import numpy as np
from scipy.spatial import Delaunay

LEG, WIDTH, FILLET = 100.0, 40.0, 15.0
"""Outer length of both legs, their width, and the radius of the inner corner, mm."""
BOLTS, PIN = ((20.0, 80.0, 6.0), (20.0, 20.0, 6.0)), (85.0, 20.0, 8.0)
"""Centres and radii of the holes."""
EDGE = 1.7


def disc(p, x, y, radius):
    """Return the distance to a circle, negative inside."""
    return np.hypot(p[:, 0] - x, p[:, 1] - y) - radius


def box(p, x0, x1, y0, y1):
    """Return the distance to a rectangle, negative inside."""
    return np.maximum.reduce([x0 - p[:, 0], p[:, 0] - x1, y0 - p[:, 1], p[:, 1] - y1])


def distance(p):
    """Return the distance to the bracket's outline, negative inside."""
    corner = WIDTH + FILLET
    fillet = np.maximum(box(p, WIDTH - 1, corner, WIDTH - 1, corner), -disc(p, corner, corner, FILLET))
    angle = np.minimum(np.minimum(box(p, 0, WIDTH, 0, LEG), box(p, 0, LEG, 0, WIDTH)), fillet)
    return np.maximum.reduce([angle, *(-disc(p, *hole) for hole in (*BOLTS, PIN))])


def meshed(seed=0, steps=250):
    """Return nodes and triangles."""
    rows, columns = np.arange(0, LEG + EDGE, EDGE * np.sqrt(3) / 2), np.arange(0, LEG + EDGE, EDGE)
    x, y = np.meshgrid(columns, rows)
    x[1::2] += EDGE / 2
    points = np.column_stack([x.ravel(), y.ravel()])
    points = points[distance(points) < 0.1 * EDGE]
    fixed = np.array([(0, 0), (LEG, 0), (LEG, WIDTH), (WIDTH, LEG), (0, LEG)], dtype=float)
    apart = np.min(np.linalg.norm(points[:, None] - fixed, axis=2), axis=1) > 0.6 * EDGE
    points = np.concatenate([fixed, points[apart]])
    before = np.full_like(points, np.inf)
    for _ in range(steps):
        if np.abs(points - before).max() > 0.1 * EDGE:
            before = points.copy()
            triangles = Delaunay(points).simplices
            triangles = triangles[distance(points[triangles].mean(axis=1)) < -1e-3 * EDGE]
            bars = np.unique(np.sort(triangles[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2)), axis=0)
        along = points[bars[:, 0]] - points[bars[:, 1]]
        length = np.linalg.norm(along, axis=1)
        wanted = 1.2 * np.sqrt((length**2).mean())
        push = (np.maximum(wanted - length, 0.0) / length)[:, None] * along
        force = np.zeros_like(points)
        np.add.at(force, bars[:, 0], push)
        np.add.at(force, bars[:, 1], -push)
        force[: len(fixed)] = 0.0
        points = points + 0.2 * force
        outside = np.flatnonzero(distance(points) > 0)
        for _ in range(2):
            points[outside] = projected(points[outside])
    near = np.flatnonzero(np.abs(distance(points)) < 0.05 * EDGE)
    points[near] = projected(points[near])
    points[: len(fixed)] = fixed
    triangles = Delaunay(points).simplices
    return points, triangles[distance(points[triangles].mean(axis=1)) < -1e-2 * EDGE]


def projected(points):
    """Return points moved to the outline, along the gradient of the distance."""
    step, d = 1e-6 * LEG, distance(points)
    gradient = np.stack([(distance(points + step * e) - d) / step for e in np.eye(2)], axis=1)
    return points - d[:, None] * gradient / np.maximum((gradient**2).sum(axis=1, keepdims=True), 1e-12)


def main():
    """Write the mesh with the groups body, bolts and pin."""
    points, triangles = meshed()
    used, triangles = np.unique(triangles, return_inverse=True)
    points, triangles = points[used], triangles.reshape(-1, 3)
    a, b = (
        points[triangles[:, 1]] - points[triangles[:, 0]],
        points[triangles[:, 2]] - points[triangles[:, 0]],
    )
    area = a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]
    triangles[area < 0] = triangles[area < 0][:, ::-1]
    sides = np.sort(triangles[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2))
    sides, count = np.unique(sides, axis=0, return_counts=True)
    rim = sides[count == 1]
    middle = points[rim].mean(axis=1)
    near = [np.abs(disc(middle, *hole)) < 0.3 * EDGE for hole in (*BOLTS, PIN)]
    bolts, pin = rim[near[0] | near[1]], rim[near[2]]
    cells = [("triangle", triangles), ("line", bolts), ("line", pin)]
    tags = [np.full(len(c), tag, dtype=np.int32) for tag, (_, c) in zip((1, 2, 3), cells, strict=True)]
    mesh = meshio.Mesh(
        np.pad(points.round(6), ((0, 0), (0, 1))), cells,
        cell_data={"gmsh:physical": tags, "gmsh:geometrical": tags},
        field_data={"body": np.array([1, 2]), "bolts": np.array([2, 1]), "pin": np.array([3, 1])},
    )  # fmt: skip
    file = Path(__file__).with_name("bracket.msh")
    mesh.write(file, file_format="gmsh22", binary=False, float_fmt=".6f")
    quality = (
        np.abs(area)
        / 2
        * 4
        * np.sqrt(3)
        / ((a**2).sum(axis=1) + (b**2).sum(axis=1) + ((a - b) ** 2).sum(axis=1))
    )
    print(f"{file.name}: {len(points)} nodes, {len(triangles)} triangles, worst quality {quality.min():.2f}")


if __name__ == "__main__":
    main()
