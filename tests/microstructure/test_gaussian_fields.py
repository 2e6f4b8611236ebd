"""Gaussian random fields: correlation, seeds and keys, level cuts with the wanted expected fraction."""

import jax
import numpy as np
import pytest

from jaxhomog.microstructure import gaussian_field, thresholded
from jaxhomog.results import InputError


def _periodised(n, length):
    """sum over images of exp(-r^2 / 2 l^2) over its value at the origin, r = 0 ... n - 1."""
    r = np.arange(n) + n * np.arange(-20, 21)[:, None]
    value = np.exp(-0.5 * (r / length) ** 2).sum(0)
    return value / value[0]


@pytest.mark.parametrize(
    "shape, lengths, source",
    (((17,), 2.5, "seed"), ((8, 9), (0.7, 3.0), "seed"), ((4, 6, 5), 1.3, "seed"), ((9, 8), (3.0, 0.7), "key")),
)
def test_correlation(shape, lengths, source):
    """Sample covariance of 4000 realizations against the closed form, within five standard errors 1/sqrt(4000)."""
    seed = 3 if source == "seed" else jax.random.key(3)
    g = np.asarray(gaussian_field(shape, lengths, number=4000, seed=seed)).reshape(4000, -1)
    expected = np.ones(())
    for n, l in zip(shape, np.broadcast_to(lengths, len(shape)), strict=True):
        expected = np.multiply.outer(expected, _periodised(n, l))
    found = np.mean(g[:, :1] * g, axis=0)
    # var(g(0) g(r)) = 1 + rho^2.
    error = np.sqrt((1 + expected.ravel() ** 2) / 4000)
    assert np.max(np.abs(found - expected.ravel()) / error) < 5
    assert np.max(np.abs(g.mean(0))) < 5 / np.sqrt(4000)


def test_seeds_and_keys():
    one = gaussian_field((6, 5), 1.0, seed=7)
    assert one.shape == (6, 5) and one.dtype == np.float64
    many = gaussian_field((6, 5), 1.0, number=3, seed=7)
    np.testing.assert_array_equal(many[0], one)
    assert not np.allclose(many[0], many[1]) and not np.allclose(one, gaussian_field((6, 5), 1.0, seed=8))
    key = jax.random.key(1)
    lane = gaussian_field((6, 5), 1.0, seed=key)
    np.testing.assert_allclose(jax.jit(lambda k: gaussian_field((6, 5), 1.0, seed=k))(key), lane, rtol=0, atol=1e-12)
    keys = jax.random.split(key, 2)
    batch = jax.vmap(lambda k: gaussian_field((6, 5), 1.0, seed=k))(keys)
    np.testing.assert_allclose(batch[1], gaussian_field((6, 5), 1.0, seed=keys[1]), rtol=0, atol=1e-12)
    labels = jax.jit(lambda k: thresholded(gaussian_field((6, 5), 1.0, seed=k), 0.3))(key)
    np.testing.assert_array_equal(labels, thresholded(np.asarray(lane), 0.3))
    with jax.enable_x64(False):
        assert gaussian_field((6, 5), 1.0, seed=jax.random.key(1)).dtype == np.float32


@pytest.mark.parametrize("fraction", (0.1, 0.5, 0.8))
def test_expected_fraction(fraction):
    """Nearly white noise: the fraction scatters as that of independent voxels."""
    labels = thresholded(gaussian_field((300, 300), 0.1, number=4, seed=2), fraction)
    assert labels.dtype == np.int32 and set(np.unique(labels)) == {0, 1}
    assert abs(labels.mean() - fraction) < 3 * np.sqrt(fraction * (1 - fraction) / labels.size)


def test_a_length_beyond_the_box_is_a_uniform_field():
    """exp(-2 pi^2 l^2 / n^2) is all that varies; a length of any size costs the same."""
    g = gaussian_field((8, 6), 1e15, number=2000, seed=1)
    assert np.max(np.ptp(g.reshape(2000, -1), axis=1)) < 1e-6
    assert abs(g[:, 0, 0].var() - 1) < 5 * np.sqrt(2 / 2000)


def test_bad_input(unchecked):
    for bad in (0.0, -1.0, np.nan, (1.0, 2.0, 3.0), "x", None):
        with pytest.raises(InputError, match="length="):
            gaussian_field((8, 8), bad)
    for bad in (-1, 1.5, True, "2"):
        with pytest.raises(InputError, match="number="):
            gaussian_field((8, 8), 1.0, number=bad)
    for bad in (-1, 1.5, "a", None, True, np.arange(2)):
        with pytest.raises(InputError, match="seed="):
            gaussian_field((8, 8), 1.0, seed=bad)
    for bad in ((8, 8, 8, 8), (8.5, 8), "ab", None):
        with pytest.raises(InputError, match="shape="):
            gaussian_field(bad, 1.0)
    for bad in (0.0, 1.0, np.nan, "x", None, True):
        with pytest.raises(InputError, match="fraction="):
            thresholded(np.zeros((4, 4)), bad)
    for bad in ("abc", None, np.zeros((2, 2), int)):
        with pytest.raises(InputError, match="field has dtype"):
            thresholded(bad, 0.5)
    for bad in (np.full(3, np.nan), jax.numpy.array([0.0, np.nan])):
        with pytest.raises(InputError, match="holds NaN"):
            thresholded(bad, 0.5)
