"""A cycle's kernels, recorded once as a graph and then started all at once.

A cycle is half a hundred kernels, most of them on small lattices, and to start one from Python takes longer
than to run it.
"""

from __future__ import annotations

import weakref
from typing import Any

from topopt.solvers.cuda.device import SIMULATED, stream
from topopt.solvers.cuda.levels import FineOperator
from topopt.solvers.cuda.vectors import direction, dot
from topopt.solvers.matrixfree.sweep import APPLY
from topopt.solvers.multigrid.cycle import Hierarchy

__all__ = ["Recorded"]


class Recorded:
    """A cycle of the same kernels on the same vectors, whatever they hold; see `gradients.Cycles`.

    The first cycle is started kernel by kernel, which compiles what is not compiled yet; the second is
    recorded. The simulator has no graphs and starts all of them one by one.
    """

    def __init__(self, hierarchy: Hierarchy, exact: FineOperator) -> None:
        self.hierarchy = hierarchy
        self._exact = exact
        self._graph: Any = None
        self._result: Any = None

    @property
    def rhs(self) -> Any:
        """Where the cycle finds its right-hand side, in its own precision."""
        return self.hierarchy.rhs

    def cycle(self) -> tuple[Any, float]:
        """Return B b and b . B b."""
        if self._result is None or SIMULATED:
            self._result, _ = self.hierarchy.cycle()
        else:
            if self._graph is None:
                self._graph = self._record()
            _checked(_driver().cuGraphLaunch(self._graph, int(stream())))
        return self._result, dot(self.rhs, self._result)

    def product(self, p: Any, q: Any) -> float:
        """Do q = K p in double precision: whole element matrices sum before they subtract; return p . K p."""
        return self._exact.run(APPLY, p, q)

    def next_product(self, beta: float, z: Any, p: Any, following: Any, q: Any) -> float:
        """Do following = z + beta p and q = K following in double precision; return following . q."""
        direction(beta, z, p, following)
        return self.product(following, q)

    def _record(self) -> Any:
        """Return the cycle as a graph."""
        driver, queue = _driver(), int(stream())
        mode = driver.CUstreamCaptureMode.CU_STREAM_CAPTURE_MODE_THREAD_LOCAL
        _checked(driver.cuStreamBeginCapture(queue, mode))
        try:
            self._result, _ = self.hierarchy.cycle()
        finally:
            ended = driver.cuStreamEndCapture(queue)
        graph = _checked(ended)
        executable = _checked(driver.cuGraphInstantiate(graph, 0))
        _checked(driver.cuGraphDestroy(graph))
        weakref.finalize(self, driver.cuGraphExecDestroy, executable)
        return executable


def _driver() -> Any:
    """Return Nvidia's bindings, on which numba-cuda depends."""
    from cuda.bindings import driver

    return driver


def _checked(answer: tuple[Any, ...]) -> Any:
    """Return what a call of the driver gives.

    Raises
    ------
    RuntimeError
        With the driver's word for what went wrong.
    """
    code, *values = answer
    if int(code):
        raise RuntimeError(f"the graphics card's driver refuses a recorded cycle: {code}")
    return values[0] if values else None
