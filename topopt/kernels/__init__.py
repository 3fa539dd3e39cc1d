"""Compiled passes over long fields; importing one of them imports numba, so it is done when needed.

Compiling takes seconds, once a machine; reading what was compiled takes a third of one. Short fields are not
worth it: each formula stands in numpy where it is used, with the name of its compiled twin above it (`twin`).
"""

from topopt.kernels.twins import LONG, Twin, is_long, twin

__all__ = ["LONG", "Twin", "is_long", "twin"]
