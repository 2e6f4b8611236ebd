"""Matrix functions of finite strain against scipy's."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg

from jaxhomog.materials._finite import (
    exponential,
    from_components,
    inverse,
    logarithm,
    logarithm_slope,
    to_components,
)

RNG = np.random.default_rng(3)


def fields(matrices):
    """(m, 3, 3) as nested lists of fields of m points."""
    return [[jnp.asarray(matrices[:, i, k]) for k in range(3)] for i in range(3)]


def matrices(a):
    """The reverse."""
    return np.stack([np.stack([np.asarray(x) for x in row], axis=-1) for row in a], axis=-2)


def definite(spread, number=5):
    """Symmetric matrices with random axes and eigenvalues between 1 / spread and spread, the first with equal ones."""
    turns = np.linalg.qr(RNG.normal(size=(number, 3, 3)))[0]
    values = spread ** RNG.uniform(-1, 1, size=(number, 3))
    values[0] = 1.1
    values[1, :2] = 0.9
    return np.einsum("mij,mj,mkj->mik", turns, values, turns)


@pytest.mark.parametrize(("spread", "error"), [(1.05, 1e-15), (5, 1e-13), (10, 1e-8)])
def test_the_logarithm_is_that_of_the_eigenvalues(spread, error):
    """Eigenvalues of a - 1, which keep their digits near 1 (scipy's logm is off by 1e-15 there)."""
    a = definite(spread)
    values, axes = np.linalg.eigh(a - np.eye(3))
    expected = np.einsum("mij,mj,mkj->mik", axes, np.log1p(values), axes)
    assert np.abs(matrices(logarithm(fields(a))) - expected).max() <= error * max(1, np.abs(expected).max())


def test_small_strains_keep_their_digits():
    small = definite(3) * 1e-9
    a = np.eye(3) + small
    found = matrices(logarithm(fields(a)))
    assert np.abs(found - (a - np.eye(3))).max() <= 1e-17 + 0.51 * (1e-9 * 3) ** 2 * 3


def test_the_slope_of_the_logarithm_is_its_derivative():
    a, change = definite(2), RNG.normal(size=(5, 3, 3))
    change = change + change.swapaxes(1, 2)
    slope = np.asarray(logarithm_slope(fields(a)))
    size = 1e-6
    expected = [
        (scipy.linalg.logm(x + size * d) - scipy.linalg.logm(x - size * d)) / (2 * size)
        for x, d in zip(a, change, strict=True)
    ]
    found = np.einsum("ijklm,mkl->mij", slope, change)
    assert np.abs(found - expected).max() <= 1e-8 * np.abs(expected).max()
    # Automatic differentiation of the logarithm agrees, equal eigenvalues included.
    push = jax.jvp(lambda x: to_components(logarithm(x)), (fields(a),), (fields(change),))[1]
    assert np.allclose(push, to_components(fields(found)), rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("size", [1e-3, 1.0, 3.0])
def test_the_exponential_is_that_of_the_eigenvalues(size):
    a = RNG.normal(size=(5, 3, 3))
    a = a + a.swapaxes(1, 2)
    a -= np.trace(a, axis1=1, axis2=2)[:, None, None] / 3 * np.eye(3)
    a *= size / np.linalg.norm(a, axis=(1, 2))[:, None, None]
    expected = np.stack([scipy.linalg.expm(x) for x in a])
    assert np.abs(matrices(exponential(fields(a))) - expected).max() <= 4e-14 * np.abs(expected).max()


def test_the_inverse_and_its_determinant():
    a = np.eye(3) + 0.3 * RNG.normal(size=(5, 3, 3))
    found, det = inverse(fields(a))
    assert np.allclose(det, np.linalg.det(a), rtol=1e-13)
    assert np.allclose(matrices(found), np.linalg.inv(a), rtol=1e-11, atol=1e-12)
    turned = np.diag([1.0, 1.0, -1.0])[None]
    found, det = inverse(fields(turned))
    assert float(det[0]) == -1
    assert np.array_equal(matrices(found)[0], np.eye(3))


def test_components_are_those_of_mandel():
    a = definite(2)
    x = to_components(fields(a))
    assert np.allclose(np.sum(np.asarray(x) ** 2, axis=0), np.sum(a**2, axis=(1, 2)))
    assert np.allclose(matrices(from_components(x)), a)
