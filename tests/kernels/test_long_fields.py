"""What long fields go through gives what the plain formulas of numpy give, on any number of threads."""

from __future__ import annotations

import dataclasses
import functools
import sys
import tracemalloc

import numpy as np
import pytest
from scipy import fft

import topopt as to
from topopt import check, entry, threads
from topopt.evaluation import Bounds, Evaluation
from topopt.fem import operator
from topopt.fem.energies import energies
from topopt.kernels import LONG, sizes, twins
from topopt.kernels.energies import energies as compiled_energies
from topopt.kernels.exponential import exp, expm1
from topopt.kernels.stencil import Stencil
from topopt.optimizers import mma_model
from topopt.optimizers.mma_subproblem import Subproblem
from topopt.optimizers.oc_update import Update
from topopt.stages import averaged, cone_sums, filters, helmholtz, states
from topopt.stages.filters import Cone
from topopt.stages.projections import Tanh

N = LONG + 137


@pytest.fixture(params=[1, 2], autouse=True)
def count(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "thread_count", lambda: request.param)


def cantilever(cells: tuple[int, ...]) -> to.Structure:
    grid = to.Grid(cells, tuple(n * h for n, h in zip(cells, (1.0, 1.3, 0.7), strict=False)))
    force = (0.3, -1.0, 0.2)[: grid.ndim]
    return to.Structure(grid, (to.Support(to.Plane(x=0.0)),), (to.PointLoad(to.Point(grid.size), force),))


@pytest.mark.parametrize("cells", [(5, 4), (1, 7), (33, 18), (4, 3, 5), (2, 6, 1), (9, 8, 7)])
def test_energies(cells, rng):
    structure = cantilever(cells)
    left, right = rng.normal(size=(2, structure.n_dofs))
    for one, other in ((left, left), (left, right)):
        wanted = operator.energies(structure, one, other)
        found = compiled_energies(cells, structure.element_matrix, one, other)
        np.testing.assert_allclose(found, wanted, atol=1e-14 * np.abs(wanted).max())


def test_energies_of_any_matrix_and_of_strided_columns(rng):
    structure = cantilever((3, 4, 5))
    half = rng.normal(size=(24, 24))
    matrix = half + half.T  # no mirror symmetry at all
    columns = rng.normal(size=(structure.n_dofs, 2))
    dofs = structure.cell_dofs
    wanted = np.einsum("ei,ij,ej->e", columns[dofs, 0], matrix, columns[dofs, 1])
    found = compiled_energies((3, 4, 5), matrix, columns[:, 0], columns[:, 1])
    np.testing.assert_allclose(found, wanted, atol=1e-13 * np.abs(wanted).max())


def test_long_fields_take_the_compiled_energies(rng):
    structure = cantilever((260, 200))
    u = rng.normal(size=structure.n_dofs)
    wanted = operator.energies(structure, u, u)
    np.testing.assert_allclose(energies(structure, u, u), wanted, atol=1e-14 * wanted.max())


def transformed(grid: to.Grid, radius: float, field: np.ndarray) -> np.ndarray:
    """Return the cone's sums by whole transforms."""
    lengths, spectrum, _ = cone_sums._spectrum(grid, radius)
    sums = fft.irfftn(fft.rfftn(grid.shaped(field), lengths) * spectrum, lengths)
    return sums[tuple(slice(0, n) for n in grid.cells)].ravel()


@pytest.mark.parametrize(
    ("cells", "radius"),
    [((261, 203), 40.0), ((261, 203), 3.2), ((7, 9001), 4.5), ((9001, 7), 20.0), ((31, 47, 41), 2.6),
     ((31, 47, 41), 9.0), ((3, 150, 150), 3.5), ((261, 203), 6.0), ((200, 150, 2), 5.0), ((40, 31, 33), 6.0)],
)  # fmt: skip
def test_cone_sums(cells, radius, rng):
    grid = to.Grid(cells, tuple(n * h for n, h in zip(cells, (1.0, 1.0, 1.2), strict=False)))
    field = rng.random(grid.n_cells)
    wanted = transformed(grid, radius, field)
    np.testing.assert_allclose(
        cone_sums.cone_sum(grid, radius, field), wanted, rtol=0, atol=3e-14 * wanted.max()
    )


@pytest.mark.parametrize("stage", [to.Cone, to.Helmholtz])
def test_a_long_cotangent_of_one_number_is_pulled_back_like_any_other(stage, rng):
    filtered = stage(to.Domain(to.Grid((260, 200))), 6.0)
    _, pullback = filtered.vjp(rng.random(52_000))
    (whole,) = pullback(np.full(52_000, 0.3))
    almost = np.full(52_000, 0.3)
    almost[777] = 0.3 + 1e-15
    np.testing.assert_allclose(whole, pullback(almost)[0], rtol=1e-13)
    whole[:] = 0.0  # nobody else's
    assert pullback(np.full(52_000, 0.3))[0].min() > 0.1


def test_a_long_sum_that_is_kept_is_of_the_field_as_it_was(rng):
    grid = to.Grid((260, 200))
    field = rng.random(52_000)
    first = cone_sums.cone_sum(grid, 6.0, field)
    field.flags.writeable = False
    for _ in range(2):  # the first is kept
        again = cone_sums.cone_sum(grid, 6.0, field)
        np.testing.assert_array_equal(again, first)
        assert not again.flags.writeable
    np.testing.assert_array_equal(cone_sums.cone_sum(grid, 6.0, field), first)
    field = field.copy()
    field[26_100] += 0.5
    field.flags.writeable = False
    changed = cone_sums.cone_sum(grid, 6.0, field)
    assert changed[26_100] - first[26_100] == pytest.approx(3.0, rel=1e-12)  # half of the radius


@pytest.mark.parametrize(("cells", "radius"), [((261, 203), 40.0), ((30, 20, 20), 3.0), ((7, 901), 4.5)])
def test_a_cone_sum_is_the_same_whole_and_in_pieces(cells, radius, rng, monkeypatch):
    grid = to.Grid(cells, tuple(map(float, cells)))
    field = rng.random(grid.n_cells)
    monkeypatch.setattr(twins, "LONG", np.inf)
    whole = cone_sums.cone_sum(grid, radius, field)
    monkeypatch.setattr(cone_sums, "CHAIN", threads.Pass(threads.BLOCK, 0))
    np.testing.assert_array_equal(whole, cone_sums.cone_sum(grid, radius, field))


def test_means_of_long_fields_are_those_of_numpy(rng):
    sums, gain = rng.random((2, N))
    limits = (0.2, 0.3, 0.01)
    long, plain = np.empty((2, N))
    averaged._mean.loaded()(sums, gain, *limits, long)
    averaged._mean.plain(sums, gain, *limits, plain)
    np.testing.assert_array_equal(long, plain)
    assert {0.2, 0.3} < set(long)
    assert (long < 0.19).any()
    assert (long > 0.31).any()


@pytest.mark.parametrize("passive", [{}, {"void": to.Ball((40.0, 60.0), 20.0), "solid": to.Plane(x=0.0)}])
def test_a_long_volume_is_rechecked_to_the_digit(passive, rng):
    domain = to.Domain(to.Grid((300, 200)), **passive)
    chain = to.Chain(
        [("filtered", Cone(domain, 3.0)), ("physical", Tanh(8.0, 0.4)), ("volume", to.Mean(domain))]
    )
    problem = to.Problem(chain, domain, "volume", {"volume": 0.5})
    x, y = rng.random((2, domain.n_active))
    y.flags.writeable = False
    recheck = problem.evaluate(x).recheck
    for design in (x, y, y):
        np.testing.assert_array_equal(recheck(design), problem.evaluate(design).constraints)


def test_what_a_transform_cannot_tell_from_noise_is_silenced(rng):
    sums = rng.normal(size=N) * 10.0 ** rng.uniform(-20, 0, N)
    long, plain = sums.copy(), sums.copy()
    sizes.silence(long, 1e-9)
    averaged._silence.plain(plain, 1e-9)
    np.testing.assert_array_equal(long, plain)
    assert (long == 0.0).any()


@pytest.mark.parametrize("cells", [(300, 300), (200, 160), (3, 90, 130)])
@pytest.mark.parametrize(("smooth", "radius"), [(cone_sums._summed, 40.0), (helmholtz._by_cosines, 3.0)])
def test_the_whole_length_decides_how_its_pieces_are_silenced(smooth, radius, cells, rng, monkeypatch):
    compiled, entries = sizes.silence, []

    def spy(vector: np.ndarray, floor: float) -> None:
        entries.append(vector.size)
        compiled(vector, floor)

    monkeypatch.setattr(sizes, "silence", spy)
    grid = to.Grid(cells, tuple(map(float, cells)))
    field = np.zeros(grid.n_cells)
    field[: grid.n_cells // 50] = rng.random(grid.n_cells // 50)
    long = smooth(grid, radius, field)
    assert sum(entries) == grid.n_cells
    assert 0 < np.count_nonzero(long) < grid.n_cells  # part of it is noise
    monkeypatch.setattr(twins, "LONG", np.inf)
    np.testing.assert_array_equal(smooth(grid, radius, field), long)
    assert sum(entries) == grid.n_cells


def test_a_stencil_on_a_grid_smaller_than_itself(rng):
    weights = rng.random((4, 3, 6))
    stencil = Stencil.of((4, 3, 6), weights)
    field = rng.random(72)
    i = np.stack(np.unravel_index(np.arange(72), (4, 3, 6)))
    steps = np.abs(i[:, :, None] - i[:, None, :])
    np.testing.assert_allclose(stencil.summed(field), weights[tuple(steps)] @ field, rtol=1e-14)


def test_the_cone_conforms_on_long_fields(rng):
    void = to.Ball((40.0, 60.0), 20.0)
    domain = to.Domain(to.Grid((300, 200)), solid=to.Box((0.0, 0.0), (9.0, 9.0)), void=void)
    for radius in (3.0, 30.0):
        stage = Cone(domain, radius)
        check.stage(stage, rng.uniform(0.1, 0.9, 60_000), rng=rng).raise_if_failed()
        np.testing.assert_array_equal(stage(np.ones(60_000)), domain.impose(np.ones(60_000)))


def test_exponentials():
    @functools.partial(np.vectorize, otypes=[float])
    def both(x):
        return exp(x)

    for scale in (1e-9, 0.3, 1.0, 30.0, 700.0):
        x = -scale * np.linspace(0.0, 1.0, 501)
        np.testing.assert_allclose(both(x), np.exp(x), rtol=5e-16)
        np.testing.assert_allclose([expm1(value) for value in x], np.expm1(x), rtol=5e-16)
    tiny = np.array([-720.0, -744.0, -1e6])
    np.testing.assert_allclose(both(tiny), np.exp(tiny), rtol=0, atol=1e-315)
    assert np.isnan(exp(np.nan))


@pytest.mark.parametrize(("beta", "eta"), [(0.01, 0.5), (8.0, 0.5), (64.0, 0.3), (1000.0, 0.0), (8.0, 1.0)])
def test_the_projection_of_long_fields(beta, eta, rng):
    t = np.concatenate([[0.0, 1.0], rng.uniform(-0.1, 1.1, N)])
    stage, v = Tanh(beta, eta), rng.normal(size=N + 2)
    parts = [stage.vjp(t[at]) for at in threads.pieces(t.size, 10_000)]
    output, pullback = stage.vjp(t)
    np.testing.assert_allclose(output, np.concatenate([part[0] for part in parts]), rtol=2e-15)
    assert output[:2].tolist() == [0.0, 1.0]
    np.testing.assert_array_equal(stage(t), output)
    pulled = [part[1](v[at])[0] for part, at in zip(parts, threads.pieces(t.size, 10_000), strict=True)]
    np.testing.assert_allclose(pullback(v)[0], np.concatenate(pulled), rtol=3e-15, atol=1e-290)


def test_the_update_of_long_designs(rng, monkeypatch):
    x, slope, cost = rng.random(N), -(rng.random(N) ** 9), rng.random(N)
    slope[::7] = 0.0
    cost[::14] = 0.0
    update = Update.of(x, slope, cost, (np.zeros(N), np.ones(N)), 0.2, 0.5)
    long = [update.at(t) for t in (-3.0, 0.1, 2.0)]
    monkeypatch.setattr(twins, "LONG", np.inf)
    for point in long:
        plain = update.at(point.t)
        np.testing.assert_array_equal(point.design, plain.design)
        np.testing.assert_allclose((point.change, point.free), plain[2:], rtol=1e-12)
        assert plain.change == pytest.approx(update.row @ (plain.design - x), rel=1e-12)
        inside = (update.low < plain.design) & (plain.design < update.high)
        assert plain.free == pytest.approx(update.row[inside] @ plain.design[inside], rel=1e-12)


@pytest.mark.parametrize("damping", [0.5, 0.3])
@pytest.mark.parametrize("size", [1.0, 1e200, 1e-200])
def test_what_an_update_is_made_of_is_that_of_numpy(damping, size, rng, monkeypatch):
    x, slope, cost = rng.random(N), -size * 10.0 ** rng.uniform(-40.0, 40.0, N), rng.random(N) / size
    slope[::7], cost[::14], x[::5], slope[3::11], cost[4::13] = 0.0, 0.0, 0.0, 0.1 * size, 0.0

    def made():
        return Update.of(x, slope, cost, (np.zeros(N), np.ones(N)), 0.2, damping)

    long = made()
    monkeypatch.setattr(twins, "LONG", np.inf)
    short = made()
    for name in ("low", "high", "row"):
        np.testing.assert_array_equal(getattr(long, name), getattr(short, name), err_msg=name)
    np.testing.assert_allclose(long.factor, short.factor, rtol=1e-12)
    assert long.ends == pytest.approx(short.ends, rel=1e-12)
    assert long.start == pytest.approx(short.start, rel=1e-12)
    assert np.isfinite(long.ends).all()


def test_the_root_of_a_long_update_is_found_from_a_sample(rng):
    n = 3 * LONG
    x, slope, cost = rng.random(n), -(rng.random(n) ** 3), np.full(n, 1.0 / n)
    update = Update.of(x, slope, cost, (np.zeros(n), np.ones(n)), 0.2, 0.5)
    point = update.solved_from(5.0, -0.03, 1e-13)
    assert cost @ (point.design - x) == pytest.approx(-0.03, rel=1e-10)


def test_a_step_of_mma_on_a_long_design_is_that_of_numpy(rng, monkeypatch):
    lower, upper = np.zeros(N), rng.choice([0.0, 1.0, 2.0], N)
    x, last, earlier = np.minimum(rng.random((3, N)), upper)
    evaluation = Evaluation(1.0, rng.normal(size=N), rng.normal(size=2), rng.normal(size=(2, N)))
    bounds, mma = Bounds(lower, upper), to.MMA()

    def step():
        span = mma.adapted(np.full(N, 0.3), x, last, earlier, bounds.ranges)
        problem = mma.approximation(x, evaluation, bounds, span, 0.7, np.array([1e-5, 2e-5, 3e-5]))
        return problem, mma_model.moved(np.linspace(-1.1, 1.1, N), span, x, bounds)

    long, moved = step()
    monkeypatch.setattr(twins, "LONG", np.inf)
    plain, wanted = step()
    for name in ("gradient", "bulk", "jacobian", "magnitude", "span", "floor", "ceiling"):
        np.testing.assert_array_equal(getattr(long, name), getattr(plain, name), err_msg=name)
    np.testing.assert_array_equal(moved, wanted)


def test_a_long_vector_is_a_multiple_of_another_to_rounding(rng):
    of = rng.normal(size=N)
    largest = int(np.argmax(np.abs(of)))
    assert states.multiple(3.7 * of, of, largest) == pytest.approx(3.7, rel=1e-15)
    other = 3.7 * of
    other[N - 1] *= 1.0 + 1e-12
    assert states.multiple(other, of, largest) is None


def test_the_move_of_a_long_design(rng):
    x, following = rng.random((2, N))
    bounds = Bounds(np.zeros(N), rng.choice([0.0, 1.0, 2.0], N))
    fields = x, following, bounds.lower, bounds.upper, rng.normal(size=N)
    largest, gain = entry._stepped.loaded()(*fields)
    wanted = entry._stepped.plain(*fields)
    assert largest == wanted[0]
    assert gain == pytest.approx(wanted[1], rel=1e-12)


def test_what_a_box_blocks_of_a_long_descent(rng, monkeypatch):
    x = rng.choice([0.0, 1e-4, 0.5, 0.9995, 1.0], N)
    direction = rng.choice([-1.0, 0.0, 1.0], N)
    bounds = Bounds(np.zeros(N), np.ones(N))
    long = bounds.inward(x, direction)
    monkeypatch.setattr(twins, "LONG", np.inf)
    np.testing.assert_array_equal(long, bounds.inward(x, direction))


def test_the_dual_of_a_long_subproblem(rng, monkeypatch):
    gradient, row = rng.normal(size=(2, N))
    problem = Subproblem(
        gradient, np.abs(gradient) + 1e-3, np.array([0.3]), row[None], np.abs(row)[None] + 1e-3,
        rng.uniform(0.1, 1.0, N), rng.uniform(-0.9, 0.0, N), rng.uniform(0.0, 0.9, N), 1e3, 1.0,
    )  # fmt: skip
    found = [(*problem.response(np.array([m])), problem.minimiser(np.array([m]))) for m in (1e-6, 0.7, 50.0)]
    monkeypatch.setattr(twins, "LONG", np.inf)
    for m, (value, stiffness, xi) in zip((1e-6, 0.7, 50.0), found, strict=True):
        wanted = problem.response(np.array([m]))
        np.testing.assert_allclose(value, wanted[0], rtol=1e-11)
        np.testing.assert_allclose(stiffness, wanted[1], rtol=1e-11)
        np.testing.assert_allclose(xi, problem.minimiser(np.array([m])), rtol=0, atol=1e-14)


@dataclasses.dataclass(frozen=True)
class Given:
    """A solver that knows the answer: a beam that bends."""

    structure: to.Structure

    def factor(self, operator):
        return self

    def solve(self, rhs):
        nodes = self.structure.grid.nodes / self.structure.grid.size
        x, y = nodes[:, 0], nodes[:, 1]
        bent = [(0.5 - y) * x + 0.01 * np.sin(20 * x * y), 0.5 * x**2, 0.1 * x * y]
        return np.stack(bent[: self.structure.ndim], axis=1).reshape(-1, 1)


def beam(cells: tuple[int, ...]) -> to.Problem:
    structure = cantilever(cells)
    domain = to.Domain(structure.grid)
    chain = to.Chain(
        [
            ("filtered", Cone(domain, 2.5)),
            ("physical", Tanh(4.0)),
            ("stiffness", to.Simp()),
            ("displacement", to.Equilibrium(structure, Given(structure))),
            ("compliance", to.Compliance(structure)),
            ("volume", to.Mean(domain), "physical"),
        ]
    )
    return to.Problem(chain, domain, "compliance", {"volume": 0.4})


def iterated(problem: to.Problem, optimizer: to.OC | to.MMA, count: int) -> to.Step:
    driven = to.Continuation({"physical.beta": to.Constant(4.0)})
    return to.solve(problem, optimizer, driven, to.Stop(change=0, iterations=count))


@pytest.mark.parametrize("optimizer", [to.OC(), to.MMA()])
def test_the_number_of_threads_changes_no_digit(optimizer, monkeypatch):
    problem = beam((260, 200))
    found = iterated(problem, optimizer, 3)
    monkeypatch.setattr(threads, "thread_count", lambda: 3)
    again = iterated(problem, optimizer, 3)
    np.testing.assert_array_equal(found.snapshot.x, again.snapshot.x)
    assert found.iteration.vanishing == again.iteration.vanishing


@pytest.mark.parametrize("optimizer", [to.OC(), to.MMA()])
def test_long_runs_agree_with_plain_numpy(optimizer, monkeypatch):
    problem = beam((260, 200))
    found = iterated(problem, optimizer, 3)
    monkeypatch.setattr(twins, "LONG", np.inf)
    filters._weights.cache_clear()
    plain = iterated(problem, optimizer, 3)
    filters._weights.cache_clear()
    np.testing.assert_allclose(found.snapshot.x, plain.snapshot.x, atol=1e-9)
    assert found.iteration.objective == pytest.approx(plain.iteration.objective, rel=1e-12)
    for name, value in plain.iteration.vanishing.items():
        if name == "typical_gain":  # a transform silences small sensitivities, a stencil has them all
            continue
        assert found.iteration.vanishing[name] == pytest.approx(value, rel=1e-8, abs=1e-12), name


@pytest.mark.parametrize(
    ("cells", "optimizer", "held", "peak"),
    [
        ((400, 300), to.OC(), 330, 515),
        ((400, 300), to.MMA(), 370, 535),
        ((64, 48, 40), to.OC(), 470, 665),
        ((64, 48, 40), to.MMA(), 510, 690),
    ],
)
def test_a_run_takes_few_bytes_a_cell(cells, optimizer, held, peak):
    """Between iterations, and at most within one; the state solve has its own."""
    iterated(beam(cells), optimizer, 1)  # compiles
    for module in [module for name, module in sys.modules.items() if name.startswith("topopt.")]:
        for thing in vars(module).values():
            if hasattr(thing, "cache_clear") and thing is not threads._pool:
                thing.cache_clear()
    tracemalloc.start()
    try:
        problem = beam(cells)
        steps = to.optimize(problem, optimizer, stop=to.Stop(change=0, iterations=9))
        next(steps)
        tracemalloc.reset_peak()
        next(steps)
        step = next(steps)
        now, most = (size / problem.grid.n_cells for size in tracemalloc.get_traced_memory())
    finally:
        tracemalloc.stop()
    assert step.iteration.number == 3
    assert now < held
    assert most < peak
