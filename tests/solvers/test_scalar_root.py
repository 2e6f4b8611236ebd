"""The scalar equation of every point: against closed forms, at the ends of its bracket, and its derivatives."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxhomog.solvers import scalar_root


def cubic(x, a):
    """Falls through zero at the real root of x^3 + x = a."""
    return a - x**3 - x


def cardano(a):
    """Of the cubic, in the hyperbolic form that does not cancel."""
    return 2 / 3**0.5 * np.sinh(np.arcsinh(1.5 * 3**0.5 * a) / 3)


def kinked(x, args):
    """Two straight pieces, as a hardening table gives them."""
    trial, kink = args
    return trial - x - jnp.where(x > kink, 9 * (x - kink), 0)


def steep(x, a):
    """Nearly flat, then falling steeply: plain Newton leaves the bracket at once."""
    return a - jnp.exp(30 * x)


def test_roots_of_a_cubic():
    a = jnp.asarray([0.0, 1e-12, 0.3, 2.0, 1e6])
    x = scalar_root(cubic, a, a)
    np.testing.assert_allclose(x, cardano(np.asarray(a)), rtol=1e-9, atol=1e-14)


def test_a_kink_and_an_exponential():
    trial, kink = jnp.asarray([0.5, 1.0, 1.1, 3.0]), jnp.full(4, 1.0)
    x = scalar_root(kinked, (trial, kink), trial)
    np.testing.assert_allclose(x, [0.5, 1.0, 1.01, 1.2], rtol=1e-14)
    a = jnp.asarray([1.5, 1e3, 1e10])
    np.testing.assert_allclose(scalar_root(steep, a, jnp.full(3, 5.0)), np.log(np.asarray(a)) / 30, rtol=1e-12)


def test_points_that_are_not_asked():
    x = scalar_root(cubic, jnp.asarray([1.0, -1.0, jnp.nan]), jnp.asarray([1.0, -1.0, -1.0]))
    assert x[1] == 0 and x[2] == 0 and x[0] == pytest.approx(cardano(1.0))
    assert jnp.isnan(scalar_root(cubic, jnp.asarray([jnp.nan]), jnp.asarray([1.0])))[0]


def test_single_precision_stays_single():
    a = jnp.asarray([0.1, 3.0], jnp.float32)
    x = scalar_root(cubic, a, a)
    assert x.dtype == jnp.float32
    np.testing.assert_allclose(x, cardano(np.asarray([0.1, 3.0])), rtol=1e-6)


def test_first_and_second_derivatives():
    """x' = 1 / (3 x^2 + 1), x'' = -6 x x'^3."""
    root = lambda a: scalar_root(cubic, a[None], a[None])[0]  # noqa: E731
    x = cardano(2.0)
    slope = 1 / (3 * x**2 + 1)
    assert jax.grad(root)(jnp.asarray(2.0)) == pytest.approx(slope, rel=1e-12)
    assert jax.jacfwd(root)(jnp.asarray(2.0)) == pytest.approx(slope, rel=1e-12)
    assert jax.grad(jax.grad(root))(jnp.asarray(2.0)) == pytest.approx(-6 * x * slope**3, rel=1e-12)


def test_lanes_are_alone():
    a = jnp.asarray([[0.2], [7.0]])
    both = jax.vmap(lambda v: scalar_root(cubic, v, v))(a)
    np.testing.assert_array_equal(both[0], scalar_root(cubic, a[0], a[0]))


def test_second_derivatives_inside_a_scan():
    """x'' of the cubic summed over three parameters, in every order of modes."""
    a = np.asarray([0.5, 1.0, 2.0])

    def total(b):
        return jax.lax.scan(lambda c, v: (c + scalar_root(cubic, v[None], v[None])[0], None), 0.0, b * a)[0]

    x = cardano(a)
    expected = np.sum(a**2 * -6 * x / (3 * x**2 + 1) ** 3)
    one = jnp.asarray(1.0)
    for second in (jax.jacfwd(jax.grad(total)), jax.grad(jax.grad(total)), jax.jacfwd(jax.jacfwd(total))):
        assert jax.jit(second)(one) == pytest.approx(expected, rel=1e-10)
