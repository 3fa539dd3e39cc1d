"""A crew of one: trial after trial, in this process."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from topopt.study.task import Deliveries, Task, performed

__all__ = ["Alone"]


class Alone:
    """Does one task after the other, here."""

    def deliveries(self, tasks: Sequence[Task], beat: Callable[[], None]) -> Deliveries:
        """Yield what becomes of each task; `beat` is called after every iteration."""

        def halted() -> bool:
            beat()
            return False

        for task in tasks:
            yield task, performed(task, halted)
