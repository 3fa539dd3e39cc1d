"""Designs on a mesh are judged, compared and verified as those on a grid are, each cell by its volume."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import topopt as to
from tests.beams import PLATE
from tests.meshed import boxes, shaken, simplices, written
from topopt.errors import InputError
from topopt.files import Plan, RunFolder, parse
from topopt.grid import Grid
from topopt.meshes import Mesh, read_mesh
from topopt.study import Starts
from topopt.study.connectivity import bodies, connectivity
from topopt.study.verification import verified, verified_body
from topopt.study.yardstick import Threshold, blackened

GRID = Grid((12, 4), (3.0, 1.0))
RAMP = "continuation.'physical.beta'={type: geometric, start: 1, final: 16, over: 15}"
SHARP = ("stop.iterations=25", RAMP, "chain.filtered.radius=0.35")


def graded() -> Mesh:
    """Return triangles up to seven times as large on the right as on the left."""
    mesh = simplices(GRID)
    share = mesh.points[:, :1] / 3.0
    return Mesh(np.hstack([3.0 * share * (0.25 + 0.75 * share), mesh.points[:, 1:]]), mesh.corners)


def plate(folder: Path, mesh: Mesh, *overrides: str) -> Any:
    """Return the job of the plate on a mesh that lies in a folder."""
    written(folder / "plate.msh", mesh)
    (folder / "plate.yaml").write_text(PLATE)
    return parse(PLATE, "plate.yaml", overrides, folder)


def run(folder: Path, mesh: Mesh, *overrides: str) -> Path:
    """Return the folder of a run that has ended."""
    job = plate(folder, mesh, *overrides)
    with RunFolder.create(folder, "run", job.resolved) as out:
        for step in out.steps(job.problem, job.optimizer, job.continuation, job.stop):
            last = step
        out.finish(last, Plan())
    return out.path


def beam(cells: Any, volume: float = 0.6) -> to.Problem:
    """Return a cantilever on any cells."""
    body = to.Structure(
        cells, (to.Support(to.Plane(x=0.0)),), (to.PointLoad(to.Point((3.0, 0.5)), (0.0, -1.0)),)
    )
    domain = to.Domain(cells, solid=to.Box((2.6, 0.2), (3.0, 0.8)))
    return to.Problem(
        to.Chain(
            [
                ("physical", to.Tanh(beta=2.0)),
                ("stiffness", to.Simp()),
                ("displacement", to.Equilibrium(body)),
                ("compliance", to.Compliance(body)),
                ("volume", to.Mean(domain), "physical"),
            ]
        ),
        domain, "compliance", {"volume": volume},
    )  # fmt: skip


def test_a_grid_and_its_cells_as_a_mesh_have_the_same_score() -> None:
    scores = []
    for cells in (GRID, boxes(GRID)):
        problem = beam(cells)
        x = np.random.default_rng(0).permutation(np.linspace(0.6, 0.9, problem.domain.n_active))
        x += 0.3 * np.isclose(cells.centres[problem.domain.active][:, 1], 0.375)  # a sound web
        scores.append(Threshold().judge(problem, x, problem.evaluate(x), {}))
    assert scores[0].value < math.inf
    assert scores[1].value == pytest.approx(scores[0].value, rel=1e-9)


@pytest.mark.parametrize("volume", [0.2, 0.5, 0.83, 1.0])
def test_what_becomes_solid_has_the_volume_and_is_densest(volume: float) -> None:
    mesh = graded()
    domain = to.Domain(mesh, solid=to.Box((2.6, 0.2), (3.0, 0.8)), void=to.Box((0.0, 0.8), (0.4, 1.0)))
    density = 0.3 * np.random.default_rng(1).uniform(size=mesh.n_cells) + 0.2 * mesh.centres[:, 0]
    amount = volume * domain.volume_of(~domain.void_cells)
    solid = blackened(domain, density, amount)
    assert abs(mesh.volumes[solid].sum() - amount) <= 0.5 * mesh.volumes.max()
    assert solid[domain.solid_cells].all()
    assert not solid[domain.void_cells].any()
    chosen, left = solid & domain.active, ~solid & domain.active
    assert density[chosen].min(initial=1.0) >= density[left].max(initial=0.0)
    if volume < 1:  # so many cells would be another volume
        assert abs(solid[~domain.void_cells].mean() - volume) > 0.01


def test_of_equally_dense_cells_those_beside_denser_ones_go_first() -> None:
    mesh = simplices(GRID)
    density = np.where(mesh.centres[:, 0] < 1.0, 1.0, 0.5)
    solid = blackened(to.Domain(mesh), density, 1.25)
    assert mesh.centres[solid, 0].max() < 1.5


def test_more_passive_solid_than_volume_is_refused() -> None:
    domain = to.Domain(graded(), solid=to.Box((1.5, 0.0), (3.0, 1.0)))
    with pytest.raises(
        InputError, match=r"a solid volume of 0\.5: 1\.\d+ is passive solid and 1\.\d+ may become"
    ):
        blackened(domain, np.full(domain.mesh.n_cells, 0.5), 0.5)


def test_cells_hang_together_by_sides_and_not_by_corners() -> None:
    mesh = simplices(Grid((2, 2)))
    diagonal = np.isin(np.arange(8) % 4, (0, 3))  # the cells at (0, 0) and (1, 1), two triangles each
    labels, count = bodies(mesh, diagonal)
    assert count == 2
    assert sorted(np.bincount(labels)) == [2, 2, 4]
    assert bodies(mesh, np.ones(8, dtype=bool))[1] == 1
    assert bodies(mesh, np.zeros(8, dtype=bool))[1] == 0


@pytest.mark.parametrize("seed", range(8))
def test_faults_and_islands_are_those_of_the_grid(seed: int) -> None:
    solid = np.random.default_rng(seed).uniform(size=GRID.n_cells) < 0.7
    loads = (to.LoadCase("tip", (to.PointLoad(to.Point((3.0, 0.5)), (0.0, -1.0)),)),
             to.LoadCase("top", (to.LineLoad(to.Plane(y=1.0), (0.0, -1.0)),)))  # fmt: skip
    one, other = (
        connectivity(to.Structure(cells, (to.Support(to.Plane(x=0.0)),), loads), solid)
        for cells in (GRID, boxes(GRID))
    )
    assert other == one


def test_a_design_on_a_mesh_that_is_torn_has_no_value(tmp_path: Path) -> None:
    problem = beam(graded(), 0.5)
    x = np.where(problem.mesh.centres[problem.domain.active][:, 0] < 1.0, 0.9, 0.1)
    score = Threshold().judge(problem, x, problem.evaluate(x), {})
    assert score.value == math.inf
    assert "hang on a body that no support holds" in score.fault


def test_noise_of_a_start_keeps_the_volume() -> None:
    problem = beam(graded())
    starts = dict(Starts(perturbed=2, noise=0.4).of(problem))
    volumes = problem.mesh.volumes
    for name in ("perturbed-1", "perturbed-2"):
        start = np.asarray(starts[name].start)
        assert volumes @ start == pytest.approx(volumes @ np.asarray(problem.start))
        assert abs(start.mean() - np.asarray(problem.start).mean()) > 1e-4


def test_a_run_on_a_mesh_is_verified_on_cells_of_half_the_edge(tmp_path: Path) -> None:
    mesh = shaken(simplices(Grid((24, 8), (3.0, 1.0))))
    folder = run(tmp_path, mesh, *SHARP)
    found = verified(folder)
    assert found.cells == (4 * mesh.n_cells,)
    assert found.black == pytest.approx(found.grey, rel=0.3)
    assert f"On {4 * mesh.n_cells} cells that design has" in str(found)
    # the same by hand: the children of solid triangles, the wall and the pad as they are drawn
    whole = read_mesh(tmp_path / "plate.msh")
    fine = read_mesh(tmp_path / "plate.msh", refine=1)
    with np.load(folder / "design.npz") as arrays:
        density = arrays["density"]
    domain = to.Domain(whole, solid=whole.group("pad"))
    solid = blackened(domain, density, min(0.5 * whole.volumes.sum(), float(density @ whole.volumes)))
    near = np.argmin(np.linalg.norm(fine.centres[:, None] - whole.centres, axis=2), axis=1)
    inside = [_inside(whole.points[whole.corners], centre) for centre in fine.centres]
    assert (near == inside).mean() > 0.5  # most children lie nearest to the middle of their parent
    body = to.Structure(
        fine, (to.Support(to.Plane(x=0.0)),), (to.PointLoad(to.Point((3.0, 0.5)), (0.0, -1.0)),)
    )
    moved = to.Equilibrium(body)(np.where(solid[inside], 1.0, 1e-9))
    assert found.fine == pytest.approx(float(to.Compliance(body)(moved)), rel=1e-9)
    assert found.fine > found.black  # linear triangles are too stiff, and finer ones less so


def _inside(triangles: np.ndarray, point: np.ndarray) -> int:
    """Return the triangle that a point lies in."""
    a, b, c = (triangles[:, k] - point for k in range(3))
    turns = np.stack([one[:, 0] * two[:, 1] - one[:, 1] * two[:, 0] for one, two in ((a, b), (b, c), (c, a))])
    return int(np.flatnonzero((turns > 0).all(axis=0) | (turns < 0).all(axis=0))[0])


def test_boxes_are_verified_as_the_grid_is(tmp_path: Path) -> None:
    found = []
    for name, meshed in (("grid", False), ("mesh", True)):
        place = tmp_path / name
        place.mkdir()
        written(place / "plate.msh", boxes(Grid((24, 8), (3.0, 1.0))))
        text = (
            PLATE
            if meshed
            else PLATE.replace("mesh: {file: plate.msh}", "grid: {cells: [24, 8], size: [3.0, 1.0]}")
            .replace("{group: wall}", "{plane: {x: 0.0}}")
            .replace("{group: pad}", "{box: {lower: [2.5, 0], upper: [3, 1]}}")
        )
        job = parse(text, f"{name}.yaml", SHARP, place)
        with RunFolder.create(place, "run", job.resolved) as out:
            *_, last = out.steps(job.problem, job.optimizer, job.continuation, job.stop)
            out.finish(last, Plan())
        found.append(verified(out.path))
    assert found[1].black == pytest.approx(found[0].black, rel=1e-7)
    assert found[1].fine == pytest.approx(found[0].fine, rel=1e-7)


def test_a_refined_run_is_refined_once_more(tmp_path: Path) -> None:
    folder = run(tmp_path, shaken(simplices(GRID)), *SHARP, "mesh.refine=1")
    assert verified(folder).cells == (96 * 16,)


@pytest.mark.parametrize("made", [simplices, boxes])
def test_the_exported_body_of_a_mesh_is_verified(tmp_path: Path, made: Any) -> None:
    mesh = shaken(made(Grid((60, 20), (3.0, 1.0))), 0.1)
    longer = ("stop.iterations=45", RAMP.replace("over: 15", "over: 35"), "chain.filtered.radius=0.25")
    folder = run(tmp_path, mesh, *longer)
    found = verified_body(folder)
    assert found.cells == (4 * mesh.n_cells,)
    assert found.volume == pytest.approx(found.own, rel=0.02)
    assert found.value == pytest.approx(found.grey, rel=0.15)
    assert f"Read back from design.stl onto {4 * mesh.n_cells} cells, the body has" in str(found)
