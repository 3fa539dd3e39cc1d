"""The command line, from `topopt new` to `topopt gallery`: the only room that knows of a terminal."""

from topopt.cli.app import main

__all__ = ["main"]
