"""The front door: every name in the stub is there, and opening it wakes nothing heavy."""

import ast
import importlib.metadata
import subprocess
import sys
from pathlib import Path

import pytest

import topopt

STUB = ast.parse(Path(topopt.__file__).with_suffix(".pyi").read_text("utf-8"))


def stub_imports():
    """Return the names that the stub imports, with the module that each is from."""
    return {
        alias.name: f"topopt.{node.module}"
        for node in STUB.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }


def stub_all():
    for node in STUB.body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            assert node.targets[0].id == "__all__"
            return ast.literal_eval(node.value)
    raise AssertionError("the stub has no __all__")


def test_stub_and_runtime_agree():
    assert sorted(stub_imports()) == sorted(stub_all())
    assert len(set(stub_all())) == len(stub_all())
    assert set(topopt.__all__) == set(stub_all())


@pytest.mark.parametrize("name", sorted(topopt.__all__))
def test_a_public_name_is_what_its_module_calls_public(name):
    module = importlib.import_module(stub_imports()[name])
    assert getattr(topopt, name) is getattr(module, name)
    assert name in module.__all__
    assert getattr(topopt, name).__doc__
    assert name in dir(topopt)


def test_an_unknown_name_is_no_attribute():
    with pytest.raises(AttributeError, match="Continuatoin"):
        topopt.Continuatoin  # noqa: B018


def test_the_version_is_that_of_the_distribution():
    assert topopt.__version__ == importlib.metadata.version("topopt")


def fresh(code):
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_opening_the_door_wakes_nothing_heavy():
    loaded = fresh("import sys, topopt; print(*sys.modules)")
    heavy = {"matplotlib", "pydantic", "scipy", "scipy.sparse", "pyvista", "numpy", "PIL", "rich", "sksparse"}
    assert "topopt" in loaded
    assert heavy & set(loaded) == set()


def test_everything_can_be_imported_with_a_star():
    names = fresh("from topopt import *; print(*dir())")
    assert set(stub_all()) <= set(names)


def test_running_a_problem_needs_no_figures_and_no_files():
    """A study is another matter: it leaves run folders."""
    names = sorted(name for name, module in stub_imports().items() if module != "topopt.study")
    loaded = fresh(f"import sys; from topopt import {', '.join(names)}; print(*sys.modules)")
    assert {"matplotlib", "pydantic", "pyvista", "typer", "rich"} & set(loaded) == set()
