"""Compiled passes over long fields; importing one of these modules imports numba, so it is done when needed.

Compiling takes seconds, once a machine; reading what was compiled takes a third of one. Fields shorter than
`LONG` are not worth it: for them the callers have the same formulas in numpy, which are the reference too.
"""

__all__ = ["LONG"]

LONG = 30_000
"""Entries from which a field is worth compiled passes: in 2-D about what `auto` gives to multigrid."""
