"""What a run says of its design holds where nobody optimised it: black and white, finer, exported."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.beams import BEAM
from topopt.errors import InputError, RunFolderError
from topopt.files import Plan, RunFolder, parse, read_history
from topopt.files.export import body
from topopt.files.export.surface import write_stl
from topopt.grid import Grid
from topopt.study.kept import Kept, Stated
from topopt.study.verification import verified, verified_body

PROBLEMS = Path(__file__).parents[2] / "problems"
RAMP = "continuation.'physical.beta'={type: geometric, start: 1, final: 16, over: 15}"
STRESSED = (
    "limits.norm=100",
    "continuation.'limits.norm'=100",
    "continuation.'norm.power'=8",
    "passive.solid=grip",
)


SLOWER = (RAMP.replace("over: 15", "over: 35"), "stop.iterations=45")


def run(tmp_path: Path, name: str, *settings: str) -> Path:
    """Return the folder of a run of a problem file that has ended, its body exported."""
    text = (PROBLEMS / f"{name}.yaml").read_text(encoding="utf-8")
    job = parse(text, name, ["stop.iterations=20", *settings], PROBLEMS)
    with RunFolder.create(tmp_path, name, job.resolved) as folder:
        for step in folder.steps(job.problem, job.optimizer, job.continuation, job.stop):
            last = step
        folder.finish(last, Plan())
    return folder.path


@pytest.mark.parametrize(
    ("name", "cells", "radius", "more", "response", "within"),
    [
        ("inverter", "[40, 20]", 0.1, (), "output", 0.06),
        ("gripper", "[40, 20]", 0.1, (), "output", 0.04),
        ("heat_sink", "[30, 30]", 0.1, (), "mean", 0.04),
        ("arch", "[40, 20]", 0.1, SLOWER, "compliance", 0.05),
        ("l_bracket_stress", "[30, 30]", 0.07, (*SLOWER, *STRESSED), "compliance", 0.08),
        ("cantilever_3d", "[20, 10, 6]", 0.2, SLOWER, "compliance", 0.3),
        ("bridge", "[80, 40]", 2.5, (), "compliance", 0.05),
    ],
)
def test_a_run_of_any_physics_can_be_verified(
    tmp_path: Path, name: str, cells: str, radius: float, more: tuple[str, ...], response: str, within: float
) -> None:
    settings = (f"grid.cells={cells}", f"chain.filtered.radius={radius}", RAMP, *more)
    folder = run(tmp_path, name, *settings)
    found = verified(folder)
    exported = verified_body(folder)
    assert found.response == exported.response == response
    assert found.black == pytest.approx(found.grey, rel=0.3)
    assert found.fine == pytest.approx(found.black, rel=0.25)
    assert exported.volume == pytest.approx(exported.own, rel=0.03)
    assert exported.value == pytest.approx(found.grey, rel=within)


def test_of_several_designs_the_one_to_build_is_verified(tmp_path: Path) -> None:
    found = verified(run(tmp_path, "mbb_robust", "grid.cells=[45, 15]"))
    assert found.response == "nominal_compliance"
    assert found.fine == pytest.approx(found.black, rel=0.1)
    (volume,) = found.limits  # that of the dilated design, of which the nominal one knows nothing
    assert volume.limit.response == "dilated_volume"
    assert volume.values[0] == pytest.approx(volume.limit.bound, rel=0.1)
    assert volume.values[1:] == (None, None)
    assert volume.holds is None
    assert "does not follow from the density" in str(found)


def test_every_limit_is_looked_at_again(tmp_path: Path) -> None:
    """The limit on a norm is one on the peak that it stands for; finer cells find more stress at a corner."""
    peak = "continuation.'limits.norm'={type: normalised, target: 60, extreme: peak, smooth: norm}"
    settings = (
        "grid.cells=[30, 30]",
        "chain.filtered.radius=0.07",
        "passive.solid=grip",
        RAMP,
        *SLOWER[1:],
        peak,
    )
    folder = run(tmp_path, "l_bracket_stress", *settings)
    found, exported = verified(folder), verified_body(folder)
    by_response = {kept.limit.response: kept for kept in found.limits}
    assert set(by_response) == {"volume", "peak"}
    assert by_response["volume"].holds
    assert by_response["volume"].values == pytest.approx((0.4, 0.4, 0.4), abs=0.01)
    peaks = by_response["peak"]
    assert peaks.limit.bound == 60
    assert peaks.values[0] == read_history(folder)[-1].responses["peak"]
    assert peaks.values[2] > 1.05 * peaks.values[1]
    assert peaks.holds == (peaks.values[2] <= 1.02 * 60)
    row = next(line for line in str(found).splitlines() if line.startswith("peak <= 60 "))
    assert row.split()[3:6] == [f"{value:.6g}" for value in peaks.values]
    assert row.endswith(peaks.verdict)
    (again,) = [kept for kept in exported.limits if kept.limit.response == "peak"]
    assert again.values[0] == peaks.values[0]
    assert len(again.values) == 2
    assert "body" in str(exported)


@pytest.mark.parametrize(
    ("limit", "value", "holds", "said"),
    [
        (Stated("rise", 4.0), 4.07, True, "holds"),
        (Stated("rise", 4.0), 4.1, False, "broken by 2.5 %"),
        (Stated("lowest", 4.0, lower=True), 3.93, True, "holds"),
        (Stated("lowest", 4.0, lower=True), 3.6, False, "broken by 10 %"),
        (Stated("output", -1.0), -0.9, False, "broken by 10 %"),
        (Stated("output", 0.0), 0.5, False, "broken by 50 %"),
    ],
)
def test_a_limit_holds_within_two_per_cent_on_its_side(
    limit: Stated, value: float, holds: bool, said: str
) -> None:
    kept = Kept(limit, (1.0, value))
    assert (kept.holds, kept.verdict) == (holds, said)
    assert kept.facts()["holds"] is holds


def test_a_column_that_shall_not_buckle_keeps_its_load_factor_in_black_and_white(tmp_path: Path) -> None:
    """Bracing that is grey or one cell wide is lost there: without the robust form it is 4 times that."""
    shorter = [f"continuation.'{name}'.over=60" for name in ("eroded.beta", "optimizer.move")]
    folder = run(tmp_path, "column_buckling", "grid.cells=[30, 90]", *shorter, "stop.iterations=80")
    (norm,) = [kept for kept in verified(folder).limits if kept.limit.response == "norm"]
    grey, black, fine = norm.values
    assert norm.limit.bound == 150
    assert grey == pytest.approx(150, rel=0.01)
    assert black is not None
    assert black < 1.02 * 150
    assert fine == pytest.approx(150, rel=0.07)  # on 60 x 180 cells 0.3 %: these are too coarse for bending


def test_a_run_on_coarser_grids_is_verified_on_its_own(tmp_path: Path) -> None:
    coarse = "continuation.'grid.coarsening'={type: steps, values: [2, 1], every: 5}"
    found = verified(run(tmp_path, "heat_sink", "grid.cells=[20, 20]", "chain.filtered.radius=0.15", coarse))
    assert found.cells == (40, 40)
    assert found.fine == pytest.approx(found.black, rel=0.2)


def beam(tmp_path: Path, text: str) -> Path:
    """Return the folder of a run of two iterations."""
    job = parse(text)
    with RunFolder.create(tmp_path, "beam", job.resolved) as folder:
        for step in folder.steps(job.problem, job.optimizer, job.continuation, job.stop):
            last = step
        folder.finish(last, Plan())
    return folder.path


SHORT = BEAM + "stop: {iterations: 2}\n"


def test_materials_between_black_and_white_are_not_made_black_and_white(tmp_path: Path) -> None:
    several = SHORT.replace("type: simp, penal: 3.0", "type: ordered_simp, penal: 3.0")
    with pytest.raises(InputError, match="'stiffness' has several materials along one density"):
        verified(beam(tmp_path, several))


def test_what_the_density_does_not_determine_cannot_be_verified(tmp_path: Path) -> None:
    link = "  - {name: greyness, type: mean, reads: [design]}\n"
    loose = SHORT.replace("minimise: compliance\n", f"{link}minimise: greyness\n")
    with pytest.raises(InputError, match="'physical' alone determines: 'greyness' does not depend on it"):
        verified(beam(tmp_path, loose))


def test_a_grey_run_has_no_body_to_verify(tmp_path: Path) -> None:
    folder = beam(tmp_path, SHORT.replace("volume: 0.5}", "volume: 0.2}"))
    assert not (folder / "design.stl").exists()
    with pytest.raises(RunFolderError, match=r"holds no design\.stl: VTK was absent, or no density exceeded"):
        verified_body(folder)


def test_a_body_that_carries_nothing_is_told_apart(tmp_path: Path) -> None:
    folder = run(tmp_path, "heat_sink", "grid.cells=[20, 20]", "chain.filtered.radius=0.15")
    grid = Grid((20, 20), (1.0, 1.0))
    two = (grid.centres[:, 0] < 0.3) | (grid.centres[:, 0] > 0.7)
    held = body(grid, two.astype(float))
    assert held is not None
    write_stl(folder / "design.stl", held.surface(), "halves")
    sentences, _, *table = str(verified_body(folder)).splitlines()
    assert sentences.endswith("It has fallen into 2 parts.")
    assert table[1].endswith("0.6   broken by 50 %")
