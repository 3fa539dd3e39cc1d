"""Every stage of the package passes every test of `check.stage`; a stage that nobody listed here fails."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import importlib
import math
import pkgutil
from collections.abc import Iterator

import numpy as np
import pytest

import topopt
from tests.meshed import boxes
from topopt import check
from topopt.chain import Chain, Stage
from topopt.errors import InputError, MissingDependencyError
from topopt.fem import LoadCase, PointLoad, Structure, Support
from topopt.grid import Domain, Grid
from topopt.nets import Affine, Bend, CrossEntropy, PairwiseLikelihood, Samples, SignGate, StraightThrough
from topopt.regions import Ball, Box, Plane, Point
from topopt.stages import (
    BucklingFactors,
    Cast,
    Centrifugal,
    Compliance,
    Conduction,
    Cone,
    Displacement,
    DynamicCompliance,
    Equilibrium,
    Eroding,
    Exponential,
    Extreme,
    Extruded,
    Frequencies,
    Helmholtz,
    LocalMean,
    Masses,
    Mean,
    MeanTemperature,
    Offset,
    OrderedSimp,
    OrderedTanh,
    PowerNorm,
    PreservingExponential,
    PreservingTanh,
    Printed,
    Ramp,
    Repeated,
    Rotated,
    Scaled,
    SelfWeight,
    SensitivityFilter,
    Simp,
    SoftMaximum,
    Ssp,
    Ssp2,
    Surrogate,
    Symmetric,
    Tanh,
    ThermalLoad,
    TotalWork,
    VonMises,
    WorstDirection,
)
from topopt.stages.on_cells import OnCells

GRID = Grid((6, 5), (6.0, 5.0))
PASSIVE = Domain(GRID, solid=Box((0, 0), (1, 5)), void=Ball((4, 3), 1.0))
BEAM = Structure(
    GRID,
    (Support(Plane(x=0.0)),),
    (
        LoadCase("down", (PointLoad(Point((6.0, 2.0)), (0.0, -1.0)),)),
        LoadCase("side", (PointLoad(Point((6.0, 5.0)), (1.0, 0.5)),), weight=0.5),
    ),
)
FED = Samples(np.arange(12.0).reshape(4, 3) / 9, np.array([0, 2, 1, 1]))
DENSITY, MODULI, MOVED = (GRID.n_cells,), (GRID.n_cells,), (BEAM.n_dofs, 2)

# A stage by name of its class: instances to test, with the shapes of what they read.
STAGES: dict[str, list[tuple[Stage, tuple[int, ...]]]] = {
    "Cast": [(Cast(Domain(GRID), "+y"), DENSITY), (Cast(Domain(GRID), "-x"), DENSITY)],
    "Centrifugal": [(Centrifugal(BEAM, (1.0, 2.0), speed=1.3), DENSITY)],
    "Compliance": [(Compliance(BEAM), MOVED), (Compliance(BEAM, "side"), MOVED)],
    "Extreme": [(Extreme(), DENSITY), (Extreme("smallest"), DENSITY)],
    "LocalMean": [(LocalMean(GRID, 1.7), DENSITY), (LocalMean(GRID, 6.0), DENSITY)],
    "Masses": [(Masses(), DENSITY), (Masses(0.5), DENSITY)],
    "OrderedSimp": [(OrderedSimp(), DENSITY)],
    "OrderedTanh": [(OrderedTanh((0.4, 0.7, 1.0), beta), DENSITY) for beta in (0.0, 6.0)],
    "PowerNorm": [(PowerNorm(), DENSITY), (PowerNorm(-6.0), MOVED)],
    "Rotated": [(Rotated(Domain(GRID), "xy", 2), DENSITY), (Rotated(Grid((5, 5))), (25,))],
    "SoftMaximum": [(SoftMaximum(), DENSITY)],
    "WorstDirection": [(WorstDirection(BEAM), MOVED)],
    "Affine": [(Affine(3, 2, 1, FED), (12,))],
    "Bend": [(Bend(0.7), DENSITY)],
    "Conduction": [
        (Conduction(Domain(GRID), sink=Plane(x=0.0)), MODULI),
        (Conduction(PASSIVE, Point((0.0, 0.0)), Plane(x=6.0), 2.0, Box((2, 2), (4, 4)), 3.0), MODULI),
    ],
    "Cone": [(Cone(Domain(GRID), 2.4), DENSITY), (Cone(PASSIVE, 2.4), DENSITY)],
    "CrossEntropy": [(CrossEntropy(FED), (4, 3))],
    "PairwiseLikelihood": [(PairwiseLikelihood(FED), (4, 2))],
    "Displacement": [
        (Displacement(BEAM, Point((6.0, 0.0)), (0.0, 1.0)), MOVED),
        (Displacement(BEAM, Plane(x=6.0), (1.0, 0.0), case="side"), MOVED),
    ],
    "Equilibrium": [(Equilibrium(BEAM), MODULI)],
    "Eroding": [(Eroding(8.0), DENSITY), (Eroding(0.0), DENSITY)],
    "Exponential": [(Exponential(8.0), DENSITY), (Exponential(0.0), DENSITY)],
    "Extruded": [(Extruded(Domain(GRID), "y"), DENSITY)],
    "Helmholtz": [(Helmholtz(Domain(GRID), 2.4), DENSITY), (Helmholtz(PASSIVE, 2.4), DENSITY)],
    "Mean": [(Mean(Domain(GRID)), DENSITY), (Mean(PASSIVE), DENSITY), (Mean(GRID), DENSITY)],
    "MeanTemperature": [
        (MeanTemperature(PASSIVE), (GRID.n_nodes, 1)),
        (MeanTemperature(Domain(GRID), Point((6.0, 0.0))), (GRID.n_nodes, 1)),
    ],
    "Offset": [(Offset(8.0, 1.0, 2.4), DENSITY), (Offset(8.0, -1.0, 2.4), DENSITY)],
    "PreservingExponential": [(PreservingExponential(beta), DENSITY) for beta in (0.0, 1.0, 16.0)],
    "PreservingTanh": [(PreservingTanh(beta), DENSITY) for beta in (0.0, 1.0, 64.0)],
    "Printed": [(Printed(Domain(GRID), up), DENSITY) for up in ("+y", "-x")],
    "Ramp": [(Ramp(), DENSITY)],
    "Repeated": [(Repeated(Domain(GRID), "x", 3), DENSITY)],
    "Scaled": [(Scaled(), DENSITY)],
    "SelfWeight": [(SelfWeight(BEAM, (0.3, -1.0)), DENSITY)],
    "SensitivityFilter": [(SensitivityFilter(PASSIVE, 2.4), DENSITY)],
    "SignGate": [(SignGate(3.0), DENSITY)],
    "Simp": [(Simp(), DENSITY), (Simp(1.0), DENSITY)],
    "Ssp": [(Ssp(PASSIVE, 8.0), DENSITY), (Ssp(GRID, math.inf), DENSITY)],
    "Ssp2": [(Ssp2(PASSIVE, 8.0), DENSITY), (Ssp2(GRID, math.inf), DENSITY)],
    "StraightThrough": [(StraightThrough(), DENSITY), (StraightThrough(2.0, math.inf), DENSITY)],
    "Surrogate": [(Surrogate(64.0), DENSITY), (Surrogate(math.inf, 0.4, 2.0), DENSITY)],
    "Symmetric": [(Symmetric(PASSIVE, "xy"), DENSITY)],
    "Tanh": [(Tanh(beta, eta), DENSITY) for beta in (0.0, 1.0, 64.0, 1e4) for eta in (0.0, 0.4, 1.0)],
}
SEVERAL: dict[str, tuple[Stage, *tuple[tuple[int, ...], ...]]] = {
    "BucklingFactors": (BucklingFactors(BEAM, 3), MODULI, MODULI, MOVED),
    "DynamicCompliance": (DynamicCompliance(BEAM, 0.3), MODULI, DENSITY),
    "Equilibrium": (Equilibrium(BEAM), MODULI, MOVED),
    "Frequencies": (Frequencies(BEAM, 3, attached=0.7), MODULI, DENSITY),
    "ThermalLoad": (ThermalLoad(BEAM, 0.3), (GRID.n_nodes, 1), MODULI),
    "TotalWork": (TotalWork(BEAM), MOVED, MOVED),
    "VonMises": (VonMises(BEAM), MOVED, DENSITY),
}
"""What reads several names."""


def subclasses(kind: type) -> Iterator[type]:
    """Yield every class below a class."""
    for child in kind.__subclasses__():
        yield child
        yield from subclasses(child)


def package_stages() -> set[type]:
    """Return every public stage that the package defines, wherever it stands."""
    for module in pkgutil.walk_packages(topopt.__path__, "topopt.", onerror=lambda name: None):
        if not module.name.endswith("__main__"):
            with contextlib.suppress(MissingDependencyError):  # the bridge to torch defines no stage
                importlib.import_module(module.name)
    concrete = {kind for kind in subclasses(Stage) if not kind.__abstractmethods__}
    public = {kind for kind in concrete if not kind.__name__.startswith("_")}
    return {kind for kind in public if kind.__module__.split(".")[0] == "topopt"}


def test_every_stage_of_the_package_is_listed_here():
    found = {kind.__name__ for kind in package_stages()}
    assert found == set(STAGES) | set(SEVERAL), "give each stage an entry in STAGES, and none to what is gone"


@pytest.mark.parametrize(
    ("stage", "shape"),
    [pytest.param(*case, id=f"{name}-{n}") for name, cases in STAGES.items() for n, case in enumerate(cases)],
)
def test_conformance(stage: Stage, shape: tuple[int, ...], rng: np.random.Generator):
    report = check.stage(stage, rng.uniform(0.2, 0.8, shape), rng=rng)
    report.raise_if_failed()


@pytest.mark.parametrize("name", SEVERAL)
def test_conformance_with_several_inputs(name: str, rng: np.random.Generator):
    stage, *shapes = SEVERAL[name]
    check.stage(stage, *(rng.uniform(0.2, 0.8, shape) for shape in shapes), rng=rng).raise_if_failed()


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_shows_itself_and_changes_its_parameters_by_name(name: str):
    stage = STAGES[name][0][0]
    chain = Chain([("it", stage)])
    for parameter, value in chain.parameters().items():
        assert chain.at({parameter: value * 1.01}).parameters()[parameter] == value * 1.01 or value == 0
    assert type(stage).__name__ in repr(stage)


ON_CELLS = [name for name, ((stage, _), *_) in STAGES.items() if hasattr(stage, "domain")]


@pytest.mark.parametrize("name", ON_CELLS)
def test_a_stage_with_a_domain_takes_bare_cells_and_says_which_will_do(name: str):
    stage = STAGES[name][0][0]
    assert isinstance(stage, OnCells)
    grid = stage.domain.grid
    bare = dataclasses.replace(stage, domain=grid)
    assert bare.domain == Domain(grid)
    on_mesh = functools.partial(dataclasses.replace, stage, domain=boxes(grid))
    if stage.instead is None:
        assert on_mesh().domain == Domain(boxes(grid))
    else:
        sentence = f"^{name} needs a grid of equal cells, but works on a mesh of .*; {stage.instead}$"
        with pytest.raises(InputError, match=sentence):
            on_mesh()
