"""Pieces cover a field once, whatever the number of threads, and nothing gets lost on the way."""

from __future__ import annotations

import json
import multiprocessing
import os
import subprocess
import sys

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from topopt import threads
from topopt.threads import BLOCK, SINGLE, Pass, dot, each, pieces, thread_count


@pytest.fixture(params=[1, 2, 3])
def count(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    threads._pool.cache_clear()
    monkeypatch.setattr(threads, "thread_count", lambda: request.param)
    return int(request.param)


def test_pieces_cover_everything_once() -> None:
    found = np.zeros(2 * BLOCK + 7, dtype=int)
    for piece in pieces(found.size):
        found[piece] += 1
    assert (found == 1).all()
    assert pieces(0) == []


def test_answers_come_in_order(count: int) -> None:
    assert each(lambda at: at.start, 100, Pass(3, 0)) == list(range(0, 100, 3))


def test_sums_do_not_depend_on_the_number_of_threads(count: int) -> None:
    one, other = np.random.default_rng(7).normal(size=(2, SINGLE.alone + 11))
    assert dot(one, other) == sum(float(one[at] @ other[at]) for at in pieces(one.size, SINGLE.size))
    assert dot(one, other) == pytest.approx(float(one @ other), rel=1e-10)


def test_errors_come_back(count: int) -> None:
    def refuse(at: slice) -> None:
        if at.start == 60:
            raise ValueError("sixty")

    with pytest.raises(ValueError, match="sixty"):
        each(refuse, 100, Pass(10, 0))


def test_passes_within_passes_do_not_wait_for_each_other(count: int) -> None:
    inner = each(lambda at: sum(each(lambda part: part.start, 50, Pass(5, 0))), 40, Pass(1, 0))
    assert inner == [225] * 40


def test_threads_keep_the_error_state(count: int) -> None:
    values = np.zeros(100)
    with np.errstate(divide="ignore"):
        each(lambda at: np.log(values[at], out=values[at]), 100, Pass(1, 0))
    assert np.isneginf(values).all()


def test_a_fork_has_threads_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    if "fork" not in multiprocessing.get_all_start_methods():
        pytest.skip("no fork on this system")
    monkeypatch.setattr(threads, "thread_count", lambda: 2)
    each(lambda at: None, 10, Pass(1, 0))
    parent = threads._pool(os.getpid())
    assert threads._pool(os.getpid()) is parent
    assert threads._pool(os.getpid() + 1) is not parent
    threads._pool.cache_clear()


def test_fewer_threads_can_be_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    thread_count.cache_clear()
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert thread_count() == 1
    thread_count.cache_clear()


SAYS = """
import json, sys
from topopt.cli.app import _limit
_limit({asked})
from topopt.solvers import Multigrid
import topopt.solvers.multigrid.factor, numba, numpy
from topopt.threads import thread_count
from threadpoolctl import threadpool_info
blas = [p["num_threads"] for p in threadpool_info() if p["user_api"] == "blas"]
print(json.dumps([thread_count(), numba.get_num_threads(), max(blas)]))
"""


@pytest.mark.parametrize(
    ("asked", "variables", "wanted"),
    [
        ("1", {}, [1, 1, 1]),
        ("1", {"NUMBA_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "2"}, [1, 1, 1]),
        ("None", {"NUMBA_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}, [1, 1, 1]),
        ("None", {"OMP_NUM_THREADS": "1"}, [1, 1, 1]),
    ],
)
def test_kernels_passes_and_blas_keep_to_it(asked: str, variables: dict[str, str], wanted: list[int]) -> None:
    """In a fresh process, as the program is started."""
    others = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
    said = subprocess.run(
        [sys.executable, "-c", SAYS.replace("{asked}", asked)],
        env=others | variables, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert json.loads(said) == wanted


def test_kernels_compiled_for_the_first_time_are_announced(tmp_path: os.PathLike[str]) -> None:
    """And not again, once they are on disk."""
    program = """
from topopt.kernels.announcing import announced
names = []
with announced(names.append):
    import numpy as np
    from topopt.kernels.sizes import sized
    sized(np.ones(9))
print(names)
"""
    kept = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
    said = [
        subprocess.run(
            [sys.executable, "-c", program], env=kept, capture_output=True, text=True, check=True
        ).stdout
        for _ in range(2)
    ]
    assert "_sized" in said[0]
    assert said[1].strip() == "[]"


def test_a_limit_reaches_what_is_loaded_already(monkeypatch: pytest.MonkeyPatch) -> None:
    import numba

    for library in threads.LIBRARIES:
        monkeypatch.setenv(f"{library}_NUM_THREADS", os.environ.get(f"{library}_NUM_THREADS", ""))
    before = numba.get_num_threads()
    with threadpool_limits():
        threads.limit(1)
        assert (thread_count(), numba.get_num_threads()) == (1, 1)
    numba.set_num_threads(before)
    thread_count.cache_clear()
