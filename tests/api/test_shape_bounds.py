"""A true shape enclosed by two images: exact layers, discs against their multipole series, bad input."""

import jax
import numpy as np
import pytest
from disc_array import disc_array_conductivity

import jaxhomog as jh


@pytest.mark.slow
def test_layers_on_voxel_faces_are_exact():
    grid, k = jh.Grid((6, 2), (3.0, 0.5)), (jh.LinearConduction(4.0), jh.LinearConduction(1.0))
    value = jh.shape_bounds(grid, jh.shapes.Box((1.25, 0.2), (1.5, 0.5)), *k, tolerance=1e-12).value
    exact = np.diag([1 / (0.5 / 4 + 0.5), 2.5])
    np.testing.assert_allclose(value.lower, exact, rtol=0, atol=1e-10)
    np.testing.assert_allclose(value.upper, exact, rtol=0, atol=1e-10)
    assert float(value.cut) == 0


@pytest.mark.slow
def test_layers_inside_voxels_are_enclosed():
    """A layer from 0.5 to 2.3 of six: the voxels 0 and 2 are cut; harmonic and arithmetic means of the two images."""
    grid, k = jh.Grid((6, 2)), (jh.LinearConduction(1.0), jh.LinearConduction(4.0))
    value = jh.shape_bounds(grid, jh.shapes.Box((1.4, 0.5), (1.8, 2.0)), *k, tolerance=1e-12).value
    few, many = 1 / 6, 3 / 6  # of the soft phase
    mean = lambda f: np.diag([1 / (f + (1 - f) / 4), f + (1 - f) * 4])  # noqa: E731
    np.testing.assert_allclose(value.upper, mean(few), rtol=0, atol=1e-10)
    np.testing.assert_allclose(value.lower, mean(many), rtol=0, atol=1e-10)
    assert float(value.cut) == pytest.approx(2 / 6)


@pytest.mark.parametrize(
    "ratio",
    [
        pytest.param(0.1, marks=pytest.mark.exhaustive),
        pytest.param(10.0, marks=pytest.mark.slow),
        pytest.param(50.0, marks=pytest.mark.exhaustive),
    ],
)
def test_discs_are_enclosed_and_the_gap_closes_with_the_voxels(ratio):
    exact, gaps = disc_array_conductivity(0.3, ratio), []
    for n in (16, 32, 64, 128):
        k = jh.LinearConduction(ratio), jh.LinearConduction(1.0)
        value = jh.shape_bounds(jh.Grid((n, n), (1.0, 1.0)), jh.shapes.Sphere((0.5, 0.5), 0.3), *k).value
        for bound, sign in ((value.lower, 1), (value.upper, -1)):
            assert np.linalg.eigvalsh(sign * (exact * np.eye(2) - np.asarray(bound))).min() > 0
        gaps.append(float(value.upper[0, 0] - value.lower[0, 0]))
    # O(h) with the scatter of where the circle cuts: a factor of eight within a half over three halvings.
    assert 5.3 < gaps[0] / gaps[-1] < 12


# Square array of discs, f = 0.3, plane strain, matrix mu = 1, nu = 0.3: mu and nu of the discs, C11, C12, C66
# (Kolosov-Muskhelishvili potentials with Rayleigh's lattice sums, as collected in the reference values).
ELASTIC_DISCS = {
    "stiff": (20.0, 0.2, 5.558485666357858, 2.0264381480054072, 1.4913268390387593),
    "soft": (0.1, 0.4, 2.1089118910047664, 0.8885211385798929, 0.4551948675979022),
}


@pytest.mark.parametrize(
    "kind", [pytest.param("stiff", marks=pytest.mark.slow), pytest.param("soft", marks=pytest.mark.exhaustive)]
)
def test_elastic_discs_are_enclosed_and_the_gap_closes_with_the_voxels(kind):
    mu, nu, c11, c12, c66 = ELASTIC_DISCS[kind]
    exact = np.array([[c11, c12, 0.0], [c12, c11, 0.0], [0.0, 0.0, 2 * c66]])
    laws = jh.LinearElastic.isotropic(2 * mu * (1 + nu), nu), jh.LinearElastic.isotropic(2.6, 0.3)
    disc, gaps = jh.shapes.Sphere((0.5, 0.5), np.sqrt(0.3 / np.pi)), []
    for n in (16, 64):
        value = jh.shape_bounds(jh.Grid((n, n), (1.0, 1.0)), disc, *laws).value
        for bound, sign in ((value.lower, 1), (value.upper, -1)):
            assert np.linalg.eigvalsh(sign * (exact - np.asarray(bound))).min() > 0
        gaps.append(np.trace(value.upper - value.lower))
    # O(h): a factor of four over two halvings, with the scatter of where the circle cuts.
    assert 3 < gaps[0] / gaps[-1] < 5.5


@pytest.mark.slow
def test_fractions_in_place_of_a_shape():
    f = np.repeat(np.array([[0.0, 0.0], [0.3, 0.3], [1.0, 1.0]]), 2, axis=0)
    k = jh.LinearConduction(2.0), jh.LinearConduction(1.0)
    value = jh.shape_bounds(jh.Grid((6, 2)), f, *k, tolerance=1e-12).value
    np.testing.assert_allclose(value.upper, np.diag([3 / (1 + 0.5 + 0.5), 5 / 3]), rtol=0, atol=1e-10)
    np.testing.assert_allclose(value.lower, np.diag([3 / (1 + 1 + 0.5), 4 / 3]), rtol=0, atol=1e-10)


def test_bad_input_says_what_to_do(unchecked):
    grid, disc = jh.Grid((4, 4), (1.0, 1.0)), jh.shapes.Sphere((0.5, 0.5), 0.3)
    one, two = jh.LinearConduction(1.0), jh.LinearConduction(2.0)
    across = jh.LinearConduction.tensor(np.diag([0.5, 3.0]))
    for run, words in (
        (lambda: jh.shape_bounds(grid, disc, one, across), "neither phase is the stiffer in every direction"),
        (lambda: jh.shape_bounds(grid, disc, jh.LinearConduction(np.ones((4, 4))), two), "inside varies from voxel"),
        (lambda: jh.shape_bounds(grid, disc, 1.0, two), "inside is a float"),
        (lambda: jh.shape_bounds(grid, disc, one, jh.LinearElastic.isotropic(1.0, 0.3)), "give one physics"),
        (lambda: jh.shape_bounds(grid, np.ones((3, 4)), one, two), r"array of shape \(3, 4\)"),
        (lambda: jh.shape_bounds(grid, 2 * np.ones((4, 4)), one, two), r"must lie in \[0, 1\]"),
        (lambda: jh.shape_bounds(grid, disc, one, two, element="q1r"), "element=...\\): it is fixed here"),
        (lambda: jh.shape_bounds(grid, jh.shapes.Sphere((0.5, 0.5), 3.0), one, two), "fills the whole box"),
        (
            lambda: jax.jit(lambda k: jh.shape_bounds(grid, disc, jh.LinearConduction(k), two).value.lower)(1.0),
            "outside of jit",
        ),
    ):
        with pytest.raises(jh.InputError, match=words):
            run()
