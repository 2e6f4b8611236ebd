"""Analytic bounds: published numbers, closed two-phase forms, ordering, limits and gradients."""

from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxhomog import tensors as t
from jaxhomog.materials import conduction_bounds, cubic_polycrystal_bounds, elastic_bounds_isotropic, voigt_reuss
from jaxhomog.results import InputError


def _moduli(c, dim):
    """Dim-dimensional bulk and shear modulus of an isotropic Mandel tensor (which it must be)."""
    j, k = np.asarray(t.spherical_projector(dim)), np.asarray(t.deviatoric_projector(dim))
    bulk, shear = np.sum(c * j) / dim, np.sum(c * k) / np.trace(k) / 2
    np.testing.assert_allclose(c, dim * bulk * j + 2 * shear * k, rtol=0, atol=1e-9 * np.abs(c).max())
    return bulk, shear


def _below(lower, upper):
    return np.linalg.eigvalsh(np.asarray(upper) - np.asarray(lower)).min() > -1e-9 * np.abs(np.asarray(upper)).max()


@pytest.mark.parametrize(
    "dim, expected",
    # Hashin & Shtrikman (1962), k = 1 (fraction 0.7) and 10 (0.3).
    ((2, (1.6506024096385543, 2.716763005780347)), (3, (1.870967741935484, 3.0769230769230775))),
)
def test_conduction_bounds_of_hashin_and_shtrikman(dim, expected):
    image = np.repeat([1.0, 10.0], [70, 30]).reshape(10, 10)
    for bounds in (
        conduction_bounds(image, dim),
        conduction_bounds(np.array([1.0, 10.0]), dim, weights=np.array([7.0, 3.0])),
    ):
        np.testing.assert_allclose(bounds.hs_lower, expected[0] * np.eye(dim), rtol=1e-12)
        np.testing.assert_allclose(bounds.hs_upper, expected[1] * np.eye(dim), rtol=1e-12)
        np.testing.assert_allclose(bounds.voigt, 3.7 * np.eye(dim), rtol=1e-12)
        np.testing.assert_allclose(bounds.reuss, np.eye(dim) / 0.73, rtol=1e-12)


def test_cubic_polycrystal_of_copper():
    # C11, C12, C44 = 168.4, 121.4, 75.4 GPa: Hill (1952); Hashin & Shtrikman (1962), JMPS 10, 343; Hershey (1954).
    b = cubic_polycrystal_bounds(168.4, 121.4, 75.4)
    got = (b.bulk, b.voigt, b.reuss, b.hill, b.hs_lower, b.hs_upper, b.self_consistent)
    expected = (
        137.0666666666667,
        54.64000000000001,
        40.03389064618165,
        47.33694532309083,
        45.96371053475083,
        49.4451842805011,
        48.17198425186243,
    )
    np.testing.assert_allclose(got, expected, rtol=1e-12)


def test_cubic_polycrystal_limits_and_gradient():
    c11, c44 = jnp.asarray([3.0, 168.4, 60.0]), jnp.asarray([1.0, 75.4, 0.0])
    c12 = jnp.asarray([1.0, 121.4, 20.0])
    b = cubic_polycrystal_bounds(c11, c12, c44)
    order = jnp.stack([b.reuss, b.hs_lower, b.self_consistent, b.hs_upper, b.voigt])
    assert jnp.all(jnp.diff(order, axis=0) >= -1e-12)
    np.testing.assert_allclose(order[:, 0], 1.0, rtol=1e-14)  # an isotropic crystal
    np.testing.assert_allclose(
        order[:3, 2], (0, 0, 0), rtol=0, atol=1e-6
    )  # a crystal without shear resistance on {100}

    @jax.jit
    def estimate(c):
        return cubic_polycrystal_bounds(c[0], c[1], c[2]).self_consistent

    c, h = jnp.asarray([168.4, 121.4, 75.4]), 1e-4
    gradient = [(estimate(c + h * e) - estimate(c - h * e)) / (2 * h) for e in jnp.eye(3)]
    np.testing.assert_allclose(jax.jit(jax.grad(estimate))(c), gradient, rtol=1e-7)
    slope = jax.jit(jax.grad(estimate))
    hessian = [(slope(c + h * e) - slope(c - h * e)) / (2 * h) for e in jnp.eye(3)]
    np.testing.assert_allclose(jax.jit(jax.hessian(estimate))(c), jnp.stack(hessian), rtol=0, atol=1e-8)


def _two_phase_3d(k, g, f):
    """Hashin & Shtrikman (1963), eqs. (4.1)-(4.4), phase 0 softer in both moduli."""

    def side(i, j):
        bulk = k[i] + f[j] / (1 / (k[j] - k[i]) + 3 * f[i] / (3 * k[i] + 4 * g[i]))
        beta = 6 * (k[i] + 2 * g[i]) * f[i] / (5 * g[i] * (3 * k[i] + 4 * g[i]))
        return bulk, g[i] + f[j] / (1 / (g[j] - g[i]) + beta)

    return side(0, 1), side(1, 0)


def _two_phase_2d(k, g, f):
    """Hashin (1965) / Hill (1964), transverse moduli of a fibre composite, with area moduli k."""

    def side(i, j):
        bulk = k[i] + f[j] / (1 / (k[j] - k[i]) + f[i] / (k[i] + g[i]))
        return bulk, g[i] + f[j] / (1 / (g[j] - g[i]) + f[i] * (k[i] + 2 * g[i]) / (2 * g[i] * (k[i] + g[i])))

    return side(0, 1), side(1, 0)


@pytest.mark.parametrize("dim, closed", ((2, _two_phase_2d), (3, _two_phase_3d)))
def test_elastic_bounds_of_two_phases(dim, closed):
    bulk, shear, f = np.array([2.0, 30.0]), np.array([1.0, 25.0]), np.array([0.6, 0.4])
    b = elastic_bounds_isotropic(bulk, shear, dim, weights=f)
    k = bulk if dim == 3 else bulk + shear / 3
    lower, upper = closed(k, shear, f)
    np.testing.assert_allclose(_moduli(b.hs_lower, dim), lower, rtol=1e-12)
    np.testing.assert_allclose(_moduli(b.hs_upper, dim), upper, rtol=1e-12)
    np.testing.assert_allclose(_moduli(b.voigt, dim), (f @ k, f @ shear), rtol=1e-12)
    np.testing.assert_allclose(_moduli(b.reuss, dim), (1 / (f @ (1 / k)), 1 / (f @ (1 / shear))), rtol=1e-12)


@pytest.mark.parametrize("dim", (2, 3))
def test_order_and_agreement_with_the_anisotropic_form(dim):
    rng = np.random.default_rng(0)
    bulk, shear = np.exp(rng.normal(0, 2, (2, 5, 6, 4)))
    b = elastic_bounds_isotropic(bulk, shear, dim)
    chain = (b.reuss, b.hs_lower, b.hs_upper, b.voigt)
    assert all(_below(lower, upper) for lower, upper in pairwise(chain))
    full = voigt_reuss(t.isotropic_stiffness(bulk, shear, dim))
    np.testing.assert_allclose(full.voigt, b.voigt, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(full.reuss, b.reuss, rtol=1e-10, atol=1e-12)
    assert full.hs_lower is None and full.hs_upper is None
    k = conduction_bounds(bulk, dim)
    chain = (k.reuss, k.hs_lower, k.hs_upper, k.voigt)
    assert all(_below(lower, upper) for lower, upper in pairwise(chain))


@pytest.mark.parametrize("dim", (2, 3))
def test_a_homogeneous_cell_has_equal_bounds(dim):
    b = elastic_bounds_isotropic(np.full((4, 4), 3.0), np.full((4, 4), 2.0), dim)
    for one in (b.voigt, b.reuss, b.hs_lower, b.hs_upper):
        np.testing.assert_allclose(one, t.isotropic_stiffness(3.0, 2.0, dim), rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("dtype", (pytest.param(jnp.float32, marks=pytest.mark.slow), jnp.float64))
@pytest.mark.parametrize("dim", (2, 3))
def test_voids_have_the_right_limit_and_no_nan(dim, dtype):
    solid = jnp.asarray(np.random.default_rng(1).random((6, 6)) < 0.7, dtype)

    def all_of(x):
        e = elastic_bounds_isotropic(3e9 * x, 2e9 * x, dim)
        k = conduction_bounds(5 * x, dim)
        a = voigt_reuss(t.isotropic_stiffness(3e9 * x, 2e9 * x, dim))
        return e, k, a

    run = jax.jit(all_of)
    e, k, a = run(solid)
    tiny_e, tiny_k, _ = run(jnp.maximum(solid, 1e-9).astype(jnp.float64))
    for got, expected in ((e, tiny_e), (k, tiny_k)):
        for name in ("voigt", "reuss", "hs_lower", "hs_upper"):
            x, y = getattr(got, name), getattr(expected, name)
            assert x.dtype == dtype
            np.testing.assert_allclose(x, y, rtol=0, atol=1e-6 * np.abs(expected.voigt).max())
    for zero in (e.reuss, e.hs_lower, k.reuss, k.hs_lower, a.reuss):
        np.testing.assert_array_equal(zero, 0)
    gradient = jax.jit(jax.grad(lambda x: sum(jnp.sum(y) for y in jax.tree.leaves(all_of(x)))))
    assert jnp.all(jnp.isfinite(gradient(solid))) and jnp.all(jnp.isfinite(gradient(0 * solid)))
    void = jax.tree.leaves(run(0 * solid))
    assert all(jnp.all(x == 0) for x in void)


def test_gradients_against_finite_differences():
    rng = np.random.default_rng(2)
    x, v = jnp.asarray(rng.uniform(1, 3, (2, 4, 3))), jnp.asarray(rng.normal(size=(2, 4, 3)))

    def f(x):
        e = elastic_bounds_isotropic(x[0], x[1], 3)
        k = conduction_bounds(x[0], 2)
        a = voigt_reuss(t.cubic_stiffness(x[0] + 3, x[0], x[1]))
        return sum(jnp.sum(jnp.sin(one)) for one in jax.tree.leaves((e, k, a)))

    f = jax.jit(f)
    h = 1e-5
    difference = (f(x + h * v) - f(x - h * v)) / (2 * h)
    np.testing.assert_allclose(jnp.vdot(jax.jit(jax.grad(f))(x), v), difference, rtol=1e-7)


def test_anisotropic_reuss_is_the_inverse_of_the_mean_inverse():
    rng = np.random.default_rng(3)
    a = rng.normal(size=(7, 6, 6))
    c = a @ np.swapaxes(a, -1, -2) + np.eye(6)
    w = rng.uniform(0.5, 2, 7)
    b = voigt_reuss(c, weights=w)
    np.testing.assert_allclose(b.voigt, np.average(c, axis=0, weights=w), rtol=1e-12, atol=1e-12)
    expected = np.linalg.inv(np.average(np.linalg.inv(c), axis=0, weights=w))
    np.testing.assert_allclose(b.reuss, expected, rtol=1e-9, atol=1e-10)
    r = t.Rotation.from_quaternion(rng.normal(size=4))
    turned, q = voigt_reuss(t.rotate_stiffness(c, r), weights=w), t.rotation_mandel(r)
    np.testing.assert_allclose(turned.reuss, q @ b.reuss @ q.T, rtol=1e-9, atol=1e-9)
    k = np.diag([1.0, 2.0, 4.0])
    np.testing.assert_allclose(voigt_reuss(np.stack([k, 3 * k])).reuss, 1.5 * k, rtol=1e-13)


def test_polycrystal_moduli_are_those_of_many_grains():
    """The Voigt and Reuss moduli of 20 000 random grains approach the closed forms of an untextured polycrystal."""
    q = np.random.default_rng(4).normal(size=(20_000, 4))
    c = t.rotate_stiffness(t.cubic_stiffness(168.4, 121.4, 75.4), t.Rotation.from_quaternion(q))
    b, p = jax.jit(voigt_reuss)(c), cubic_polycrystal_bounds(168.4, 121.4, 75.4)
    np.testing.assert_allclose(b.voigt, t.isotropic_stiffness(p.bulk, p.voigt), rtol=0, atol=0.7)
    np.testing.assert_allclose(b.reuss, t.isotropic_stiffness(p.bulk, p.reuss), rtol=0, atol=0.7)


def test_float32_keeps_its_digits_on_a_large_field():
    x = np.random.default_rng(5).uniform(1, 10, (160, 160, 160)).astype(np.float32)
    got, y = conduction_bounds(jnp.asarray(x), 3), x.astype(float)
    low, high = 2 * y.min(), 2 * y.max()
    expected = (y.mean(), 1 / np.mean(1 / y), 1 / np.mean(1 / (y + low)) - low, 1 / np.mean(1 / (y + high)) - high)
    for one, other in zip((got.voigt, got.reuss, got.hs_lower, got.hs_upper), expected, strict=True):
        assert one.dtype == jnp.float32
        np.testing.assert_allclose(np.diag(one), other, rtol=2e-6)


def test_no_custom_call_and_bad_input(unchecked):
    def f(x):
        b = voigt_reuss(t.cubic_stiffness(x + 3, x, x))
        return jnp.sum(b.reuss) + jnp.sum(elastic_bounds_isotropic(x, x, 2).hs_lower)

    assert "custom_call" not in jax.jit(jax.value_and_grad(f)).lower(jnp.ones((4, 4))).as_text()
    with pytest.raises(InputError, match="dim=4"):
        conduction_bounds(np.ones(3), 4)
    with pytest.raises(InputError, match="weights"):
        conduction_bounds(np.ones(3), 2, weights=np.ones(2))
    with pytest.raises(InputError, match="weights"):
        voigt_reuss(np.ones((3, 2, 2)), weights=np.ones(2))
