"""Densities: the filter against its definition, the projection against its closed form, the orbits of point groups."""

import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxhomog as jh
from jaxhomog.studies import density_filter, orbits, point_group, projected, ramp, simp
from jaxhomog.studies._symmetry import transformed

RNG = np.random.default_rng(5)
GROUPS = [(2, name) for name in ("1", "2", "m", "2mm", "4", "4mm")]
GROUPS += [(3, name) for name in ("1", "-1", "mmm", "4/mmm", "m-3", "m-3m")]
# International Tables for Crystallography A: orders of the groups.
ORDERS = dict(zip(GROUPS, (1, 2, 2, 4, 4, 8, 1, 2, 8, 16, 24, 48), strict=True))


@pytest.mark.parametrize("shape, lengths, radius", [((5, 6), (1.0, 0.6), 0.35), ((4, 3, 5), (1.0, 2.0, 1.5), 0.9)])
def test_the_filter_is_the_conic_mean_over_nearest_images(shape, lengths, radius):
    field = RNG.random(shape)
    points = np.array(list(itertools.product(*map(range, shape)))) * np.array(lengths) / shape
    gap = np.abs(points[:, None] - points[None])
    gap = np.minimum(gap, lengths - gap)
    weight = np.maximum(0, 1 - np.linalg.norm(gap, axis=-1) / radius)
    expected = (weight @ field.ravel() / weight.sum(1)).reshape(shape)
    assert (weight > 0).sum(1).min() > 4
    grid = jh.Grid(shape, lengths)
    found = density_filter(grid, field, radius)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-13)
    assert float(found.mean()) == pytest.approx(field.mean(), rel=1e-13)
    slope = jax.grad(lambda r: jnp.sum(density_filter(grid, field, r) ** 2))(radius)
    norms = [float(jnp.sum(density_filter(grid, field, radius + e) ** 2)) for e in (1e-6, -1e-6)]
    assert float(slope) == pytest.approx((norms[0] - norms[1]) / 2e-6, rel=1e-6)


def test_the_filter_damps_a_wave_by_its_symbol():
    """A cosine is an eigenvector: sum of w cos(k r) over the weights, here three voxels along one axis."""
    x = 2 * np.pi * np.arange(8)[:, None] / 8 * np.ones((1, 4))
    found = density_filter(jh.Grid((8, 4), (8.0, 400.0)), np.cos(x), 2.0)
    np.testing.assert_allclose(found, (1 + math.cos(math.pi / 4)) / 2 * np.cos(x), rtol=0, atol=1e-14)


def test_the_projection():
    f = np.linspace(0, 1, 11)
    for b, t in ((4.0, 0.5), (9.0, 0.3)):
        found = projected(f, b, t)
        assert abs(found[0]) < 1e-15 and found[-1] == pytest.approx(1, rel=1e-14)
        # Closed form in exponentials, and the derivative b sech^2 over the same denominator.
        th = lambda z: (np.exp(2 * z) - 1) / (np.exp(2 * z) + 1)  # noqa: E731
        below = th(b * t) + th(b * (1 - t))
        np.testing.assert_allclose(found, (th(b * t) + th(b * (f - t))) / below, rtol=0, atol=1e-14)
        slope = jax.vmap(jax.grad(projected), (0, None, None))(f, b, t)
        np.testing.assert_allclose(slope, b / np.cosh(b * (f - t)) ** 2 / below, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(projected(f, 1e-4), f, rtol=0, atol=1e-8)
    np.testing.assert_allclose(projected(f, 1e4), [0] * 5 + [0.5] + [1] * 5, rtol=0, atol=1e-12)


def test_interpolations():
    assert simp(np.array([0.0, 0.5, 1.0]), 2.0, 0.1).tolist() == pytest.approx([0.1, 0.325, 1.0])
    assert float(simp(-1e-17, 2.5, 0.1)) == 0.1 and float(jax.grad(simp)(-1e-17, 2.5, 0.1)) == 0
    assert ramp(np.array([0.0, 0.5, 1.0]), 3.0, 0.1).tolist() == pytest.approx([0.1, 0.28, 1.0])


@pytest.mark.parametrize("dim, symmetry", GROUPS, ids=str)
def test_point_groups_are_groups_and_orbits_keep_them(dim, symmetry):
    group = point_group(symmetry, dim)
    keys = {tuple(g.ravel()) for g in group}
    assert len(group) == len(keys) == ORDERS[dim, symmetry]
    assert {tuple((a @ b).ravel()) for a in group for b in group} == keys
    shape = (6,) * dim
    labels = orbits(shape, symmetry)
    values = RNG.random(labels.max() + 1)
    assert np.unique(values[labels]).size == values.size
    for operation in group:
        assert np.array_equal(transformed(values[labels], operation), values[labels])
    # Burnside's lemma: the number of orbits is the mean number of voxels that an operation leaves in place.
    index = np.arange(6**dim).reshape(shape)
    fixed = [np.sum(transformed(index, operation) == index) for operation in group]
    assert values.size == np.mean(fixed)


def test_an_operation_moves_points_by_its_matrix():
    quarter = next(g for g in point_group("4", 2) if (g == [[0, -1], [1, 0]]).all())
    field = np.zeros((3, 3))
    field[2, 1] = 1  # at (1, 0) from the centre; turned by a quarter it is at (0, 1)
    assert transformed(field, quarter)[1, 2] == 1


def test_a_density_field():
    grid = jh.Grid((6, 6), (1.0, 1.0))
    field = jh.DensityField(grid, 0.3, "4mm")
    assert field.number == 6
    variables = RNG.random(6)
    image = field.density(variables, 8.0)
    for operation in point_group("4mm", 2):
        np.testing.assert_allclose(transformed(np.asarray(image), operation), image, rtol=0, atol=1e-14)
    np.testing.assert_allclose(field.variables(variables[field.labels]), variables, rtol=1e-14)
    raw = RNG.random((6, 6))
    expected = [raw[field.labels == k].mean() for k in range(6)]
    np.testing.assert_allclose(field.variables(raw), expected, rtol=1e-14)


def test_the_same_variables_on_a_finer_grid():
    """Twice the voxels, the same blocks, a radius that is a length: the filtered fields approach one another."""
    coarse = jh.DensityField(jh.Grid((8, 8), (2.0, 2.0)), 0.8)
    fine = coarse.refined(2)
    assert fine.grid.shape == (16, 16) and fine.number == coarse.number
    np.testing.assert_array_equal(fine.grid.lengths, coarse.grid.lengths)
    variables = RNG.random(64)
    assert np.array_equal(variables[fine.labels][::2, 1::2], variables[coarse.labels])
    small = density_filter(fine.grid, variables[fine.labels], 0.8)
    means = np.asarray(small).reshape(8, 2, 8, 2).mean((1, 3))
    large = density_filter(coarse.grid, variables[coarse.labels], 0.8)
    assert np.abs(means - large).max() < 0.25 * np.ptp(large)
    still = density_filter(coarse.refined(4).grid, variables[coarse.refined(4).labels], 0.8)
    finest = np.asarray(still).reshape(16, 2, 16, 2).mean((1, 3))
    assert np.abs(finest - small).max() < 0.5 * np.abs(means - large).max()


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda: jh.DensityField(jh.Grid((4, 6)), 1.0, "4mm"), "exchanges directions of shape (4, 6)"),
        (lambda: jh.DensityField(jh.Grid((4, 4), (1.0, 2.0)), 1.0, "4"), "exchanges directions of lengths [1.0, 2.0]"),
        (lambda: jh.DensityField(jh.Grid((4, 4)), 1.0, "m-3m"), "choose from 1, 2, m, 2mm, 4, 4mm"),
        (lambda: jh.DensityField(jh.Grid((4, 4)), -1.0), "radius=-1.0: give a positive length"),
        (lambda: density_filter(jh.Grid((4, 4)), np.zeros((4, 5)), 1.0), "shape (4, 5) and the grid (4, 4)"),
        (lambda: density_filter(jh.Grid((4, 4)), np.zeros((4, 4)), np.nan), "radius=nan"),
        (lambda: jh.DensityField(jh.Grid((4, 4)), 1.0).density(np.zeros(3), 1.0), "takes (16,)"),
        (lambda: jh.DensityField(jh.Grid((4, 4)), 1.0).variables(np.zeros((2, 2))), "shape (2, 2)"),
        (lambda: jh.DensityField(jh.Grid((4, 4)), 1.0).refined(0.5), "factor=0.5"),
    ],
)
def test_bad_input_is_one_line(unchecked, call, words):
    with pytest.raises(jh.InputError) as caught:
        call()
    line = str(caught.value)
    assert words in line and len(line.splitlines()) == 1
