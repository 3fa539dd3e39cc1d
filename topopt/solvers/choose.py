"""Which solver a structure gets, why, and whether it will fit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import psutil

from topopt.errors import InputError, TooLargeError, suggestion
from topopt.meshes import Mesh
from topopt.solvers.cholmod import Cholmod, cholmod_available, require_cholmod
from topopt.solvers.multigrid import Multigrid, usable
from topopt.solvers.protocol import Solver, System
from topopt.solvers.superlu import SuperLU

__all__ = ["SOLVERS", "Choice", "available_bytes", "choose", "direct", "require_room"]

SOLVERS: Mapping[str, Callable[..., Solver]] = MappingProxyType(
    {"cholmod": Cholmod, "multigrid": Multigrid, "superlu": SuperLU}
)
"""The solvers that can be asked for by name."""

SMALL = {2: 8_000, 3: 2_000}
"""Free unknowns, by dimension, below which `auto` does not load multigrid, which takes half a second."""
CHEAP = {2: 60_000, 3: 10_000}
"""Below this `auto` solves to `SHARP`, which takes a fifth longer than the usual tolerance.

Where the cycle does not do (designs that fall apart, whose parts hang on void) a direct solve is cheap.
"""
SHARP = 1e-8
"""Relative residual at which results depend on the tolerance no more than on the machine's rounding."""
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
        ``"auto"``, a name in `SOLVERS`, or a solver, which is taken as it is. Automatic is a direct solver
        where it is quick, else whichever the fits of time and memory prefer.

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
    if request == "multigrid":
        _require_grid(structure)
    name, reason = _weighed(structure) if request == "auto" else (request, "asked for")
    size, seconds = _costs(structure, name)
    _refuse_too_large(structure, name, size)
    sharp = request == "auto" and name == "multigrid" and structure.n_free < CHEAP[structure.ndim]
    solver = Multigrid(SHARP, ladder="direct") if sharp else SOLVERS[name]()
    return Choice(solver, f"{name}: {reason}", size, seconds)


def direct(request: str | Solver) -> str | Solver:
    """Return what is asked for; automatic is the best direct solver, however large the grid."""
    if request != "auto":
        return request
    return "cholmod" if cholmod_available() else "superlu"


def _weighed(structure: System) -> tuple[str, str]:
    """Return the solver that the fits prefer, and why."""
    name, reason = "cholmod", "the fastest direct solver that is installed"
    if not cholmod_available():
        name, reason = "superlu", "scikit-sparse is not installed; CHOLMOD would be several times faster"
    n, least = structure.n_free, SMALL[structure.ndim]
    if n < least or not usable(structure):
        return name, reason
    (size, seconds), (least_size, least_seconds) = _costs(structure, name), _costs(structure, "multigrid")
    weighed = (
        f"{n} unknowns in {structure.ndim}-D are estimated to take {least_seconds:.2g} s and "
        f"{least_size / 1e9:.2g} GB with multigrid, {seconds:.2g} s and {size / 1e9:.2g} GB with {name}"
    )
    if size > available_bytes():
        return "multigrid", f"{weighed}, for which the memory does not do"
    return ("multigrid" if least_seconds < seconds else name), weighed


def _costs(structure: System, name: str) -> tuple[int, float]:
    """Return bytes and seconds of a solver; one that iterates takes them for every load case anew."""
    fit, n = _FITS[name, structure.ndim], structure.n_free
    cases = len(getattr(structure, "cases", ())) or 1
    return fit.bytes(n), fit.seconds(n) * (cases if name == "multigrid" else 1)


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
    if isinstance(solver, Multigrid) and solver.device == "cuda":
        from topopt.solvers.cuda.device import require_card  # opens the room of the card

        require_card()
    if isinstance(solver, Multigrid):
        _require_grid(structure)
    for name, kind in (("cholmod", Cholmod), ("multigrid", Multigrid), ("superlu", SuperLU)):
        if isinstance(solver, kind):
            size, seconds = _costs(structure, name)
            _refuse_too_large(structure, name, size)
            return Choice(solver, reason, size, seconds)
    return Choice(solver, reason, 0, 0.0)


def _require_grid(structure: System) -> None:
    """Refuse an unstructured mesh for what halves a grid."""
    if isinstance(structure.mesh, Mesh):
        raise InputError(
            f"multigrid needs a grid of equal cells, but works on {structure.mesh}; take 'cholmod' or "
            "'superlu'"
        )


def _number_in(path: str) -> int | None:
    """Return the number in a file of the control group, or None if there is no limit."""
    file = Path(path)
    text = file.read_text().strip() if file.is_file() else ""
    return int(text) if text.isdigit() else None


def require_room(structure: System, name: str) -> None:
    """Raise if a solver would not fit into the memory that there is."""
    _refuse_too_large(structure, name, _costs(structure, name)[0])


def _refuse_too_large(structure: System, name: str, estimate: int) -> None:
    """Raise if a factorisation would not fit."""
    available = available_bytes()
    if estimate <= available:
        return
    other = "'cholmod' needs several times less, " if name == "superlu" else ""
    raise TooLargeError(
        f"solver '{name}': a factorisation of {structure.n_free} unknowns in {structure.ndim}-D would "
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
    fixed: float = 0.0

    def bytes(self, n: int) -> int:
        """Return the peak memory: factor, pattern and matrix."""
        return int(self.fill * n**self.power + self.linear * n + self.fixed)

    def seconds(self, n: int) -> float:
        """Return the time of one numeric factorisation and solve on one core."""
        return float(self.work * n**self.exponent)


# Measured as growth of the peak resident size of a fresh process over pattern, factorisation and solve of a
# cantilever with random moduli, one BLAS thread, CHOLMOD with AMD (2-D) and METIS (3-D), in MB:
#   CHOLMOD  300x100 131, 600x200 405, 1200x400 1620;  24x12x12 121, 32x16x16 315, 48x24x24 1053
#   SuperLU  300x100 190, 600x200 898;                 24x12x12 183, 32x16x16 533
# SuperLU at 1200x400 was not run for this: the fit aims at 7.5 GB and 34 s, measured earlier with other code.
# Theory has n log n entries of the factor in 2-D and n^(4/3) in 3-D (George 1973, doi:10.1137/0710032).
# The fits stay within 35 % of these. Seconds of CHOLMOD and multigrid, and multigrid's bytes, are those of
# tests/benchmarks/fit_solvers.py on two cores: factor and solve of a black-and-white frame, multigrid from
# nothing to 1e-5 (a run begins nearer), in s and MB (CHOLMOD; multigrid):
#   300x100 .27; .019, 16   600x200 1.5; .063, 46   1200x400 6.2; .33, 95   2400x800 -; 1.4, 374
#   24x12x12 .29; .037, 11   32x16x16 .86; .056, 33   40x20x20 2.5; -   64x32x32 -; .21, 30
#   96x48x48 -; .24, 135   128x64x64 -; .87, 141   256x128x128 -; -, 1080
# That is 85 bytes an unknown in 3-D and 97 in 2-D; a third more is reckoned with.
# Whole design iterations with OC, CHOLMOD against multigrid to 1e-8, in ms: 60x20 7.8; 5.4  100x50 41; 8.8
# 150x50 57; 13  200x100 200; 19  16x8x8 59; 11  24x12x12 288; 19.
_FITS: Mapping[tuple[str, int], _Fit] = MappingProxyType(
    {
        ("cholmod", 2): _Fit(300.0, 1.1, 550.0, 6.4e-7, 1.17),
        ("cholmod", 3): _Fit(200.0, 4 / 3, 4000.0, 3.3e-7, 1.45),
        ("multigrid", 2): _Fit(0.0, 1.0, 130.0, 1.5e-6, 0.89, 2.5e7),
        ("multigrid", 3): _Fit(0.0, 1.0, 120.0, 2.3e-5, 0.73, 2.5e7),
        ("superlu", 2): _Fit(3.4, 1.55, 1100.0, 1.0e-8, 1.6),
        ("superlu", 3): _Fit(130.0, 1.45, 6000.0, 9.0e-9, 2.0),
    }
)
