"""Value and gradient lower for every backend, without a host callback, a library call or the other precision."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from chains import nearest
from jax import export

from jaxhomog.lattice import (
    Harmonic,
    Lattice,
    LennardJones,
    Morse,
    Pairs,
    brillouin_zone,
    cauchy_born,
    critical_stretch,
    diamond,
    fcc,
    ground_state,
    lennard_jones_crystal,
    maxwell_stretch,
    neighbours,
    phonon_scan,
    rule,
    triangular,
)

PLATFORMS = ("cpu", "cuda", "rocm", "tpu")
ZONE = np.asarray(brillouin_zone(fcc(1.5), 2))


def sheet(p):
    table = neighbours(triangular(1.1), 1)[0]
    return Lattice(triangular(1.1), Pairs(LennardJones(p[0], p[1]), table)).cast(p.dtype)


def solid(p):
    first, second = neighbours(diamond(1.0), 2)
    return Lattice(diamond(1.0), (Pairs(Morse(p[0], p[1], 0.433), first), Pairs(Harmonic(p[0], 0.7), second))).cast(
        p.dtype
    )


def stress(p):
    answer = cauchy_born(solid(p), 1.01 * jnp.eye(3, dtype=p.dtype))
    return jnp.sum(answer.stress) + jnp.sum(answer.tangent)


def rest(p):
    return ground_state(sheet(p), "cell", throw=False).value.energy


def soft(p):
    table = neighbours(fcc(1.5), 1)[0]
    lattice = Lattice(fcc(1.5), Pairs(LennardJones(p[0], p[1]), table)).cast(p.dtype)
    q = jnp.asarray(ZONE, p.dtype)
    return critical_stretch(lattice, jnp.linspace(1, 1.2, 3, dtype=p.dtype), q, throw=False).value.stretch


def broken(p):
    lattice = nearest().cast(p.dtype)
    lattice = Lattice(lattice.crystal, Pairs(LennardJones(p[0], p[1]), lattice.interactions[0].bonds))
    return maxwell_stretch(lattice, 4, (1.0, 1.1), throw=False).value


def check(function, platform, dtype, allowed=()):
    disabled = [export.DisabledSafetyCheck.custom_call(name) for name in allowed]
    exported = export.export(jax.jit(function), platforms=[platform], disabled_checks=disabled)(jnp.ones(2, dtype))
    text = exported.mlir_module()
    assert set(re.findall(r"custom_call @(\w+)", text)) <= set(allowed) and "callback" not in text
    assert all(str(a.dtype) in (dtype, "int32") for a in exported.out_avals)
    return text


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("function", [stress, rest, soft, broken])
def test_value_and_gradient_lower(function, dtype):
    for platform in PLATFORMS:
        text = check(jax.value_and_grad(function), platform, dtype)
        wrong = "f32" if dtype == "float64" else "f64"
        assert not re.search(rf"stablehlo\.(add|subtract|multiply|divide|sqrt)\b.*\dx{wrong}>", text)


@pytest.mark.slow
@pytest.mark.parametrize("platform", PLATFORMS)
def test_a_scan_and_the_switch_lower(platform):
    """The values by closed forms; the gradient of a scan needs eigenvectors, from the device's library."""
    q = brillouin_zone(triangular(1.1), 4)
    F = 1.01 * jnp.eye(2)
    check(lambda p: phonon_scan(sheet(p), F[None], q), platform, "float64")
    check(lambda p: rule(sheet(p), F, q, (1, 2)).code, platform, "float64")
    library = {"cpu": "lapack_dsyevd_ffi", "cuda": "cusolver_syevd_ffi", "rocm": "hipsolver_syevd_ffi", "tpu": "Eigh"}
    slope = jax.grad(lambda p: jnp.sum(phonon_scan(sheet(p), F[None], q)))
    check(slope, platform, "float64", [library[platform]])


@pytest.mark.slow
def test_a_lattice_sum_lowers():
    lattice = lennard_jones_crystal(fcc(1.55))
    energy = lambda p: lattice.density(p[0] * jnp.eye(3), jnp.zeros((0, 3)))  # noqa: E731
    for platform in PLATFORMS:
        check(jax.value_and_grad(energy), platform, "float64")
    assert np.isfinite(energy(jnp.ones(2)))
