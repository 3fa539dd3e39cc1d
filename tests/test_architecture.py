"""The house stands: imports point down only, guests stay in their rooms, every door bears its sentence."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

# Bottom to top. A module may import from the levels below its own room's, and from its own room.
HOUSE = (
    {"errors"},
    {"parameters", "order"},
    {"threads", "remembered", "workspaces"},
    {"kernels"},
    {"regions", "chain", "evaluation", "history", "solves"},
    {"cells"},
    {"grid", "limits", "meshes"},
    {"fem", "solvers", "check", "design", "measures", "signals"},
    {"stages", "continuation", "optimizers", "vanishing"},
    {"failures", "entry", "step", "stopping"},
    {"cures"},
    {"problem", "diagnosis", "nets"},
    {"turning_back"},
    {"run", "refinement"},
    {"files", "figures"},
    {"study", "gallery"},
    {"cli"},
    {"__main__"},
)

# Doors between two rooms on one level: (from, to).
DOORS = {("solvers", "fem")}

# Where else a package from outside may be imported: nowhere but in these rooms or modules.
GUESTS = {
    "matplotlib": {"figures"},
    "ruamel": {"files"},
    "pydantic": {"files"},
    "pydantic_core": {"files"},
    "typer": {"cli"},
    "click": {"cli"},
    "rich": {"cli"},
    "pyvista": {"figures", "files.export"},
    "vtk": {"figures", "files.export"},
    "vtkmodules": {"figures", "files.export"},
    "sksparse": {"solvers"},
    "numba": {"solvers", "kernels"},
    "llvmlite": {"solvers"},
    "joblib": {"study"},
    "distributed": {"study"},
    "dask": {"study"},
    "optuna": {"study"},
    "sklearn": {"nets"},
    "torch": {"nets"},
    "cuda": {"solvers"},
    "skfem": {"meshes"},
    "meshio": {"meshes"},
    "trimesh": {"meshes"},
}

TESTS = Path(__file__).parent
ROOT = TESTS.parent / "topopt"
LEVELS = {room: level for level, rooms in enumerate(HOUSE) for room in rooms}


def modules() -> dict[str, Path]:
    """Return every module of the package with its file, the package's own front door left out."""
    found = {".".join(path.relative_to(ROOT).with_suffix("").parts): path for path in ROOT.rglob("*.py")}
    found.pop("__init__", None)
    return {name.removesuffix(".__init__"): path for name, path in sorted(found.items())}


def imports(module: str, tree: ast.AST, *, is_package: bool = False) -> Iterator[tuple[int, str]]:
    """Yield line and dotted name of everything imported, inside functions and by literal name included."""
    here = ["topopt", *module.split(".")]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parent = here[: len(here) - node.level + is_package] if node.level else []
            base = ".".join([*parent, *([node.module] if node.module else [])])
            yield from ((node.lineno, f"{base}.{alias.name}") for alias in node.names)
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if called in {"import_module", "__import__"} and isinstance(node.args[0].value, str):
                yield node.lineno, node.args[0].value


def complaint(module: str, imported: str) -> str | None:
    """Say what is wrong with one import, or nothing."""
    package, _, inside = imported.partition(".")
    room, target = module.split(".")[0], inside.split(".")[0]
    if package != "topopt":
        rooms = GUESTS.get(package)
        if rooms is None or any(f"{module}.".startswith(f"{allowed}.") for allowed in rooms):
            return None
        return f"imports {package}, a guest of {', '.join(sorted(rooms))} only"
    if target in {room, "__version__"}:
        return None
    if target not in LEVELS:
        return f"imports {imported} through the package's front door; import the room itself"
    if LEVELS[target] < LEVELS[room] or (room, target) in DOORS:
        return None
    return f"imports {target}, which is {'above' if LEVELS[target] > LEVELS[room] else 'beside'} {room}"


def violations(module: str, source: str, *, is_package: bool = False) -> list[str]:
    """Return one sentence per import that goes through a wall."""
    if module.split(".")[0] not in LEVELS:
        return [f"topopt.{module}: the room has no level; give it a place in HOUSE"]
    found = imports(module, ast.parse(source), is_package=is_package)
    complaints = ((line, complaint(module, imported)) for line, imported in found)
    return [f"topopt.{module}:{line}: {text}" for line, text in complaints if text]


def opening(source: str) -> str | None:
    """Return what is wrong with a module's opening sentence, or nothing."""
    docstring = ast.get_docstring(ast.parse(source))
    if not docstring:
        return "opens with no docstring"
    sentence = " ".join(docstring.split("\n\n")[0].split())
    if not sentence.endswith((".", "!", "?")):
        return f"opens with a sentence that has no end: {sentence!r}"
    if re.search(r"[.!?] +[A-Z]", sentence):
        return f"opens with more than one sentence: {sentence!r}"
    return None


def test_the_walk_sees_the_package() -> None:
    assert {"errors", "chain", "grid"} <= modules().keys()


@pytest.mark.parametrize("module", modules())
def test_imports_point_down_only(module: str) -> None:
    path = modules()[module]
    assert violations(module, path.read_text("utf-8"), is_package=path.name == "__init__.py") == []


@pytest.mark.parametrize(
    "path",
    sorted([*ROOT.rglob("*.py"), *TESTS.rglob("*.py")]),
    ids=lambda path: path.relative_to(ROOT.parent).as_posix(),
)
def test_every_module_opens_with_one_sentence(path: Path) -> None:
    assert opening(path.read_text("utf-8")) is None


@pytest.mark.parametrize(
    ("module", "source", "expected"),
    [
        ("chain", "from topopt.grid import Grid", ":1: imports grid, which is above chain"),
        ("chain", "import topopt.run", ":1: imports run, which is above chain"),
        ("chain", "from topopt import run", ":1: imports run, which is above chain"),
        ("chain", "\ndef f():\n    from topopt.cli import main", ":3: imports cli, which is above chain"),
        ("chain", "from topopt.regions import All", ":1: imports regions, which is beside chain"),
        ("chain", "import_module('topopt.study')", ":1: imports study, which is above chain"),
        ("fem.operator", "from ..solvers import choose", ":1: imports solvers, which is beside fem"),
        ("fem.operator", "from .. import stages", ":1: imports stages, which is above fem"),
        ("problem", "from topopt import Chain", ":1: imports topopt.Chain through the package's front door"),
        ("run", "import matplotlib.pyplot as plt", ":1: imports matplotlib, a guest of figures only"),
        ("study", "from ruamel.yaml import YAML", ":1: imports ruamel, a guest of files only"),
        ("files.exporters", "import pyvista", ":1: imports pyvista, a guest of figures, files.export only"),
        ("attic.boxes", "", ": the room has no level; give it a place in HOUSE"),
    ],
)
def test_a_wall_broken_on_purpose_is_seen(module: str, source: str, expected: str) -> None:
    (found,) = violations(module, source)
    assert found.startswith(f"topopt.{module}{expected}")


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("solvers.multigrid", "from topopt.fem import operator"),
        ("fem.operator", "from .assembly import pattern"),
        ("fem.operator", "from ..grid import Grid"),
        ("files.export", "import pyvista"),
        ("cli", "from topopt import files, figures"),
        ("chain", "import numpy as np"),
    ],
)
def test_an_open_door_is_no_wall(module: str, source: str) -> None:
    assert violations(module, source) == []


def test_relative_imports_of_a_package_start_in_the_package() -> None:
    assert violations("fem", "from .operator import Operator", is_package=True) == []
    assert violations("fem", "from ..study import Study", is_package=True) == [
        "topopt.fem:1: imports study, which is above fem"
    ]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("x = 1", "opens with no docstring"),
        ('"""No end"""', "opens with a sentence that has no end: 'No end'"),
        ('"""One. Two."""', "opens with more than one sentence: 'One. Two.'"),
    ],
)
def test_a_bad_opening_is_seen(source: str, expected: str) -> None:
    assert opening(source) == expected
