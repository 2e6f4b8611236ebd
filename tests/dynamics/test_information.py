"""Entropies and informations: Ising chains, Gaussians, estimators, and the data-processing inequality."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxhomog.dynamics import (
    chain_window_information,
    data_processing,
    entropy,
    gaussian_mutual_information,
    gaussian_relative_entropy,
    mutual_information,
    neighbour_information,
    relative_entropy,
    through_channel,
    variational_information,
    window_information,
)
from jaxhomog.results import InputError


def pair(u):
    """Two spins with the correlation u."""
    return jnp.asarray([[1 + u, 1 - u], [1 - u, 1 + u]]) / 4


def test_ising_chain():
    """Neighbours and next neighbours at K = 0.7: 0.1957872 and 0.0682762 nat; decimation is a channel."""
    u = np.tanh(0.7)
    near, far = mutual_information(pair(u)), mutual_information(pair(u**2))
    assert float(near) == pytest.approx(0.1957872, abs=5e-8) and float(far) == pytest.approx(0.0682762, abs=5e-8)
    # The second neighbour is made from the first: its conditional distribution is the channel.
    np.testing.assert_allclose(through_channel(pair(u), 2 * pair(u)), pair(u**2), rtol=0, atol=1e-15)
    assert data_processing(near, far).holds
    report = data_processing(far, near)
    assert not report.holds and "gain" in report.reason
    assert data_processing(far, near, error=0.2).holds
    assert int(data_processing(jnp.nan, near).code) == 2


def test_discrete():
    p, q = np.asarray([0.5, 0.5, 0.0]), np.asarray([0.25, 0.5, 0.25])
    assert float(entropy(p)) == pytest.approx(np.log(2))
    assert float(relative_entropy(p, q)) == pytest.approx(0.5 * np.log(2))
    assert np.isinf(relative_entropy(q, p))
    assert float(mutual_information(np.outer(q, q))) == pytest.approx(0, abs=1e-15)
    # d I / d u = atanh u, and no NaN where a probability is 0.
    assert float(jax.grad(lambda u: mutual_information(pair(u)))(0.3)) == pytest.approx(np.arctanh(0.3))
    assert np.isfinite(jax.grad(lambda s: entropy(jnp.asarray([s, 1 - s, 0.0])))(0.3))


def test_gaussian():
    """1/2 (r - 1 - ln r), -1/2 ln(1 - rho^2), invariance under linear maps, derivative of the channel's capacity."""
    for r in (0.5, 1.0, 3.0):
        found = gaussian_relative_entropy([0.0], [[r]], [0.0], [[1.0]])
        assert float(found) == pytest.approx(0.5 * (r - 1 - np.log(r)), abs=1e-15)
    rng = np.random.default_rng(0)
    a, b, t = (rng.normal(size=(4, 4)) for _ in range(3))
    m, n = rng.normal(size=(2, 4))
    one = gaussian_relative_entropy(m, a @ a.T, n, b @ b.T)
    two = gaussian_relative_entropy(t @ m, t @ a @ a.T @ t.T, t @ n, t @ b @ b.T @ t.T)
    assert float(one) == pytest.approx(float(two), rel=1e-8)
    f = lambda rho: gaussian_mutual_information(jnp.asarray([[1, rho], [rho, 1]]), [0])  # noqa: E731
    assert float(f(0.8)) == pytest.approx(-0.5 * np.log(1 - 0.64), rel=1e-13)
    assert float(jax.grad(f)(0.8)) == pytest.approx(0.8 / 0.36, rel=1e-10)
    # Coarse graining x -> first component of it.
    c = a @ a.T
    fewer = gaussian_mutual_information(c[:3, :3], [0])
    assert data_processing(gaussian_mutual_information(c, [0]), fewer).holds
    assert np.isnan(gaussian_mutual_information(-np.eye(2), [0]))
    single = gaussian_mutual_information(np.asarray([[1, 0.8], [0.8, 1]], np.float32), [0])
    assert single.dtype == jnp.float32


def channel(rho, number, seed=0):
    return np.random.default_rng(seed).multivariate_normal([0, 0], [[1, rho], [rho, 1]], number)


def test_nearest_neighbours():
    """Within 0.03 nat of a Gaussian channel from 2000 samples; a vector of both, and independent variables."""
    x = channel(0.8, 2000)
    exact = -0.5 * np.log(1 - 0.64)
    assert float(neighbour_information(x[:, 0], x[:, 1])) == pytest.approx(exact, abs=0.03)
    y = np.random.default_rng(1).normal(size=(500, 3))
    assert abs(float(neighbour_information(y[:, :2], y[:, 2]))) < 0.08
    single = neighbour_information(x[:300, 0].astype(np.float32), x[:300, 1].astype(np.float32))
    double = neighbour_information(x[:300, 0], x[:300, 1])
    assert single.dtype == jnp.float32 and float(single) == pytest.approx(float(double), abs=5e-3)
    # By hand, in loops.
    d = np.abs(x[:60, None] - x[None, :60])
    np.fill_diagonal(d[..., 0], np.inf)
    radius = np.sort(d.max(axis=-1), axis=1)[:, 2]
    np.fill_diagonal(d[..., 0], 0)
    psi = lambda n: np.asarray(jax.scipy.special.digamma(np.asarray(n, float)))  # noqa: E731
    counts = [np.sum(d[..., k] < radius[:, None], axis=1) for k in (0, 1)]
    by_hand = psi(3) + psi(60) - np.mean(psi(counts[0]) + psi(counts[1]))
    assert float(neighbour_information(x[:60, 0], x[:60, 1], neighbours=3)) == pytest.approx(by_hand, abs=1e-12)


def test_variational_bound():
    """A lower bound, up to three standard errors, that finds most of the information (seed 0)."""
    x = channel(0.8, 1000)
    found = variational_information(jax.random.key(0), x[:, 0], x[:, 1], width=16, steps=150, rate=1e-2)
    exact = -0.5 * np.log(1 - 0.64)
    assert 0.7 * exact < float(found.bound) < exact + 3 * float(found.error)
    assert 0.01 < float(found.error) < 0.1


def test_window_of_a_chain():
    """Against the sum over all 64 windows; a window of one voxel keeps everything, a longer one less and less."""
    f, r, n = 0.3, np.exp(-0.3), 6
    found = chain_window_information(f, r, n)
    windows = np.asarray(list(itertools.product([0, 1], repeat=n)))
    p = np.where(windows[:, 0] == 1, f, 1 - f)
    for i in range(n - 1):
        up = np.where(windows[:, i] == 1, f + (1 - f) * r, f * (1 - r))
        p = p * np.where(windows[:, i + 1] == 1, up, 1 - up)
    counts = [p[windows.sum(axis=1) == k].sum() for k in range(n + 1)]
    assert float(found.full) == pytest.approx(-np.sum(p * np.log(p)), rel=1e-12)
    assert float(found.kept) == pytest.approx(-np.sum(counts * np.log(counts)), rel=1e-12)
    assert float(chain_window_information(f, r, 1).fraction) == pytest.approx(1.0)
    longer = [float(chain_window_information(f, r, k).fraction) for k in (2, 4, 8, 16)]
    assert longer == sorted(longer, reverse=True)


def test_window_of_an_image():
    """White noise: n/2 ln(1 + 1/s^2) and 1/2 ln(1 + 1/s^2); smooth images keep more; constant ones have nothing."""
    white = np.random.default_rng(1).normal(size=(16, 32, 32))
    found = window_information(white, 3, 0.5, dim=2)
    one = 0.5 * np.log(1 + np.var(white) / 0.25)
    assert float(found.full) == pytest.approx(9 * one, rel=0.01) and float(found.kept) == pytest.approx(one, rel=0.05)
    smooth = (white + np.roll(white, 1, 1) + np.roll(white, 1, 2)) / np.sqrt(3)
    assert float(window_information(smooth, 3, 0.5, dim=2).fraction) > 1.5 * float(found.fraction)
    assert float(window_information(white, 1, 0.5, dim=2).fraction) == pytest.approx(1.0)
    labels = white[:2] > 0
    as_numbers = window_information(labels.astype(float), 2, 0.5, dim=2)
    np.testing.assert_allclose(window_information(labels, 2, 0.5, dim=2).full, as_numbers.full)
    nothing = window_information(np.full((7, 5, 1), 0.3), 2, 0.1)
    assert np.isnan(nothing.fraction) and "nothing" in nothing.reason
    bump = np.zeros_like(white[:1, :8, :8])
    bump[0, 2, 3] = 1e-5
    f = lambda x: window_information(x, 2, 0.5, dim=2).fraction  # noqa: E731
    x = white[:1, :8, :8]
    slope = float(jax.grad(f)(jnp.asarray(x))[0, 2, 3])
    assert slope == pytest.approx(float(f(x + bump) - f(x - bump)) / 2e-5, rel=1e-6)


def test_window_of_an_image_that_is_not_gaussian():
    """Voxels exp(g) with normal errors say less than second order has it: against a quadrature, and estimated."""
    rng, s = np.random.default_rng(0), 0.6
    image = np.exp(rng.normal(size=(20, 400)))
    second_order = float(window_information(image, 1, s, dim=1).kept)
    # I = h(y) - h(error): the density of y = exp(g) + error on a grid.
    g, y = np.linspace(-8, 8, 1601), np.linspace(-3, 60, 6301)
    weight = np.exp(-0.5 * g**2) / np.sqrt(2 * np.pi) * 0.01
    p = weight @ np.exp(-0.5 * ((y - np.exp(g)[:, None]) / s) ** 2) / (s * np.sqrt(2 * np.pi))
    exact = -np.sum(p * np.log(np.maximum(p, 1e-300))) * 0.01 - 0.5 * np.log(2 * np.pi * np.e * s**2)
    assert second_order > exact + 0.3
    x = image[:5].ravel()
    estimate = float(neighbour_information(x, x + s * rng.normal(size=x.size)))
    assert estimate == pytest.approx(exact, abs=0.05)


def test_constants_inside_a_program():
    """Numbers that are known inside `jax.jit` are checked like those outside."""
    p = jnp.asarray([0.5, 0.5])
    assert float(jax.jit(lambda: entropy(p))()) == pytest.approx(np.log(2))
    with pytest.raises(InputError, match="sums"):
        jax.jit(lambda: entropy(2 * np.asarray([0.5, 0.5])))()
    with pytest.raises(InputError, match="noise"):
        jax.jit(lambda x: window_information(x, 1, -1.0).full)(jnp.arange(8.0))


@pytest.mark.parametrize(
    "call, said",
    [
        (lambda: entropy([0.5, 0.2]), "sums"),
        (lambda: entropy([1.5, -0.5]), "probabilities"),
        (lambda: relative_entropy([0.5, 0.5], [1.0]), "reference"),
        (lambda: mutual_information([0.5, 0.5]), "joint"),
        (lambda: through_channel(pair(0.1), np.ones((2, 2))), "channel"),
        (lambda: gaussian_mutual_information(np.eye(2), [0, 1]), "first"),
        (lambda: gaussian_mutual_information(np.eye(2), "a"), "first"),
        (lambda: gaussian_mutual_information(np.eye(3), "0"), "first"),
        (lambda: gaussian_mutual_information(np.eye(3), [0.9]), "first"),
        (lambda: gaussian_mutual_information(np.eye(3), [True, False, False]), "mask"),
        (lambda: gaussian_mutual_information([[1.0, 0.5], [0.0, 1.0]], [0]), "not symmetric"),
        (lambda: gaussian_relative_entropy([0, 0], [[1.0, 0.5], [0, 1]], [0, 0], np.eye(2)), "not symmetric"),
        (lambda: gaussian_relative_entropy([0, 0], np.eye(2), [0, 0], [[1.0, 0.5], [0, 1]]), "reference is not symm"),
        (lambda: gaussian_relative_entropy([0.0], np.eye(2), [0.0], np.eye(1)), "means"),
        (lambda: data_processing("a", 1.0), "before"),
        (lambda: neighbour_information(np.ones(3), np.ones(4)), "samples"),
        (lambda: neighbour_information(np.ones(3), np.ones(3)), "neighbours"),
        (lambda: neighbour_information(np.arange(30) % 5, np.arange(30.0)), "x repeats"),
        (lambda: neighbour_information(np.arange(30.0), np.zeros(30)), "y repeats"),
        (lambda: variational_information(7, np.ones(9), np.ones(9)), "key"),
        (lambda: entropy(10**400), "no array"),
        (lambda: variational_information(jax.random.key(0), np.ones(3), np.ones(3)), "samples"),
        (lambda: chain_window_information(1.5, 0.1, 3), "fraction"),
        (lambda: chain_window_information(0.5, 1.0, 3), "correlation"),
        (lambda: chain_window_information(0.5, 0.5, 0), "voxels"),
        (lambda: window_information(np.ones((4, 4)), 3, 0.1), "window"),
        (lambda: window_information(np.ones((4, 4)), 2, 0.0), "noise"),
        (lambda: window_information(np.ones((4, 4)), 2, 0.1, dim=3), "dim"),
    ],
)
def test_bad_input(call, said, unchecked):
    with pytest.raises((InputError), match=said):
        call()
