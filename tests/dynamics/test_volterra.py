"""Kernels from correlation functions: Rubin's chain in both kinds, matrices against exact elimination, derivatives."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxhomog.dynamics import OscillatorBath, eliminate, memory_kernel, time_correlation
from jaxhomog.results import InputError

special = pytest.importorskip("scipy.special", reason="scipy is not installed: pip install 'jaxhomog[studies]'")

STEPS = (0.1, 0.05, 0.025)


def rubin(h):
    """C = J0(2 t), its two derivatives, and K = 2 J1(2 t) / t, up to t = 5."""
    t = h * np.arange(round(5 / h) + 1)
    c, slope = special.jv(0, 2 * t), -2 * special.jv(1, 2 * t)
    k = np.append(2.0, 2 * special.jv(1, 2 * t[1:]) / t[1:])
    return c, slope, -2 * (c - special.jv(2, 2 * t)), k


@pytest.mark.parametrize(
    "use, limits",
    [
        ("derivatives", (3.8e-3, 9.5e-4, 2.4e-4)),
        ("second", (1.25e-2, 3.1e-3, 7.7e-4)),
        ("first", (2.6e-3, 6.5e-4, 1.6e-4)),
    ],
)
def test_order_two(use, limits):
    """Largest error over K(0); the limits of samples of C alone are 1.2e-2, 3.1e-3, 7.7e-4."""
    for h, limit in zip(STEPS, limits, strict=True):
        c, slope, curvature, exact = rubin(h)
        options = {"rate": slope, "acceleration": curvature} if use == "derivatives" else {"kind": use}
        found = memory_kernel(c, h, **options)
        error = np.abs(np.asarray(found.friction)[:, 0, 0] - exact).max() / 2
        assert 0.5 * limit < error < limit, (h, error)
        assert abs(float(found.markov[0, 0])) < 1e-12


@pytest.mark.parametrize("kind", ("first", pytest.param("second", marks=pytest.mark.slow)))
def test_matrices_against_elimination(kind):
    """Position and velocity in a bath, Mori's projection: a Markov term, and a memory of the velocity alone."""
    w, c = np.asarray([0.5, 1.3, 2.1]), np.asarray([0.2, 0.5, 0.9])
    bath = OscillatorBath(w, c)
    energy = np.zeros((8, 8))
    energy[0, 0], energy[1, 1], energy[0, 2:5], energy[2:5, 0] = 1 + np.sum(c**2 / w**2), 1, -c, -c
    energy[2:, 2:] = np.diag(np.concatenate([w**2, np.ones(3)]))
    covariance = np.linalg.inv(energy)
    e = eliminate(bath.operator(1.0), [0, 1], covariance)
    error = []
    for h in (0.1, 0.05):
        t = h * np.arange(round(3 / h) + 1)
        correlation = jnp.stack([e.full(t, column) for column in covariance.T[:2]], axis=-1)
        found = memory_kernel(correlation, h, kind=kind)
        error.append(float(jnp.max(jnp.abs(found.friction - e.friction(t)))))
        np.testing.assert_allclose(found.markov, [[0, 1], [-1, 0]], rtol=0, atol=h)
    assert error[0] < 0.005 and 3.3 < error[0] / error[1] < 5


def test_a_correlation_with_a_corner():
    """x' = -x / 2 - y, y' = x - 2 y + noise: the Markov term is -1/2, the kernel exp(-2 t)."""
    for kind in ("first", "second"):
        error = []
        for h in (0.05, 0.025):
            t = h * np.arange(round(2 / h) + 1)
            c = eliminate([[-0.5, -1.0], [1.0, -2.0]], [0]).full(t, [1.0, 0.0])[:, 0]
            found = memory_kernel(c, h, kind=kind, kink=True)
            error.append(np.abs(np.asarray(found.friction)[:, 0, 0] - np.exp(-2 * t)).max())
            assert float(found.markov[0, 0]) == pytest.approx(-0.5, abs=h)
        assert error[0] < 0.01 and error[0] / error[1] > 3


def test_from_trajectories():
    """Correlation by transforms is the direct sum, also of a batch that fills no whole group."""
    x = np.random.default_rng(0).normal(size=(70, 20, 2))
    direct = [np.einsum("bki,bkj->ij", x[:, n:], x[:, : 20 - n]) / (70 * (20 - n)) for n in range(5)]
    np.testing.assert_allclose(time_correlation(x, 5), direct, rtol=0, atol=1e-14)
    np.testing.assert_allclose(time_correlation(x[:3, :, 0])[:, 0, 0].shape, (20,))
    single = time_correlation(x.astype(np.float32), 5)
    assert single.dtype == jnp.float32
    np.testing.assert_allclose(single, direct, rtol=0, atol=1e-5)


def test_orthogonal_noise():
    """Of 3000 Gaussian paths with C = J0(2 t): <F(t) x(0)> = 0, <F(t) F(0)> = K(t), within 4 standard errors."""
    h, n, modes = 0.1, 51, 60
    c, _, _, exact = rubin(h)
    angle = (np.arange(modes) + 0.5) * np.pi / (2 * modes)
    phase = 2 * np.cos(angle)[:, None] * h * np.arange(n + 7)
    waves = np.concatenate([np.cos(phase), np.sin(phase)]) / np.sqrt(modes)
    x = np.random.default_rng(0).normal(size=(3000, 2 * modes)) @ waves
    memory = memory_kernel(c, h)
    f = np.asarray(memory.noise(x))[..., 0]
    assert f.shape == (3000, n)
    assert (np.abs(np.mean(f * x[:, :1], axis=0)) < 4 * np.sqrt(2 / 3000)).all()
    assert (np.abs(np.mean(f * f[:, :1], axis=0) - exact) < 4 * np.sqrt((4 + exact**2) / 3000)).all()
    # By hand: the trapezoidal rule of one path of two variables, also a short one.
    two = memory_kernel(c[:, None, None] * np.asarray([[2.0, 0.3], [0.3, 1.0]]), h)
    path = x[:2, :20].T
    k, w = np.asarray(two.friction), np.asarray(two.markov)
    past = sum(h * (0.5 if j in (0, 9) else 1) * k[j] @ path[9 - j] for j in range(10))
    by_hand = (path[10] - path[8]) / (2 * h) - w @ path[9] + past
    np.testing.assert_allclose(two.noise(path[None])[0, 9], by_hand, rtol=0, atol=1e-12)


def test_derivatives():
    """Through correlation and inversion, against central differences; under vmap and jit."""
    x = jnp.asarray(np.cumsum(np.random.default_rng(1).normal(size=(6, 12)), axis=1))

    @jax.jit
    def f(x):
        return jnp.sum(memory_kernel(time_correlation(x, 8), 0.1).friction[:, 0, 0] * jnp.arange(8.0))

    bump = jnp.zeros_like(x).at[2, 5].set(1e-6)
    assert float(jax.grad(f)(x)[2, 5]) == pytest.approx(float(f(x + bump) - f(x - bump)) / 2e-6, rel=1e-5)
    both = jax.vmap(f)(jnp.stack([x, 2 * x]))
    np.testing.assert_allclose(both, f(x), rtol=1e-9)  # the scale of x cancels


@pytest.mark.parametrize(
    "call, said",
    [
        (lambda: memory_kernel([1.0, 0.5], 0.1), "five"),
        (lambda: memory_kernel(np.ones((9, 2, 3)), 0.1), "correlation"),
        (lambda: memory_kernel(np.ones(9), 0.0), "dt"),
        (lambda: memory_kernel(np.ones(9), 0.1, kind="third"), "kind"),
        (lambda: memory_kernel(np.ones(9), 0.1, rate=np.ones(8)), "rate"),
        (lambda: memory_kernel(np.ones(9), 0.1, acceleration=np.ones(9), kind="first"), "acceleration"),
        (lambda: memory_kernel(None, 0.1), "correlation"),
        (lambda: memory_kernel(np.zeros(9), 0.1), "not positive definite"),
        (lambda: memory_kernel(np.ones((9, 2, 2)), 0.1), "not positive definite"),
        (lambda: memory_kernel(np.tile([[1.0, 0.5], [0.0, 1.0]], (9, 1, 1)), 0.1), "not symmetric"),
        (lambda: memory_kernel(np.ones(9), 0.1).noise(np.ones((2, 9, 2))), "variables"),
        (lambda: memory_kernel(np.ones(9), 0.1).noise(np.ones((2, 2))), "steps"),
        (lambda: time_correlation(np.ones(5)), "trajectories"),
        (lambda: time_correlation(np.ones((2, 5)), 9), "lags"),
        (lambda: time_correlation("x"), "trajectories"),
    ],
)
def test_bad_input(call, said, unchecked):
    with pytest.raises(InputError, match=said):
        call()
