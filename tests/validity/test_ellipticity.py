"""Strong ellipticity against closed forms: isotropic, cubic, and a tangent that has lost it in one plane."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxhomog as jh
from jaxhomog.tensors import cubic_stiffness, isotropic_stiffness, rotate_stiffness, to_mandel
from jaxhomog.validity import ellipticity


@pytest.mark.parametrize("dim", [2, 3])
@pytest.mark.parametrize("lam, mu", [(1.3, 0.7), (-1.0, 0.7), (-0.6, 2.0)])
def test_isotropic(dim, lam, mu):
    """Shear waves mu, pressure waves lambda + 2 mu, in every direction."""
    c = isotropic_stiffness(lam + 2 * mu / 3, mu, dim)
    value, n = ellipticity(c)
    assert float(value) == pytest.approx(min(mu, lam + 2 * mu), rel=1e-12)
    assert float(jnp.linalg.norm(n)) == pytest.approx(1)


@pytest.mark.parametrize("c44, expected, along", [(75.4, 23.5, (1, 1, 0)), (9.0, 9.0, (1, 0, 0))])
def test_cubic(c44, expected, along):
    """(c11 - c12) / 2 along <110> (copper), or c44 along <100> where the anisotropy is below one."""
    value, n = ellipticity(cubic_stiffness(168.4, 121.4, c44))
    assert float(value) == pytest.approx(expected, rel=1e-10)
    if c44 > 23.5:
        np.testing.assert_allclose(
            np.sort(np.abs(n)), np.sort(np.abs(along)) / np.linalg.norm(along), rtol=0, atol=1e-10
        )


def softened(n, m, lam, mu, gamma):
    """C - gamma (C s)(C s) / (s : C : s), s = sym(m x n): m . Q(n) . m = (1 - gamma) mu, and no smaller value."""
    c = np.asarray(isotropic_stiffness(lam + 2 * mu / 3, mu, len(n)))
    s = np.asarray(to_mandel(jnp.asarray(0.5 * (np.outer(m, n) + np.outer(n, m)))))
    return c - gamma * np.outer(c @ s, c @ s) / (s @ c @ s)


@pytest.mark.parametrize("dim", [2, 3])
@pytest.mark.parametrize("gamma", [0.9, 1.2])
def test_a_plane_where_it_is_lost(dim, gamma):
    basis = np.linalg.qr(np.random.default_rng(5).normal(size=(dim, dim)))[0]
    n, m = basis[:, 0], basis[:, 1]
    value, found = ellipticity(jnp.asarray(softened(n, m, 1.1, 0.8, gamma)))
    assert float(value) == pytest.approx((1 - gamma) * 0.8, abs=1e-3)
    assert max(abs(found @ n), abs(found @ m)) > 1 - 3e-4
    single = ellipticity(jnp.asarray(softened(n, m, 1.1, 0.8, gamma), jnp.float32))[0]
    assert single.dtype == jnp.float32 and float(single) == pytest.approx(float(value), abs=1e-5)


def test_rotations_leave_it_alone():
    """Of copper, to the resolution of the directions: 1e-3 of the largest differences."""
    rng = np.random.default_rng(2)
    turns = jh.Rotation.from_quaternion(rng.normal(size=(5, 4)))
    turned = rotate_stiffness(cubic_stiffness(168.4, 121.4, 75.4), turns)
    values, n = jax.jit(jax.vmap(ellipticity))(turned)
    np.testing.assert_allclose(values, 23.5, rtol=0, atol=0.05)
    assert (values >= 23.5 - 1e-9).all() and n.shape == (5, 3)
    np.testing.assert_allclose(ellipticity(turned)[0], values, rtol=1e-12)


def test_an_antisymmetric_part_does_no_work_and_nan_stays():
    c = isotropic_stiffness(2.0, 0.7, 2)
    skew = jnp.asarray([[0.0, 1, 2], [-1, 0, 3], [-2, -3, 0]])
    both = jnp.stack([c + skew, c.at[0, 0].set(jnp.nan)])
    value, n = ellipticity(both)
    assert float(value[0]) == pytest.approx(0.7) and np.isnan(value[1]) and np.isnan(n[1]).all()
    with pytest.raises(jh.InputError, match="Mandel"):
        ellipticity(jnp.eye(5))


@pytest.mark.parametrize("dim", [2, 3])
def test_moduli_at_finite_strain_are_read_row_by_row(dim):
    """dP/dF at F = 1 of a law is its stiffness; a hydrostatic stress p adds p (d_ij d_kl - d_il d_jk), no work in Q."""
    basis = np.linalg.qr(np.random.default_rng(7).normal(size=(dim, dim)))[0]
    c = softened(basis[:, 0], basis[:, 1], 1.1, 0.8, 0.9)
    unit = np.asarray([to_mandel(jnp.asarray(0.5 * (e + e.T))) for e in np.eye(dim * dim).reshape(-1, dim, dim)])
    one = np.eye(dim)
    null = np.einsum("ij,kl->ijkl", one, one) - np.einsum("il,kj->ijkl", one, one)
    moduli = unit @ c @ unit.T + 0.3 * null.reshape(dim * dim, dim * dim)
    small, finite = (ellipticity(jnp.asarray(x)) for x in (c, moduli))
    assert float(finite[0]) == pytest.approx(float(small[0]), rel=1e-9)
    np.testing.assert_allclose(finite[1], small[1], rtol=0, atol=1e-9)
