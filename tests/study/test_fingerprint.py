"""A fingerprint outlives the move of a class: what a study has computed it does not compute again."""

import numpy as np
import pytest

from topopt import regions
from topopt.chain import Chain
from topopt.grid import Domain, Grid
from topopt.stages import Cast, Extruded, Printed, Repeated, Rotated, Simp, Symmetric, Tanh
from topopt.study.fingerprint import fingerprint

CUBE = Domain(Grid((4, 4, 4)))
SHAPES = [
    regions.Nowhere(),
    regions.Everywhere(),
    regions.Both(regions.Everywhere(), regions.Nowhere()),
    regions.Either(regions.Everywhere(), regions.Nowhere()),
    regions.Not(regions.Nowhere()),
    regions.Plane(x=1.0),
    regions.Point((1.0, 2.0)),
    regions.Box((0, 0), (1, 1)),
    regions.Ball((0, 0), 1.0),
    regions.Cylinder((0, 0, 0), (1, 0, 0), 1.0),
    regions.Polygon(((0, 0), (1, 0), (0, 1))),
    regions.Aerofoil("2412", 1.0, (0.0, 0.0)),
    regions.Mask(np.eye(2)),
]
CHAINS = [Chain([("physical", Tanh(2.0)), ("stiffness", Simp(), "physical")])]
STAGES = [Symmetric(CUBE), Extruded(CUBE), Repeated(CUBE), Rotated(CUBE), Printed(CUBE), Cast(CUBE)]


@pytest.mark.parametrize(
    ("things", "known"),
    [
        (CHAINS, "9901c762012f4c412dd566b6d5f77dc43746605f22a3b02931145b9455113cd6"),
        (SHAPES, "1d54e5e9185ee44bcca5088dc59f63544bf23eef186bf425f36b0cd081abed26"),
        (STAGES, "7204069c4b3061c4a8646b3df4bc9520ee7657757da34e7ab3f23fffb8ec58a1"),
    ],
)  # fmt: skip
def test_classes_that_moved_count_as_before(things, known):
    """The values are those of the time when `chain`, `regions` and `stages.making` were one module each."""
    assert fingerprint(things) == known
