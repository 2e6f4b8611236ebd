"""Power-law conduction at a point: a series and a parallel laminate, tangent, potential, the point of rest."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxhomog as jh
from jaxhomog.materials import PowerLawConduction, Step

STEP = Step(jnp.asarray(0.5))
GRADIENT = jnp.asarray([0.7, -0.4, 1.1])


def at(law, gradient):
    """Points of one place, and a function of the gradient there."""
    dim = len(gradient)
    points = law.points((1,) * dim, gradient.dtype)
    return points, lambda e: points.update(e.reshape(dim, *(1,) * dim), (), STEP).stress.ravel()


def test_a_laminate_in_series_and_in_parallel():
    """Phases A = (1, 5), n = 3, fractions (0.4, 0.6), mean gradient 2: Newton's method on the common flux.

    In series the flux is common, E_i = (q / A_i)^(1/3) and 0.4 E_1 + 0.6 E_2 = 2; in parallel the gradient is.
    """
    soft, stiff = (at(PowerLawConduction(a, 3.0), GRADIENT)[1] for a in (1.0, 5.0))
    x = lambda e: jnp.asarray([1.0, 0, 0]) * e  # noqa: E731

    @jax.jit
    def newton(e):
        jump = lambda e: soft(x(e))[0] - stiff(x((2 - 0.4 * e) / 0.6))[0]  # noqa: E731
        return e - jump(e) / jax.grad(jump)(e)

    e = jnp.asarray(2.0)
    for _ in range(12):
        e = newton(e)
    series = soft(x(e))[0]
    assert series == pytest.approx((2 / (0.4 + 0.6 * 5 ** (-1 / 3))) ** 3, rel=1e-12)
    assert series == pytest.approx(18.896208965996333, rel=1e-8)  # cond.powerlaw_laminate
    parallel = 0.4 * soft(jnp.asarray([0, 2.0, 0])) + 0.6 * stiff(jnp.asarray([0, 2.0, 0]))
    np.testing.assert_allclose(parallel, [0, 27.2, 0], rtol=1e-12)


@pytest.mark.parametrize("exponent", [1.0, 1.5, 3.0])
@pytest.mark.parametrize("dim", [2, 3])
def test_tangent_against_differences(dim, exponent):
    e = GRADIENT[:dim]
    points, flux = at(PowerLawConduction(2.0, exponent), e)
    flux = jax.jit(flux)
    own = np.asarray(points.tangent(e.reshape(dim, *(1,) * dim), (), STEP).mean())
    d = 1e-6
    numeric = np.stack([(flux(e + d * v) - flux(e - d * v)) / (2 * d) for v in jnp.eye(dim)], axis=1)
    np.testing.assert_allclose(own, numeric, rtol=0, atol=1e-8 * np.linalg.norm(numeric))
    np.testing.assert_allclose(own, jax.jacfwd(flux)(e), rtol=1e-12)
    assert points.symmetric


def test_the_flux_is_the_derivative_of_the_potential():
    points, flux = at(PowerLawConduction(2.0, 2.5), GRADIENT)
    potential = lambda e: points.potential(e.reshape(3, 1, 1, 1)).ravel()[0]  # noqa: E731
    assert potential(GRADIENT) == pytest.approx(2 * np.linalg.norm(GRADIENT) ** 3.5 / 3.5, rel=1e-12)
    np.testing.assert_allclose(jax.grad(potential)(GRADIENT), flux(GRADIENT), rtol=1e-12)
    # A stiffness that grows along the gradient: g . E is n + 1 times the potential (Euler's theorem).
    assert flux(GRADIENT) @ GRADIENT == pytest.approx(3.5 * float(potential(GRADIENT)), rel=1e-12)


@pytest.mark.parametrize("exponent, slope", [(1.0, 2.0), (1.5, 0.0), (3.0, 0.0)])
def test_the_point_of_rest(exponent, slope):
    """At grad T = 0: no flux, a finite tangent (A for n = 1, else 0), finite derivatives by the parameters."""
    zero = jnp.zeros(3)
    points, flux = at(PowerLawConduction(2.0, exponent), zero)
    np.testing.assert_array_equal(flux(zero), 0)
    np.testing.assert_array_equal(jax.jacfwd(flux)(zero), slope * np.eye(3))
    np.testing.assert_array_equal(jax.jacrev(flux)(zero), slope * np.eye(3))
    np.testing.assert_array_equal(points.tangent(zero.reshape(3, 1, 1, 1), (), STEP).mean(), slope * np.eye(3))

    def first(parameters):
        return at(PowerLawConduction(*parameters), zero)[1](zero)[0]

    np.testing.assert_array_equal(jnp.stack(jax.grad(first)((2.0, exponent))), 0)


def test_all_power_is_dissipated():
    law = PowerLawConduction(np.asarray([1.0, 4.0])[:, None], 2.0)
    e = jnp.asarray(np.random.default_rng(0).normal(size=(2, 2, 3)))
    up = law.points((2, 3), jnp.float64).update(e, (), STEP)
    np.testing.assert_allclose(up.dissipation, 0.5 * np.sum(np.asarray(up.stress * e), axis=0), rtol=1e-12)
    assert (up.dissipation >= 0).all() and not up.energy.any() and not up.code.any()
    np.testing.assert_allclose(up.stress[:, 1] / up.stress[:, 0], 4 * (e[:, 1] / e[:, 0]) * np.asarray(
        jnp.linalg.norm(e[:, 1], axis=0) / jnp.linalg.norm(e[:, 0], axis=0)), rtol=1e-12)  # fmt: skip


def test_single_precision_stays_single_and_lanes_agree():
    law = PowerLawConduction(1.3, 2.5)
    points = law.points((2, 1, 1), jnp.float32)
    e = jnp.asarray(np.random.default_rng(1).normal(size=(4, 3, 2, 1, 1)), jnp.float32)
    step = Step(jnp.asarray(1.0, jnp.float32))
    both = lambda x: (points.update(x, (), step), points.tangent(x, (), step))  # noqa: E731
    lanes = jax.vmap(both)(e)
    floats = [x for x in jax.tree.leaves((lanes, points.elastic((2, 1, 1), jnp.float32))) if x.dtype != jnp.int32]
    assert {x.dtype for x in floats} == {jnp.dtype("float32")}
    np.testing.assert_allclose(lanes[0].stress[2], both(e[2])[0].stress, rtol=1e-6)


@pytest.mark.parametrize(
    "build, words",
    [
        (lambda: PowerLawConduction(-1.0, 2.0).check(), "coefficient is -1"),
        (lambda: PowerLawConduction(1.0, 0.5).check(), "exponent is 0.5"),
        (lambda: PowerLawConduction(1.0, np.nan).check(" of phase 3"), "exponent of phase 3 is nan"),
        (lambda: PowerLawConduction(np.ones(3), 2.0).points((4, 4), jnp.float64), "coefficient has shape"),
    ],
)
def test_bad_input_is_named(build, words):
    with pytest.raises(jh.InputError, match=words) as error:
        build()
    assert "\n" not in str(error.value)
