"""The densities that a file starts from: a number, a number with noise, or the end of another run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from topopt.chain import Stage
from topopt.errors import InputError
from topopt.files.arrays import read_arrays
from topopt.grid import Domain
from topopt.limits import Limit
from topopt.parameters import Array
from topopt.stages import Mean

__all__ = ["begun"]


def begun(
    start: float | Mapping[str, Any] | None,
    domain: Domain,
    stages: Mapping[str, Stage],
    limits: Mapping[str, float | Limit],
    folder: Path,
) -> float | Array | None:
    """Return the start as `topopt.Problem` takes it.

    Parameters
    ----------
    start : float, mapping or None
        A density; or density, noise and seed; or a file.
    domain : Domain
        The cells.
    stages : mapping
        By the name of their link; they tell which limit is on a volume.
    limits : mapping
        Their volume is the density to start from if the file gives none.
    folder : Path
        What files are relative to.

    Raises
    ------
    InputError
        If a file cannot be read or does not fit the cells.
    """
    if not isinstance(start, Mapping):
        return start
    if start["file"] is not None:
        return _loaded(folder / start["file"], start["file"], domain)
    density = start["density"]
    if density is None:
        uppers = [
            limit.upper
            for name, limit in limits.items()
            if isinstance(limit, Limit) and isinstance(stages.get(name), Mean)
        ]
        volume = next((upper for upper in uppers if upper is not None), None)
        density = 0.5 if volume is None else domain.density_for(volume)
    noise = np.random.default_rng(start["seed"]).uniform(-1.0, 1.0, domain.mesh.n_cells)
    return np.asarray(np.clip(density + start["noise"] * noise, 0.0, 1.0))


def _loaded(file: Path, name: str, domain: Domain) -> Array:
    """Read a design: the variables of a run on the same domain, or else densities."""
    if not file.is_file():
        raise InputError(f"there is no file {name}; the path is relative to the problem file")
    try:
        arrays = read_arrays(file)
    except InputError as error:
        raise InputError(f"{name} is no NPZ or NPY file: {error}") from error
    variables = arrays.get("x")
    if variables is not None and variables.shape == (domain.n_active,):
        field = np.where(domain.solid_cells, 1.0, 0.0)
        field[domain.active] = variables
        return field
    density = arrays.get("density", arrays.get(""))  # an NPY file holds densities, and no names
    if density is None:
        raise InputError(f"{name} holds no design: no 'density' and no 'x' of {domain.n_active} variables")
    return domain.mesh.field(density, name)
