"""What a result depends on beside its problem: versions, machine, threads, solver, seed."""

from __future__ import annotations

import functools
import os
import platform
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from types import MappingProxyType
from typing import Any

from topopt.threads import thread_count

__all__ = ["differences", "environment"]

_PACKAGES = ("topopt", "numpy", "scipy", "scikit-sparse")
"""The packages that a digit of the result can depend on."""


def environment(solver: str = "", seed: int | None = None) -> dict[str, Any]:
    """Describe this process and this machine.

    Parameters
    ----------
    solver : str
        The solver that was chosen, and why.
    seed : int, optional
        Of the random numbers, if any are drawn.

    Returns
    -------
    dict
        ``versions``, ``machine``, ``threads``, ``solver``, ``seed``, ``started`` (UTC) and ``command``; plain
        values, ready for JSON.
    """
    return {
        "versions": dict(_versions()),
        "machine": _machine(),
        "threads": _threads(),
        "solver": solver,
        "seed": seed,
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": [Path(sys.argv[0]).name, *sys.argv[1:]] if sys.argv else [],
    }


def differences(then: Mapping[str, Any], now: Mapping[str, Any]) -> tuple[str, ...]:
    """Say, a sentence each, what could make a resumed run differ from the unbroken one in its last digits.

    Examples
    --------
    >>> differences({"versions": {"numpy": "2.3"}}, {"versions": {"numpy": "2.4"}})
    ('versions: numpy was 2.3, is 2.4',)
    """
    changed = []
    for group in ("versions", "machine", "threads"):
        before, after = then.get(group, {}), now.get(group, {})
        changed += [
            f"{group}: {name} was {before.get(name, 'absent')}, is {after.get(name, 'absent')}"
            for name in sorted({*before, *after} - {"memory_gb", "system"})
            if before.get(name) != after.get(name)
        ]
    if then.get("solver") and now.get("solver") and then["solver"] != now["solver"]:
        changed.append(f"solver: was '{then['solver']}', is '{now['solver']}'")
    return tuple(changed)


@functools.cache
def _versions() -> Mapping[str, str]:
    """Return the versions of Python and of what computes."""
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = "absent"
    return MappingProxyType(found)


def _machine() -> dict[str, Any]:
    """Return system, processor, cores and memory."""
    import psutil

    return {
        "system": platform.platform(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
    }


def _processor() -> str:
    """Return the processor's name; Linux keeps it where `platform` does not look."""
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text(errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _threads() -> dict[str, str]:
    """Return the libraries that compute in threads, and how many they use."""
    from threadpoolctl import threadpool_info

    # numpy, scipy and CHOLMOD may each bring an OpenBLAS of their own: the version belongs to the name.
    pools = {(str(p["internal_api"]), str(p.get("version")), p["num_threads"]) for p in threadpool_info()}
    found = {f"{name} {version}": f"{threads} threads" for name, version, threads in sorted(pools)}
    return found | {"kernels": f"{thread_count()} threads"}
