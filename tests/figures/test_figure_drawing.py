"""Every chart can be drawn, saved and told from an empty sheet, and leaves matplotlib as it was."""

from __future__ import annotations

import io
import math
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from topopt import figures
from topopt.errors import InputError, MissingDependencyError
from topopt.fem import BodyLoad, LineLoad, LoadCase, PointLoad, Structure, Support, SurfaceLoad
from topopt.figures.style import ALARM, ALARM_MARKERS
from topopt.grid import Domain, Grid
from topopt.history import History, Iteration
from topopt.regions import Ball, Box, Everywhere, Plane, Point
from topopt.vanishing import ALARMS


def pixels(figure):
    """Return a figure as it is saved at 100 dots per inch; nothing may touch the rim."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=100)
    with Image.open(buffer) as image:
        array = np.asarray(image.convert("L"), dtype=float)
    rim = np.concatenate([array[0], array[-1], array[:, 0], array[:, -1]])
    assert rim.min() == 255, "something is cut off"
    assert 0.5 < array.mean() / 255 < 0.999
    assert array.std() > 5
    return array


def labels(figure):
    return [axes.get_ylabel() for axes in figure.axes if axes.get_ylabel()]


def words(figure):
    return " ".join(text.get_text() for text in figure.findobj(match=lambda a: hasattr(a, "get_text")))


def test_convergence_has_a_panel_per_scheduled_parameter_and_the_iterations_below(run):
    figure = figures.convergence(run(40))
    assert labels(figure) == [
        r"$\beta$", "objective $f$", "constraint\n$g$ [%]", "grey share\n$M_{\\mathrm{nd}}$ [%]", "change",
    ]  # fmt: skip
    assert figure.axes[-1].get_xlabel() == "iteration $k$"
    assert len({axes.get_xlim() for axes in figure.axes}) == 1
    assert figure.axes[0].get_yscale() == "log"
    assert pixels(figure).shape[1] == 900


def test_convergence_draws_the_logged_values(run):
    history = run(25)
    objective = next(axes for axes in figures.convergence(history).axes if "objective" in axes.get_ylabel())
    (line,) = objective.get_lines()[:1]
    np.testing.assert_array_equal(line.get_xdata(), np.arange(1, 26))
    np.testing.assert_array_equal(line.get_ydata(), history.column("objective"))


def test_convergence_of_a_bare_log_leaves_out_what_it_does_not_hold():
    figure = figures.convergence(History([Iteration(1, -3.0), Iteration(2, 4.0)]))
    assert labels(figure) == ["objective $f$"]
    pixels(figure)


def test_infinity_has_a_tick_of_its_own(run):
    figure = figures.convergence(run(30, betas=lambda k: (1.0, 8.0, math.inf)[k // 10]))
    assert [tick.get_text() for tick in figure.axes[0].get_yticklabels()] == ["1", "8", "∞"]


@pytest.mark.parametrize("n", [1, 2, 200])
def test_charts_of_short_and_long_runs(run, n):
    history = run(n)
    pixels(figures.convergence(history))
    pixels(figures.vanishing(history))


def test_the_vanishing_plot_explains_itself(run):
    figure = figures.vanishing(run(40))
    assert figure.get_suptitle().startswith("Where did the sensitivities fade?\n")
    assert "β = 8): 40 % of the variables are dead" in figure.get_suptitle()
    assert figure.get_suptitle().endswith("No alarm rang.")
    assert {r"$\beta$", "at the design", "optimality"} <= set(labels(figure))
    assert {"norm", "participation", "alive", "residual", "latent"} <= set(words(figure).split())
    upper = figure.axes[1]
    assert [tick.get_text() for tick in upper.get_yticklabels()] == [
        "design", "filtered", "physical", "stiffness", "displacement", "compliance",
    ]  # fmt: skip
    pixels(figure)


def test_the_strip_shows_the_logged_attenuation(run):
    history = run(12)
    (image,) = figures.vanishing(history).axes[1].get_images()
    np.testing.assert_array_equal(image.get_array()[0], history.stage("design", "attenuation"))
    assert image.get_extent() == [0.5, 12.5, -0.5, 5.5]


def test_alarms_get_a_lane_each_with_a_mark_at_every_start(run):
    rings = {5: ("freeze",), 6: ("freeze",), 9: ("freeze", "masked")}
    figure = figures.vanishing(run(12, alarms=lambda k: rings.get(k + 1, ())))
    lane = next(
        axes for axes in figure.axes if "freeze" in [tick.get_text() for tick in axes.get_yticklabels()]
    )
    marks = {line.get_marker(): list(line.get_xdata()) for line in lane.get_lines()}
    assert marks == {ALARM_MARKERS["freeze"]: [5, 9], ALARM_MARKERS["masked"]: [9]}
    assert "No alarm" not in figure.get_suptitle()
    (residuals,) = (axes for axes in figure.axes if axes.get_ylabel() == "optimality")
    assert len(residuals.patches) == 3
    pixels(figure)


def test_every_alarm_has_its_own_colour_and_symbol():
    assert set(ALARM) == set(ALARM_MARKERS) == set(ALARMS)
    assert len(set(ALARM.values())) == len(set(ALARM_MARKERS.values())) == len(ALARMS)


def test_dead_sensitivities_and_unwatched_runs_can_be_drawn(run):
    dead = {"attenuation": -math.inf, "participation": 0.0, "dead3": 1.0, "residual": math.inf}
    frozen = Iteration(
        1, 1.0, vanishing=dead | {"latent_residual": 1.0},
        stages={"design": {"attenuation": -math.inf, "dead3": 1.0}, "f": {"attenuation": 0.0, "dead3": 0.0}},
    )  # fmt: skip
    pixels(figures.vanishing(History([frozen])))
    pixels(figures.vanishing(run(10, gates=())))
    pixels(
        figures.vanishing(run(30, stages=("design", *(f"layer_{i}" for i in range(12))), gates=("layer_5",)))
    )


def test_what_cannot_be_drawn_says_why():
    with pytest.raises(InputError, match="the history is empty"):
        figures.convergence(History())
    with pytest.raises(InputError, match="gives no signals to watch"):
        figures.vanishing(History([Iteration(1, 2.0)]))


def test_densities_are_drawn_on_uneven_iterations(rng):
    figure = figures.densities([(k, rng.random(200)) for k in (1, 2, 3, 10, 50)])
    axes = figure.axes[0]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("iteration $k$", r"density $\bar\rho$")
    assert axes.get_xlim() == (0.5, 50.5)
    assert axes.collections[0].norm.vmin == 1e-3
    pixels(figure)
    pixels(figures.densities([(1, np.zeros(5, dtype=np.uint8))]))


def test_a_design_is_drawn_in_physical_units_without_interpolation():
    grid = Grid((6, 2), (3.0, 1.0))
    field = np.arange(12) / 11
    (axes,) = (figure := figures.design(grid, field)).axes
    (image,) = axes.get_images()
    assert image.get_extent() == [0, 3, 0, 1]
    assert image.get_interpolation() == "nearest"
    np.testing.assert_array_equal(image.get_array(), grid.shaped(field).T)
    assert (axes.get_aspect(), axes.get_xlabel(), axes.get_ylabel()) == (1.0, "$x$", "$y$")
    assert len(np.unique(pixels(figure).round())) >= 12


def test_materials_have_colours_of_their_own_and_their_names_above():
    grid = Grid((2, 2))
    figure = figures.design(grid, np.array([0.0, 0.4, 0.7, 1.0]), materials=(0.4, 0.7, 1.0))
    (image,) = figure.axes[0].get_images()
    colours = image.cmap(image.norm(image.get_array()))
    assert len({tuple(colour) for colour in colours.reshape(-1, 4).round(2)}) == 4
    assert [text.get_text() for text in figure.legends[0].get_texts()] == [
        "density 0.4",
        "density 0.7",
        "density 1",
    ]
    pixels(figure)
    with pytest.raises(InputError, match="8 are more than there are colours for"):
        figures.design(grid, np.zeros(4), materials=tuple(np.arange(1, 9) / 8))


def test_passive_void_is_told_from_empty_design():
    grid = Grid((8, 4), (2.0, 1.0))
    empty = np.zeros(grid.n_cells)
    domain = Domain(grid, void=Box((1, 0), (2, 1)))
    plain = pixels(figures.design(grid, empty))
    marked = pixels(figures.design(grid, empty, domain=domain))
    middle = plain.shape[1] // 2
    assert not np.array_equal(plain[:, middle + 20 :], marked[:, middle + 20 :])
    assert np.array_equal(plain[:, : middle - 20], marked[:, : middle - 20])
    np.testing.assert_array_equal(pixels(figures.design(grid, empty, domain=Domain(grid))), plain)
    with pytest.raises(InputError, match=r"design: the density is on .*, the domain on .*; use one grid"):
        figures.design(grid, empty, domain=Domain(Grid((4, 4))))


def test_solid_is_black_and_y_points_up():
    grid = Grid((20, 20))
    array = pixels(figures.design(grid, (grid.centres[:, 1] > 10).astype(np.uint8) * 255))
    height = len(array)
    assert array[: height // 2].mean() < 0.5 * array[height // 2 :].mean()


def test_a_design_that_does_not_fit_is_refused():
    with pytest.raises(InputError, match=r"expected one density per cell, shape \(6,\), got \(5,\)"):
        figures.design(Grid((3, 2)), np.zeros(5))


PLANE = Grid((60, 20), (3.0, 1.0))
SPACE = Grid((8, 4, 2), (4.0, 2.0, 1.0))
TIP = PointLoad(Point((3.0, 0.5)), (0, -1))


@pytest.mark.parametrize(
    ("structure", "domain", "said"),
    [
        (
            Structure(PLANE, (Support(Plane(x=0.0), "x"), Support(Point((3.0, 0.0)), "y")), (TIP,)), None,
            {"to be designed", "held in one direction, free to slide", "load"},
        ),
        (
            Structure(PLANE, (Support(Plane(x=0.0)), Support(Point((3.0, 1.0)), "x", 2.0)), (
                LoadCase("wind", (SurfaceLoad(Plane(x=3.0), (1, 0)),)),
                LoadCase("weight", (BodyLoad(Everywhere(), (0, -1)),)),
            )),
            Domain(PLANE, solid=Ball((1.0, 0.5), 0.2), void=Box((2.0, 0.6), (3.0, 1.0))),
            {"to be designed", "stays solid", "stays void", "fixed", "spring", "load case “wind”",
             "load case “weight”"},
        ),
        (
            Structure(SPACE, (Support(Plane(x=0.0)), Support(Plane(y=0.0, z=0.0), "y")), (
                LineLoad(Plane(x=4.0, y=0.0), (0, -1, 0)),
            )),
            Domain(SPACE, solid=Box((0, 1.5, 0), (4, 2, 1)), void=Box((2, 0, 0), (4, 0.5, 1))),
            {"stays solid", "stays void", "fixed", "held in one direction, free to slide", "load"},
        ),
    ],
    ids=["plane", "everything", "space"],
)  # fmt: skip
def test_a_sketch_shows_supports_loads_and_passive_cells(structure, domain, said):
    figure = figures.sketch(structure, domain)
    assert {text.get_text() for text in figure.legends[0].get_texts()} == said
    assert pixels(figure).shape[1] >= 500


def test_every_cell_of_a_row_load_gets_arrows_in_its_cases_colour():
    from matplotlib.patches import FancyArrowPatch

    cases = [LoadCase(name, (PointLoad(Point((x, 1.0)), (0, -1)),)) for name, x in (("a", 1.0), ("b", 2.0))]
    figure = figures.sketch(Structure(PLANE, (Support(Plane(x=0.0)),), cases))
    arrows = [patch for patch in figure.axes[0].patches if isinstance(patch, FancyArrowPatch)]
    assert len(arrows) == 2
    assert len({arrow.get_edgecolor() for arrow in arrows}) == 2


@pytest.mark.parametrize("look", sorted(figures.VIEWS))
def test_a_body_can_be_sketched_from_every_side(look):
    structure = Structure(SPACE, (Support(Plane(x=0.0)),), (SurfaceLoad(Plane(y=2.0), (0, -1, 0)),))
    pixels(figures.sketch(structure, Domain(SPACE, solid=Box((0, 1.5, 0), (4, 2, 1))), look))


def test_void_all_around_does_not_hide_the_body():
    load = PointLoad(Plane(x=4.0), (0, -1, 0))
    structure = Structure(SPACE, (Support(Plane(x=0.0)),), (load,))
    core = Box((0, 0.5, 0.25), (4, 1.5, 0.75))
    wrapped = figures.sketch(structure, Domain(SPACE, void=~core))
    beside = figures.sketch(structure, Domain(SPACE, void=core))
    assert "stays void: all around" in words(wrapped)
    assert "all around" not in words(beside)
    pixels(wrapped)


def test_saving_writes_twice_the_pixels_of_a_readme(run, tmp_path):
    figures.save(figures.convergence(run(5)), tmp_path / "c.png")
    with Image.open(tmp_path / "c.png") as image:
        assert image.size[0] == 1800
    figures.save(figures.convergence(run(5)), tmp_path / "c.svg")
    assert "iteration" in (tmp_path / "c.svg").read_text("utf-8")


def test_a_foreign_style_changes_nothing(run):
    import matplotlib

    plain = pixels(figures.vanishing(run(10)))
    with matplotlib.rc_context({"font.size": 30, "axes.facecolor": "black", "lines.linewidth": 9}):
        styled = figures.vanishing(run(10))
    np.testing.assert_array_equal(pixels(styled), plain)


_UNTOUCHED = """
import sys
import topopt.figures as figures
assert not {"matplotlib", "pyvista", "PIL", "scipy.ndimage"} & set(sys.modules), "importing the room is cheap"
import matplotlib
def rules():
    return {name: matplotlib.rcParams[name] for name in matplotlib.rcParams if name != "backend"}
before, backend = rules(), dict.__getitem__(matplotlib.rcParams, "backend")
import numpy as np
from topopt.grid import Grid
from topopt.history import History, Iteration
figures.save(figures.design(Grid((4, 3)), np.linspace(0, 1, 12)), sys.argv[1])
figures.save(figures.convergence(History([Iteration(1, 2.0)])), sys.argv[1])
assert "matplotlib.pyplot" not in sys.modules
assert dict.__getitem__(matplotlib.rcParams, "backend") is backend, "the backend is still to be chosen"
assert rules() == before
"""


def test_backend_and_rules_of_matplotlib_are_untouched(tmp_path):
    import os

    env = {name: value for name, value in os.environ.items() if name != "MPLBACKEND"}
    done = subprocess.run(
        [sys.executable, "-c", _UNTOUCHED, str(tmp_path / "d.png")], capture_output=True, text=True, env=env
    )
    assert done.returncode == 0, done.stderr


def test_an_absent_matplotlib_gives_advice(run, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingDependencyError, match="figures need matplotlib: pip install matplotlib"):
        figures.convergence(run(3))
