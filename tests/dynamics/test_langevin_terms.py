"""Generalized Langevin equations in the hands of diffrax: exact without noise, in equilibrium with it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxhomog.dynamics import GeneralizedLangevin, PronyKernel, eliminate, langevin_start, langevin_terms
from jaxhomog.results import InputError

diffrax = pytest.importorskip("diffrax", reason="diffrax is not installed: pip install 'jaxhomog[dynamics]'")

ONE = PronyKernel([2.0], [0.8], [1.5], [0.3])
WELL = GeneralizedLangevin(lambda x, k: -k * x, ONE, mass=2.0, temperature=0.5, parameters=3.0)


@pytest.mark.slow
def test_without_noise_it_is_the_linear_equation():
    """m x'' = -k x - int K x', adaptive steps, against the exponential of the whole system to 1e-8."""
    drift, c, _ = ONE.auxiliary()
    a = np.zeros((4, 4))
    a[0, 1], a[1, 0], a[1, 2:], a[2:, 1], a[2:, 2:] = 1, -3 / 2, np.asarray(c) / 2, -np.asarray(c), -np.asarray(drift)
    exact = eliminate(a, [0, 1]).full(2.0, [1.0, -0.4, 0.0, 0.0])
    found = diffrax.diffeqsolve(
        langevin_terms(WELL, None, 2.0),
        diffrax.Tsit5(),
        0.0,
        2.0,
        0.1,
        langevin_start(WELL, None, [1.0], [-0.4]),
        stepsize_controller=diffrax.PIDController(1e-10, 1e-10),
    ).ys
    np.testing.assert_allclose(found[0, :2, 0], exact, rtol=0, atol=1e-8)


@pytest.mark.slow
def test_equilibrium_is_kept():
    """Two directions from equilibrium: x, v and the friction force keep their covariance within 4 standard errors."""
    exact = np.asarray([0.5 / 3, 0.5 / 2, 0.5 * 2.0])  # kT / k, kT / m, kT K(0)

    @jax.jit
    @jax.vmap
    def run(key):
        first, second, third = jax.random.split(key, 3)
        x, v = jnp.sqrt(exact[:2])[:, None] * jax.random.normal(first, (2, 2))
        terms = langevin_terms(WELL, second, 1.0, 2)
        start = langevin_start(WELL, third, x, v)
        return diffrax.diffeqsolve(terms, diffrax.ShARK(), 0.0, 1.0, 0.1, start).ys[-1]

    y = np.asarray(run(jax.random.split(jax.random.key(0), 1500)))
    force = np.einsum("a,kad->kd", np.asarray(ONE.auxiliary()[1]), y[:, 2:])
    rows = np.stack([y[:, 0].ravel(), y[:, 1].ravel(), force.ravel()])
    error = np.sqrt((np.diag(exact) ** 2 + np.outer(exact, exact)) / rows.shape[1])
    assert (np.abs(rows @ rows.T / rows.shape[1] - np.diag(exact)) < 4 * error).all()


@pytest.mark.parametrize(
    "call, said",
    [
        (lambda: langevin_terms(ONE, None, 1.0), "system"),
        (lambda: langevin_terms(WELL, 0, 1.0), "key"),
        (lambda: langevin_terms(WELL, jax.random.key(0), -1.0), "end"),
        (lambda: langevin_terms(WELL, jax.random.key(0), 1.0, 0), "directions"),
        (lambda: langevin_start(WELL, None, [1.0], [1.0, 2.0]), "v0"),
        (lambda: jax.jit(lambda end: langevin_terms(WELL, jax.random.key(0), end) is None)(1.0), "traced"),
    ],
)
def test_bad_input(call, said, unchecked):
    with pytest.raises(InputError, match=said):
        call()


def test_diffrax_is_named(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "diffrax", None)
    with pytest.raises(InputError, match="pip install"):
        langevin_terms(WELL, None, 1.0)
