"""The command line: new, check, run, resume, plot, study, compare."""

from topopt.cli.app import main

__all__ = ["main"]
