"""Which solver a structure gets, why, and whether it will fit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import psutil

from topopt.errors import InputError, TooLargeError, suggestion
from topopt.solvers.cholmod import Cholmod, cholmod_available, require_cholmod
from topopt.solvers.multigrid import Multigrid
from topopt.solvers.protocol import Solver, System
from topopt.solvers.superlu import SuperLU

__all__ = ["SOLVERS", "Choice", "available_bytes", "choose"]

SOLVERS: Mapping[str, Callable[[], Solver]] = MappingProxyType(
    {"cholmod": Cholmod, "multigrid": Multigrid, "superlu": SuperLU}
)
"""The solvers that can be asked for by name."""

CONTROL_GROUP = (
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
    ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"),
)
"""Where Linux keeps the limit and the use of memory of a container, versions 2 and 1."""


@dataclass(frozen=True)
class Choice:
    """A solver, and what is known of it beforehand.

    Attributes
    ----------
    solver : Solver
        Ready to factor.
    reason : str
        One sentence for the log.
    bytes_estimated : int
        Peak memory of a factorisation, matrix and pattern included; 0 if not known.
    seconds_estimated : float
        One numeric factorisation and solve on one core of 2025, within a factor of about 3; 0 if not known.
    """

    solver: Solver
    reason: str
    bytes_estimated: int
    seconds_estimated: float


def choose(structure: System, request: str | Solver = "auto") -> Choice:
    """Choose a solver for a structure.

    Parameters
    ----------
    structure : System
        Its number of free unknowns and its dimension decide memory and time.
    request : str or Solver
        ``"auto"``, a name in `SOLVERS`, or a solver, which is taken as it is.

    Raises
    ------
    InputError
        For an unknown name.
    MissingDependencyError
        If a solver is asked for whose package is absent.
    TooLargeError
        If the estimate exceeds the memory that is available.
    """
    if not isinstance(request, str):
        return _given(structure, request)
    if request != "auto" and request not in SOLVERS:
        raise InputError(f"solver '{request}' is unknown; {suggestion(request, ['auto', *SOLVERS])}")
    if request == "cholmod":
        require_cholmod()
    name, reason = request, "asked for"
    if request == "auto" and cholmod_available():
        name, reason = "cholmod", "the fastest direct solver that is installed"
    elif request == "auto":
        name, reason = "superlu", "scikit-sparse is not installed; CHOLMOD would be several times faster"
    fit, n = _FITS[name, structure.ndim], len(structure.free)
    _refuse_too_large(structure, name, fit.bytes(n))
    return Choice(SOLVERS[name](), f"{name}: {reason}", fit.bytes(n), fit.seconds(n))


def available_bytes() -> int:
    """Return how many bytes this process may still take: the system's and its control group's limit."""
    free = int(psutil.virtual_memory().available)
    for limit, usage in CONTROL_GROUP:
        most, used = _number_in(limit), _number_in(usage)
        if most is not None and used is not None:
            free = min(free, max(most - used, 0))
    return free


def _given(structure: System, solver: Solver) -> Choice:
    """Take a solver as it is; what is known of it depends on its kind."""
    reason = f"{solver}: given"
    for name, kind in (("cholmod", Cholmod), ("multigrid", Multigrid), ("superlu", SuperLU)):
        if isinstance(solver, kind):
            fit, n = _FITS[name, structure.ndim], len(structure.free)
            _refuse_too_large(structure, name, fit.bytes(n))
            return Choice(solver, reason, fit.bytes(n), fit.seconds(n))
    return Choice(solver, reason, 0, 0.0)


def _number_in(path: str) -> int | None:
    """Return the number in a file of the control group, or None if there is no limit."""
    file = Path(path)
    text = file.read_text().strip() if file.is_file() else ""
    return int(text) if text.isdigit() else None


def _refuse_too_large(structure: System, name: str, estimate: int) -> None:
    """Raise if a factorisation would not fit."""
    available = available_bytes()
    if estimate <= available:
        return
    other = "'cholmod' needs several times less, " if name == "superlu" else ""
    raise TooLargeError(
        f"solver '{name}': a factorisation of {len(structure.free)} unknowns in {structure.ndim}-D would "
        f"take about {estimate / 1e9:.1f} GB, but {available / 1e9:.1f} GB are available; {other}"
        f"take a coarser grid"
    )


@dataclass(frozen=True)
class _Fit:
    """Costs as powers of the number n of free unknowns."""

    fill: float
    power: float
    linear: float
    work: float
    exponent: float

    def bytes(self, n: int) -> int:
        """Return the peak memory: factor, pattern and matrix."""
        return int(self.fill * n**self.power + self.linear * n)

    def seconds(self, n: int) -> float:
        """Return the time of one numeric factorisation and solve on one core."""
        return float(self.work * n**self.exponent)


# Measured as growth of the peak resident size of a fresh process over pattern, factorisation and solve of a
# cantilever with random moduli, one BLAS thread, CHOLMOD with AMD (2-D) and METIS (3-D), in MB:
#   CHOLMOD  300x100 131, 600x200 405, 1200x400 1620;  24x12x12 121, 32x16x16 315, 48x24x24 1053
#   SuperLU  300x100 190, 600x200 898;                 24x12x12 183, 32x16x16 533
# SuperLU at 1200x400 was not run for this: the fit aims at 7.5 GB and 34 s, measured earlier with other code.
# Theory has n log n entries of the factor in 2-D and n^(4/3) in 3-D (George 1973, doi:10.1137/0710032).
# The fits stay within 35 % of these. Seconds come from the same runs, on a busy machine.
_FITS: Mapping[tuple[str, int], _Fit] = MappingProxyType(
    {
        ("cholmod", 2): _Fit(300.0, 1.1, 550.0, 3.6e-7, 1.2),
        ("cholmod", 3): _Fit(200.0, 4 / 3, 4000.0, 2.0e-8, 1.7),
        ("multigrid", 2): _Fit(0.0, 1.0, 350.0, 6.0e-7, 1.0),
        ("multigrid", 3): _Fit(0.0, 1.0, 150.0, 6.0e-7, 1.0),
        ("superlu", 2): _Fit(3.4, 1.55, 1100.0, 1.0e-8, 1.6),
        ("superlu", 3): _Fit(130.0, 1.45, 6000.0, 9.0e-9, 2.0),
    }
)
