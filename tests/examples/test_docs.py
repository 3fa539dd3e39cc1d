"""The code in README and guide runs as it stands, and what it says of itself is true."""

import re
import shutil
import sys
import types
from pathlib import Path

import pytest

import topopt as to

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"```python\n(.*?)```", re.DOTALL)


def code_of(document):
    return BLOCK.findall((ROOT / document).read_text(encoding="utf-8"))


def run_all(document):
    module = types.ModuleType("a_document")
    sys.modules[module.__name__] = module  # classes of the document are pickled by the checks
    for block in code_of(document):
        exec(compile(block, document, "exec"), vars(module))
    return vars(module)


def test_the_readme_designs_a_cantilever_in_under_twenty_lines():
    (code,) = code_of("README.md")
    assert len([line for line in code.splitlines() if line.strip()]) < 20
    last = run_all("README.md")["step"]
    assert last.iteration.parameters["physical.beta"] == 32.0
    assert last.iteration.objective == pytest.approx(75.49, rel=0.01)
    assert abs(last.iteration.violation) < 0.01
    assert last._repr_png_().startswith(b"\x89PNG")


def test_the_guide_runs_from_top_to_bottom(capsys, tmp_path, monkeypatch):
    shutil.copytree(ROOT / "problems", tmp_path / "problems")
    monkeypatch.chdir(tmp_path)
    names = run_all("docs/guide.md")
    printed = capsys.readouterr().out
    assert "FAILED" not in printed
    assert (tmp_path / "results" / "guide" / "design.stl").is_file()
    assert (tmp_path / "results" / "mbb-study" / "report.html").is_file()
    assert {row.failed for row in names["comparison"].rows} == {False}
    last = names["last"]
    assert last.iteration.number == 30
    assert 0 < last.iteration.responses["greyness"] < 1
    betas = last.history.values("physical.beta")
    assert betas[0] == 1.0
    assert betas == sorted(betas)
    assert betas[-1] > 1.0


def test_every_command_of_the_guide_exists():
    from topopt.cli.app import app

    named = set(
        re.findall(r"^\| `topopt (\w+)", (ROOT / "docs/guide.md").read_text(encoding="utf-8"), re.MULTILINE)
    )
    assert named == {command.name or command.callback.__name__ for command in app.registered_commands}


def test_every_public_name_has_a_docstring():
    assert [name for name in to.__all__ if not (getattr(to, name).__doc__ or "").strip()] == []


LINKED = ["README.md", "CONTRIBUTING.md", "results/README.md"]
LINKED += sorted(str(page.relative_to(ROOT)) for page in (ROOT / "docs").rglob("*.md"))


@pytest.mark.parametrize("document", LINKED)
def test_every_relative_link_leads_somewhere(document):
    path = ROOT / document
    text = path.read_text(encoding="utf-8")
    text = re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL)
    links = [link for link in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in link]
    targets = [(path.parent / link.partition("#")[0]) if not link.startswith("#") else path for link in links]
    assert [str(target) for target in targets if not target.exists()] == []
    for link, target in zip(links, targets, strict=True):
        anchor = link.partition("#")[2]
        if anchor:
            titles = re.findall(r"^#+ (.*)$", target.read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor in {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}
