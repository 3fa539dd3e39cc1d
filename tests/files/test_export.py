"""What other programs read is the design, where and as large as it is."""

from __future__ import annotations

import re
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import ezdxf
import meshio
import numpy as np
import pytest
import pyvista
import trimesh
from hypothesis import given, settings
from hypothesis import strategies as st

from topopt.design import Design
from topopt.errors import InputError, MissingDependencyError
from topopt.files.export import Outline, Plan, Surface, body, export_design, outline, surface, voxels
from topopt.files.export.cells import write_vtu
from topopt.files.export.drawings import write_dxf, write_svg
from topopt.files.export.image import write_vti
from topopt.files.export.surface import write_stl
from topopt.files.export.threemf import write_3mf
from topopt.grid import Grid
from topopt.parameters import Array

PLATE = Grid((12, 5), (3.0, 0.7))
BLOCK = Grid((5, 4, 3), (1.0, 2.0, 0.9))


def box(grid: Grid, *spans: tuple[int, int]) -> Array:
    """Return a design that is solid in a box of cells."""
    field = np.zeros(grid.cells)
    field[tuple(slice(*span) for span in spans)] = 1.0
    return field.ravel()


def disc(grid: Grid, inner: float, outer: float) -> Array:
    """Return a ring (a shell in 3-D) around the middle, its edges sampled where they are."""
    middle, width = np.array(grid.size) / 2, float(grid.spacing.max())
    radii = np.linalg.norm(grid.centres - middle, axis=1)
    return np.clip(0.5 - (radii - outer) / width, 0, 1) * np.clip(0.5 + (radii - inner) / width, 0, 1)


def bounds(points: Array) -> list[list[float]]:
    return [points.min(axis=0).tolist(), points.max(axis=0).tolist()]


def rotated_to_start(loop: Array) -> list[list[float]]:
    """Return a loop that starts at its lowest left corner."""
    corners = loop.tolist()
    first = corners.index(min(corners))
    return [*corners[first:], *corners[:first]]


# outline


def test_a_full_plate_is_exactly_its_rectangle() -> None:
    (loop,) = outline(PLATE, np.ones(PLATE.n_cells)).loops
    assert rotated_to_start(loop) == [[0.0, 0.0], [3.0, 0.0], [3.0, 0.7], [0.0, 0.7]]


@pytest.mark.parametrize("value", [0.51, 0.6, 1.0])
def test_even_a_grey_plate_reaches_the_edge(value: float) -> None:
    (loop,) = outline(PLATE, np.full(PLATE.n_cells, value)).loops
    assert rotated_to_start(loop) == [[0.0, 0.0], [3.0, 0.0], [3.0, 0.7], [0.0, 0.7]]


def test_a_deck_on_the_boundary_reaches_the_boundary_and_ends_on_cell_faces() -> None:
    (loop,) = outline(PLATE, box(PLATE, (0, 12), (4, 5))).loops
    np.testing.assert_allclose(rotated_to_start(loop), [[0, 0.56], [3, 0.56], [3, 0.7], [0, 0.7]], atol=1e-14)
    assert loop[:, 1].max() == 0.7


def test_a_free_box_lacks_its_corners_only() -> None:
    drawn = outline(PLATE, box(PLATE, (3, 7), (1, 4)))
    (loop,) = drawn.loops
    np.testing.assert_allclose(bounds(loop), [[0.75, 0.14], [1.75, 0.56]], atol=1e-14)
    hx, hy = PLATE.spacing
    assert drawn.area == pytest.approx(12 * hx * hy - 4 * hx * hy / 8, rel=1e-12)


def test_a_hole_is_a_loop_the_other_way_round() -> None:
    drawn = outline(PLATE, 1.0 - box(PLATE, (3, 7), (1, 4)))
    hx, hy = PLATE.spacing
    assert len(drawn.loops) == 2
    assert sorted(np.sign(drawn.areas).tolist()) == [-1.0, 1.0]
    assert drawn.area == pytest.approx(3.0 * 0.7 - 12 * hx * hy + 4 * hx * hy / 8, rel=1e-12)


def test_an_empty_plate_has_no_outline() -> None:
    assert outline(PLATE, np.full(PLATE.n_cells, 0.5)).loops == ()


@pytest.mark.parametrize("cells", [(1, 1), (1, 7), (2, 1)])
def test_the_smallest_plates_are_whole(cells: tuple[int, int]) -> None:
    grid = Grid(cells, (2.0, 0.5))
    assert outline(grid, np.ones(grid.n_cells)).area == 1.0


@pytest.mark.parametrize("n", [20, 40, 80])
def test_the_area_of_a_ring_is_exact_to_second_order(n: int) -> None:
    grid = Grid((n, 2 * n), (1.0, 1.0))
    drawn = outline(grid, disc(grid, 0.2, 0.45))
    assert len(drawn.loops) == 2
    assert drawn.area == pytest.approx(np.pi * (0.45**2 - 0.2**2), rel=1 / n**2)


def covers(drawn: Outline, points: Array) -> Array:
    """Return which points lie inside by the even-odd rule."""
    inside = np.zeros(len(points), dtype=bool)
    for loop in drawn.loops:
        for (x1, y1), (x2, y2) in zip(loop, np.roll(loop, -1, axis=0), strict=True):
            crosses = (y1 > points[:, 1]) != (y2 > points[:, 1])
            with np.errstate(divide="ignore", invalid="ignore"):
                where = x1 + (points[:, 1] - y1) * (x2 - x1) / (y2 - y1)
            inside ^= crosses & (points[:, 0] < where)
    return inside


@given(seed=st.integers(0, 10**6), levels=st.sampled_from([2, 3, 5, 1000]))
def test_the_outline_holds_the_centres_of_the_solid_cells_and_no_others(seed: int, levels: int) -> None:
    grid = Grid((6, 5), (1.3, 2.0))
    density = np.random.default_rng(seed).integers(0, levels + 1, grid.n_cells) / levels
    np.testing.assert_array_equal(covers(outline(grid, density), grid.centres), density > 0.5)


# surface


def assert_closed(skin: Surface) -> None:
    assert skin.open_edges() == 0
    corners = skin.corners
    doubled = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    # A closed surface's area vectors cancel.
    np.testing.assert_allclose(doubled.sum(axis=0), 0.0, atol=1e-6 * (1e-12 + np.abs(doubled).sum()))


def test_a_full_block_is_exactly_its_box() -> None:
    skin = surface(BLOCK, np.ones(BLOCK.n_cells))
    assert_closed(skin)
    np.testing.assert_allclose(bounds(skin.points), [[0, 0, 0], [1, 2, 0.9]], rtol=1e-7)
    assert skin.volume == pytest.approx(1.8, rel=1e-6)


def test_a_deck_of_a_block_reaches_its_faces() -> None:
    skin = surface(BLOCK, box(BLOCK, (0, 5), (3, 4), (0, 3)))
    assert_closed(skin)
    np.testing.assert_allclose(bounds(skin.points), [[0, 1.5, 0], [1, 2, 0.9]], rtol=1e-6, atol=1e-7)
    assert skin.volume == pytest.approx(1.0 * 0.5 * 0.9, rel=1e-6)


@settings(max_examples=60)
@given(
    seed=st.integers(0, 10**6),
    cells=st.tuples(*[st.integers(1, 5)] * 3),
    levels=st.sampled_from([1, 2, 3, 50]),
)
def test_any_surface_is_closed_and_faces_outwards(
    seed: int, cells: tuple[int, int, int], levels: int
) -> None:
    grid = Grid(cells, (1.0, 0.3, 7.0))
    density = np.random.default_rng(seed).integers(0, levels + 1, grid.n_cells) / levels
    skin = surface(grid, density)
    assert_closed(skin)
    assert (skin.volume > 0) == bool((density > 0.5).any())
    assert len(skin.triangles) == 0 or (skin.points >= 0).all()


def test_the_volume_of_a_shell_is_close() -> None:
    grid = Grid((24, 24, 12), (1.0, 1.0, 1.0))
    density = disc(grid, 0.2, 0.45)
    skin = surface(grid, density)
    assert_closed(skin)
    assert skin.volume == pytest.approx(4 / 3 * np.pi * (0.45**3 - 0.2**3), rel=0.02)
    assert skin.volume == pytest.approx(density.sum() * grid.cell_volume, rel=0.02)


def test_a_plate_becomes_as_thick_as_asked() -> None:
    density = 1.0 - box(PLATE, (3, 7), (1, 4))
    skin = surface(PLATE, density, thickness=0.25)
    assert_closed(skin)
    np.testing.assert_allclose(bounds(skin.points), [[0, 0, 0], [3, 0.7, 0.25]], rtol=1e-7)
    assert skin.volume == pytest.approx(0.25 * outline(PLATE, density).area, rel=1e-6)


def test_the_stl_file_is_read_by_others(tmp_path: Path) -> None:
    skin = surface(BLOCK, disc(BLOCK, 0.1, 0.6))
    write_stl(tmp_path / "a.stl", skin, "solid bracket")
    mesh = pyvista.read(tmp_path / "a.stl")
    assert mesh.n_cells == len(skin.triangles)
    assert mesh.n_open_edges == 0
    assert mesh.is_manifold
    assert mesh.volume == pytest.approx(skin.volume, rel=1e-5)
    facets = np.frombuffer((tmp_path / "a.stl").read_bytes()[84:], dtype="<f4,<f4,<f4,(9,)<f4,<u2")
    normals = np.stack([facets[f"f{i}"] for i in range(3)], axis=1)
    np.testing.assert_allclose(np.linalg.norm(normals, axis=1), 1.0, rtol=1e-5)
    outward = np.einsum("ij,ij->i", normals, skin.corners.mean(axis=1) - np.array(BLOCK.size) / 2)
    assert np.mean(outward > 0) > 0.5


# body


def slanted(grid: Grid) -> Array:
    """Return a bar that rises by one in three, in black and white: all steps."""
    x, y = grid.centres[:, 0], grid.centres[:, 1]
    return (np.abs(y - 0.25 - x / 3) < 0.12).astype(float)


@pytest.mark.parametrize("smoothing", [0.0, 0.7, 1.5])
def test_the_body_holds_what_the_design_weighs(smoothing: float) -> None:
    plate, block = Grid((60, 40), (1.0, 0.8)), Grid((30, 20, 12), (1.0, 0.8, 0.5))
    held = body(plate, slanted(plate), smoothing)
    assert held is not None
    assert held.outline().area == pytest.approx(slanted(plate).sum() * plate.cell_volume, rel=2e-4)
    held = body(block, disc(block, 0.1, 0.35), smoothing)
    assert held is not None
    skin = held.surface()
    assert_closed(skin)
    assert skin.volume == pytest.approx(disc(block, 0.1, 0.35).sum() * block.cell_volume, rel=2e-4)


def test_smoothing_takes_the_steps_off_an_edge() -> None:
    grid = Grid((90, 60), (1.0, 2 / 3))
    ends = {}
    for smoothing in (0.0, 0.7, 1.0):
        held = body(grid, slanted(grid), smoothing)
        assert held is not None
        (loop,) = held.outline().loops
        edge = loop[(loop[:, 0] > 0.1) & (loop[:, 0] < 0.8) & (loop[:, 1] > 0.25 + loop[:, 0] / 3)]
        ends[smoothing] = np.ptp(edge[:, 1] - edge[:, 0] / 3) * 60 / (2 / 3)
    assert ends[0.0] > 0.6  # cells
    assert ends[0.7] < 0.35
    assert ends[1.0] < 0.15


@settings(max_examples=40)
@given(
    seed=st.integers(0, 10**6),
    cells=st.tuples(*[st.integers(1, 6)] * 3),
    levels=st.sampled_from([1, 3, 50]),
)
def test_any_body_is_watertight(seed: int, cells: tuple[int, int, int], levels: int) -> None:
    grid = Grid(cells, (1.0, 0.3, 7.0))
    density = np.random.default_rng(seed).integers(0, levels + 1, grid.n_cells) / levels
    held = body(grid, density)
    assert (held is None) == (density <= 0.5).all()
    if held is not None:
        skin = held.surface()
        assert_closed(skin)
        assert skin.volume > 0


def test_a_design_without_an_edge_is_a_body_all_the_same() -> None:
    held = body(PLATE, np.full(PLATE.n_cells, 0.6))
    assert held is not None
    assert held.outline().area == pytest.approx(3.0 * 0.7)


@pytest.mark.parametrize("grid", [Grid((30, 21), (1.0, 0.7)), Grid((30, 21, 12), (1.0, 0.7, 0.4))])
def test_the_exported_surface_fills_the_cells_again(grid: Grid, tmp_path: Path) -> None:
    density = disc(grid, 0.08, 0.3)
    held = body(grid, density)
    assert held is not None
    write_stl(tmp_path / "a.stl", held.surface(0.25), "ring")
    np.testing.assert_array_equal(voxels(tmp_path / "a.stl", grid), held.density > held.level)
    finer = Grid(tuple(2 * n for n in grid.cells), grid.size)
    filled = np.count_nonzero(voxels(tmp_path / "a.stl", finer)) * finer.cell_volume
    assert filled == pytest.approx(held.volume, rel=0.01)


def test_the_3mf_file_is_read_by_others(tmp_path: Path) -> None:
    held = body(BLOCK, disc(BLOCK, 0.1, 0.6))
    assert held is not None
    skin = held.surface()
    write_3mf(tmp_path / "a.3mf", skin, 'bracket "<1>"', "cm")
    scene = trimesh.load_scene(tmp_path / "a.3mf")
    assert scene.units == "centimeter"
    (mesh,) = scene.dump()
    assert mesh.is_watertight
    assert mesh.is_winding_consistent
    assert len(mesh.faces) == len(skin.triangles)
    assert mesh.volume == pytest.approx(skin.volume, rel=1e-6)
    np.testing.assert_allclose(mesh.bounds, bounds(skin.points), rtol=1e-6)


# drawings


def loops_of(path: Path) -> list[Array]:
    data = ElementTree.parse(path).getroot().find("{*}path").get("d")  # type: ignore[union-attr]
    assert data is not None
    return [
        np.array([[float(v) for v in pair.split(",")] for pair in re.split("[ML]", part) if pair])
        for part in data.replace(" ", "").split("Z")
        if part
    ]


def test_the_svg_is_the_outline_turned_upside_down(tmp_path: Path) -> None:
    density = box(PLATE, (0, 12), (4, 5))
    write_svg(tmp_path / "a.svg", outline(PLATE, density), (3.0, 0.7), "beam <1>", "mm")
    root = ElementTree.parse(tmp_path / "a.svg").getroot()
    assert (root.get("width"), root.get("height"), root.get("viewBox")) == ("3mm", "0.7mm", "0 0 3 0.7")
    assert root.find("{*}title").text == "beam <1>"  # type: ignore[union-attr]
    assert root.find("{*}path").get("fill-rule") == "evenodd"  # type: ignore[union-attr]
    (loop,) = loops_of(tmp_path / "a.svg")
    np.testing.assert_allclose(bounds(loop), [[0, 0], [3, 0.14]], atol=1e-9)


@pytest.mark.parametrize(("unit", "width"), [(None, "800px"), ("in", "3in"), ("cm", "3cm"), ("m", "300cm")])
def test_the_svg_knows_the_unit(tmp_path: Path, unit: str | None, width: str) -> None:
    write_svg(tmp_path / "a.svg", outline(PLATE, np.ones(PLATE.n_cells)), (3.0, 0.7), "", unit)
    assert ElementTree.parse(tmp_path / "a.svg").getroot().get("width") == width


def test_the_dxf_is_read_by_others(tmp_path: Path) -> None:
    drawn = outline(PLATE, 1.0 - box(PLATE, (3, 7), (1, 4)))
    write_dxf(tmp_path / "a.dxf", drawn, "plate", "mm")
    document = ezdxf.readfile(tmp_path / "a.dxf")
    assert not document.audit().has_errors
    assert document.header["$INSUNITS"] == 4
    lines = list(document.modelspace().query("LWPOLYLINE"))
    assert sorted(line.dxf.layer for line in lines) == ["holes", "outline"]
    assert all(line.closed for line in lines)
    for line, loop in zip(lines, drawn.loops, strict=True):
        np.testing.assert_array_equal(np.array(line.get_points("xy")), loop)


# image data


@pytest.mark.parametrize("grid", [PLATE, BLOCK], ids=["2-D", "3-D"])
def test_paraview_gets_every_value_at_its_place(grid: Grid, tmp_path: Path, rng: np.random.Generator) -> None:
    density, u = rng.random(grid.n_cells), rng.random(grid.n_nodes * grid.ndim)
    write_vti(tmp_path / "a.vti", grid, {"density": density}, {"displacement load": u})
    image = pyvista.read(tmp_path / "a.vti")
    centres, points = image.cell_centers().points[:, : grid.ndim], image.points[:, : grid.ndim]
    for cell in range(grid.n_cells):
        near = np.linalg.norm(centres - grid.centres[cell], axis=1).argmin()
        assert image.cell_data["density"][near] == density[cell]
    for node in range(grid.n_nodes):
        near = np.linalg.norm(points - grid.nodes[node], axis=1).argmin()
        found = image.point_data["displacement load"][near]
        np.testing.assert_array_equal(found[: grid.ndim], u[node * grid.ndim : (node + 1) * grid.ndim])
    np.testing.assert_allclose(np.abs(points).max(axis=0), grid.size, rtol=1e-6)


@pytest.mark.parametrize("grid", [PLATE, BLOCK], ids=["2-D", "3-D"])
def test_the_solid_cells_are_read_by_others(grid: Grid, tmp_path: Path, rng: np.random.Generator) -> None:
    density, u = rng.random(grid.n_cells), rng.random(grid.n_nodes * grid.ndim)
    solid, warmth = density > 0.5, rng.random(grid.n_nodes)
    write_vtu(tmp_path / "a.vtu", grid, solid, {"density": density}, {"displacement": u, "warmth": warmth})
    mesh = pyvista.read(tmp_path / "a.vtu")
    centres = mesh.cell_centers().points[:, : grid.ndim]
    np.testing.assert_allclose(centres, grid.centres[solid], atol=1e-6)
    np.testing.assert_array_equal(mesh.cell_data["density"], density[solid])
    np.testing.assert_allclose(mesh.compute_cell_sizes()["Area" if grid.ndim == 2 else "Volume"],
                               grid.cell_volume, rtol=1e-5)  # fmt: skip
    other = meshio.read(tmp_path / "a.vtu")
    assert [block.type for block in other.cells] == ["quad" if grid.ndim == 2 else "hexahedron"]
    nodes = [np.linalg.norm(grid.nodes - point[: grid.ndim], axis=1).argmin() for point in other.points]
    assert len(set(nodes)) == len(nodes)
    np.testing.assert_array_equal(
        other.point_data["displacement"][:, : grid.ndim], u.reshape(-1, grid.ndim)[nodes]
    )
    np.testing.assert_array_equal(other.point_data["warmth"], warmth[nodes])


def test_numbers_at_nodes_go_to_their_nodes(tmp_path: Path, rng: np.random.Generator) -> None:
    warmth = rng.random(PLATE.n_nodes)
    write_vti(tmp_path / "a.vti", PLATE, {}, {"warmth": warmth})
    image = pyvista.read(tmp_path / "a.vti")
    for node in range(PLATE.n_nodes):
        near = np.linalg.norm(image.points[:, :2] - PLATE.nodes[node], axis=1).argmin()
        assert image.point_data["warmth"][near] == warmth[node]


def test_fields_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="stress: expected one value per cell"):
        write_vti(tmp_path / "a.vti", PLATE, {"stress": np.ones(3)}, {})
    with pytest.raises(InputError, match=r"u: expected shape \(156,\), got \(3,\)"):
        write_vti(tmp_path / "a.vti", PLATE, {}, {"u": np.ones(3)})


# all together


def exported(tmp_path: Path, design: object, plan: Plan | None = None) -> tuple[list[str], tuple[str, ...]]:
    sentences = export_design(lambda name: tmp_path / name, "part", np.arange(3.0), design, plan or Plan())
    return sorted(path.name for path in tmp_path.iterdir()), sentences


def test_a_plane_design_is_written_in_all_formats(tmp_path: Path) -> None:
    density = 1.0 - box(PLATE, (3, 7), (1, 4))
    plan = Plan(
        {"modulus": density**3},
        {"wind": np.zeros(PLATE.n_nodes * 2)},
        {"warmth": np.zeros(PLATE.n_nodes)},
        thickness=0.5,
        unit="m",
    )
    names, sentences = exported(tmp_path, Design(PLATE, density), plan)
    assert names == ["design.3mf", *(f"design.{end}" for end in ("dxf", "npz", "stl", "svg", "vti", "vtu"))]
    measured = "against the design's own {} (at density 0.581, smoothed over 0.7 cells)"
    assert sentences == (
        "design.npz: density, variables, spacing",
        "design.vti: density, modulus, displacement wind, warmth",
        "design.vtu: the same on the 48 cells above 0.5",
        f"design.svg: 2 loops around area 1.68, +0.00 % {measured.format(1.68)}",
        "design.dxf: the same loops",
        f"design.stl: 504 triangles around volume 0.840002, +0.00 % {measured.format(0.84)}",
        "design.3mf: the same triangles",
    )
    with np.load(tmp_path / "design.npz") as file:
        assert file["density"].shape == PLATE.cells
        np.testing.assert_array_equal(file["density"].ravel(), density)
        np.testing.assert_array_equal(file["spacing"], PLATE.spacing)
        np.testing.assert_array_equal(file["x"], [0, 1, 2])
        assert str(file["name"]) == "part"


def test_a_solid_design_is_written_in_all_formats(tmp_path: Path) -> None:
    names, sentences = exported(tmp_path, Design(BLOCK, np.ones(BLOCK.n_cells)))
    assert names == ["design.3mf", "design.npz", "design.stl", "design.vti", "design.vtu"]
    assert "volume 1.8, +0.00 % against the design's own 1.8" in sentences[3]
    assert sentences[4] == "design.3mf: the same triangles, in millimetres for want of a unit"


def test_a_grey_design_says_why_it_has_no_body(tmp_path: Path) -> None:
    names, sentences = exported(tmp_path, Design(PLATE, np.full(PLATE.n_cells, 0.3)))
    assert names == ["design.npz", "design.vti"]
    assert sentences[2:] == tuple(
        f"design.{end} not written: no density exceeds 0.5, so there is no body"
        for end in ("vtu", "svg", "dxf", "stl", "3mf")
    )


def test_a_model_without_a_grid_gets_its_variables(tmp_path: Path) -> None:
    names, sentences = exported(tmp_path, None)
    assert names == ["design.npz"]
    assert sentences == ("design.npz holds the variables only: the model shows no densities on a grid",)


def test_without_vtk_and_ezdxf_it_says_what_is_missing(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setitem(sys.modules, "vtkmodules", None)
    monkeypatch.setitem(sys.modules, "ezdxf", None)
    names, sentences = exported(tmp_path, Design(PLATE, np.ones(PLATE.n_cells)))
    assert names == ["design.npz", "design.svg"]
    assert sentences[1:] == (
        "design.vti not written: VTK is absent: pip install pyvista",
        "design.vtu not written: VTK is absent: pip install pyvista",
        "design.svg: 1 loops around area 2.1, +0.00 % against the design's own 2.1 "
        "(at density 0.050, smoothed over 0.7 cells)",
        "design.dxf not written: ezdxf is absent: pip install ezdxf",
        "design.stl not written: VTK is absent: pip install pyvista",
        "design.3mf not written: VTK is absent: pip install pyvista",
    )
    with pytest.raises(MissingDependencyError, match="ezdxf is absent"):
        write_dxf(tmp_path / "b.dxf", outline(PLATE, np.ones(PLATE.n_cells)), "")


def test_a_plan_with_mistakes_is_refused() -> None:
    with pytest.raises(InputError, match="unit: 'mn' is no unit of length here: did you mean"):
        Plan(unit="mn")
    with pytest.raises(InputError, match=r"Plan\.thickness: expected a value > 0"):
        Plan(thickness=0.0)
    with pytest.raises(InputError, match=r"Plan\.smoothing: expected a value >= 0"):
        Plan(smoothing=-1.0)


def test_two_exports_of_one_design_are_equal_but_for_the_dxf(tmp_path: Path) -> None:
    design = Design(BLOCK, disc(BLOCK, 0.1, 0.6))
    for name in "ab":
        (tmp_path / name).mkdir()
        exported(tmp_path / name, design)
    for file in (tmp_path / "a").iterdir():
        assert file.read_bytes() == (tmp_path / "b" / file.name).read_bytes(), file.name
