"""Whatever happened to a file of arrays, it is read as it was written or refused in a sentence."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest

from topopt.errors import InputError, RunFolderError
from topopt.files.arrays import read_arrays, read_design

DESIGN = {"density": np.linspace(0, 1, 12).reshape(4, 3), "x": np.linspace(0, 1, 12), "name": np.array("ab")}


def archive() -> bytes:
    """Return a design as a run writes it."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **DESIGN)  # type: ignore[arg-type]
    return buffer.getvalue()


def test_arrays_are_read_by_name(tmp_path: Path) -> None:
    (tmp_path / "design.npz").write_bytes(archive())
    found = read_design(tmp_path, "x", "density")
    assert found.keys() == DESIGN.keys()
    assert all(np.array_equal(found[name], DESIGN[name]) for name in DESIGN)
    np.save(tmp_path / "one.npy", DESIGN["x"])
    assert np.array_equal(read_arrays(tmp_path / "one.npy")[""], DESIGN["x"])


@pytest.mark.parametrize("bit", [1, 8, 255])
def test_every_flipped_byte_is_refused_or_does_no_harm(tmp_path: Path, bit: int) -> None:
    whole, path, refused = archive(), tmp_path / "design.npz", 0
    for place in range(len(whole)):
        broken = bytearray(whole)
        broken[place] ^= bit
        path.write_bytes(broken)
        try:
            read_arrays(path)
        except InputError:
            refused += 1
    assert refused > len(whole) / 2


def test_every_missing_end_is_refused(tmp_path: Path) -> None:
    whole, path = archive(), tmp_path / "design.npz"
    for length in range(0, len(whole), 7):
        path.write_bytes(whole[:length])
        with pytest.raises(RunFolderError, match=r"design\.npz: damaged \(.*\); `topopt resume "):
            read_design(tmp_path)


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match=r"holds no design\.npz: only a run that has ended has one"):
        read_design(tmp_path)
    np.savez(tmp_path / "design.npz", density=DESIGN["density"])
    with pytest.raises(RunFolderError, match=r"damaged \(it holds no array 'x'\)"):
        read_design(tmp_path, "x")
