"""Files with a model of their own are read whole; every mistake is named where it stands."""

import math
import sys
from pathlib import Path

import numpy as np
import pytest

import topopt as to
from topopt.errors import ProblemFileError
from topopt.files.job import parse, read
from topopt.nets.models import FlossedRnn

FOLDER = Path(__file__).parents[2] / "problems" / "nets"
PATHS = pytest.mark.parametrize("path", sorted(FOLDER.glob("*.yaml")), ids=lambda path: path.stem)
FLOSSED = """
name: flossed
model: {type: flossed_rnn, units: 6, count: 2, steps: 12}
continuation: {exponents.target: {type: linear, start: -0.3, final: 0.0, over: 3}}
stop: {change: 0.0, iterations: 5}
"""
OWN = """
from dataclasses import dataclass
import numpy as np
import topopt as to
from topopt.evaluation import Bounds


@dataclass(frozen=True)
class Bowl:
    slope: float = 2.0

    def initial(self):
        return np.ones(3)

    def bounds(self):
        return Bounds(-2 * np.ones(3), 2 * np.ones(3))

    def parameters(self):
        return {"slope": self.slope}

    def evaluate(self, x, parameters):
        a = parameters.get("slope", self.slope)
        return to.Evaluation(float(a * x @ x), 2 * a * x, np.zeros(0), np.zeros((0, 3)))
"""


def opened(path, *overrides):
    """Read a file; what needs torch or scikit-learn is skipped where they are missing."""
    pytest.importorskip("sklearn")
    if "eeds torch" in path.read_text("utf-8"):
        pytest.importorskip("torch")
    return read(path, overrides)


@PATHS
def test_every_file_is_read_and_means_the_same_written_out(path):
    job = opened(path)
    assert job.name == path.stem
    assert job.design is None
    assert parse(job.resolved) == job
    assert "To expect:" in path.read_text("utf-8")


@PATHS
def test_every_file_runs_and_its_schedules_reach_the_model(path):
    job = opened(path, "stop.iterations=3")
    steps = list(to.optimize(job.problem, job.optimizer, job.continuation, job.stop))
    assert [step.iteration.number for step in steps] == [1, 2, 3]
    assert all(math.isfinite(step.iteration.objective) for step in steps)
    assert steps[-1].iteration.parameters.keys() == job.continuation.schedules.keys()
    assert not np.array_equal(steps[0].x, steps[-1].x)


@PATHS
def test_a_file_that_needs_torch_says_so_where_torch_is_missing(path, monkeypatch):
    pytest.importorskip("sklearn")
    for name in [name for name in sys.modules if name.startswith("topopt.nets.torch")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "torch", None)
    if "eeds torch" in path.read_text("utf-8"):
        with pytest.raises(
            to.TopoptError, match="needs torch, which is not installed: pip install"
        ) as caught:
            read(path)
        assert "\n" not in str(caught.value)
    else:
        assert read(path).name == path.stem


def test_numbers_reach_the_model():
    job = parse(FLOSSED)
    assert job.problem == FlossedRnn(units=6, count=2, steps=12)
    assert job.optimizer == to.Adam()
    *_, last = to.optimize(job.problem, job.optimizer, job.continuation, job.stop)
    assert last.iteration.parameters == {"exponents.target": 0.0}


def test_a_model_of_ones_own(tmp_path):
    (tmp_path / "bowl.py").write_text(OWN, "utf-8")
    text = (
        "name: bowl\nmodel: {type: 'bowl:Bowl', slope: 3.0}\noptimizer: {type: sgd}\nstop: {iterations: 3}\n"
    )
    job = parse(text, folder=tmp_path)
    *_, last = to.optimize(job.problem, job.optimizer, job.continuation, job.stop)
    assert last.iteration.objective == pytest.approx(3 * 3 * 0.4**4)
    assert parse(job.resolved, folder=".").name == "bowl"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            "flossed_rnn",
            "flosed_rnn",
            r":3: model\.type: no model 'flosed_rnn': did you mean 'flossed_rnn'\?",
        ),
        ("units: 6", "unit: 6", r":3: model\.unit: unknown key: did you mean 'units'\?"),
        ("units: 6", "units: 0", r":3: model\.units: expected .* >= 1"),
        ("count: 2", "count: 7", r":3: model.*1 to 6 exponents, got 7"),
        ("exponents.target", "exponents.taget", r":4: continuation.*'exponents\.taget'.*did you mean"),
        ("type: linear", "type: linea", r":4: continuation.*no schedule 'linea'"),
        ("iterations: 5", "iteration: 5", r":5: stop\.iteration: unknown key"),
        (
            "model: {type: flossed_rnn, units: 6, count: 2, steps: 12}",
            "model: {units: 6}",
            r"missing: name a model",
        ),
        ("type: flossed_rnn", "type: 'os.path:join'", r"'os\.path:join' is no class"),
        ("type: flossed_rnn", "type: 'topopt.stages:Simp'", r"is no model: it lacks initial and bounds"),
    ],
)
def test_mistakes_are_located(old, new, said):
    assert old in FLOSSED
    with pytest.raises(ProblemFileError, match=said):
        parse(FLOSSED.replace(old, new))


def test_all_mistakes_come_at_once():
    wrong = FLOSSED.replace("units: 6", "unit: 6").replace("type: linear", "type: linea")
    with pytest.raises(ProblemFileError, match=r"(?s):3: model\.unit.*:4: continuation.*:5: stop\.chnge"):
        parse(wrong.replace("change", "chnge"))


SIGNS = """
name: signs
model: {type: sign_digits, bits: [6, 5, 4], train: 100}
stop: {change: 0.0, iterations: 3}
"""


def test_gates_that_nobody_sharpens_are_driven_by_the_survival_gate():
    pytest.importorskip("sklearn")
    job = parse(SIGNS)
    follow = to.Follow("code1.beta")
    assert job.continuation.schedules == {
        "code1.beta": to.Survival(), "code2.beta": follow, "code3.beta": follow
    }  # fmt: skip
    assert parse(job.resolved) == job
    *_, last = to.optimize(job.problem, job.optimizer, job.continuation, job.stop)
    assert last.iteration.parameters["code3.beta"] == last.iteration.parameters["code1.beta"] > 1.0


def test_gates_that_somebody_sharpens_lead_the_others():
    pytest.importorskip("sklearn")
    job = parse(SIGNS + "continuation: {code2.beta: 8, code3.beta: 2}\n")
    assert job.continuation.schedules == {
        "code1.beta": to.Follow("code2.beta"), "code2.beta": to.Constant(8.0), "code3.beta": to.Constant(2.0)
    }  # fmt: skip


def test_the_gates_of_a_file_have_a_soft_way_back_that_it_may_sharpen():
    pytest.importorskip("sklearn")
    job = parse(SIGNS)
    x, sharp = job.problem.initial(), {f"code{layer}.beta": 64.0 for layer in (1, 2, 3)}
    true = sharp | {f"code{layer}.backward_beta": math.inf for layer in (1, 2, 3)}
    soft, hard = (np.abs(job.problem.evaluate(x, at).gradient) for at in (sharp, true))
    assert np.median(soft) > 1e3 * np.median(hard)
    assert job.problem.surrogates(sharp) == ("code1", "code2", "code3")
    assert job.problem.surrogates(true) == ()
