"""The customs house: problem files come in, run folders go out, and YAML ends here."""

import lazy_loader as _lazy

# pydantic and YAML take their time: each name is imported when it is first used.
__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)
