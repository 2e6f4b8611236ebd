"""Discrete memory against exact elimination of a linear map, and its certificate."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxhomog.dynamics import certify_memory, discrete_memory
from jaxhomog.results import InputError


def rotation(seed, n=5):
    return np.linalg.qr(np.random.default_rng(seed).normal(size=(n, n)))[0]


def test_operators_of_a_linear_map():
    """Of an orthogonal map of white variables: A_xx, then A_xy A_yy^(n-1) A_yx."""
    a = rotation(0)
    correlation = np.stack([np.linalg.matrix_power(a, n)[:2, :2] for n in range(7)])
    found = discrete_memory(None, 6, correlation=correlation).operators
    exact = [a[:2, :2]]
    exact += [a[:2, 2:] @ np.linalg.matrix_power(a[2:, 2:], n) @ a[2:, :2] for n in range(5)]
    np.testing.assert_allclose(found, exact, rtol=0, atol=1e-13)


@pytest.fixture(scope="module")
def paths():
    """4000 stationary paths of three turning phases, seen through two mixtures of them."""
    rng = np.random.default_rng(1)
    a, z = rotation(3), rng.normal(size=(4000, 5))
    out = []
    for _ in range(16):
        out.append(z[:, :2])
        z = z @ a.T
    return np.stack(out, axis=1)


def test_certificate(paths):
    """Noise is orthogonal and balances the memory; another process's operators are refused, and named."""
    memory = discrete_memory(paths, 4)
    report = certify_memory(memory, paths)
    assert report.holds, report.reason
    assert float(report.orthogonality) < 0.03 and float(report.fluctuation) < 0.03
    assert "orthogonal" in report.reason
    a = rotation(5)
    correlation = np.stack([np.linalg.matrix_power(a, n)[:2, :2] for n in range(7)])
    other = certify_memory(discrete_memory(None, 4, correlation=correlation), paths)
    assert not other.holds and "other trajectories" in other.reason
    single = certify_memory(memory, paths.astype(np.float32))
    assert float(single.fluctuation) == pytest.approx(float(certify_memory(memory, paths).fluctuation), rel=1e-3)
    # Paths that grow are not stationary: the noise is orthogonal, and too large for its memory.
    grown = paths * 1.3 ** np.arange(16)[:, None]
    report = certify_memory(discrete_memory(grown[:, :6], 4), grown[:, :6])
    assert int(report.code) & 2 and "stationary" in report.reason


def test_noise_and_prediction(paths):
    """The recursion is exact with its noise; without it, a closed set of observables is predicted for ever."""
    memory = discrete_memory(paths, 4)
    w = memory.noise(paths[:3])
    o, g = np.asarray(memory.operators), paths[:3]
    again = sum(np.einsum("ab,kb->ka", o[n], g[:, 3 - n]) for n in range(4)) + w[:, 3]
    np.testing.assert_allclose(again, g[:, 4], rtol=0, atol=1e-12)
    a = rotation(7, 2)
    z = np.random.default_rng(2).normal(size=(500, 2))
    closed = np.stack([z @ np.linalg.matrix_power(a, n).T for n in range(8)], axis=1)
    found = discrete_memory(closed, 3)
    np.testing.assert_allclose(found.operators[0], a, rtol=0, atol=1e-10)
    np.testing.assert_allclose(found.predict(closed[0, :2], 6), closed[0, 2:], rtol=0, atol=1e-9)


def test_derivative(paths):
    x = jnp.asarray(paths[:20, :6])
    f = jax.jit(lambda x: jnp.sum(discrete_memory(x, 3).operators * jnp.arange(12.0).reshape(3, 2, 2)))
    bump = jnp.zeros_like(x).at[3, 2, 1].set(1e-6)
    assert float(jax.grad(f)(x)[3, 2, 1]) == pytest.approx(float(f(x + bump) - f(x - bump)) / 2e-6, rel=1e-5)


KNOWN = discrete_memory(None, 1, correlation=np.ones((2, 1, 1)))


@pytest.mark.parametrize(
    "call, said",
    [
        (lambda: discrete_memory(np.ones((3, 4)), 4), "steps"),
        (lambda: discrete_memory(np.ones((3, 4)), 0), "lags"),
        (lambda: discrete_memory(None, 4), "trajectories"),
        (lambda: discrete_memory(np.eye(3), 1, correlation=np.ones((2, 1, 1))), "both"),
        (lambda: discrete_memory(np.ones((9, 5, 2)), 2), "linearly"),
        (lambda: KNOWN.noise(np.ones((3, 9, 2))), "observables"),
        (lambda: certify_memory(None, np.ones((3, 9))), "DiscreteMemory"),
        (lambda: certify_memory(KNOWN, np.ones((63, 9))), "63 trajectories"),
        (lambda: discrete_memory(None, 4, correlation=np.ones((3, 2, 2))), "correlation"),
        (lambda: certify_memory(discrete_memory(np.eye(3)[:, :2], 1), np.ones((3, 9, 2))), "observables"),
        (lambda: discrete_memory(np.eye(3)[:, :2], 1).predict(np.ones((2, 3)), 4), "start"),
    ],
)
def test_bad_input(call, said, unchecked):
    with pytest.raises(InputError, match=said):
        call()
