"""Values and gradients lower for every backend, in both precisions, without a host callback.

Small dense factorizations and random numbers are the device's own library, for which JAX gives no guarantee across
versions: they are named here, and nothing else is let through.
"""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import export

from jaxhomog.dynamics import (
    GeneralizedLangevin,
    Generic,
    PronyKernel,
    discrete_memory,
    eliminate,
    gaussian_mutual_information,
    integrate_generic,
    maxwell_laminate,
    memory_kernel,
    neighbour_information,
    relative_entropy_fit,
    time_correlation,
    window_information,
)

GPU = {"getrf_ffi", "syevd_ffi", "potrf_ffi"}
LAPACK = {"getrf", "trsm", "syevd", "potrf"}
ALLOWED = {
    "cpu": {f"lapack_{p}{name}_ffi" for p in "sd" for name in LAPACK},
    "cuda": {f"cusolver_{n}" for n in GPU} | {"cu_lu_pivots_to_permutation", "cu_threefry2x32_ffi"},
    "rocm": {f"hipsolver_{n}" for n in GPU} | {"hip_lu_pivots_to_permutation", "hip_threefry2x32_ffi"},
    "tpu": {"LuDecomposition", "Eigh", "mhlo.topk"},
}
ROWS = np.random.default_rng(0).normal(size=(6, 12))


def kernel(p):
    x = jnp.asarray(ROWS, p.dtype) * (1 + p[0] * jnp.arange(12, dtype=p.dtype))
    memory = discrete_memory(x, 3).operators
    return jnp.sum(memory_kernel(time_correlation(x, 8), p[1]).friction[2]) + jnp.sum(memory)


def elimination(p):
    a = jnp.asarray(ROWS[:4, :4], p.dtype) * p[0]
    return jnp.sum(eliminate(a, [0, 2]).memory(p[1]))


def langevin(p):
    system = GeneralizedLangevin(lambda x, k: -k * x, PronyKernel(p[:1], p[1:2], p[:1]), parameters=p[1])
    return jnp.sum(system.simulate(jax.random.key(0), p, p, p[0], 3).position)


def thermodynamics(p):
    law = Generic.constructed(
        lambda z, q: z @ z, lambda z, q: jnp.sum(jnp.log(z)), lambda z, q: jnp.outer(q, z), lambda z, q: q[:, None], p
    )
    return jnp.sum(integrate_generic(law, 1 + p, p[0], 2).state)


def coarse(p):
    nodes = jnp.linspace(-3, 3, 9, dtype=p.dtype)
    fit = relative_entropy_fit(lambda x, k: 0.5 * k * x**2, p[0], nodes, nodes, fine_weights=jnp.exp(-p[1] * nodes**2))
    return fit.parameters


def information(p):
    c = jnp.stack([jnp.stack([1 + p[0], p[1]]), jnp.stack([p[1], 1 + p[0]])])
    image = jnp.asarray(ROWS, p.dtype) * p[0]
    return gaussian_mutual_information(c, [0]) + window_information(image, 2, p[1]).fraction


def neighbours(p):
    x = jnp.asarray(ROWS.ravel(), p.dtype)
    return neighbour_information(x, p[0] * jnp.roll(x, 1)) + p[1]


def laminate(p):
    f, one = jnp.asarray([0.4, 0.6], p.dtype), jnp.ones((2, 1), p.dtype)
    r = maxwell_laminate(f, p, p[:, None], one)
    return jnp.sum(r(p))


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "f",
    [kernel, elimination, langevin, thermodynamics, coarse, information, neighbours, laminate],
    ids=lambda f: f.__name__,
)
def test_value_and_gradient_lower(f, dtype):
    program = jax.jit(jax.value_and_grad(f))
    p = jnp.asarray([0.3, 0.2], dtype)
    for platform, names in ALLOWED.items():
        allowed = [export.DisabledSafetyCheck.custom_call(name) for name in names]
        exported = export.export(program, platforms=[platform], disabled_checks=allowed)(p)
        text = exported.mlir_module()
        assert "callback" not in text
        assert set(re.findall(r"custom_call @(\w+)", text)) <= names
        assert [str(a.dtype) for a in exported.out_avals] == [dtype] * 2
