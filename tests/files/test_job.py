"""From a file to the objects of a run."""

from __future__ import annotations

import dataclasses
import math
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import topopt as to
from tests.beams import BRIEF
from topopt.errors import ProblemFileError
from topopt.files import Job, parse, read
from topopt.files.located import located
from topopt.files.resolved import written
from topopt.solvers import Choice, Multigrid

TEXT = BRIEF + "continuation: {physical.beta: {type: staircase, final: 8.0, every: 2}}\n"

OWN = '''\
"""A user's own stage, schedule and optimiser, named in a problem file by dotted path."""

from dataclasses import dataclass

import numpy as np

import topopt
from topopt.continuation import Schedule


@dataclass(frozen=True)
class Square(topopt.Stage):
    """The square."""

    factor: float = 1.0

    def vjp(self, x):
        return self.factor * x**2, lambda v: (2 * self.factor * v * x,)


@dataclass(frozen=True)
class Jump(Schedule):
    """One value, then another."""

    start: float
    final: float
    at: int = 3

    def __call__(self, past, history):
        return self.start if len(past) < self.at else self.final


@dataclass(frozen=True)
class Bold(topopt.MMA):
    """MMA with longer steps."""

    move: float = 0.5
'''


def region(value: str, extra: str = "") -> to.Region:
    return parse(TEXT.replace("regions:", f"regions:\n  it: {value}\n{extra}")).regions["it"]


def test_the_objects_are_those_of_the_python_interface() -> None:
    job = parse(TEXT)
    grid = to.Grid((12, 4), (3.0, 1.0))
    structure = to.Structure(
        grid, (to.Support(to.Plane(x=0.0)),), (to.PointLoad(to.Point((3.0, 0.0)), (0.0, -1.0)),)
    )
    domain = to.Domain(grid)
    assert job.structure == structure
    assert job.problem.domain == domain
    assert job.problem.chain == to.Chain(
        (
            to.Link("filtered", to.Cone(domain, 0.6)),
            to.Link("physical", to.Tanh(beta=1.0)),
            to.Link("stiffness", to.Simp()),
            to.Link("displacement", to.Equilibrium(structure, "superlu")),
            to.Link("compliance", to.Compliance(structure)),
            to.Link("volume", to.Mean(domain), "physical"),
        )
    )
    assert job.problem.limits == {"volume": to.Limit(upper=0.5)}
    assert job.continuation == to.Continuation({"physical.beta": to.Staircase(final=8.0, every=2)})
    assert job.optimizer == to.MMA()
    assert job.stop == to.Stop()
    assert isinstance(job.choice, Choice)
    assert job.seed is None
    assert np.all(job.problem.initial() == 0.5)


def test_a_job_runs() -> None:
    job = parse(TEXT, overrides=["stop.iterations=5", "optimizer.type=oc"])
    last = to.solve(job.problem, job.optimizer, job.continuation, job.stop)
    assert last.iteration.number == 5
    assert last.iteration.parameters == {"physical.beta": 4.0}
    assert (
        last.iteration.objective
        < to.solve(job.problem, job.optimizer, stop=to.Stop(iterations=1)).iteration.objective
    )


def test_refining_keeps_the_problem() -> None:
    coarse, fine = parse(TEXT), parse(TEXT, overrides=["grid.cells=[24,8]"])
    assert fine.problem.grid.size == coarse.problem.grid.size
    assert fine.problem.chain["filtered"].stage.radius == coarse.problem.chain["filtered"].stage.radius  # type: ignore[attr-defined]
    assert fine != coarse


def test_equal_files_give_equal_jobs_and_only_these() -> None:
    assert parse(TEXT, "a") == parse(TEXT.replace("all}", "[x, y]}").replace("[x, y]}", "all}"), "b")
    assert parse(TEXT) != parse(TEXT, overrides=["limits.volume=0.4"])
    assert parse(TEXT) != parse(TEXT, overrides=["start=0.4"])


def test_read_looks_into_the_file_s_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sub").mkdir()
    np.save(tmp_path / "sub" / "hole.npy", np.eye(4, dtype=bool))
    file = tmp_path / "sub" / "beam.yaml"
    file.write_text(TEXT.replace("minimise:", "passive: {void: {array: {file: hole.npy}}}\nminimise:"))
    job = read("sub/beam.yaml")
    assert job.source == "sub/beam.yaml"
    assert np.array_equal(
        job.problem.domain.void_cells.reshape(12, 4), np.repeat(np.eye(4, dtype=bool), 3, axis=0)
    )  # type: ignore[union-attr]
    monkeypatch.chdir("/")
    assert parse(job.resolved, folder=tmp_path / "elsewhere") == job


def test_plain_files_name_no_folder() -> None:
    assert "folder" not in located(parse(TEXT).resolved, "f").data


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("{plane: {x: 1, y: 0.5}}", to.Plane(x=1.0, y=0.5)),
        ("{point: [1, 1]}", to.Point((1.0, 1.0))),
        ("{box: {lower: [0, -.inf], upper: [1, .inf]}}", to.Box((0.0, -math.inf), (1.0, math.inf))),
        ("{ball: {centre: [1, 1], radius: 1}}", to.Ball((1.0, 1.0), 1.0)),
        ("{polygon: {corners: [[0, 0], [1, 0], [1, 1]]}}", to.Polygon(((0.0, 0.0), (1.0, 0.0), (1.0, 1.0)))),
        ("everywhere", to.Everywhere()),
        ("{everywhere: }", to.Everywhere()),
        ("tip", to.Point((3.0, 0.0))),
        ("[tip, left]", to.Point((3.0, 0.0)) | to.Plane(x=0.0)),
        ("{any: [tip, left]}", to.Point((3.0, 0.0)) | to.Plane(x=0.0)),
        ("{all: [left, {not: tip}]}", to.Plane(x=0.0) & ~to.Point((3.0, 0.0))),
    ],
)
def test_regions(value: str, expected: to.Region) -> None:
    assert region(value) == expected


def test_regions_may_be_named_before_they_are_defined() -> None:
    assert region("{not: later}", "  later: {not: left}") == ~~to.Plane(x=0.0)


def test_a_cylinder_in_space() -> None:
    text = (
        TEXT.replace("[12, 4]", "[6, 4, 4]")
        .replace("[3.0, 1.0]", "[3.0, 1.0, 1.0]")
        .replace("-1.0]", "-1.0, 0.0]")
    )
    text = text.replace("[3.0, 0.0]", "[3.0, 0.0, 0.0]")
    text = text.replace(
        "regions:", "regions:\n  it: {cylinder: {start: [0, 0, 0], end: [3, 0, 0], radius: 1}}"
    )
    assert parse(text).regions["it"] == to.Cylinder((0.0, 0.0, 0.0), (3.0, 0.0, 0.0), 1.0)


@pytest.mark.parametrize("invert", [False, True])
def test_a_picture_is_stretched_dark_inside_and_y_up(tmp_path: Path, invert: bool) -> None:
    from PIL import Image

    pixels = np.full((2, 3, 4), 255, dtype=np.uint8)
    pixels[0, 0, :3] = 0  # the upper left pixel is black
    pixels[1, 1] = (0, 0, 0, 0)  # black, but transparent: nothing is drawn there
    Image.fromarray(pixels, "RGBA").save(tmp_path / "a.png")
    text = TEXT.replace(
        "regions:", f"regions:\n  it: {{image: {{file: a.png, invert: {str(invert).lower()}}}}}"
    )
    job = parse(text, folder=tmp_path)
    inside = job.problem.grid.cells_in(job.regions["it"]).reshape(12, 4)
    expected = np.zeros((12, 4), dtype=bool)
    expected[:4, 2:] = True
    assert np.array_equal(inside, expected != invert)


@pytest.mark.parametrize(
    ("name", "sentence"), [("a.png", "is no picture that can be read"), ("a.npy", "is no NPY file")]
)
def test_a_broken_picture_is_a_mistake(tmp_path: Path, name: str, sentence: str) -> None:
    (tmp_path / name).write_bytes(b"nonsense")
    kind = "image" if name.endswith("png") else "array"
    with pytest.raises(ProblemFileError, match=rf"<text>:4: regions\.it: {name} {sentence}"):
        parse(TEXT.replace("regions:", f"regions:\n  it: {{{kind}: {{file: {name}}}}}"), folder=tmp_path)


def test_an_archive_is_no_array(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", inside=np.ones((12, 4), dtype=bool))
    with pytest.raises(
        ProblemFileError, match=r"it: a\.npz is no NPY file: it holds arrays by name; save one"
    ):
        parse(TEXT.replace("regions:", "regions:\n  it: {array: {file: a.npz}}"), folder=tmp_path)


def test_noise_is_reproducible_and_stays_within_its_size() -> None:
    first, again, other = (
        parse(TEXT, overrides=[f"start={{noise: 0.1, seed: {seed}}}"]) for seed in (3, 3, 4)
    )
    x = first.problem.initial()
    assert np.array_equal(x, again.problem.initial())
    assert not np.array_equal(x, other.problem.initial())
    assert 0.05 < np.abs(x - 0.5).max() <= 0.1
    assert (first.seed, other.seed) == (3, 4)


def test_a_run_starts_where_another_ended(tmp_path: Path, rng: np.random.Generator) -> None:
    density = rng.uniform(size=(12, 4))
    np.savez(tmp_path / "design.npz", density=density, spacing=[0.25, 0.25])
    job = parse(TEXT, overrides=["start={file: design.npz}"], folder=tmp_path)
    assert np.array_equal(job.problem.initial(), density.ravel())
    np.savez(tmp_path / "design.npz", density=np.zeros(48), x=density.ravel())
    assert np.array_equal(
        parse(TEXT, overrides=["start={file: design.npz}"], folder=tmp_path).problem.initial(),
        density.ravel(),
    )
    np.savez(tmp_path / "design.npz", density=density[:3])
    with pytest.raises(ProblemFileError, match=r"start: design\.npz: expected one value per cell"):
        parse(TEXT, overrides=["start={file: design.npz}"], folder=tmp_path)
    (tmp_path / "design.npz").write_text("nonsense")
    with pytest.raises(ProblemFileError, match=r"start: design\.npz is no NPZ or NPY file"):
        parse(TEXT, overrides=["start={file: design.npz}"], folder=tmp_path)


def test_load_cases() -> None:
    down = "{name: down, loads: [{on: tip, force: [0, -1]}]}"
    side = "{name: side, weight: 0.5, loads: [{on: tip, force: [1, 0]}]}"
    job = parse(TEXT.replace("loads: [{on: tip, force: [0.0, -1.0]}]\n", f"cases: [{down}, {side}]\n"))
    assert job.structure is not None
    assert job.structure.case_names == ("down", "side")
    assert job.structure.weights.tolist() == [1.0, 0.5]


def test_springs_and_every_kind_of_load() -> None:
    text = TEXT.replace("fix: all}]", "fix: all}, {on: tip, fix: [y], spring: 0.1}]")
    text = text.replace(
        "loads: [",
        "loads: [{on: top, traction: [0, -1]}, {on: top, force_per_length: [0, -1]}, {on: everywhere, "
        "force_per_volume: [0, -1]}, ",
    )
    job = parse(text.replace("regions:", "regions:\n  top: {plane: {y: 1.0}}"))
    assert job.structure is not None
    assert job.structure.forces.sum() == pytest.approx(-(3 + 3 + 3 + 1) * 1.0, rel=0.1)
    assert [type(load).__name__ for load in job.structure.cases[0].loads] == [
        "SurfaceLoad",
        "LineLoad",
        "BodyLoad",
        "PointLoad",
    ]


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A folder with a module of a user's own."""
    (tmp_path / "my_parts.py").write_text(OWN)
    (tmp_path / "broken_parts.py").write_text("import a_package_that_is_not_there\n")
    (tmp_path / "garbled_parts.py").write_text("def f(:\n")
    (tmp_path / "crashing_parts.py").write_text("1 / 0\n")
    yield tmp_path
    for name in ("my_parts", "broken_parts", "garbled_parts", "crashing_parts"):
        sys.modules.pop(name, None)


def test_a_users_own_parts_by_dotted_path(own: Path) -> None:
    text = TEXT.replace(
        "- {name: physical", "- {name: squared, type: my_parts:Square, factor: 2}\n  - {name: physical"
    )
    text = text.replace("type: staircase, final: 8.0, every: 2", "type: my_parts:Jump, start: 1, final: 8")
    path = list(sys.path)
    job = parse(text + "optimizer: {type: my_parts:Bold}\n", folder=own)
    assert sys.path == path
    assert job.problem.chain.parameters()["squared.factor"] == 2.0
    assert job.optimizer.move == 0.5  # type: ignore[attr-defined]
    assert job.continuation.schedules["physical.beta"].final == 8.0
    assert parse(job.resolved, folder="/") == job
    with pytest.raises(
        ProblemFileError, match=r"chain\.squared\.fctor: unknown key: did you mean 'factor'\?"
    ):
        parse(text.replace("factor", "fctor"), folder=own)


@pytest.mark.parametrize(
    ("module", "sentence"),
    [
        ("broken_parts", "importing 'broken_parts' failed: No module named 'a_package_that_is_not_there'"),
        ("garbled_parts", r"importing 'garbled_parts' failed: .*\(garbled_parts.py, line 1\)"),
    ],
)
def test_a_module_that_cannot_be_imported_is_a_mistake(own: Path, module: str, sentence: str) -> None:
    with pytest.raises(
        ProblemFileError, match=rf"<text>:10: chain\.physical\.type: '{module}:A': {sentence}"
    ):
        parse(TEXT.replace("type: tanh", f"type: {module}:A"), folder=own)


def test_a_module_that_crashes_keeps_its_traceback(own: Path) -> None:
    with pytest.raises(ZeroDivisionError, match="division by zero") as crash:
        parse(TEXT.replace("type: tanh", "type: crashing_parts:A"), folder=own)
    assert crash.value.__notes__ == [
        "while importing 'crashing_parts', which the problem file names in 'crashing_parts:A'"
    ]


WARNINGS = [
    (["chain.filtered.radius=0.3"], "chain.filtered.radius: 1.2 cell edges hardly filter; 1.5 or more "
     "remove checkerboards"),
    (["continuation={physical.beta: 40}", "start=0"], "chain.physical: frozen at the start: the steepest "
     "slope of the "
     "projection is 3.4e-16, so no sensitivity reaches the design; begin less sharp, or nearer to the "
     "threshold"),
    (["loads=[{on: {any: [tip, {plane: {x: 3.0}}]}, traction: [0, -1]}]",
      "passive={void: {box: {lower: [2.5, 0], upper: [3, 0.5]}}}"],
     "loads.0.on: 2 of 5 loaded nodes touch only passive void cells, the first at (3, 0); move the load or "
     "the void"),
    (["minimise=volume", "limits={physical_mean: 0.5}", "chain=[{name: physical, type: tanh, beta: 1}, "
      "{name: stiffness, type: simp}, {name: displacement, type: equilibrium}, {name: volume, type: mean, "
      "reads: [physical]}, {name: physical_mean, type: mean, reads: [physical]}]", "continuation={}"],
     "chain.displacement: solved in every iteration, but nothing depends on it"),
    (["limits={}"], "limits: nothing is limited: the best design fills the whole domain; limit a volume"),
    (["minimise=volume", "limits={}", "chain=[{name: physical, type: tanh, beta: 1}, {name: volume, type: "
      "mean}]", "continuation={}", "supports=[]", "loads=[]", "regions={}"],
     "limits: nothing is limited: the best design is empty; limit a response"),
    (["regions.idle={point: [0, 0]}"], "regions.idle: nothing uses this region"),
    (["passive={void: {box: {lower: [0, 0], upper: [1, 0.5]}}}"],
     "supports.0.on: 2 of 5 held nodes touch only passive void cells, the first at (0, 0); move the support "
     "or the void"),
]  # fmt: skip


@pytest.mark.parametrize(("overrides", "sentence"), WARNINGS)
def test_what_is_only_odd_is_a_warning(overrides: list[str], sentence: str) -> None:
    (found,) = parse(TEXT, "f", overrides).warnings
    assert found.endswith(sentence)


SCHEDULES = st.one_of(
    st.floats(0.0, 99.0),
    st.builds(
        lambda a, n: {"type": "linear", "start": a, "final": 8.0, "over": n},
        st.floats(0, 9),
        st.integers(1, 99),
    ),
    st.builds(
        lambda v: {"type": "steps", "values": [*v, math.inf]},
        st.lists(st.floats(0.5, 99), min_size=1, max_size=4),
    ),
    st.builds(lambda f: {"type": "petsc", "final": f}, st.floats(1.5, 1e3)),
)
STARTS = st.one_of(
    st.none(),
    st.floats(0.01, 1.0),
    st.fixed_dictionaries({"noise": st.floats(0, 1), "seed": st.integers(0, 2**40)}),
)
NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,8}", fullmatch=True)
SIZES = st.lists(st.floats(0.9, 3.0), min_size=2, max_size=2)
VOLUMES = st.one_of(st.floats(0.05, 0.95), st.just({"lower": 0.1, "upper": 0.6}))
HIDDEN = st.sampled_from(["tip", ["left", "tip"], {"not": {"ball": {"centre": [0.0, 0.0], "radius": 0.6}}}])
STOPS = {"change": st.floats(0, 1), "iterations": st.integers(1, 10**6)}
SPECS = st.fixed_dictionaries(
    {
        "name": NAMES,
        "description": st.text("abc: #'\"é\n-", max_size=20),
        "grid": st.fixed_dictionaries({"cells": st.just([6, 4]), "size": SIZES}),
        "material": st.fixed_dictionaries({"young": st.floats(1e-3, 1e12), "poisson": st.floats(-0.9, 0.45)}),
        "density": st.sampled_from(["physical", "filtered"]),
        "limits": st.fixed_dictionaries({"volume": VOLUMES}),
        "start": STARTS,
        "continuation": st.fixed_dictionaries({"physical.beta": SCHEDULES}),
        "stop": st.fixed_dictionaries({}, optional=STOPS),
        "output": st.fixed_dictionaries({}, optional={"frames_every": st.integers(0, 99), "hidden": HIDDEN}),
    }
)


@settings(max_examples=40)
@given(SPECS)
def test_a_resolved_file_read_again_gives_an_equal_job(changes: dict[str, object]) -> None:
    data = located(TEXT, "f").data | changes
    data["regions"] = {
        "left": {"plane": {"x": 0.0}},
        "tip": {"box": {"lower": [0.5, 0.0], "upper": [9.0, 9.0]}},
    }
    job = parse(written(data))
    again = parse(job.resolved)
    assert again == job
    assert again.resolved == job.resolved
    assert again.problem.chain == job.problem.chain
    assert np.array_equal(again.problem.initial(), job.problem.initial())


def test_a_job_is_frozen() -> None:
    job = parse(TEXT)
    with pytest.raises(dataclasses.FrozenInstanceError, match="name"):
        job.name = "other"  # type: ignore[misc]
    assert isinstance(job, Job)


def test_a_solver_with_settings_is_built_and_written_out() -> None:
    settings = "{name: multigrid, tolerance: 1.0e-4, follow: true, smoothing: [2, 3]}"
    job = parse(TEXT.replace("solver: superlu", f"solver: {settings}"))
    wanted = Multigrid(tolerance=1e-4, follow=True, smoothing=(2, 3))
    assert job.problem.chain["displacement"].stage.solver == wanted  # type: ignore[attr-defined]
    assert parse(job.resolved) == job
    assert parse(job.resolved).problem.chain == job.problem.chain


@pytest.mark.parametrize(
    ("name", "start"), [("tower_frequency", ("cholmod", "superlu")), ("shaken_beam", ("superlu",))]
)
def test_what_swings_names_its_solver_too(name, start):
    job = read(Path(__file__).parents[2] / "problems" / f"{name}.yaml")
    assert job.choice.reason.startswith(start)
    assert job.choice.bytes_estimated > 0


HEAT = """
name: warm
grid: {cells: [8, 8]}
regions:
  edge: {plane: {x: 0.0}}
chain:
  - {name: filtered,    type: cone,             radius: 2.0}
  - {name: conducting,  type: simp,             penal: 3.0, e_min: 1.0e-2}
  - {name: temperature, type: conduction,       sink: edge, power: 1.0}
  - {name: mean,        type: mean_temperature}
  - {name: volume,      type: mean,             reads: [filtered]}
density: filtered
minimise: mean
limits: {volume: 0.4}
"""


def test_a_structure_that_no_link_reads_is_told() -> None:
    assert parse(HEAT, "f").warnings == ()
    section = "supports: [{on: edge, fix: [x]}]\nloads: [{on: everywhere, force_per_volume: [0, -1]}]\n"
    found = parse(f"{HEAT}{section}material: {{young: 2.0}}\n", "f").warnings  # nor is it examined
    assert found == tuple(
        f"f:{line}: {name}: no link of the chain reads a structure, so this does nothing; what holds and "
        "feeds the heat are sink, cooled and source of 'temperature'"
        for line, name in ((17, "material"), (15, "supports"), (16, "loads"))
    )
    bare = TEXT.partition("chain:")[0]
    chain = "chain: [{name: physical, type: tanh}, {name: volume, type: mean}]\nminimise: volume\n"
    ends = [warning.partition(": ")[2] for warning in parse(f"{bare}{chain}", "f").warnings]
    assert "supports: no link of the chain reads a structure, so this does nothing" in ends
