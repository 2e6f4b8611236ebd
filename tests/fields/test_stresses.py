"""Stresses of the rectangular H(div) element: admissible point by point, with their own energy."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxhomog.fields import _stresses
from jaxhomog.fields._stress_green import balanced, stress_green
from jaxhomog.fields._stresses import (
    complementary_energies,
    energy_slope,
    fast_energy_slope,
    imbalance,
    stress_means,
    stress_modes,
    uniform_stress,
)
from jaxhomog.messages import AnisotropicElasticResponse, IsotropicElasticResponse, mandel_pairs, upper_triangle
from jaxhomog.tensors import from_mandel

SHAPES = [(4, 5), *(pytest.param(s, marks=pytest.mark.slow) for s in ((1, 4), (4, 3, 2), (3, 1, 5)))]
balance = jax.jit(balanced)
shapes = pytest.mark.parametrize("shape", SHAPES, ids=str)


def edges(shape):
    return np.array([1.0, 1.3, 0.8])[: len(shape)]


def numbers(shape, seed=0, *lead):
    n = len(mandel_pairs(len(shape)))
    return np.random.default_rng(seed).normal(size=(*lead, n, *shape))


def at(stress, h, xi):
    """The stress tensor (d, d, *shape) at the point xi, in -1..1 along every axis, of every voxel."""
    modes, d = stress_modes([jnp.asarray(x) for x in stress], jnp.asarray(h)), len(h)
    out = np.zeros((d, d, *stress.shape[1:]))
    for i, j in mandel_pairs(d):
        value = np.asarray(modes.mean[i, j])
        for k in {i, j}:
            value = value + np.asarray(modes.linear[k][i, j]) * xi[k]
        if i == j:
            value = value + np.asarray(modes.quadratic[i, i]) * (3 * xi[i] ** 2 - 1) / 2
        else:
            value = value + np.asarray(modes.bilinear[i, j]) * xi[i] * xi[j]
        out[i, j] = out[j, i] = value
    return out


def divergence(stress, h, xi, step=0.3):
    """Central differences are exact for quadratic functions."""
    out = 0
    for k in range(len(h)):
        move = step * np.eye(len(h))[k]
        out = out + (at(stress, h, xi + move)[:, k] - at(stress, h, xi - move)[:, k]) / (step * h[k])
    return out


@shapes
def test_balanced_stresses_have_no_divergence_anywhere(shape):
    h, rng = edges(shape), np.random.default_rng(1)
    raw = numbers(shape)
    clean = np.asarray(balance(jnp.asarray(raw), jnp.asarray(h)))
    assert max(np.abs(x).max() for x in imbalance(jnp.asarray(clean), len(h))) < 1e-13
    for xi in rng.uniform(-1, 1, (3, len(h))):
        assert np.abs(divergence(clean, h, xi)).max() < 1e-12
        assert np.abs(divergence(raw, h, xi)).max() > 0.5


@shapes
def test_tractions_are_continuous(shape):
    """From both sides of every face, at random points of it, for any numbers."""
    h, stress, rng = edges(shape), numbers(shape), np.random.default_rng(2)
    for k, xi in itertools.product(range(len(h)), rng.uniform(-1, 1, (2, len(h)))):
        here, there = np.array(xi), np.array(xi)
        here[k], there[k] = 1, -1
        left, right = at(stress, h, here)[:, k], np.roll(at(stress, h, there)[:, k], -1, axis=k + 1)
        np.testing.assert_allclose(left, right, rtol=0, atol=1e-13)


def responses(shape, seed=3):
    """Random compliances of both kinds, and as Mandel matrices (*shape, n, n)."""
    rng, d = np.random.default_rng(seed), len(shape)
    n = len(mandel_pairs(d))
    lam, mu = -rng.uniform(0.05, 0.2, shape), rng.uniform(0.5, 1, shape)
    hydrostatic = np.zeros((n, n))
    hydrostatic[:d, :d] = 1
    matrix = lam[..., None, None] * hydrostatic + 2 * mu[..., None, None] * np.eye(n)
    yield IsotropicElasticResponse(jnp.asarray(lam), jnp.asarray(mu), d), matrix
    a = rng.normal(size=(*shape, n, n))
    matrix = a @ np.swapaxes(a, -1, -2) + 0.1 * np.eye(n)
    rows = np.stack([matrix[..., i, j] for i, j in upper_triangle(n)])
    yield AnisotropicElasticResponse(jnp.asarray(rows), d), matrix


@shapes
def test_energies_are_the_quadrature_of_the_polynomials(shape):
    """Three Gauss points per axis integrate products of these polynomials exactly."""
    h, stresses, d = edges(shape), numbers(shape, 4, 2), len(shape)
    abscissae, weights = np.polynomial.legendre.leggauss(3)
    pairs = mandel_pairs(d)
    factor = np.array([1.0 if i == j else np.sqrt(2) for i, j in pairs])
    for response, matrix in responses(shape):
        expected = 0
        for index in itertools.product(range(3), repeat=d):
            xi, w = abscissae[list(index)], np.prod(weights[list(index)] / 2)
            fields = [at(s, h, xi) for s in stresses]
            point = np.stack([[s[i, j].ravel() * f for (i, j), f in zip(pairs, factor, strict=True)] for s in fields])
            tensors = matrix.reshape(-1, *matrix.shape[-2:])
            expected = expected + w * np.einsum("pax,xab,qbx->pq", point, tensors, point) / np.prod(shape)
        got = jax.jit(complementary_energies)(response, jnp.asarray(stresses), jnp.asarray(h))
        np.testing.assert_allclose(got, expected, rtol=1e-12)


@pytest.mark.parametrize("shape", [(4, 5), pytest.param((3, 4, 2), marks=pytest.mark.slow)], ids=str)
def test_the_slope_is_the_derivative_of_the_energy(shape):
    h, stress = jnp.asarray(edges(shape)), jnp.asarray(numbers(shape, 5))
    for response, _ in responses(shape):

        def half(t, response=response):
            return 0.5 * np.prod(shape) * complementary_energies(response, t[None], h)[0, 0]

        np.testing.assert_allclose(
            jnp.stack(energy_slope(response, stress, h)), jax.grad(half)(stress), rtol=0, atol=1e-12
        )


@pytest.mark.parametrize("slab", [12, *(pytest.param(n, marks=pytest.mark.slow) for n in (1, 40, 10000))])
@pytest.mark.parametrize("shape", [(7, 5), pytest.param((5, 4, 2), marks=pytest.mark.slow)], ids=str)
def test_slabs_change_nothing(shape, slab, monkeypatch):
    """Of any thickness, the last one overlapping its neighbour; both kinds of compliance."""
    monkeypatch.setattr(_stresses, "_SLAB", slab)
    h, stress = jnp.asarray(edges(shape)), jnp.asarray(numbers(shape, 11))
    for response, _ in responses(shape):
        got = fast_energy_slope(response, stress, h)
        np.testing.assert_allclose(got, jnp.stack(energy_slope(response, stress, h)), rtol=0, atol=1e-12)


@shapes
def test_means(shape):
    """Of the numbers, and of the field: three points per axis again."""
    h, stress, d = edges(shape), numbers(shape, 6), len(shape)
    abscissae, weights = np.polynomial.legendre.leggauss(3)
    field = 0
    for index in itertools.product(range(3), repeat=d):
        field = field + np.prod(weights[list(index)] / 2) * at(stress, h, abscissae[list(index)])
    mean = field.mean(axis=tuple(range(2, 2 + d)))
    got = stress_means(jnp.asarray(stress), jnp.asarray(h))
    np.testing.assert_allclose(from_mandel(got), mean, rtol=0, atol=1e-13)
    again = uniform_stress(got, jnp.asarray(h), shape)
    np.testing.assert_allclose(
        at(np.asarray(again), h, abscissae[:d]).reshape(d, d, -1).mean(-1), mean, rtol=0, atol=1e-13
    )
    np.testing.assert_allclose(stress_means(again, jnp.asarray(h)), got, rtol=0, atol=1e-13)


@pytest.mark.parametrize("shape", [*SHAPES, pytest.param((6, 4, 4), marks=pytest.mark.slow)], ids=str)
def test_the_preconditioner_inverts_the_homogeneous_energy(shape):
    """On divergence-free stresses of zero mean, and it makes no others; symmetric."""
    h, lam, mu = jnp.asarray(edges(shape)), jnp.asarray(-0.15), jnp.asarray(0.4)
    green = jax.jit(stress_green(shape, h, (lam, mu)))
    response = IsotropicElasticResponse(lam, mu, len(shape))
    r, q = jnp.asarray(numbers(shape, 7)), jnp.asarray(numbers(shape, 8))
    z = green(r)
    assert max(float(jnp.abs(x).max()) for x in imbalance(z, len(shape))) < 1e-12
    np.testing.assert_allclose(stress_means(z, h), 0, rtol=0, atol=1e-14)
    np.testing.assert_allclose(green(jnp.stack(energy_slope(response, z, h))), z, rtol=0, atol=1e-12)
    np.testing.assert_allclose(jnp.sum(green(q) * r), jnp.sum(q * z), rtol=0, atol=1e-11)
    # Nothing is missed: every balanced stress of zero mean is in its range.
    b = balance(q, h)
    b = b - uniform_stress(stress_means(b, h), h, shape)
    np.testing.assert_allclose(green(jnp.stack(energy_slope(response, b, h))), b, rtol=0, atol=1e-12)


@shapes
def test_balancing_moves_as_little_as_it_can(shape):
    """What it takes off is orthogonal to every balanced stress, and balanced stresses stay as they are."""
    h = jnp.asarray(edges(shape))
    a, b = jnp.asarray(numbers(shape, 9)), balance(jnp.asarray(numbers(shape, 10)), h)
    np.testing.assert_allclose(balance(b, h), b, rtol=0, atol=1e-13)
    np.testing.assert_allclose(stress_means(balance(a, h), h), stress_means(a, h), rtol=0, atol=1e-13)
    pairs = mandel_pairs(len(shape))
    weight = np.array([(h[i] * h[j]) ** 2 * (1 if i == j else 2) for i, j in pairs]).reshape(-1, *(1,) * len(shape))
    np.testing.assert_allclose(np.sum(weight * (a - balance(a, h)) * b), 0, rtol=0, atol=1e-11)
