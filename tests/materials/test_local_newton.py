"""The local solve of a point: root, derivatives of both orders in every mode, failure, the small inverse."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from jaxhomog.materials._local_newton import local_root, small_inverse


class Quadratic:
    """x0^2 = a0 x1, x1^2 = a1 x0 near the root x0 = (a0^2 a1)^(1/3), x1 = (a0 a1^2)^(1/3)."""

    max_iterations = 60

    def start(self, args):
        return args[1]

    def residual(self, x, args):
        return x**2 - args[0] * x[::-1]

    def objective(self, x, args):
        return None

    def weights(self, x, args, jacobian):
        return jnp.ones_like(x)

    def scale(self, args):
        return jnp.zeros_like(args[0][0])


def exact(a):
    return jnp.stack([(a[0] ** 2 * a[1]) ** (1 / 3), (a[0] * a[1] ** 2) ** (1 / 3)])


def own(a, start):
    return local_root(Quadratic(), (a, start))[0]


def scanned(a, start):
    return lax.scan(lambda c, x: (c, own(a, x)), jnp.zeros(()), start[None])[1][0]


A, START = jnp.asarray([2.0, 3.0]), jnp.asarray([30.0, 5.0])


@pytest.mark.parametrize("function", [own, scanned])
def test_root_and_derivatives_of_both_orders(function):
    """In a scan as well, where jax 0.10.2 forgets the custom rule of a value in forward over reverse mode."""
    np.testing.assert_allclose(jax.jit(function)(A, START), exact(A), rtol=1e-13)
    for first in (jax.jacfwd, jax.jacrev):
        np.testing.assert_allclose(jax.jit(first(function))(A, START), first(exact)(A), rtol=1e-12)
        for second in (jax.jacfwd, jax.jacrev):
            np.testing.assert_allclose(
                jax.jit(second(first(function)))(A, START), jax.hessian(exact)(A), rtol=1e-10, err_msg=f"{second}"
            )


def test_lanes_end_by_themselves_and_failure_is_told():
    starts = jnp.stack([START, exact(A), jnp.asarray([jnp.nan, 1.0])])
    roots, ok = jax.jit(jax.vmap(lambda s: local_root(Quadratic(), (A, s))))(starts)
    np.testing.assert_allclose(roots[:2], jnp.stack([exact(A)] * 2), rtol=1e-13)
    assert ok.tolist() == [1, 1, 0]


class Climbing(Quadratic):
    """The minimum of x^4 / 4 - a x^2 / 2 from near its maximum, where the second derivative is negative."""

    def objective(self, x, args):
        return jnp.sum(x**4 / 4 - args[0] * x**2 / 2)

    def residual(self, x, args):
        return jax.grad(self.objective)(x, args)


def test_a_minimum_is_found_where_the_objective_is_not_convex():
    x, ok = jax.jit(lambda a, s: local_root(Climbing(), (a, s)))(A, jnp.asarray([0.1, -0.2]))
    np.testing.assert_allclose(x, jnp.sqrt(A) * jnp.asarray([1, -1]), rtol=1e-12)
    assert ok == 1


def test_the_inverse_of_a_matrix_that_needs_pivots():
    a = np.random.default_rng(0).normal(size=(5, 7, 7)) * 10.0 ** np.arange(-9, 12, 3)[:, None]
    a[:, 0, 0] = 0
    np.testing.assert_allclose(
        jax.vmap(small_inverse)(jnp.asarray(a)) @ a, np.tile(np.eye(7), (5, 1, 1)), rtol=0, atol=1e-10
    )
    assert not jnp.isfinite(small_inverse(jnp.ones((2, 2)))).all()
