"""Loads at one place stand apart, those elsewhere stay where they are."""

from __future__ import annotations

import numpy as np

from topopt.figures.lanes import STEP, apart
from topopt.figures.scene import Push

SIZE = (2.0, 1.0)


def _push(points, vector, pulls=False):
    points = np.array(points, dtype=float)
    vectors = np.tile(np.array(vector, dtype=float), (len(points), 1))
    return Push(0, points, vectors, len(points) > 2, np.full(len(points), pulls))


def test_loads_on_one_edge_alternate():
    edge = [[0.0, 1.0], [1.0, 1.0], [2.0, 1.0]]
    one, two, three = apart([_push(edge, (0, -1)) for _ in range(3)], SIZE)
    assert [push.lane for push in (one, two, three)] == [0, 1, 2]
    np.testing.assert_array_equal(one.points, edge)
    for push in (two, three):
        np.testing.assert_allclose(push.points - edge, [[push.lane * STEP * 2.0, 0.0]] * 3)


def test_a_push_and_a_pull_from_the_same_side_meet():
    assert [p.lane for p in apart([_push([[2, 1]], (0, -1)), _push([[2, 1]], (0, 1), True)], SIZE)] == [0, 1]
    assert [p.lane for p in apart([_push([[2, 1]], (0, -1)), _push([[2, 1]], (0, 1))], SIZE)] == [0, 0]


def test_a_load_on_the_right_moves_to_the_left():
    _, moved = apart([_push([[2, 0.5]], (0, -1))] * 2, SIZE)
    np.testing.assert_allclose(moved.points, [[2.0 - STEP * 2.0, 0.5]])


def test_shear_moves_off_its_own_line():
    _, moved = apart([_push([[0, 1], [1, 1], [2, 1]], (1, 0))] * 2, SIZE)
    np.testing.assert_allclose(moved.points[:, 1], 1.0 - STEP * 2.0)
    np.testing.assert_allclose(moved.points[:, 0], [0, 1, 2])


def test_loads_elsewhere_or_across_stay():
    pushes = [_push([[1, 1]], (0, -1)), _push([[1.5, 1]], (0, -1)), _push([[1, 1]], (1, 0))]
    assert [push.lane for push in apart(pushes, SIZE)] == [0, 0, 0]
