"""What stages on the cells of a domain share: how the cells may be given, and which will do."""

from __future__ import annotations

from typing import ClassVar

from topopt.chain import Stage
from topopt.grid import Domain, designed, structured

__all__ = ["OnCells"]


class OnCells(Stage):
    """A stage with a field `domain`; a bare grid or mesh is taken as a domain without passive parts."""

    instead: ClassVar[str | None] = None
    """What to do on a mesh where only a grid will do; None for a stage that works on any cells."""

    domain: Domain

    def __post_init__(self) -> None:
        """Take the cells, and refuse those that will not do."""
        super().__post_init__()
        object.__setattr__(self, "domain", designed(self.domain))
        if self.instead is not None:
            structured(self.domain, type(self).__name__, self.instead)
