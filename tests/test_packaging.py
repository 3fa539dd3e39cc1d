"""The wheel holds the package and nothing else, and no file names the machine it was written on."""

from __future__ import annotations

import ast
import importlib.metadata
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]

# Declared, though no line of ours imports them: what brings them in by name.
NEEDED_BY_NAME = {"pillow": "matplotlib's writer of GIFs"}

# Imported, though not declared: part of what brings it.
COMES_WITH = {"cuda": "cuda-bindings", "sklearn": "scikit-learn", "pydantic-core": "pydantic"}

MODULE_NAME = re.compile(r"(?!.*(copy|backup|orig|old)\d*\.py$)[a-z_][a-z0-9_]*\.py")

MACHINE_PATH = re.compile(rb"(?<![\w./~-])/(?:home|root|tmp|work|Users)/[\w.-]+")
# A dot as a character class, so that this file does not find itself.
REGISTRY = re.compile(rb"pypi[.]org|pythonhosted[.]org|deb[.]debian[.]org|npmjs[.]org|index[-]url")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return the names in a freshly built wheel, with the text of its metadata."""
    tree, out = tmp_path_factory.mktemp("tree"), tmp_path_factory.mktemp("out")
    for name in ("pyproject.toml", "LICENSE", PROJECT.get("readme", "LICENSE")):
        shutil.copy(ROOT / name, tree)
    for name in ("topopt", "tests"):
        shutil.copytree(ROOT / name, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
    build = f"from setuptools.build_meta import build_wheel; build_wheel({str(out)!r})"
    done = subprocess.run([sys.executable, "-c", build], cwd=tree, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (path,) = out.glob("*.whl")
    with zipfile.ZipFile(path) as archive:
        return {
            name: archive.read(name).decode("utf-8") if ".dist-info/" in name else ""
            for name in archive.namelist()
        }


def sources() -> list[Path]:
    return sorted((ROOT / "topopt").rglob("*.py"))


def tracked() -> list[Path]:
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout: which files are tracked cannot be known")
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return [path for name in sorted(set(listed.split("\0")) - {""}) if (path := ROOT / name).is_file()]


def distribution(name: str) -> str:
    return re.sub(r"[-_.]+", "-", re.split(r"[\s<>=!~;\[(]", name)[0]).lower()


def imported_distributions() -> set[str]:
    """Return the distributions behind every import in the package that is neither ours nor Python's."""
    owners = importlib.metadata.packages_distributions()
    found: set[str] = set()
    for path in sources():
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names = [node.module]
            tops = {name.split(".")[0] for name in names} - sys.stdlib_module_names - {"topopt"}
            found |= {distribution(owners[top][0] if top in owners else top) for top in tops}
    return found


def test_the_wheel_holds_every_module_and_nothing_else(wheel: dict[str, str]) -> None:
    data = ["**/*.pyi", "files/*.json", "cli/templates/*.yaml", "nets/data/*"]
    files = [*sources(), *(path for kind in data for path in (ROOT / "topopt").glob(kind))]
    expected = {path.relative_to(ROOT).as_posix() for path in files} | {"topopt/py.typed"}
    assert {name for name in wheel if ".dist-info/" not in name} == expected


def test_the_wheel_brings_its_licence_and_its_command(wheel: dict[str, str]) -> None:
    about = {name.partition(".dist-info/")[2]: text for name, text in wheel.items() if ".dist-info/" in name}
    assert "topopt = topopt.cli:main" in about["entry_points.txt"]
    assert "MIT License" in about["licenses/LICENSE"]
    assert f"Version: {PROJECT['version']}\n" in about["METADATA"]


@pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_bears_a_module_name(path: Path) -> None:
    assert MODULE_NAME.fullmatch(path.name), f"{path.name} looks like a copy left behind"


@pytest.mark.parametrize("name", ["timer copy.py", "logmoc copy 2.py", "grid_old.py", "Grid.py"])
def test_a_copy_left_behind_is_seen(name: str) -> None:
    assert not MODULE_NAME.fullmatch(name)


def test_every_import_is_declared() -> None:
    optional = [entry for entries in PROJECT["optional-dependencies"].values() for entry in entries]
    declared = {distribution(entry) for entry in [*PROJECT["dependencies"], *optional]}
    imported = {COMES_WITH.get(name, name) for name in imported_distributions()}
    assert imported - declared == set()


def test_every_dependency_is_imported() -> None:
    declared = {distribution(entry) for entry in PROJECT["dependencies"]}
    assert declared - imported_distributions() - NEEDED_BY_NAME.keys() == set()


@pytest.mark.parametrize("pattern", [MACHINE_PATH, REGISTRY], ids=["machine paths", "registry hosts"])
def test_no_tracked_file_names_a_machine(pattern: re.Pattern[bytes]) -> None:
    found = [
        f"{path.relative_to(ROOT)}: {match.group().decode()}"
        for path in tracked()
        for match in pattern.finditer(path.read_bytes())
    ]
    assert found == []


@pytest.mark.parametrize("place", ["home", "root", "tmp", "work", "Users"])
def test_a_machine_path_is_seen(place: str) -> None:
    assert MACHINE_PATH.search(f"open('/{place}/someone/file')".encode())
    assert not MACHINE_PATH.search(f"results/{place}/file and ./{place}/x".encode())
