"""Derivatives of viscoplasticity at a point: by parameters, where nothing flows, and lane by lane."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from one_point import march, path

import jaxhomog as jh
from jaxhomog.materials import LinearHardening, Norton, Step, ViscoPlasticity

pytestmark = pytest.mark.slow

SY = 0.4
ELASTIC = jh.LinearElastic.isotropic(200.0, 0.3)


def test_derivatives_by_parameters():
    """Steady shear, q = drag (d / rate)^(1 / n): dq/d drag = q / drag, dq/dn = -q ln(d / rate) / n^2, both ways."""
    d, drag, n, rate = 0.5, 0.7, 4.0, 0.1
    strains = jnp.zeros((14, 6)).at[:, 5].set(d * 1.5**0.5 * np.arange(1, 15))

    def stress(theta):
        points = Norton(ELASTIC, theta[0], theta[1], theta[2]).points((1, 1, 1), jnp.float64)

        def body(state, strain):
            up = points.update(strain.reshape(6, 1, 1, 1), state, Step(1.0))
            return up.state, up.stress[5, 0, 0, 0] * 1.5**0.5

        return jax.lax.scan(body, points.initial((1, 1, 1), jnp.float64), strains)[1][-1]

    q = drag * (d / rate) ** (1 / n)
    exact = [q / drag, -q * np.log(d / rate) / n**2, -q / (n * rate)]
    theta = jnp.asarray([drag, n, rate])
    np.testing.assert_allclose(jax.jit(jax.grad(stress))(theta), exact, rtol=1e-8)
    np.testing.assert_allclose(jax.jit(jax.jacfwd(stress))(theta), exact, rtol=1e-8)


@eqx.filter_jit
def _derivatives(law, strain):
    def total(law, strain):
        points = law.points((1, 1, 1), jnp.float64)
        state = points.initial((1, 1, 1), jnp.float64)
        up = points.update(strain, state, Step(jnp.asarray(1.0)))
        return up.stress.sum() + up.state.sum() + up.energy.sum() + up.dissipation.sum()

    def tangent(law, strain):
        points = law.points((1, 1, 1), jnp.float64)
        return points.tangent(strain, points.initial((1, 1, 1), jnp.float64), Step(jnp.asarray(1.0))).mean().sum()

    by_strain = jax.grad(lambda e: total(law, e))
    second = jax.jvp(by_strain, (strain,), (jnp.ones_like(strain),))[1]
    return eqx.filter_grad(total)(law, strain), second, jax.grad(lambda e: tangent(law, e))(strain)


@pytest.mark.parametrize("threshold", [True, False])
def test_derivatives_are_finite_where_nothing_flows(threshold):
    """At no strain and at a small one: by every parameter, twice by strain, and of the tangent."""
    for n in (1.0, 1.5, 2.0, 6.0):
        law = (
            ViscoPlasticity(ELASTIC, LinearHardening(SY, 3.0), 0.2, n, 0.01)
            if threshold
            else Norton(ELASTIC, 0.5, n, 0.01)
        )
        for size in (0.0, 1e-5):
            out = _derivatives(law, jnp.full((6, 1, 1, 1), size).at[0].multiply(-1.0))
            assert all(bool(jnp.isfinite(x).all()) for x in jax.tree.leaves(out))


def test_fields_and_lanes_are_alone():
    """A field of exponents is a law per voxel; vmap over the exponent is a loop."""
    exponents = np.asarray([1.0, 2.5, 6.0])
    strain = path(4, steps=1)

    @jax.jit
    def stress(exponent, strain):
        points = Norton(ELASTIC, 0.5, exponent, 0.01).points((3, 1, 1), jnp.float64)
        strain = jnp.broadcast_to(strain.reshape(6, 1, 1, 1), (6, 3, 1, 1))
        return points.update(strain, points.initial((3, 1, 1), jnp.float64), Step(jnp.asarray(2.0))).stress

    field = np.asarray(stress(jnp.asarray(exponents.reshape(3, 1, 1)), jnp.asarray(strain[0])))[:, :, 0, 0]
    for i, n in enumerate(exponents):
        np.testing.assert_allclose(field[:, i], march(Norton(ELASTIC, 0.5, n, 0.01), strain, 2.0)[0][0], rtol=1e-9)
    lanes = jax.vmap(stress, (0, None))(jnp.asarray(exponents), jnp.asarray(strain[0]))
    np.testing.assert_allclose(np.asarray(lanes)[:, :, 0, 0, 0].T, field, rtol=1e-9)
