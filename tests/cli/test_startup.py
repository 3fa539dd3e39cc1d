"""Help and mistakes come at once: nothing heavy is imported for them."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from topopt.cli.app import app

HEAVY = {"numpy", "scipy", "matplotlib", "ruamel", "rich", "pyvista", "psutil", "sksparse", "numba"}
SPY = """
import json, sys
sys.argv = ["topopt", *json.loads(sys.argv[1])]
from topopt.cli import main
try:
    main()
except SystemExit as leaving:
    print(json.dumps([leaving.code, sorted({name.partition(".")[0] for name in sys.modules})]))
"""


@pytest.mark.parametrize(
    ("words", "code"),
    [((), 2), (("--help",), 0), (("run", "--help"), 0), (("--version",), 0), (("rum",), 2)],
)
def test_nothing_heavy_is_imported(words: tuple[str, ...], code: int) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SPY, json.dumps(words)], capture_output=True, text=True, check=True
    )
    found, modules = json.loads(done.stdout.splitlines()[-1])
    assert found == code
    assert "typer" in modules
    assert not HEAVY & set(modules)
    if words in {(), ("--help",)}:  # typer asks pydantic what the options of a command mean
        assert "pydantic" not in modules


def test_the_help_says_every_command_whole_in_the_order_of_use() -> None:
    lines = CliRunner().invoke(app, ["--help"], terminal_width=80).output.splitlines()
    start = lines.index("Commands:") + 1
    commands = lines[start : lines.index("", start)]
    assert [line.split()[0] for line in commands[:3]] == ["new", "check", "run"]
    assert len(commands) == len(app.registered_commands)
    assert [line for line in commands if not line.endswith(".") or line.endswith("...")] == []
    assert max(map(len, lines)) <= 80
