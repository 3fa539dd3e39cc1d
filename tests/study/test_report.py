"""The report is one page that needs nothing else, and the same as Markdown."""

from __future__ import annotations

import base64
import re
from html.parser import HTMLParser

import pytest

from tests.study.outcomes import INF, drawn, trial
from topopt.errors import RunFolderError
from topopt.study.comparison import Comparison
from topopt.study.kept import Kept, Stated
from topopt.study.report import write_report
from topopt.study.verdict import verdict

NASTY = '<script>alert("1")</script> & |pipe| `tick`'


class Page(HTMLParser):
    """Tags with their attributes, text, and whether every tag was closed in turn."""

    VOID = frozenset({"meta", "img", "br"})

    def __init__(self, text):
        super().__init__()
        self.tags, self.words, self.open = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)

    def all(self, tag):
        return [attrs for name, attrs in self.tags if name == tag]


@pytest.fixture(scope="module")
def comparison():
    return Comparison((
        drawn(trial("gate", 200.0, "one")), drawn(trial("gate", 201.0, "one", "shaken")),
        drawn(trial(NASTY, INF, "one", alarms=(("freeze", 1),)), beta=64.0),
        drawn(trial("crash", None, "two/2")),
        drawn(trial("gate", -1.0, "two/2", settled=False, memory="damp")),
    ))  # fmt: skip


@pytest.fixture(scope="module")
def folder(comparison, tmp_path_factory):
    folder = tmp_path_factory.mktemp("report") / "new" / "place"
    write_report(comparison, folder, f"Title {NASTY}", ["Budget: 60 state solves."])
    return folder


@pytest.fixture(scope="module")
def html(folder):
    return (folder / "report.html").read_text("utf-8")


@pytest.fixture(scope="module")
def markdown(folder):
    return (folder / "report.md").read_text("utf-8")


def test_the_page_is_well_formed_and_alone(html):
    page = Page(html)
    assert page.open == []
    assert not page.all("script")
    assert not page.all("link")
    assert all(
        image["src"].startswith("data:image/png;base64,") and image["alt"] for image in page.all("img")
    )
    assert not re.search(r"https?://|url\(|@import", html)


def test_every_figure_is_inside_the_page_and_beside_the_text(html, markdown, folder):
    inside = {base64.b64decode(image["src"].partition(",")[2]) for image in Page(html).all("img")}
    files = {path.name: path.read_bytes() for path in (folder / "figures").iterdir()}
    assert inside == set(files.values())
    assert set(re.findall(r"\]\(figures/([^)]+)\)", markdown)) == set(files)
    assert {"performance-profile.png", "data-profile.png"} < set(files)
    assert {f"{problem}-{kind}.png" for problem in ("one", "two-2")
            for kind in ("designs", "value", "strips", "sharpening")} < set(files)  # fmt: skip


def test_the_verdict_stands_in_both(html, markdown, comparison):
    words = " ".join("".join(Page(html).words).replace("\u00a0", " ").split())
    plain = markdown.replace("\\", "")
    for sentence in verdict(comparison):
        assert " ".join(sentence.split()).replace("M_nd", "Mnd") in words  # its index is set as one
        assert " ".join(sentence.split()) in plain


def test_names_are_text_and_never_markup(html, markdown):
    assert "<script" not in html
    assert NASTY in "".join(Page(html).words)
    assert "<script" not in markdown.replace("\\<", "")
    for line in markdown.splitlines():
        if line.startswith("|"):
            columns = len(re.findall(r"(?<!\\)\|", line))
            assert columns > 10
    tables = re.findall(r"(?:^\|.*\n)+", markdown, re.MULTILINE)
    for table in tables:
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}) == 1


def test_the_numbers_stand_in_the_tables(html, markdown):
    page = Page(html)
    text = "".join(page.words).replace("\u00a0", " ")
    for word in ("no path from load to support", "NumericalError: the field is not finite", "freeze from",
                 "+0.5 %", "200", "201", "damp", "Budget: 60 state solves.", "numpy"):  # fmt: skip
        assert word in text
        assert word in markdown.replace("\\", "")
    assert len(page.all("table")) == 4  # all, one, one trial by trial, two
    assert len(page.all("details")) == 1


def test_failures_can_be_seen(html):
    assert any("failed" in (attrs.get("class") or "") for attrs in Page(html).all("td"))


def test_what_there_is_no_material_for_is_left_out(tmp_path):
    report = write_report(Comparison((trial("a", None),)), tmp_path)
    assert "Every trial failed." in report.markdown.read_text("utf-8")
    assert sorted(path.name for path in (tmp_path / "figures").iterdir()) == [
        "beam-sharpening.png", "data-profile.png", "performance-profile.png",
    ]  # fmt: skip


def test_cases_that_were_not_run_are_told(tmp_path):
    report = write_report(Comparison((trial("a", 1.0), trial("b", 1.0), trial("b", 2.0, "two"))), tmp_path)
    assert "a (1) lack some" in report.markdown.read_text("utf-8")


def test_a_best_value_from_elsewhere_is_told(tmp_path):
    report = write_report(Comparison((trial("a", 220.0),), {"beam": 200.0}), tmp_path)
    text = report.markdown.read_text("utf-8")
    assert "Best value known: 200, from elsewhere; nearest is a, 10 % above it." in text


def test_a_folder_that_cannot_be_made_is_refused(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(RunFolderError, match=r"figures cannot be made: .*; choose another folder"):
        write_report(Comparison((trial("a", 1.0),)), tmp_path / "file")


def test_other_limits_are_told_and_cost_no_place(tmp_path):
    peak, tip = Stated("peak", 52.0), Stated("tip", 1.0)
    broken = (Kept(peak, (52.0, 65.5)), Kept(tip, (0.9, None), "its black-and-white design is broken"))
    outcomes = (
        trial("a", 1.0, limits=broken),
        trial("b", 2.0, limits=(Kept(peak, (52.0, 52.1)), Kept(tip, (0.9, 0.9)))),
    )
    text = write_report(Comparison(outcomes), tmp_path).markdown.read_text("utf-8").replace("\\", "")
    assert "In black and white peak <= 52: broken by 26 %." in text
    assert "Limits other than that on the volume have no part in f₀₁." in text
    lines = [line for line in text.splitlines() if line.startswith("|")]
    head, first, second = (
        [cell.strip() for cell in line.split("|")]
        for line in lines
        if "other limits" in line or "tip" in line or "hold" in line
    )
    column = head.index("other limits, black and white")
    assert first[1] == "**a**"
    assert first[column] == "*peak <= 52: broken by 26 %; tip <= 1: its black-and-white design is broken*"
    assert second[column] == "hold"
    ranked = [line for line in lines if line.startswith(("| place", "| **1"))]
    head, first = ([cell.strip() for cell in line.split("|")] for line in ranked)
    assert first[head.index("limits broken")] == "1"
    plain = write_report(Comparison((trial("a", 1.0),)), tmp_path).markdown.read_text("utf-8")
    assert "limits broken" not in plain
