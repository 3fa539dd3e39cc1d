"""Element matrices: rigid motions cost nothing, constant strains cost what theory says."""

import itertools

import numpy as np
import pytest

from topopt.errors import InputError, ParameterError
from topopt.fem import Material
from topopt.fem.element import diffusion, mass, shapes, stiffness, strain_displacement
from topopt.fem.material import elasticity

CELLS = [
    (np.array([1.0, 1.0]), Material(), 3),
    (np.array([2.5, 0.4]), Material(young=3.0, poisson=0.4, plane="strain", thickness=0.7), 3),
    (np.array([1.0, 1.3, 0.7]), Material(young=2.0, poisson=-0.2), 6),
    (np.array([0.1, 4.0, 1.0]), Material(poisson=0.45), 6),
]


@pytest.mark.parametrize(("spacing", "material", "n_rigid"), CELLS)
def test_exactly_the_rigid_motions_are_free(spacing, material, n_rigid):
    matrix = stiffness(spacing, elasticity(material, len(spacing)), material.thickness)
    assert np.array_equal(matrix, matrix.T)
    sizes = np.linalg.eigvalsh(matrix)
    assert np.all(np.abs(sizes[:n_rigid]) < 1e-13 * sizes[-1])
    assert np.all(sizes[n_rigid:] > 1e-8 * sizes[-1])


@pytest.mark.parametrize(("spacing", "material", "n_rigid"), CELLS)
def test_energy_of_every_constant_strain(spacing, material, n_rigid):
    ndim = len(spacing)
    law = elasticity(material, ndim)
    matrix = stiffness(spacing, law, material.thickness)
    corners = np.array(list(itertools.product((0, 1), repeat=ndim))) * spacing
    pairs = list(itertools.combinations(range(ndim), 2))
    for row in range(len(law)):
        gradient = np.zeros((ndim, ndim))
        if row < ndim:
            gradient[row, row] = 1.0
        else:
            gradient[pairs[row - ndim]] = 1.0
        u = (corners @ gradient.T).ravel()
        volume = spacing.prod() * material.thickness
        assert u @ matrix @ u == pytest.approx(law[row, row] * volume, rel=1e-12)


def test_first_row_of_the_unit_square_in_plane_stress():
    nu = 0.3
    matrix = stiffness(np.ones(2), elasticity(Material(poisson=nu), 2))
    # Closed form of the 88-line code, doi:10.1007/s00158-010-0594-7, corner order (0,0), (0,1), (1,0), (1,1).
    k = np.array([1 / 2 - nu / 6, 1 / 8 + nu / 8, nu / 6, 1 / 8 - 3 * nu / 8])
    k = np.append(k, [-1 / 4 - nu / 12, 3 * nu / 8 - 1 / 8, -1 / 4 + nu / 12, -1 / 8 - nu / 8]) / (1 - nu**2)
    assert matrix[0] == pytest.approx(k, abs=1e-14)


def test_hooke_inverts_to_young_and_poisson():
    material = Material(young=7.0, poisson=0.25)
    plane_stress = np.linalg.inv(elasticity(material, 2))
    assert plane_stress[0] == pytest.approx([1 / 7, -0.25 / 7, 0], abs=1e-15)
    solid = np.linalg.inv(elasticity(material, 3))
    assert solid[0] == pytest.approx([1 / 7, -0.25 / 7, -0.25 / 7, 0, 0, 0], abs=1e-15)
    assert solid[3, 3] == pytest.approx(2 * 1.25 / 7)
    strain = elasticity(Material(young=7.0, poisson=0.25, plane="strain"), 2)
    assert strain == pytest.approx(elasticity(material, 3)[np.ix_([0, 1, 3], [0, 1, 3])])


def test_shapes_are_one_at_their_corner_and_sum_to_one():
    spacing = np.array([1.0, 2.0, 3.0])
    for number, corner in enumerate(itertools.product((0.0, 1.0), repeat=3)):
        assert shapes(np.array(corner), spacing)[0] == pytest.approx(np.eye(8)[number])
    values, gradients = shapes(np.array([0.2, 0.7, 0.4]), spacing)
    assert values.sum() == pytest.approx(1.0)
    assert gradients.sum(axis=0) == pytest.approx(np.zeros(3), abs=1e-15)
    assert strain_displacement(gradients).shape == (6, 24)


def test_scalar_matrices_integrate_products_exactly():
    spacing = np.array([2.0, 0.5])
    corners = np.array(list(itertools.product((0, 1), repeat=2))) * spacing
    x, y = corners.T
    # integrals over the cell of x^2, x y, and of grad(x y) . grad(x y) = x^2 + y^2
    assert x @ mass(spacing) @ x == pytest.approx(8 / 3 * 0.5)
    assert x @ mass(spacing) @ y == pytest.approx(2 * 0.125)
    assert (x * y) @ diffusion(spacing) @ (x * y) == pytest.approx(8 / 3 * 0.5 + 2 * 0.125 / 3)


@pytest.mark.parametrize("poisson", [-1.0, 0.5, 0.7, float("nan")])
def test_poisson_out_of_bounds(poisson):
    with pytest.raises(ParameterError, match=r"Material.poisson: expected"):
        Material(poisson=poisson)


def test_other_mistakes_in_a_material():
    with pytest.raises(ParameterError, match=r"Material.young: expected a value > 0, got -1"):
        Material(young=-1.0)
    with pytest.raises(InputError, match="must be finite"):
        Material(young=float("inf"))
    with pytest.raises(InputError, match=r"'strian' is unknown; did you mean 'strain'\?"):
        Material(plane="strian")
    with pytest.raises(InputError, match="plane and thickness belong to 2-D structures"):
        elasticity(Material(plane="strain"), 3)
    with pytest.raises(InputError, match="plane and thickness belong to 2-D structures"):
        elasticity(Material(thickness=2.0), 3)
