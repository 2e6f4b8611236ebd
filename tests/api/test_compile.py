"""Eager calls compile with options of their own; under a trace the verb is an ordinary jit."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxhomog as jh

LABELS = np.eye(4, dtype=int)


def conductivity(k):
    law = jh.PhaseMixture(LABELS, {0: jh.LinearConduction(k), 1: jh.LinearConduction(3.0)})
    return jh.homogenize(jh.Grid((4, 4), (1.0, 1.0)), law).value.effective[0, 0]


@pytest.mark.slow
def test_every_way_of_calling_gives_the_same_value():
    eager = conductivity(1.0)
    constants_in_a_trace = jax.jit(lambda: conductivity(1.0))
    in_a_loop = jax.jit(lambda: jax.lax.scan(lambda c, _: (c + conductivity(1.0), None), 0.0 * eager, length=2)[0])
    for value in (
        jax.jit(conductivity)(1.0),
        constants_in_a_trace(),
        jax.vmap(conductivity)(jnp.ones(2))[1],
        in_a_loop() / 2,
    ):
        np.testing.assert_allclose(value, eager, rtol=1e-12)
    step = 1e-5
    slope = (conductivity(1.0 + step) - conductivity(1.0 - step)) / (2 * step)
    np.testing.assert_allclose(jax.grad(conductivity)(1.0), slope, rtol=1e-4)
