"""Conditional expectation and linear projection of a force: `mz.projection`, and projections of samples."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxhomog.dynamics import project, project_force
from jaxhomog.results import InputError


def potential(x, y):
    return x[0] ** 4 / 4 - x[0] ** 2 / 2 + (1 + x[0] ** 2) * y[0] ** 2 / 2


X, Y = np.linspace(-6, 6, 241), np.linspace(-12, 12, 241)


def test_two_projections():
    found = project_force(potential, X, Y)
    at = [int(np.argmin(abs(X - x))) for x in (0.25, 0.5, 1.0, 1.5)]
    mean = [-0.0009191176470588203, -0.025000000000000022, -0.5, -2.3365384615384617]
    np.testing.assert_allclose(found.conditional[np.asarray(at), 0], mean, rtol=0, atol=1e-10)
    linear = [-0.29638223842866446, -0.5927644768573289, -1.1855289537146578, -1.7782934305719866]
    np.testing.assert_allclose(found.linear[np.asarray(at), 0], linear, rtol=0, atol=1e-8)
    # kT = -<x f>: the spring is kT / <x^2>.
    assert float(found.spring[0, 0]) == pytest.approx(1 / 0.8435053373151843, rel=1e-9)
    assert float(found.orthogonality.max()) < 1e-12 and float(found.equipartition) < 1e-12
    assert float(found.distance) > 0.5
    # Of a harmonic potential the two are one.
    same = project_force(lambda x, y: x[0] ** 2 + x[0] * y[0] + y[0] ** 2, X, Y, 0.5)
    assert float(same.distance) < 1e-7


def test_rules_that_do_not_reach():
    """Nodes that cut the ensemble off: equipartition is off by p x at the ends, 2 a p(a) for a Gaussian."""
    a, harmonic = 1.5, lambda x, y: 0.5 * (x @ x + y @ y)
    found = project_force(harmonic, np.linspace(-a, a, 3001), Y)
    from_closed_form = 2 * a * np.exp(-(a**2) / 2) / (np.sqrt(2 * np.pi) * math.erf(a / np.sqrt(2)))
    assert float(found.equipartition) == pytest.approx(from_closed_form, rel=2e-3)
    # No force at all: the two projections agree, and nothing is divided by it.
    free = project_force(lambda x, y: 0.5 * y @ y, X, Y)
    assert float(free.distance) == 0 and float(jnp.abs(free.spring).max()) == 0


def test_weights_of_a_rule():
    """Gauss-Hermite nodes in y, exact for a Gaussian; Gauss-Legendre nodes in x: the moment of `mz.projection`."""
    points, shares = np.polynomial.legendre.leggauss(80)
    legendre = project_force(potential, 6 * points, Y, resolved_weights=shares)
    assert float(legendre.spring[0, 0]) == pytest.approx(1 / 0.8435053373151843, rel=1e-9)
    nodes, weights = np.polynomial.hermite_e.hermegauss(12)
    rule = {"unresolved_weights": weights * np.exp(nodes**2 / 2)}
    found = project_force(potential, X, nodes, **rule)
    wide = project_force(potential, X, Y)
    np.testing.assert_allclose(found.conditional[100:140], wide.conditional[100:140], rtol=0, atol=3e-3)


def test_projection_of_samples():
    """Orthogonal to rounding; with richer functions it tends to the conditional expectation 2 x^3 (seed 0)."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=4000)
    f = (2 * x**3 + rng.normal(size=4000))[:, None]
    _, rest = project(f, np.stack([x, x**2], axis=1))
    assert abs(np.asarray(rest)[:, 0] @ x) < 1e-8
    coefficients, rest = project(f, np.stack([x, x**2, x**3], axis=1))
    error = np.linalg.inv(np.cov(np.stack([x, x**2, x**3]), bias=True))
    np.testing.assert_array_less(np.abs(coefficients[0] - np.asarray([0, 0, 2])), 4 * np.sqrt(np.diag(error) / 4000))
    weights = rng.random(4000) + 0.1
    _, rest = project(f, x[:, None], weights)
    assert abs(np.asarray(rest)[:, 0] @ (weights * x)) < 1e-8


def test_derivative():
    """Of the spring by the temperature: in a harmonic well none; else against differences."""
    f = jax.jit(lambda kt: project_force(potential, X, Y, kt).spring[0, 0])
    assert float(jax.grad(f)(1.0)) == pytest.approx(float(f(1 + 1e-5) - f(1 - 1e-5)) / 2e-5, rel=1e-6)
    found = project_force(potential, X.astype(np.float32), Y.astype(np.float32), np.float32(1))
    assert found.spring.dtype == jnp.float32 and float(found.spring[0, 0]) == pytest.approx(1.18553, rel=1e-4)


@pytest.mark.parametrize(
    "call, said",
    [
        (lambda: project_force(1.0, X, Y), "potential"),
        (lambda: project_force(lambda x, y: x, X, Y), "potential"),
        (lambda: project_force(potential, X, Y, 0.0), "temperature"),
        (lambda: project_force(potential, X, Y, unresolved_weights=[1.0]), "unresolved_weights"),
        (lambda: project_force(potential, np.ones((2, 2, 2)), Y), "resolved"),
        (lambda: project_force(lambda x: x[0], X, Y), "takes"),
        (lambda: project_force(potential, [0.0], Y), "resolved"),
        (lambda: project_force(lambda x, y: jnp.log(x[0]) + y[0] ** 2, X, Y), "not finite"),
        (lambda: project(np.ones((3, 1)), np.ones((4, 1))), "samples"),
        (lambda: project(np.ones((2, 1)), np.ones((2, 3))), "at least as many samples"),
        (lambda: project(np.ones((9, 1)), np.stack([np.arange(9.0), np.ones(9), 2 * np.ones(9)], axis=1)), "feature 2"),
        (lambda: project(np.ones((3, 1)), np.ones((3, 1)), -np.ones(3)), "weights"),
    ],
)
def test_bad_input(call, said, unchecked):
    with pytest.raises(InputError, match=said):
        call()
