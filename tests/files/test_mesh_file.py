"""Geometry from files: meshes in place of a grid, and regions from meshes of boxes and closed surfaces."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import meshio
import numpy as np
import pytest
import trimesh
from typer.testing import CliRunner

from tests.beams import BLOCK, PLATE
from tests.meshed import boxes, shaken, simplices, written
from topopt.cli.app import app
from topopt.errors import InputError, MissingDependencyError, ProblemFileError
from topopt.files import parse
from topopt.grid import Grid
from topopt.meshes import Mesh, read_mesh, read_solid, read_voxels
from topopt.regions import Everywhere

GRID = Grid((12, 4), (3.0, 1.0))
PARTLY = """\
$MeshFormat
2.2 0 8
$EndMeshFormat
$Nodes
3
1 0 0 0
2 1 0 0
3 0 1 0
$EndNodes
$Elements
2
1 1 2 7 1 1 2
2 2 0 1 2 3
$EndElements
"""
"""A line in a physical group, and a triangle without tags."""
TWICE = """$MeshFormat
2.2 0 8
$EndMeshFormat
$PhysicalNames
2
2 1 "body"
2 2 "pad"
$EndPhysicalNames
$Nodes
4
1 0 0 0
2 1 0 0
3 1 1 0
4 0 1 0
$EndNodes
$Elements
3
1 2 2 1 1 1 2 3
2 2 2 1 2 1 3 4
3 2 2 2 2 1 3 4
$EndElements
"""
"""Two triangles, of which the second is in two physical groups and stands there twice."""


def mistakes(text: str, folder: Path) -> str:
    with pytest.raises(ProblemFileError, match=r"yaml:") as refusal:
        parse(text, source="plate.yaml", folder=folder)
    return str(refusal.value)


@pytest.fixture
def plate(tmp_path: Path) -> Path:
    return written(tmp_path / "plate.msh", shaken(simplices(GRID))).parent


@pytest.fixture
def part(tmp_path: Path) -> Path:
    ball = trimesh.creation.box((1.0, 1.0, 2.0))
    ball.apply_translation((1.0, 1.0, 1.0))
    ball.export(tmp_path / "part.stl")
    return tmp_path


@pytest.mark.parametrize("end", [".msh", ".inp", ".vtu", ".vtk"])
@pytest.mark.parametrize("dimension", [2, 3])
def test_what_is_written_is_read(tmp_path: Path, end: str, dimension: int) -> None:
    grid = GRID if dimension == 2 else Grid((3, 2, 2), (3.0, 1.0, 1.0))
    for made in (simplices, boxes):
        mesh = shaken(made(grid))
        again = read_mesh(written(tmp_path / f"a{end}", mesh), scale=2.0)
        assert again.volumes == pytest.approx(2.0**dimension * mesh.volumes, rel=1e-5)
        assert np.abs(again.centres - 2.0 * mesh.centres).max() < 1e-5


def test_groups_are_those_of_the_file(tmp_path: Path) -> None:
    mesh = boxes(GRID)
    groups = read_mesh(written(tmp_path / "a.msh", mesh)).groups
    assert {name: (len(g.nodes), len(g.cells)) for name, g in groups.items()} == {
        "body": (55, 40), "pad": (15, 8), "wall": (5, 0)
    }  # fmt: skip
    near = np.flatnonzero(mesh.centres[:, 0] < 1.0)
    far = np.flatnonzero(mesh.points[:, 0] == 3.0)
    sets = {"cell_sets": {"near": [near]}, "point_sets": {"far": far}}
    groups = read_mesh(written(tmp_path / "a.inp", mesh, **sets)).groups
    assert groups["near"].cells.tolist() == near.tolist()
    assert len(groups["near"].nodes) == 25
    assert (groups["far"].nodes.tolist(), len(groups["far"].cells)) == (far.tolist(), 0)
    data = {"cell_data": {"near": [(mesh.centres[:, 0] < 1.0).astype(np.int32)], "heat": [mesh.volumes]}}
    groups = read_mesh(written(tmp_path / "a.vtu", mesh, **data)).groups
    assert list(groups) == ["near"]
    assert groups["near"].cells.tolist() == near.tolist()


def test_a_cell_in_two_physical_groups_is_one_cell(tmp_path: Path) -> None:
    (tmp_path / "twice.msh").write_text(TWICE)
    mesh = read_mesh(tmp_path / "twice.msh")
    assert mesh.volumes == pytest.approx([0.5, 0.5])
    assert {name: group.cells.tolist() for name, group in mesh.groups.items()} == {"body": [0, 1], "pad": [1]}


def test_a_file_with_a_mesh_is_a_problem_and_reads_again(plate: Path) -> None:
    job = parse(PLATE, source="plate.yaml", folder=plate)
    problem = job.design
    assert problem is not None
    assert str(problem.mesh) == "a mesh of 96 triangles"
    assert problem.domain.solid_cells.sum() == np.count_nonzero(problem.mesh.centres[:, 0] > 2.5)
    assert job.structure is not None
    assert len(job.structure.free) == job.structure.n_dofs - 10
    again = parse(job.resolved, source="again.yaml", folder=plate)
    assert again.resolved == job.resolved
    assert again.design is not None
    assert again.design.mesh == problem.mesh


def test_run_resume_check_and_plot(plate: Path) -> None:
    def topopt(*words: object) -> str:
        done = CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return done.output

    file, out = plate / "plate.yaml", plate / "results"
    file.write_text(PLATE)
    assert "a mesh of 96 triangles with edges up to" in topopt("check", file, "--results", out, "--no-taylor")
    topopt("run", file, "--results", out, "--quiet", "--no-figures")
    folder = out / "plate"
    whole = (folder / "history.csv").read_text().splitlines()
    assert len(whole) == 7
    cells = meshio.read(folder / "design.vtu")
    assert cells.cell_data["density"][0].shape == (96,)
    assert cells.point_data["displacement load"].shape == (len(cells.points), 3)
    topopt("plot", folder)
    for name in ("problem.png", "design.png", "convergence.png", "design.gif"):
        assert (folder / name).stat().st_size > 500, name
    short = ("--quiet", "--name", "short", "--set", "stop.iterations=3", "--no-figures")
    topopt("run", file, "--results", out, *short)
    topopt("resume", out / "short", "--iterations", 6, "--quiet", "--no-figures")
    resumed = (out / "short" / "history.csv").read_text().splitlines()
    assert [line.split(",")[5] for line in resumed] == [line.split(",")[5] for line in whole]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("plate.msh", "plat.msh", "plate.yaml:2: mesh.file: there is no file plat.msh; the path is relative"),
        ("plate.msh", "plate.yaml",
         "mesh.file: plate.yaml: expected a mesh that ends in .msh, .inp, .vtu, .vtk"),
        ("plate.msh", "torn.msh", "mesh.file: torn.msh is no mesh that can be read: "),
        ("plate.msh", "mixed.vtu",
         "mixed.vtu mixes cells, 1 of kind 'quad' and 1 of kind 'triangle'; all must be"),
        ("plate.msh", "wedge.vtu",
         "wedge.vtu: cells of kind 'wedge' have no element here; mesh it without them"),
        ("plate.msh", "second.vtu",
         "second.vtu: cells of kind 'triangle6' are of higher order; mesh it with first"),
        ("plate.msh", "lines.vtu", "lines.vtu holds no triangles, quadrilaterals, tetrahedra or hexahedra"),
        ("plate.msh", "lines.vtu", "Gmsh saves only what is in a physical group, so make one of the surface"),
        ("plate.msh", "bare.vtu", "no group 'wall' in a mesh of 2 triangles: its file names none; make"),
        ("plate.msh", "partly.msh", "some cells are in no physical group: save without Mesh.SaveAll"),
        ("plate.msh}", "plate.msh, refine: 9}", "plate.msh: 2.52e+07 cells are too many; choose a smaller"),
        ("plate.msh}", "plate.msh, refine: -1}", "mesh.refine: expected an integer >= 0 and <= 9, got -1"),
        ("plate.msh", "shell.vtu",
         "shell.vtu holds a surface in space, z from 0 to 1; mesh the volume inside"),
        ("plate.msh", "folded.vtu",
         "mesh: 1 of 2 triangles are inverted: their corners run against the others'"),
        ("{group: wall}", "{group: wal}",
         "regions.left: no group 'wal' in a mesh of 96 triangles: did you mean 'wall'"),
        ("{group: wall}", "{group: 3}", "regions.left.group: expected a name, got 3"),
        ("[3.0, 0.5]", "[3.0, 0.5, 0.0]", "regions.tip: point: 3 coordinates"),
        ("type: helmholtz", "type: cone",
         "chain.filtered: Cone needs a grid of equal cells, but works on a mesh of 96 "
         "triangles; take Helmholtz"),
        ("radius: 0.7", "radius: 0.3", "chain.filtered.radius: 0.3 is too small for cells of"),
        ("type: equilibrium", "type: equilibrium, solver: multigrid",
         "chain.displacement.solver: multigrid needs a grid"),
        ("type: tanh, eta: 0.5", "type: preserving_tanh",
         "keeps the sum of the densities, which is the volume only"),
        ("mesh: {file", "grid: {cells: [2, 2]}\nmesh: {file", "mesh: give a grid or a mesh, not both"),
        ("mesh: {file: plate.msh}", "", "grid: missing: expected a mapping"),
        ("mesh: {file: plate.msh}", "mesh: {fil: plate.msh}", "mesh.fil: unknown key: did you mean 'file'?"),
        ("plate.msh}", "plate.msh, scale: 0.0}", "mesh.scale: expected a number > 0, got 0.0"),
        ("mesh: {file: plate.msh}", "mesh: plate.msh", "mesh: expected a mapping, got 'plate.msh'"),
        ("mesh: {file: plate.msh}", "grid: {cells: [12, 4], size: [3.0, 1.0]}",
         "group 'wall': groups are those of a mesh file"),
        ("stop:", "continuation: {grid.coarsening: {type: steps, values: [2, 1], every: 3}}\nstop:",
         "coarsening needs a grid of equal cells, but works on a mesh of 96 triangles; leave it out"),
    ],
)  # fmt: skip
def test_bad_meshes_are_refused_with_advice(plate: Path, old: str, new: str, message: str) -> None:
    square = np.array([[0.0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0], [2, 0, 0], [2, 1, 0]])
    raised = square + np.array([0, 0, 1.0])
    (plate / "torn.msh").write_text("$MeshFormat\n2.2 0 8\n$EndMeshFormat\n$Nodes\nmany\n")
    (plate / "plate.yaml").write_text("")
    for name, cells in {
        "mixed": [("quad", [[0, 1, 2, 3]]), ("triangle", [[1, 4, 5]])],
        "wedge": [("wedge", [[0, 1, 2, 6, 7, 8]])],
        "second": [("triangle6", [[0, 1, 2, 3, 4, 5]])],
        "lines": [("line", [[0, 1]])],
        "shell": [("triangle", [[0, 1, 2], [0, 2, 9]])],
        "folded": [("triangle", [[0, 1, 2], [0, 3, 2]])],
        "bare": [("triangle", [[0, 1, 2], [0, 2, 3]])],
    }.items():
        meshio.Mesh(np.concatenate([square, raised]), cells).write(plate / f"{name}.vtu")
    (plate / "partly.msh").write_text(PARTLY)
    assert old in PLATE
    if message:
        assert message in mistakes(PLATE.replace(old, new, 1), plate)


def test_a_grid_and_a_mesh_are_one_mistake_alone(plate: Path) -> None:
    text = PLATE.replace("mesh: {file", "grid: {cells: [2, 2]}\nmesh: {file")
    with pytest.raises(ProblemFileError, match="not both") as refusal:
        parse(text, "plate.yaml", folder=plate)
    assert refusal.value.mistakes == ("plate.yaml:3: mesh: give a grid or a mesh, not both",)


def test_a_group_of_a_mesh_that_is_refused_is_no_second_mistake(plate: Path) -> None:
    found = mistakes(PLATE.replace("plate.msh", "plat.msh"), plate)
    assert "there is no file plat.msh" in found
    assert "groups are those of a mesh file" not in found
    assert len(found.splitlines()) == 1


def test_a_body_from_stl_bounds_the_design(part: Path) -> None:
    problem = parse(BLOCK, source="block.yaml", folder=part).design
    assert problem is not None
    assert problem.domain.n_active == 4 * 4 * 8
    fitted = parse(BLOCK.replace("part.stl}", "part.stl, fit: true}"), source="b.yaml", folder=part).design
    assert fitted is not None
    assert fitted.domain.n_active == 4 * 4 * 8  # as high as the box already, and in its middle
    halved = BLOCK.replace("part.stl}", "part.stl, scale: 0.5, offset: [0.5, 0.5, 0.0]}").replace(
        "z: 2.0", "z: 1.0"
    )
    small = parse(halved, source="b.yaml", folder=part)
    assert small.design is not None
    assert small.design.domain.n_active == 2 * 2 * 4


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("part.stl", "gone.stl",
         "block.yaml:4: regions.part: there is no file gone.stl; the path is relative to"),
        ("part.stl", "torn.stl", "torn.stl holds no triangles"),
        ("part.stl", "open.stl",
         "STL 'open.stl' is not closed, it has 3 open edges, so that nothing is inside"),
        ("part.stl", "part.obj", "part.obj: expected a surface that ends in .stl"),
        ("part.stl}", "part.stl, offset: [9.0, 9.0, 9.0]}",
         "no node lies in this region; the grid spans (0, 0, 0) to"),
        ("part.stl}", "part.stl, scale: 1000.0}",
         "(0.25, 0.25, 0.25), the body (500, 500, 0) to (1500, 1500, 2000); scale or move the body"),
        ("part.stl}", "part.stl, offset: [9.0, 9.0]}", "part.stl: expected an offset of 3 numbers"),
        ("part.stl}", "part.stl, fit: true, scale: 2.0}", "give fit, or scale and offset, not both"),
        ("part.stl}", "part.stl, scale: -1.0}", "regions.part.stl.scale: expected a number > 0, got -1.0"),
        ("{cells: [8, 8, 8], size: [2.0, 2.0, 2.0]}", "{cells: [8, 8]}",
         "STL 'part.stl': a body is 3-D, the cells are"),
        ("stl: {file: part.stl}", "mesh: {file: cut.vtu}",
         "it is made of tetrahedra; design on the mesh itself"),
    ],
)  # fmt: skip
def test_bad_bodies_are_refused_with_advice(part: Path, old: str, new: str, message: str) -> None:
    (part / "torn.stl").write_bytes(b"solid \xff\x00 nothing")
    (part / "part.obj").write_text("")
    whole = trimesh.load_mesh(part / "part.stl")
    trimesh.Trimesh(whole.vertices, whole.faces[1:]).export(part / "open.stl")
    written(part / "cut.vtu", simplices(Grid((2, 2, 2))))
    text = BLOCK.replace(old, new, 1)
    with pytest.raises(ProblemFileError, match=r"yaml:") as refusal:
        parse(text, source="block.yaml", folder=part)
    assert message in str(refusal.value)


def test_a_missing_body_lies_where_the_message_says(part: Path) -> None:
    solid = read_solid(part / "part.stl", offset=(9.0, 0.0, 0.0))
    assert repr(solid) == "STL 'part.stl' from (9.5, 0.5, 0) to (10.5, 1.5, 2)"


def test_a_ball_has_the_volume_that_its_facets_hold(tmp_path: Path) -> None:
    ball = trimesh.creation.icosphere(subdivisions=3, radius=0.7)
    ball.apply_translation((1.0, 1.0, 1.0))
    ball.export(tmp_path / "ball.stl")
    grid = Grid((40, 40, 40), (2.0, 2.0, 2.0))
    inside = grid.cells_in(read_solid(tmp_path / "ball.stl"))
    assert inside.sum() * grid.cell_volume == pytest.approx(ball.volume, rel=2e-2)
    far = np.linalg.norm(grid.centres - 1.0, axis=1)
    assert inside[far < 0.69].all()
    assert not inside[far > 0.7].any()
    turned = trimesh.Trimesh(ball.vertices, ball.faces[:, ::-1])
    turned.export(tmp_path / "turned.stl")
    assert np.array_equal(grid.cells_in(read_solid(tmp_path / "turned.stl")), inside)


def shell(lower: float, upper: float, turned: bool = False) -> trimesh.Trimesh:
    """Return the surface of a box that is 2 high and wide between two places along x."""
    whole = trimesh.creation.box(bounds=[[lower, 0.0, 0.0], [upper, 2.0, 2.0]])
    if turned:
        whole.invert()
    return whole


@pytest.mark.parametrize("all_turned", [False, True])
def test_bodies_that_overlap_are_one_and_a_turned_one_inside_is_a_hole(
    tmp_path: Path, all_turned: bool
) -> None:
    grid = Grid((8, 4, 4), (4.0, 2.0, 2.0))
    x = grid.centres[:, 0]
    for name, parts, expected in (
        ("overlap", [shell(0.0, 2.5), shell(1.5, 3.0)], x < 3.0),
        ("apart", [shell(0.0, 1.0), shell(2.0, 3.0)], (x < 1.0) | ((x > 2.0) & (x < 3.0))),
        ("hole", [shell(0.0, 3.0), shell(1.0, 2.0, turned=True)], (x < 1.0) | ((x > 2.0) & (x < 3.0))),
        ("insert", [shell(0.0, 3.0), shell(1.0, 2.0)], x < 3.0),
    ):
        surface = trimesh.util.concatenate(parts)
        if all_turned:
            surface.invert()
        surface.export(tmp_path / f"{name}.stl")
        assert np.array_equal(grid.cells_in(read_solid(tmp_path / f"{name}.stl")), expected), name


def test_triangles_written_either_way_at_random_bound_a_body_all_the_same(
    part: Path, rng: np.random.Generator
) -> None:
    whole = trimesh.load_mesh(part / "part.stl")
    some = rng.random(len(whole.faces)) < 0.5
    faces = np.where(some[:, None], whole.faces[:, ::-1], whole.faces)
    trimesh.Trimesh(whole.vertices, faces, process=False).export(part / "mixed.stl")
    grid = Grid((8, 8, 8), (2.0, 2.0, 2.0))
    found, expected = (grid.cells_in(read_solid(part / f"{name}.stl")) for name in ("mixed", "part"))
    assert np.array_equal(found, expected)


def test_nodes_on_the_surface_count_as_inside(part: Path) -> None:
    grid = Grid((4, 4, 4), (2.0, 2.0, 2.0))
    assert grid.nodes_in(read_solid(part / "part.stl")).sum() == 3 * 3 * 5


def test_a_surface_with_corners_nowhere_is_refused(tmp_path: Path) -> None:
    whole = trimesh.creation.box((1.0, 1.0, 2.0))
    whole.export(tmp_path / "part.stl")
    facets = bytearray((tmp_path / "part.stl").read_bytes())
    facets[96:100] = np.float32(np.nan).tobytes()  # x of the first corner
    (tmp_path / "part.stl").write_bytes(facets)
    with pytest.raises(InputError, match=r"^part\.stl holds coordinates that are no finite numbers; export"):
        read_solid(tmp_path / "part.stl")


def test_boxes_of_a_mesh_are_picked_on_any_grid(tmp_path: Path) -> None:
    mesh = boxes(GRID)
    hole = np.flatnonzero(np.abs(mesh.centres - (1.5, 0.5)).max(axis=1) > 0.3)
    far = np.flatnonzero(mesh.points[:, 0] == 3.0)
    used, corners = np.unique(mesh.corners[hole], return_inverse=True)
    part = Mesh(mesh.points[used], corners.reshape(-1, 4))
    pad = np.flatnonzero(part.centres[:, 0] > 2.0)
    sets = {"cell_sets": {"pad": [pad]}, "point_sets": {"far": np.flatnonzero(np.isin(used, far))}}
    file = written(tmp_path / "beam.inp", part, **sets)
    for grid in (GRID, Grid((24, 8), (3.0, 1.0)), Grid((6, 2), (3.0, 1.0))):
        whole = grid.cells_in(read_voxels(file))
        expected = np.abs(grid.centres - (1.5, 0.5)).max(axis=1) > 0.2499
        assert np.array_equal(whole, expected)
        assert np.array_equal(grid.cells_in(read_voxels(file, "pad")), grid.centres[:, 0] > 2.0)
    for grid in (GRID, Grid((6, 2), (3.0, 1.0))):
        assert np.array_equal(grid.nodes_in(read_voxels(file, "far")), grid.nodes[:, 0] == 3.0)
    moved = Grid((12, 4), (6.0, 2.0)).cells_in(read_voxels(file, scale=2.0))
    assert np.array_equal(moved, GRID.cells_in(read_voxels(file)))
    assert GRID.nodes_in(read_voxels(file)).sum() == len(used)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m: Mesh(m.points @ [[0.8, 0.6], [-0.6, 0.8]], m.corners), "48 do not lie along the axes"),
        (lambda m: Mesh(m.points * 1.0 + np.where(m.points > 1.01, 0.1, 0.0), m.corners), "differ in size"),
        (lambda m: shaken(m), "do not lie along the axes"),
        (
            lambda m: simplices(GRID),
            "it is made of triangles; design on the mesh itself, with `mesh:` in place of",
        ),
    ],
)
def test_what_is_no_lattice_of_boxes_is_refused(tmp_path: Path, change: Any, message: str) -> None:
    file = written(tmp_path / "beam.vtu", change(boxes(GRID)))
    with pytest.raises(InputError, match=r"mesh 'beam.vtu' cannot be laid on a grid") as refusal:
        read_voxels(file)
    assert message in str(refusal.value)


def test_other_refusals_of_boxes(tmp_path: Path) -> None:
    file = written(tmp_path / "beam.msh", boxes(GRID))
    with pytest.raises(InputError, match=r"mesh 'beam.msh': no group 'padd'; did you mean 'pad'\?"):
        read_voxels(file, "padd")
    with pytest.raises(InputError, match=r"an offset of 3 numbers on a 2-D mesh"):
        read_voxels(file, offset=(0.0, 0.0, 0.0))
    with pytest.raises(InputError, match=r"2-D boxes on 3-D cells"):
        Grid((2, 2, 2)).cells_in(read_voxels(file))


@pytest.mark.parametrize(
    ("package", "read", "sentence"),
    [
        ("meshio", lambda folder: read_mesh(folder / "a.msh"), "meshes from files need meshio"),
        ("trimesh", lambda folder: read_solid(folder / "part.stl"), "surfaces from files need trimesh"),
        ("skfem", lambda folder: fresh(), "unstructured meshes need scikit-fem"),
    ],
)
def test_an_absent_package_is_named(
    part: Path, monkeypatch: pytest.MonkeyPatch, package: str, read: Any, sentence: str
) -> None:
    written(part / "a.msh", boxes(GRID))
    monkeypatch.setitem(sys.modules, package, None)
    named = package if package == "trimesh" else r"'topopt\[meshes\]'"
    with pytest.raises(
        MissingDependencyError, match=rf"{sentence}, which is not installed: pip install {named}"
    ):
        read(part)


def fresh() -> None:
    from topopt.meshes.elements import reference

    reference.cache_clear()
    boxes(GRID)


def test_every_region_of_a_file_can_be_hashed(part: Path) -> None:
    solid = read_solid(part / "part.stl")
    assert hash(solid) == hash(read_solid(part / "part.stl"))
    assert solid == read_solid(part / "part.stl")
    assert solid != Everywhere()
    file = written(part / "beam.vtu", boxes(GRID))
    assert read_voxels(file) == read_voxels(file)
    assert hash(read_voxels(file)) == hash(read_voxels(file))
