"""The command line: run, check, plot, new, resume."""

from topopt.cli.app import main

__all__ = ["main"]
