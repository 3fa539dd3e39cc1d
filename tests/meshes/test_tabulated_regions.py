"""Regions that hold arrays are told apart by what they hold and where it lies, not by their names."""

import dataclasses
import pickle

import numpy as np
import pytest

from topopt.meshes.places import Among, Voxels
from topopt.meshes.solids import Solid
from topopt.regions import Everywhere, Mask

TETRAHEDRON = np.array(
    [
        [[0, 0, 0], [1, 0, 0], [0, 1, 0]],
        [[0, 0, 0], [1, 0, 0], [0, 0, 1]],
        [[0, 0, 0], [0, 1, 0], [0, 0, 1]],
        [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
    ],
    dtype=float,
)
SOLID = Solid(TETRAHEDRON)
AMONG = Among(np.eye(2))
VOXELS = Voxels(np.eye(2, dtype=bool), (0.0, 0.0), (1.0, 1.0))


@pytest.mark.parametrize(
    ("region", "other"),
    [
        (SOLID, {"triangles": 2.0 * TETRAHEDRON}),
        (SOLID, {"fit": True}),
        (AMONG, {"places": np.ones((2, 2))}),
        (AMONG, {"reach": 0.5}),
        (VOXELS, {"filled": np.ones((2, 2), dtype=bool)}),
        (VOXELS, {"lower": (0.0, 1.0)}),
        (VOXELS, {"edges": (1.0, 2.0)}),
        (Mask(np.eye(2)), {"picture": np.ones((2, 2), dtype=bool)}),
        (Mask(np.ones((2, 3))), {"picture": np.ones((3, 2), dtype=bool)}),
    ],
)
def test_what_they_hold_tells_them_apart(region, other):
    again = pickle.loads(pickle.dumps(region))
    assert again == region
    assert hash(again) == hash(region)
    assert dataclasses.replace(region, **other) != region
    assert region != Everywhere()


@pytest.mark.parametrize("region", [SOLID, AMONG, VOXELS])
def test_a_name_does_not(region):
    called = dataclasses.replace(region, name="the bracket")
    assert called == region
    assert hash(called) == hash(region)
    assert "the bracket" in repr(called)
