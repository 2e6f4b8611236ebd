"""The effective eigenstrain: exact relations of Levin and of a layered cell, homogeneous eigenstrains, derivatives."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxhomog as jh
from jaxhomog.results import SUCCESS

SOFT, HARD = (2.6, 0.3), (48.0, 0.2)  # Young's modulus and Poisson's ratio: shear moduli 1 and 20


def two_phase(labels, hard=HARD):
    return jh.PhaseMixture(labels, {0: jh.LinearElastic.isotropic(*SOFT), 1: jh.LinearElastic.isotropic(*hard)})


def plane_bulk(young, poisson):
    """In-plane bulk modulus lambda + mu of plane strain."""
    return young / (2 * (1 + poisson) * (1 - 2 * poisson))


def levin(k):
    """a* of two isotropic phases from the effective bulk modulus k (Levin 1967), plane strain."""
    k1, k2 = plane_bulk(*SOFT), plane_bulk(*HARD)
    return 2e-5 + (5e-6 - 2e-5) * (1 / k - 1 / k1) / (1 / k2 - 1 / k1)


@pytest.mark.parametrize("boundary", ["periodic", pytest.param("affine", marks=pytest.mark.slow)])
def test_levin(boundary):
    n = 24
    x = (np.arange(n) + 0.5) / n - 0.5
    labels = (x[:, None] ** 2 + x**2 < 0.5 / np.pi).astype(int)
    eigen = np.where(labels == 1, 5e-6, 2e-5)[..., None] * np.asarray([1, 1, 0])  # in the plane alone
    s = jh.effective_expansion(jh.Grid((n, n)), two_phase(labels), eigen, boundary=boundary, tolerance=1e-12)
    c = np.asarray(s.value.effective)
    expected = levin((c[0, 0] + c[0, 1]) / 2)
    np.testing.assert_allclose(s.value.expansion, [expected, expected, 0], rtol=0, atol=1e-7 * expected)
    # `el.levin_thermoelastic_2d`: the square array of discs, k* from a multipole series.
    np.testing.assert_allclose(levin(5.403825589759718), 1.1285976418824615e-05, rtol=1e-10)


def test_layers():
    """Layers normal to x in series, held together in y and z: equal in-plane strain, equal stress across."""
    labels = np.zeros((4, 1, 1), int)
    labels[1:] = 1
    a = np.array((1e-5, 3e-5))
    s = jh.effective_expansion(jh.Grid((4, 1, 1)), two_phase(labels), a[labels], tolerance=1e-12)
    share, young, poisson = np.array((0.25, 0.75)), *np.array((SOFT, HARD)).T
    biaxial = young / (1 - poisson)
    plane = (share * biaxial * a).sum() / (share * biaxial).sum()
    stress = biaxial * (plane - a)
    across = (share * (a - 2 * poisson * stress / young)).sum()
    np.testing.assert_allclose(s.value.expansion, [across, plane, plane, 0, 0, 0], rtol=0, atol=1e-13)
    np.testing.assert_allclose(s.value.stress, -s.value.effective @ s.value.expansion, rtol=0, atol=1e-12)


@pytest.mark.slow
def test_a_uniform_eigenstrain_passes_through():
    labels = np.random.default_rng(0).integers(0, 2, (4, 3, 5))
    uniform = np.array((1.0, -2.0, 0.5, 0.3, 0.0, 0.7))
    field = np.broadcast_to(uniform, (*labels.shape, 6))
    s = jh.effective_expansion(
        jh.Grid(labels.shape), two_phase(labels), field, boundary="uniform_traction", tolerance=1e-12
    )
    assert int(s.result.code) == SUCCESS
    np.testing.assert_allclose(s.value.expansion, uniform, rtol=0, atol=1e-6)


@pytest.mark.slow
def test_derivative():
    labels = np.random.default_rng(1).integers(0, 2, (5, 4))
    eigen = np.where(labels == 1, 1.0, 3.0)
    f = lambda e: jh.effective_expansion(  # noqa: E731
        jh.Grid((5, 4)), two_phase(labels, (e, 0.2)), jnp.asarray(eigen), tolerance=1e-12
    ).value.expansion[0]
    np.testing.assert_allclose(jax.grad(f)(48.0), (f(48.01) - f(47.99)) / 0.02, rtol=1e-5)


def test_bad_input():
    labels = np.zeros((3, 3), int)
    with pytest.raises(jh.InputError, match="shape"):
        jh.effective_expansion(jh.Grid((3, 3)), two_phase(labels), np.ones(3))
    with pytest.raises(jh.InputError, match="elasticity"):
        jh.effective_expansion(jh.Grid((3, 3)), jh.LinearConduction(1.0), np.ones((3, 3)))
