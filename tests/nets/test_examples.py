"""The examples of the companion run in their quick form, and print what they are there to show."""

from __future__ import annotations

import re
import runpy
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"


@pytest.fixture
def printed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Return what an example prints."""

    def run(name: str) -> str:
        monkeypatch.setattr(sys, "argv", [name, "--quick"])
        runpy.run_path(str(EXAMPLES / name), run_name="__main__")
        return capsys.readouterr().out

    return run


def test_a_chain_is_steered_as_riccati_would(printed) -> None:
    text = printed("steered_chain.py")
    excess, flat = re.findall(r"\d\.\de-\d+", text)
    assert float(excess) < 1e-4
    assert float(flat) < 1e-12


def test_a_flossed_net_forgets_less(printed) -> None:
    drawn, flossed = re.findall(r"([\d.]+) decades lost", printed("edge_of_chaos.py"))
    assert float(flossed) < 0.8 * float(drawn)


def test_signs_are_sharpened_in_ten_ways(printed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("sklearn")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", "1")
    classes, codes, *rest = printed("sign_digits.py").split("\n\n")
    rows = [dict(re.findall(r"^\| (.+?) \| (0\.\d{3}) \|", text, re.MULTILINE)) for text in (classes, codes)]
    assert [len(row) for row in rows] == [10, 10]
    assert float(rows[0]["abrupt 50"]) < 0.4 < 0.6 < float(rows[0]["straight through"])
    assert float(rows[1]["abrupt 50"]) < float(rows[1]["survival gate"])
    page = (tmp_path / "results" / "sign_gates_quick" / "report.html").read_text("utf-8")
    assert "judged with every gate a sign" in page
    assert rest[-1].strip().startswith("The report is results/sign_gates_quick/")


def test_saliency_is_scored_by_every_method(printed) -> None:
    pytest.importorskip("sklearn")
    text = printed("saliency.py")
    lines = [line for line in text.splitlines() if line.startswith("seed")]
    assert [line.partition(":")[0] for line in lines] == ["seed 0, slope 1", "seed 0, slope 16"]
    for method in ("gradient", "integrated gradients", "DeepLIFT", "softened gates", "random"):
        assert all(f"{method} " in line for line in lines)
    assert [len(row.split("|")) for row in text.splitlines() if row.startswith(("| 1 |", "| 16 |"))] == [
        11,
        11,
    ]
    shares = re.findall(r"^\| ([A-Za-z0-9, ]+) \| (\d\.\d\d) \(", text.split("\n\n")[1], re.MULTILINE)
    kept = {name: float(share) for name, share in shares}
    assert len(kept) == 8
    assert kept["mask, gates 1 to 256"] > max(0.7, kept["mask, gates steep"], kept["random"])


def test_a_network_of_ones_own_is_driven_by_the_name_of_its_part(printed) -> None:
    pytest.importorskip("torch")
    steep, sharpened = printed("own_net.py").splitlines()
    assert "at a slope of 64" in steep
    assert "at a slope of 64" in sharpened
    dead = [int(re.search(r"(\d+) % of the first layer", line)[1]) for line in (steep, sharpened)]
    assert dead[0] > 60
    assert dead[1] < 5


def test_mollified_is_held_against_its_controls(printed, tmp_path, monkeypatch) -> None:
    pytest.importorskip("torch")
    pytest.importorskip("sklearn")
    monkeypatch.chdir(tmp_path)
    right = dict(
        re.findall(r"^\| ([a-z ]+) \| [^|]+\) \| ([\d.]+) \|", printed("mollified.py"), re.MULTILINE)
    )
    assert list(right) == ["annealed", "a short ramp", "never soft", "always soft"]
    assert float(right.pop("annealed")) > 0.2 + max(float(share) for share in right.values())
    assert (tmp_path / "results" / "mollified_quick" / "mollified.png").is_file()
