"""The figures of a comparison: the data they are handed is what they draw, and failures can be seen."""

from __future__ import annotations

import io
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from topopt.errors import InputError, MissingDependencyError
from topopt.figures import sidebyside
from topopt.figures.comparison import Course, Curve, data_profile, performance_profile, value_over_solves
from topopt.figures.pens import pens, spread
from topopt.figures.sharpening import driven, sharpening
from topopt.figures.sidebyside import Portrait, designs, strips
from topopt.history import History, Iteration

INF = math.inf
MANY = [f"continuation {k}" for k in range(14)]


def pixels(figure):
    """Return a figure as it is saved; nothing may touch the rim, and it is no empty sheet."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=100)
    with Image.open(buffer) as image:
        colours = np.asarray(image.convert("RGB"), dtype=float)
    array = colours.mean(axis=2)
    assert np.concatenate([array[0], array[-1], array[:, 0], array[:, -1]]).min() > 250, (
        "something is cut off"
    )
    assert array.std() > 5
    return colours


def words(figure):
    return " ".join(text.get_text() for text in figure.findobj(match=lambda a: hasattr(a, "get_text")))


def lines(axes, n):
    """Return the lines with more points than a thread has."""
    return [line for line in axes.get_lines() if len(line.get_xdata()) == n]


def profiles(n=3):
    at = np.array([1.0, 1.02, 1.3])
    return {name: Curve(at + 0.001 * k, np.array([0.25, 0.5, 0.75])) for k, name in enumerate(MANY[:n])}


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12), st.floats(0.001, 0.05))
def test_labels_are_spread_apart_in_order_and_inside(places, gap):
    found = spread(sorted(places), gap)
    assert np.all(np.diff(found) >= gap - 1e-12)
    assert found[0] >= -1e-12
    assert found[-1] <= 1 + 1e-12


def test_labels_move_no_farther_than_they_must():
    np.testing.assert_allclose(spread([0.2, 0.8], 0.1), [0.2, 0.8])
    np.testing.assert_allclose(spread([0.5, 0.5, 0.5], 0.1), [0.4, 0.5, 0.6])
    np.testing.assert_allclose(spread([0.0, 0.0], 0.1), [0.0, 0.1])
    np.testing.assert_allclose(spread([0.5] * 5, 0.5), [-0.5, 0.0, 0.5, 1.0, 1.5])


def test_no_two_of_many_lines_look_alike():
    looks = {(pen.colour, str(pen.dashes)) for pen in pens([str(k) for k in range(28)]).values()}
    assert len(looks) == 28


def test_a_continuation_keeps_its_colour_in_every_figure():
    shown = profiles(3)
    figure = data_profile({MANY[2]: shown[MANY[2]]}, MANY)
    assert lines(figure.axes[0], 5)[0].get_color() == pens(MANY)[MANY[2]].colour


def test_the_performance_profile_draws_per_cents_above_the_best():
    figure = performance_profile({"a": Curve(np.array([1.0, 1.02]), np.array([0.25, 0.75]))})
    (line,) = lines(figure.axes[0], 4)
    np.testing.assert_allclose(line.get_xdata()[1:3], [0.1, 2.0])
    np.testing.assert_allclose(line.get_ydata(), [0.0, 0.25, 0.75, 0.75])
    assert "a  75 %" in words(figure)
    pixels(figure)


def test_lines_that_coincide_are_drawn_a_few_points_apart():
    same = Curve(np.array([3.0]), np.array([0.5]))
    figure = data_profile({"a": same, "b": same})
    figure.canvas.draw()
    true = figure.axes[0].transData.transform((3.0, 0.5))
    a, b = (line.get_transform().transform((3.0, 0.5)) for line in lines(figure.axes[0], 3))
    assert a[0] == pytest.approx(true[0])
    assert a[1] - b[1] == pytest.approx(1.3 * figure.dpi / 72)
    assert 0.5 * (a[1] + b[1]) == pytest.approx(true[1])


def test_a_continuation_that_always_failed_lies_along_the_foot():
    for draw in (performance_profile, data_profile):
        figure = draw({"a": Curve(np.empty(0), np.empty(0)), "b": Curve(np.array([3.0]), np.array([1.0]))})
        line = lines(figure.axes[0], 2)[0]
        assert list(line.get_ydata()) == [0.0, 0.0]
        assert "a  0 %" in words(figure)


@pytest.mark.parametrize("n", [1, 14])
def test_profiles_of_few_and_of_many(n):
    pixels(performance_profile(profiles(n)))
    pixels(data_profile(profiles(n), goal="to within 5 %"))


def test_values_over_solves_are_drawn_and_broken_ones_crossed():
    courses = [
        Course("a", np.array([5.0, 10.0, 20.0]), np.array([3.5, 1.2, 1.0])),
        Course("b", np.array([5.0, 10.0, 20.0]), np.array([INF, 1.5, INF]), failed=True),
    ]
    figure = value_over_solves(courses)
    a, b = lines(figure.axes[0], 3)[:2]
    np.testing.assert_allclose(a.get_ydata(), [200.0, 20.0, 0.1])
    crossed = [line for line in figure.axes[0].get_lines() if line.get_marker() == "x"]
    assert [len(line.get_xdata()) for line in crossed] == [0, 2]
    assert b.get_ydata()[0] > 200.0
    assert "b  failed" in words(figure)
    assert "broken" in words(figure)
    pixels(figure)


def test_a_run_that_failed_is_crossed_whatever_its_last_value():
    figure = value_over_solves([Course("a", np.array([5.0, 10.0]), np.array([1.2, 1.1]), failed=True)])
    (cross,) = (line for line in figure.axes[0].get_lines() if line.get_marker() == "x")
    assert list(cross.get_xdata()) == [10.0]


def test_runs_from_several_starts_share_a_name_and_failures_are_counted():
    two = [Course("a", np.array([1.0, 2.0]), np.array([1.1, end]), math.isinf(end)) for end in (1.0, INF)]
    said = words(value_over_solves(two))
    assert said.count("a  failed 1 of 2") == 1


def test_there_must_be_something_to_draw():
    with pytest.raises(InputError, match="no design was judged"):
        value_over_solves([Course("a", np.empty(0), np.empty(0), True)])
    with pytest.raises(InputError, match="every history is empty"):
        sharpening([("a", History())])
    with pytest.raises(InputError, match="no run kept a vanishing log"):
        strips([("a", History()), ("b", History([Iteration(1, 1.0)]))])
    with pytest.raises(InputError, match="no run left a design"):
        designs([Portrait("a", "", None, "failed")])


def test_sharpening_shows_infinity_and_where_a_run_stops(run):
    figure = sharpening([
        ("stairs", run(30, betas=lambda k: (1.0, 8.0, INF)[k // 10])),
        ("short", run(10)), ("none", History()),
    ])  # fmt: skip
    upper, lower = figure.axes
    assert upper.get_ylabel() == r"$\beta$"
    assert "survival" in lower.get_ylabel()
    assert [tick.get_text() for tick in upper.get_yticklabels()][-1] == "∞"
    level = lines(upper, 30)[0].get_ydata()
    assert (level[9], level[19]) == (1.0, 8.0)
    assert 8.0 < level[29] < upper.get_ylim()[1]
    dots = [
        line for line in upper.get_lines() if line.get_marker() == "o" and list(line.get_xdata()) == [10.0]
    ]
    assert len(dots) == 1
    pixels(figure)


def test_sharpening_without_a_beta_takes_what_changes():
    def steps(name, values):
        return History(
            Iteration(k + 1, 1.0, parameters={"a.same": 1.0, name: v}) for k, v in enumerate(values)
        )

    assert driven([steps("stiffness.penal", [1.0, 2.0])]) == "stiffness.penal"
    assert driven([steps("z.beta", [1.0, 1.0])]) == "z.beta"
    assert driven([History([Iteration(1, 1.0)])]) == ""
    assert len(sharpening([("a", History([Iteration(1, 1.0)]))]).axes) == 1


def test_strips_have_a_panel_a_run_and_the_alarms(run):
    histories = [
        ("sound", run(20)),
        ("frozen", run(30, betas=lambda k: 64.0, alarms=lambda k: ("freeze", "masked") if k > 3 else ())),
        ("crashed", History()),
    ]
    figure = strips(histories)
    assert [axes.get_title(loc="left") for axes in figure.axes[:3]] == ["sound", "frozen", "crashed"]
    said = words(figure)
    assert "failed before the first iteration" in said
    assert "freeze" in said
    assert "masked" in said
    assert figure.axes[0].get_xlim() == figure.axes[1].get_xlim() == (0.5, 30.5)
    np.testing.assert_allclose(
        figure.axes[0].images[0].get_array()[0], 1 - histories[0][1].stage("design", "dead3")
    )
    pixels(figure)


@pytest.mark.parametrize("n", [1, 2, 13])
def test_strips_of_few_and_of_many(run, n):
    pixels(strips([(name, run(12, alarms=lambda k: ("blow-up",) if k == 5 else ())) for name in MANY[:n]]))


def test_designs_are_drawn_with_y_up_and_solid_black():
    density = np.zeros((6, 3))
    density[0, 2] = 1.0  # left, on top
    picture = designs([Portrait("a", "200", density)]).axes[0].images[0].get_array()
    assert picture[0, 0] == 0
    assert np.count_nonzero(picture != 255) == picture.size // 18


def test_failed_designs_are_framed_and_say_why():
    figure = designs([
        Portrait("good", "200 (best)", np.eye(6)), Portrait("bad", "", np.eye(6), "no path to a support"),
        Portrait("gone", "", None, "NumericalError"),
    ])  # fmt: skip
    said = words(figure)
    assert "broken: no path to a support" in said
    assert "NumericalError" in said
    widths = [axes.spines["left"].get_linewidth() for axes in figure.axes[:3]]
    assert widths[0] < widths[1] == widths[2]
    pixels(figure)


@pytest.mark.parametrize("shape", [(60, 4), (40, 20), (10, 30)])
@pytest.mark.parametrize("n", [1, 13])
def test_designs_of_any_shape(shape, n):
    density = np.random.default_rng(1).random(shape)
    pixels(designs([Portrait(name, "200", density) for name in MANY[:n]]))


def test_bodies_are_drawn_as_surfaces_or_as_x_rays(monkeypatch):
    body = np.zeros((8, 4, 4))
    body[:, 1:3, 1:3] = 1.0
    portraits = [Portrait("a", "1", body), Portrait("gone", "", None, "failed")]
    try:
        assert designs(portraits).axes[0].images[0].get_array().ndim == 3
    except MissingDependencyError:
        pytest.fail("the X-rays should have been drawn")

    def no_opengl(*_):
        raise MissingDependencyError("3-D pictures need OpenGL")

    monkeypatch.setattr(sidebyside, "studio", no_opengl)
    figure = designs(portraits)
    assert figure.axes[0].images[0].get_array().ndim == 2
    pixels(figure)
