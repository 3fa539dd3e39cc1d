"""A design is shown as people draw it: x to the right, y up, solid black."""

import io

import numpy as np
from PIL import Image

from topopt.design import Design
from topopt.grid import Grid
from topopt.regions import Box


def corner(grid, lower, upper):
    return Design(grid, grid.cells_in(Box(lower, upper)).astype(float))


def test_y_points_up_and_x_to_the_right():
    pixels = corner(Grid((4, 3)), (0.0, 2.0), (2.0, 3.0)).pixels()  # the upper left corner, two cells
    assert pixels.dtype == np.uint8
    assert pixels.tolist() == [[0, 0, 255, 255], [255] * 4, [255] * 4]


def test_grey_values_are_clipped_densities():
    grid = Grid((5, 1))
    pixels = Design(grid, np.array([-0.1, 0.0, 0.4, 1.0, 1.2])).pixels()
    assert pixels.tolist() == [[255, 255, 153, 0, 0]]


def test_a_body_is_shown_by_three_x_rays_side_by_side():
    grid = Grid((4, 3, 2))
    body = corner(grid, (0.0, 2.0, 1.0), (1.0, 3.0, 2.0))  # one cell: x first, y last, z last
    pixels = body.pixels()
    assert pixels.shape == (3, 4 + 4 + 2 + 6)
    along_z, along_y, along_x = pixels[:, 1:5], pixels[:, 7:11], pixels[:, 13:15]
    assert np.argwhere(along_z < 255).tolist() == [[0, 0]]  # x right, y up: top left
    assert np.argwhere(along_y < 255).tolist() == [
        [1, 0]
    ]  # x right, z up: the upper of two rows, at the foot
    assert np.argwhere(along_x < 255).tolist() == [[0, 1]]  # z right, y up: top right
    assert along_z[0, 0] == round(255 * (1 - 1 / 2))  # the mean along an axis of two cells
    assert along_y[1, 0] == round(255 * (1 - 1 / 3))
    assert along_x[0, 1] == round(255 * (1 - 1 / 4))
    assert (pixels < 255).sum() == 3


def test_pixels_are_square_whatever_the_cells():
    grid = Grid((2, 3), (4.0, 3.0))  # cells twice as wide as high
    pixels = Design(grid, np.array([1.0, 0.0, 0.0, 0.0, 0.0, 1.0])).pixels()
    assert pixels.tolist() == [[255, 255, 0, 0], [255] * 4, [0, 0, 255, 255]]


def test_a_notebook_gets_a_png():
    design = corner(Grid((4, 3)), (0.0, 2.0), (2.0, 3.0))
    with Image.open(io.BytesIO(design._repr_png_())) as image:
        assert image.format == "PNG"
        assert image.size == (600, 450)
        assert np.asarray(image)[75::150, 75::150].tolist() == design.pixels().tolist()


def test_a_wide_grid_is_not_enlarged():
    design = Design(Grid((700, 2)), np.ones(1400))
    with Image.open(io.BytesIO(design._repr_png_())) as image:
        assert image.size == (700, 2)
