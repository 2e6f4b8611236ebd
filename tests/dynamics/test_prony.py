"""Modes that are passive by construction, their auxiliary variables, and fits of them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxhomog.dynamics import PronyKernel, fit_prony
from jaxhomog.results import InputError

# An exponential, an oscillation that is flat at t = 0, one of zero friction, and one between.
MODES = PronyKernel([1.0, 0.5, 2.0, 0.7], [0.3, 1.0, 0.8, 0.2], [0.0, 2.0, 1.5, 3.0], [0.0, 1.0, -1.0, 0.4])


def test_positive_real():
    """Re K(i s) >= 0 for any parameters of the family, up to its border."""
    rng = np.random.default_rng(0)
    s = 1j * np.linspace(-30, 30, 601)
    for _ in range(20):
        kernel = PronyKernel(rng.random(5), rng.random(5), rng.normal(size=5) * 3, rng.uniform(-1, 1, 5))
        assert float(kernel.transform(s).real.min()) >= 0
    # Beyond |b| = 1 it is lost: the border is sharp.
    w, g, v, b = 1.0, 0.3, 2.0, 1.1
    active = w * (s + g + b * g) / ((s + g) ** 2 + v**2)
    assert active.real.min() < 0


def test_auxiliary_variables():
    """c exp(-A t) c = K(t), with a diagonal symmetric part of A that is not negative."""
    a, c, loss = MODES.auxiliary()
    values, vectors = np.linalg.eig(np.asarray(a))
    t = np.linspace(0, 4, 9)
    left, right = np.asarray(c) @ vectors, np.linalg.solve(vectors, np.asarray(c))
    np.testing.assert_allclose((np.exp(-t[:, None] * values) @ (left * right)).real, MODES(t), rtol=0, atol=1e-12)
    np.testing.assert_allclose(0.5 * (a + a.T), jnp.diag(loss), rtol=0, atol=1e-15)
    assert float(loss.min()) >= 0
    integral = np.trapezoid(np.asarray(MODES(np.linspace(0, 80, 400001))), dx=2e-4)
    assert float(MODES.friction) == pytest.approx(integral, abs=1e-6)
    # Smooth through an exponential: no square root of zero in the derivative.
    slope = jax.grad(lambda v: PronyKernel([1.0], [1.0], v).auxiliary()[0].sum())(jnp.zeros(1))
    assert np.isfinite(slope).all()


def test_friction_of_modes_that_do_not_decay():
    """A constant memory gives infinite friction, an undamped oscillation none, a mode of no weight nothing."""
    assert np.isinf(PronyKernel([1.0], [0.0]).friction)
    assert float(PronyKernel([1.0, 0.0, 3.0], [0.0, 0.0, 2.0], [2.0, 0.0, 0.0]).friction) == pytest.approx(1.5)
    # Known numbers are checked inside a program too.
    inside = jax.jit(lambda t: PronyKernel([1.0], [0.5], [0.0], jnp.asarray([0.2]))(t))
    assert float(inside(1.0)) == pytest.approx(np.exp(-0.5) * 1.1, rel=1e-12)
    with pytest.raises(InputError, match="shapes"):
        jax.jit(lambda t: PronyKernel([1.0], [0.5], [0.0], [1.5])(t))(1.0)


def test_fits():
    t = np.linspace(0, 15, 151)
    exact = PronyKernel([1.0, 0.5], [0.3, 0.5], [0.0, 2.0], [0.0, 0.5])
    found = fit_prony(t, exact(t), 2)
    assert float(found.residual) < 1e-6
    relaxing = fit_prony(t, np.exp(-t) + 0.3 * np.exp(-0.2 * t), 2, oscillating=False)
    assert bool(relaxing.converged)
    order = np.argsort(np.asarray(relaxing.kernel.rates))
    np.testing.assert_allclose(np.asarray(relaxing.kernel.rates)[order], [0.2, 1.0], rtol=1e-5)
    np.testing.assert_allclose(np.asarray(relaxing.kernel.weights)[order], [0.3, 1.0], rtol=1e-5)
    # A kernel that no passive law has: negative everywhere. The fit stays passive.
    active = fit_prony(t, -np.exp(-t), 1)
    assert float(active.kernel.transform(1j * np.linspace(0, 9, 99)).real.min()) >= 0


@pytest.mark.slow
def test_derivative_of_a_fit():
    """Implicit, against central differences of whole fits."""
    t = np.linspace(0, 10, 41)
    data = jnp.asarray(np.exp(-t) + 0.1 * np.exp(-0.1 * t) * np.cos(3 * t))
    f = lambda y: fit_prony(t, y, 1, oscillating=False).kernel.friction  # noqa: E731
    bump = jnp.zeros_like(data).at[4].set(1e-5)
    numeric = float(f(data + bump) - f(data - bump)) / 2e-5
    assert float(jax.grad(f)(data)[4]) == pytest.approx(numeric, rel=1e-5)


def test_single_precision():
    kernel = PronyKernel(jnp.ones(1, jnp.float32), jnp.ones(1, jnp.float32))
    assert kernel(np.float32(1.0)).dtype == jnp.float32
    found = fit_prony(jnp.linspace(0, 5, 51, dtype=jnp.float32), kernel(jnp.linspace(0, 5, 51)), 1, oscillating=False)
    assert found.kernel.rates.dtype == jnp.float32 and float(found.kernel.rates[0]) == pytest.approx(1, rel=1e-3)


@pytest.mark.parametrize(
    "call, said",
    [
        (lambda: PronyKernel([-1.0], [1.0]), "weights"),
        (lambda: PronyKernel([1.0], [1.0, 2.0]), "rates"),
        (lambda: PronyKernel([1.0], [1.0], shapes=[1.5]), "shapes"),
        (lambda: PronyKernel(1.0, 1.0), "weights"),
        (lambda: PronyKernel([1.0], [1.0])(-0.1), "not negative"),
        (lambda: PronyKernel([1.0], [1.0]).transform("s"), "s='s'"),
        (lambda: fit_prony(np.arange(9.0), np.ones(9), 2, start=PronyKernel([1.0], [1.0])), "start has 1 modes"),
        (lambda: jax.jit(lambda e: fit_prony(np.arange(9.0), np.ones(9), 1, tolerance=e))(0.1), "traced"),
        (lambda: fit_prony([0.0, 1.0], [1.0, 0.5], 3), "times"),
        (lambda: fit_prony([0.0, 1.0], [1.0, 0.5], -1), "modes"),
        (lambda: fit_prony(np.arange(9.0), np.arange(9.0), 1, start=3.0), "start"),
        (lambda: fit_prony([0.0, 2.0, 1.0, 3.0], np.ones(4), 1), "increase"),
        (lambda: fit_prony(np.arange(9.0), np.zeros(9), 1), "nothing"),
        (lambda: fit_prony(np.arange(9.0), np.ones(9), 1, tolerance=-1.0), "tolerance"),
        (lambda: fit_prony("t", [1.0], 1), "time"),
    ],
)
def test_bad_input(call, said, unchecked):
    with pytest.raises(InputError, match=said):
        call()


def test_optimistix_is_named(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "optimistix", None)
    with pytest.raises(InputError, match="pip install"):
        fit_prony(np.arange(9.0), np.exp(-np.arange(9.0)), 1)
