"""The body of a design on a mesh is closed, of the design's volume, and follows the mesh's boundary."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import trimesh

from tests.meshed import SHAKEN, boxes, shaken, simplices
from topopt.design import Design
from topopt.files.export import Plan, export_design, voxels
from topopt.files.export.carved import carved
from topopt.grid import Grid
from topopt.meshes import Mesh


def ball(mesh: Mesh, radius: float) -> np.ndarray:
    """Return 1 within a radius of (1, 1) or (1, 1, 1)."""
    return (np.linalg.norm(mesh.centres - 1.0, axis=1) < radius).astype(float)


@pytest.mark.parametrize("kind", SHAKEN)
@pytest.mark.parametrize("seed", range(12))
def test_any_body_is_closed_and_of_the_design_s_volume(kind: str, seed: int) -> None:
    mesh = SHAKEN[kind]
    density = np.random.default_rng(seed).random(mesh.n_cells)
    density = (density > 0.5).astype(float) if seed % 2 else density
    held = carved(mesh, density)
    assert held is not None
    skin = held.surface(0.3)
    assert skin.open_edges() == 0
    depth = 0.3 if mesh.ndim == 2 else 1.0
    assert held.volume == pytest.approx(density @ mesh.volumes)
    assert skin.volume == pytest.approx(depth * held.volume, rel=2e-3)
    if mesh.ndim == 2:
        assert held.outline().area == pytest.approx(held.volume, rel=2e-3)


@pytest.mark.parametrize("kind", SHAKEN)
def test_a_full_mesh_is_its_own_body(kind: str) -> None:
    mesh = SHAKEN[kind]
    held = carved(mesh, np.ones(mesh.n_cells))
    assert held is not None
    assert held.surface().volume == pytest.approx(mesh.volumes.sum(), rel=1e-6)
    if mesh.ndim == 2:
        (loop,) = held.outline().loops
        assert sorted(loop.round(6).tolist()) == [[0, 0], [0, 1], [2, 0], [2, 1]]
    assert carved(mesh, np.full(mesh.n_cells, 0.4)) is None


@pytest.mark.parametrize("made", [simplices, boxes])
@pytest.mark.parametrize(("size", "within"), [((30, 30), 0.04), ((14, 14, 14), 0.09)])
def test_a_ball_is_round(made, size: tuple[int, ...], within: float) -> None:
    mesh = shaken(made(Grid(size, (2.0,) * len(size))), 0.1)
    held = carved(mesh, ball(mesh, 0.7))
    assert held is not None
    skin = held.surface(1.0)
    assert skin.open_edges() == 0
    edge = skin.points if mesh.ndim == 3 else np.concatenate(held.outline().loops)
    rim = np.linalg.norm(edge - 1.0, axis=1)
    assert np.abs(rim - 0.7).max() < within


def test_a_hole_that_the_mesh_has_is_a_hole_of_the_body() -> None:
    whole = simplices(Grid((30, 30), (2.0, 2.0)))
    corners = whole.corners[np.linalg.norm(whole.centres - 1.0, axis=1) > 0.4]
    used, numbers = np.unique(corners, return_inverse=True)
    mesh = Mesh(whole.points[used], numbers.reshape(-1, 3))
    held = carved(mesh, np.ones(mesh.n_cells))
    assert held is not None
    areas = held.outline().areas
    assert len(areas) == 2
    assert areas.sum() == pytest.approx(mesh.volumes.sum())
    assert (areas < 0).sum() == 1
    assert trimesh.Trimesh(*_parts(held)).euler_number == 0  # a ring


def _parts(held) -> tuple[np.ndarray, np.ndarray]:
    """Return corners and triangles of a body's skin."""
    skin = held.surface()
    return skin.points, skin.triangles


@pytest.mark.parametrize("kind", SHAKEN)
def test_the_files_are_read_by_others_and_fill_the_cells_again(tmp_path: Path, kind: str) -> None:
    mesh = SHAKEN[kind]
    density = (mesh.centres[:, 0] < 1.1).astype(float)
    said = export_design(lambda name: tmp_path / name, "a", density, Design(mesh, density), Plan(unit="mm"))
    names = {"design.npz", "design.vtu", "design.stl", "design.3mf"}
    names |= {"design.svg", "design.dxf"} if mesh.ndim == 2 else set()
    assert {path.name for path in tmp_path.iterdir()} == names
    told = next(sentence for sentence in said if sentence.startswith("design.stl"))
    assert re.fullmatch(
        r"design\.stl: \d+ triangles around volume \S+, [+-]0\.\d\d % against the design's own \S+ "
        r"\(at density 0\.\d{3}, averaged at the nodes\)", told
    )  # fmt: skip
    for name in ("design.stl", "design.3mf"):
        skin = trimesh.load(tmp_path / name, force="mesh")
        assert skin.is_watertight
        assert skin.is_winding_consistent
        assert skin.volume == pytest.approx(density @ mesh.volumes, rel=5e-3)
    filled = voxels(tmp_path / "design.stl", mesh)
    assert (filled != (density > 0)) @ mesh.volumes < 0.15 * mesh.volumes.sum()


def test_the_drawing_shows_a_mesh_that_does_not_begin_at_zero(tmp_path: Path) -> None:
    square = simplices(Grid((4, 4), (2.0, 2.0)))
    mesh = Mesh(square.points - [1.0, 3.0], square.corners)
    density = (mesh.centres[:, 1] < -2.0).astype(float)
    export_design(lambda name: tmp_path / name, "a", density, Design(mesh, density), Plan())
    text = (tmp_path / "design.svg").read_text()
    assert 'viewBox="-1 -3 2 2"' in text
    drawn = re.search(r' d="M([^"]*)Z"', text)
    assert drawn is not None
    points = np.array([pair.split(",") for pair in drawn[1].split("L")], dtype=float)
    assert points[:, 0].min() == pytest.approx(-1)
    assert points[:, 1].max() == pytest.approx(-1)  # what lies lowest is drawn lowest
    assert points[:, 1].min() == pytest.approx(-2, abs=0.2)
