"""`python -m topopt` is the command `topopt`."""

from __future__ import annotations

import subprocess
import sys

import topopt


def test_python_dash_m_runs_the_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "topopt", "--version"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert topopt.__version__ in done.stdout
