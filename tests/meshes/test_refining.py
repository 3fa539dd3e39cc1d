"""A refined mesh fills the same space with cells of half the edge, and its groups are where they were."""

import numpy as np
import pytest

from tests.meshed import SHAKEN, boxes, shaken, simplices, written
from topopt.grid import Grid
from topopt.meshes import Group, Mesh, read_mesh, refined
from topopt.regions import Plane


def sorted_rows(places):
    rounded = np.round(places, 9) + 0.0
    return rounded[np.lexsort(rounded.T)]


@pytest.mark.parametrize("kind", SHAKEN)
def test_children_fill_their_parents(kind):
    mesh = SHAKEN[kind]
    finer, parents = refined(mesh)
    assert finer.kind is mesh.kind
    assert np.bincount(parents).tolist() == [2**mesh.ndim] * mesh.n_cells
    assert np.bincount(parents, finer.volumes) == pytest.approx(mesh.volumes)
    means = np.array([np.bincount(parents, c * finer.volumes) for c in finer.centres.T]).T
    if mesh.kind.constant:  # of a simplex the mean of the corners is the centre of gravity
        assert np.abs(means / mesh.volumes[:, None] - mesh.centres).max() < 1e-12
    assert np.abs(finer.centres - mesh.centres[parents]).max() < 0.5 * mesh.spacing.max()
    assert len(finer.boundary) == 2 ** (mesh.ndim - 1) * len(mesh.boundary)  # and it hangs together


@pytest.mark.parametrize("cells", [(4, 3), (2, 3, 2)])
def test_refined_boxes_are_the_grid_twice_as_fine(cells):
    size = (2.0, 1.0, 1.5)[: len(cells)]
    finer, parents = refined(boxes(Grid(cells, size)))
    fine = boxes(Grid(tuple(2 * n for n in cells), size))
    assert sorted_rows(finer.points) == pytest.approx(sorted_rows(fine.points))
    assert sorted_rows(finer.centres) == pytest.approx(sorted_rows(fine.centres))
    edge = np.array(size) / cells
    assert np.array_equal(
        np.floor(finer.centres / edge), np.floor(boxes(Grid(cells, size)).centres[parents] / edge)
    )


@pytest.mark.parametrize("made", [boxes, simplices])
@pytest.mark.parametrize("ndim", [2, 3])
def test_groups_of_a_file_are_on_the_finer_mesh_what_the_file_drew(tmp_path, made, ndim):
    grid = Grid((6, 3, 2)[:ndim], (3.0, 1.0, 1.0)[:ndim])
    file = written(tmp_path / "a.msh", shaken(made(grid)))
    for times in (1, 2):
        mesh = read_mesh(file, refine=times)
        wall, pad = mesh.groups["wall"], mesh.groups["pad"]
        assert mesh.n_cells == read_mesh(file).n_cells * 2 ** (ndim * times)
        assert np.array_equal(wall.nodes, np.flatnonzero(mesh.nodes_in(Plane(x=0.0))))
        assert len(wall.cells) == 0
        assert mesh.volumes[pad.cells].sum() == pytest.approx(
            read_mesh(file).volumes[read_mesh(file).groups["pad"].cells].sum()
        )
        assert np.array_equal(pad.nodes, np.unique(mesh.corners[pad.cells]))
        on_wall = mesh.boundary[np.isin(mesh.boundary, wall.nodes).all(axis=1)]
        assert np.array_equal(np.unique(np.sort(wall.sides[0], axis=1), axis=0),
                              np.unique(np.sort(on_wall, axis=1), axis=0))  # fmt: skip


def test_a_chord_between_two_nodes_of_a_group_is_not_of_the_group():
    """The hypotenuse of a corner triangle, whose ends are on the drawn lines, is none of them."""
    mesh = Mesh(
        [[0, 0], [1, 0], [0, 1]],
        [[0, 1, 2]],
        {"legs": Group(np.arange(3), sides=(np.array([[0, 1], [0, 2]]),))},
    )
    finer, _ = refined(mesh)
    found = finer.points[finer.groups["legs"].nodes]
    assert (
        sorted_rows(found).tolist()
        == sorted_rows(np.array([[0, 0], [0.5, 0], [1, 0], [0, 0.5], [0, 1]])).tolist()
    )


def test_a_bare_set_of_nodes_keeps_its_sides_its_edges_or_itself():
    mesh = boxes(Grid((2, 2)))
    at = {name: np.flatnonzero(flags) for name, flags in {
        "side": mesh.points[:, 0] == 0, "inner": (mesh.points[:, 0] == 1) & (mesh.points[:, 1] > 0),
        "one": (mesh.points == 1).all(axis=1)}.items()}  # fmt: skip
    finer, _ = refined(Mesh(mesh.points, mesh.corners, {name: Group(nodes) for name, nodes in at.items()}))
    found = {name: sorted_rows(finer.points[part.nodes]).tolist() for name, part in finer.groups.items()}
    assert found == {
        "side": [[0, y / 2] for y in range(5)], "inner": [[1, 1], [1, 1.5], [1, 2]], "one": [[1, 1]]
    }  # fmt: skip


def test_a_tetrahedron_that_was_turned_inside_out_throughout_is_cut_all_the_same():
    mesh = SHAKEN["tetrahedra"]
    turned = Mesh(mesh.points, mesh.corners[:, [1, 0, 2, 3]])
    finer, parents = refined(turned)
    assert np.bincount(parents, finer.volumes) == pytest.approx(mesh.volumes)
