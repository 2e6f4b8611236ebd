"""Value and gradient of a sweep lower for every backend, in both arrangements, without a callback or a custom call."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import export
from test_lowering import PLATFORMS, check

import jaxhomog as jh

LABELS = np.random.default_rng(0).integers(0, 2, (3, 4, 5))


@pytest.mark.parametrize("lanes, dtype", [("map", "float64"), ("vmap", "float32")])
def test_value_and_gradient_lower(lanes, dtype):
    def solve(shared, lane):
        law = jh.PhaseMixture(lane["labels"], {0: jh.LinearConduction(shared), 1: jh.LinearConduction(lane["k"])})
        return jh.homogenize(jh.Grid(LABELS.shape[1:], jnp.ones(2, dtype)), law, element="fv")

    def total(shared, k, labels):
        lane = {"k": k, "labels": labels}
        s = jh.sweep(jax.tree_util.Partial(solve, shared), lane, lanes=lanes, chunk=2)  # 3 lanes: a remainder
        return jnp.sum(s.value.effective * jnp.arange(4, dtype=dtype).reshape(2, 2))

    arguments = (jnp.ones((), dtype), jnp.ones(3, dtype), jnp.asarray(LABELS, jnp.int32))
    program = jax.jit(jax.value_and_grad(total, (0, 1)))
    for platform in PLATFORMS:
        check(export.export(program, platforms=[platform])(*arguments), platform, dtype)
