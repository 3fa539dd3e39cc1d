"""Which solver is taken where, and that the reason is said."""

import sys

import pytest

from topopt.errors import InputError, MissingDependencyError, TooLargeError
from topopt.fem import LoadCase, PointLoad, Structure, Support
from topopt.grid import Grid
from topopt.regions import Plane, Point
from topopt.solvers import SOLVERS, Cholmod, Multigrid, SuperLU, choose

choosing = sys.modules[choose.__module__]


def cantilever(*cells):
    grid = Grid(cells)
    load = PointLoad(Point(grid.size), (0.0, -1.0, 0.0)[: grid.ndim])
    return Structure(grid, (Support(Plane(x=0.0)),), (load,))


def test_auto_takes_cholmod_and_falls_back_to_superlu_saying_so(monkeypatch):
    pytest.importorskip("sksparse")
    choice = choose(cantilever(30, 10))
    assert choice.solver == Cholmod()
    assert choice.reason == "cholmod: the fastest direct solver that is installed"
    monkeypatch.setattr(choosing, "cholmod_available", lambda: False)
    choice = choose(cantilever(30, 10))
    assert choice.solver == SuperLU()
    assert "scikit-sparse is not installed" in choice.reason


def test_a_name_or_a_solver_is_obeyed():
    assert choose(cantilever(30, 10), "superlu").solver == SuperLU()
    assert choose(cantilever(30, 10), Cholmod("metis")).solver == Cholmod("metis")
    assert set(SOLVERS) >= {"cholmod", "superlu"}


def test_a_foreign_solver_is_taken_without_an_estimate():
    class Mine:
        def factor(self, operator):
            raise NotImplementedError

    mine = Mine()
    choice = choose(cantilever(30, 10), mine)
    assert choice.solver is mine
    assert choice.bytes_estimated == 0


def test_an_unknown_name():
    with pytest.raises(InputError, match=r"solver 'cholmd' is unknown; did you mean 'cholmod'\?"):
        choose(cantilever(30, 10), "cholmd")


def test_cholmod_asked_for_but_absent(monkeypatch):
    monkeypatch.setitem(sys.modules, "sksparse", None)
    with pytest.raises(MissingDependencyError, match="apt install libsuitesparse-dev && pip install"):
        choose(cantilever(30, 10), "cholmod")


def test_too_large_for_the_memory(monkeypatch):
    monkeypatch.setattr(choosing, "available_bytes", lambda: 10_000_000)
    with pytest.raises(
        TooLargeError,
        match=r"'superlu': a factorisation of 60600 unknowns in 2-D would take about 0\.2 GB, but 0\.0 GB "
        r"are available; 'cholmod' needs several times less, take a coarser grid",
    ):
        choose(cantilever(300, 100), "superlu")
    with pytest.raises(TooLargeError, match="in 3-D"):
        choose(cantilever(24, 12, 12), Cholmod())


def test_estimates_grow_with_the_grid_and_cholmod_needs_less():
    flat = [choose(cantilever(30 * k, 10 * k), "superlu") for k in (1, 2, 4)]
    assert flat[0].bytes_estimated < flat[1].bytes_estimated < flat[2].bytes_estimated
    assert flat[0].seconds_estimated < flat[1].seconds_estimated < flat[2].seconds_estimated
    assert choose(cantilever(120, 40), Cholmod()).bytes_estimated < flat[2].bytes_estimated


@pytest.mark.parametrize("content", ["123456\n", "max\n", None])
def test_the_limit_of_the_control_group_counts(monkeypatch, tmp_path, content):
    limit, used = tmp_path / "memory.max", tmp_path / "memory.current"
    if content is not None:
        limit.write_text(content)
        used.write_text("23456\n")
    monkeypatch.setattr(choosing, "CONTROL_GROUP", ((str(limit), str(used)),))
    assert (choosing.available_bytes() == 100_000) == (content == "123456\n")
    assert choosing.available_bytes() > 0


def test_auto_stays_direct_where_that_is_quick():
    pytest.importorskip("sksparse")
    for cells in ((90, 30), (60, 60), (9, 6, 6)):
        assert choose(cantilever(*cells)).solver == Cholmod()


def test_auto_solves_to_rounding_where_that_costs_little():
    pytest.importorskip("sksparse")
    for cells in ((150, 50), (240, 120), (16, 8, 8)):
        assert choose(cantilever(*cells)).solver == Multigrid(1e-8, ladder="direct")
        assert choose(cantilever(*cells), "multigrid").solver == Multigrid()


@pytest.mark.parametrize("cells", [(300, 100), (600, 200), (24, 12, 12), (40, 20, 10)])
def test_auto_takes_multigrid_where_it_is_faster_and_says_why(cells):
    pytest.importorskip("sksparse")
    choice = choose(cantilever(*cells))
    assert choice.solver == Multigrid()
    unknowns = len(cantilever(*cells).free)
    assert choice.reason.startswith(
        f"multigrid: {unknowns} unknowns in {len(cells)}-D are estimated to take 0."
    )
    assert choice.reason.endswith("GB with cholmod")
    assert choice.seconds_estimated < choose(cantilever(*cells), "cholmod").seconds_estimated / 3


def test_auto_counts_the_load_cases():
    pytest.importorskip("sksparse")
    grid = Grid((24, 12, 12))
    cases = [
        LoadCase(f"case {k}", (PointLoad(Point((24.0, float(k // 12), float(k % 12))), (0.0, -1.0, 0.0)),))
        for k in range(60)
    ]
    structure = Structure(grid, (Support(Plane(x=0.0)),), tuple(cases))
    assert choose(structure).solver == Cholmod()
    assert "with cholmod" in choose(structure).reason


def test_auto_goes_where_the_memory_does(monkeypatch):
    pytest.importorskip("sksparse")
    monkeypatch.setattr(choosing, "available_bytes", lambda: 100_000_000)
    choice = choose(cantilever(24, 12, 12))
    assert choice.solver == Multigrid()
    assert choice.reason.endswith("with cholmod, for which the memory does not do")
    monkeypatch.setattr(choosing, "available_bytes", lambda: 10_000_000)
    with pytest.raises(TooLargeError, match="solver 'multigrid'"):
        choose(cantilever(24, 12, 12))


def test_auto_leaves_to_direct_solvers_what_lives_on_no_grid(monkeypatch):
    pytest.importorskip("sksparse")
    monkeypatch.setattr(choosing, "usable", lambda system: False)
    assert choose(cantilever(24, 12, 12)).solver == Cholmod()
