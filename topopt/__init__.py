"""Topology optimisation by continuation: sharpen a design without killing its sensitivities."""

from importlib.metadata import version as _version

import lazy_loader as _lazy

# Imports on first use keep `topopt --help` fast; the names stand in __init__.pyi.
__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)
__version__ = _version("topopt")
