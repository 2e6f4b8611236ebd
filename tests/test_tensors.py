"""Laws of the tensor algebra: components, rotations, projectors, safe functions."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxhomog import tensors as t
from jaxhomog.results import InputError

DTYPES = (jnp.float32, jnp.float64)
RTOL = {jnp.dtype("float32"): 2e-5, jnp.dtype("float64"): 1e-12}


def _symmetric(rng, d, batch=(4,)):
    a = rng.normal(size=(*batch, d, d))
    return a + np.swapaxes(a, -1, -2)


def _spd(rng, n, batch=(5,)):
    a = rng.normal(size=(*batch, n, n))
    return a @ np.swapaxes(a, -1, -2) + 0.1 * np.eye(n)


def _rotations(rng, number):
    q, r = np.linalg.qr(rng.normal(size=(number, 3, 3)))
    q = q * np.sign(np.diagonal(r, axis1=-2, axis2=-1))[:, None, :]
    return q * np.linalg.det(q)[:, None, None]


def _fourth_order(c):
    """C_ijkl of a 6x6 Mandel matrix, index by index."""
    pairs = [(0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1)]
    full = np.zeros((3, 3, 3, 3))
    for p, (i, j) in enumerate(pairs):
        for q, (k, l) in enumerate(pairs):
            value = c[p, q] / (np.sqrt(2) ** ((i != j) + (k != l)))
            for a, b in {(i, j), (j, i)}:
                for m, n in {(k, l), (l, k)}:
                    full[a, b, m, n] = value
    return full


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("d", (2, 3))
def test_mandel_keeps_the_inner_product_and_comes_back(d, dtype):
    rng = np.random.default_rng(0)
    a, b = (jnp.asarray(_symmetric(rng, d), dtype) for _ in range(2))
    va, vb = t.to_mandel(a), t.to_mandel(b)
    assert va.dtype == dtype and t.from_mandel(va).dtype == dtype
    rtol = RTOL[jnp.dtype(dtype)]
    np.testing.assert_allclose(jnp.sum(va * vb, -1), jnp.sum(a * b, (-1, -2)), rtol=10 * rtol, atol=rtol)
    np.testing.assert_allclose(t.from_mandel(va), a, rtol=rtol)


def test_mandel_order():
    a = np.array([[11.0, 12.0, 13.0], [12.0, 22.0, 23.0], [13.0, 23.0, 33.0]])
    expected = [11, 22, 33, np.sqrt(2) * 23, np.sqrt(2) * 13, np.sqrt(2) * 12]
    np.testing.assert_allclose(t.to_mandel(a), expected, rtol=1e-15)
    np.testing.assert_allclose(t.to_mandel(a[:2, :2]), [11, 22, np.sqrt(2) * 12], rtol=1e-15)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", (3, 6))
def test_voigt_is_hookes_law_with_engineering_shear(n, dtype):
    rng = np.random.default_rng(1)
    d = {3: 2, 6: 3}[n]
    c = jnp.asarray(_spd(rng, n), dtype)
    strain = jnp.asarray(rng.normal(size=(5, n)), dtype)
    stress = jnp.einsum("bij,bj->bi", c, strain)
    cv, ev, sv = t.to_voigt(c, "stiffness"), t.to_voigt(strain, "strain"), t.to_voigt(stress, "stress")
    rtol = RTOL[jnp.dtype(dtype)]
    np.testing.assert_allclose(jnp.einsum("bij,bj->bi", cv, ev), sv, rtol=50 * rtol, atol=50 * rtol)
    # Shear strain is γ = 2ε and shear stress is plain, from the tensors themselves.
    np.testing.assert_allclose(ev[:, -1], 2 * t.from_mandel(strain)[:, 0, 1], rtol=rtol)
    np.testing.assert_allclose(sv[:, -1], t.from_mandel(stress)[:, 0, 1], rtol=rtol)
    sv_ = t.to_voigt(jnp.linalg.inv(c), "compliance")
    np.testing.assert_allclose(sv_ @ cv, np.broadcast_to(np.eye(n), cv.shape), atol=2000 * rtol)
    for kind, x in (("stiffness", c), ("compliance", c), ("stress", strain), ("strain", strain)):
        back = t.from_voigt(t.to_voigt(x, kind), kind)
        assert back.dtype == dtype
        np.testing.assert_allclose(back, x, rtol=rtol)
    assert d == t.from_mandel(strain).shape[-1]


def test_voigt_refuses_wrong_input(unchecked):
    with pytest.raises(InputError, match="kind='stifness'"):
        t.to_voigt(np.eye(6), "stifness")
    with pytest.raises(InputError, match=r"\(\.\.\., 6, 6\)"):
        t.to_voigt(np.ones(6), "stiffness")
    with pytest.raises(InputError, match="stress"):
        t.from_voigt(np.ones(5), "stress")
    with pytest.raises(InputError, match="rotation"):
        t.rotate_stiffness(np.eye(6), np.eye(2))


@pytest.mark.parametrize("dtype", DTYPES)
def test_rotation_is_orthogonal_and_rotates_tensors(dtype):
    rng = np.random.default_rng(2)
    r = jnp.asarray(_rotations(rng, 4), dtype)
    a = jnp.asarray(_symmetric(rng, 3), dtype)
    q = t.rotation_mandel(r)
    assert q.dtype == dtype
    atol = 20 * RTOL[jnp.dtype(dtype)]
    np.testing.assert_allclose(q @ jnp.swapaxes(q, -1, -2), np.broadcast_to(np.eye(6), (4, 6, 6)), rtol=0, atol=atol)
    expected = t.to_mandel(jnp.einsum("bij,bjk,blk->bil", r, a, r))
    np.testing.assert_allclose(jnp.einsum("bij,bj->bi", q, t.to_mandel(a)), expected, rtol=0, atol=atol)


def test_rotated_stiffness_is_the_fourth_order_rotation():
    rng = np.random.default_rng(3)
    c, r = _spd(rng, 6, ()), _rotations(rng, 1)[0]
    got = _fourth_order(np.asarray(t.rotate_stiffness(c, r)))
    expected = np.einsum("ia,jb,kc,ld,abcd->ijkl", r, r, r, r, _fourth_order(c))
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-12)


def test_plane_rotation_agrees_with_the_block_of_the_solid_one():
    angle = 0.7
    r3 = t.Rotation.from_axis_angle(np.array([0.0, 0.0, 1.0]), angle)
    c = t.cubic_stiffness(3.0, 1.0, 2.0)
    solid = t.plane_strain(t.rotate_stiffness(c, r3))
    plane = t.rotate_stiffness(t.plane_strain(c), r3[:2, :2])
    np.testing.assert_allclose(solid, plane, rtol=0, atol=1e-14)


def test_bunge_on_grains_of_known_answer():
    h = np.pi / 2
    x, y, z = np.eye(3)
    # phi1 turns the crystal about the sample's z; Phi about x; phi2 about the crystal's own z.
    for angles, images in (
        ((h, 0, 0), (y, -x, z)),
        ((0, h, 0), (x, z, -y)),
        ((0, 0, h), (y, -x, z)),
        ((h, h, 0), (y, z, x)),
        ((0, h, h), (z, -x, -y)),
    ):
        r = np.asarray(t.Rotation.from_bunge(*angles))
        np.testing.assert_allclose(r, np.stack(images, axis=1), rtol=0, atol=1e-15)
    # Goss grain {011}<100>: sample z (normal direction) along crystal [011], sample x (rolling) along [100].
    r = np.asarray(t.Rotation.from_bunge(0.0, np.pi / 4, 0.0))
    np.testing.assert_allclose(r @ (np.array([0, 1, 1]) / np.sqrt(2)), z, rtol=0, atol=1e-15)
    np.testing.assert_allclose(r @ x, x, rtol=0, atol=1e-15)
    # Brass grain {110}<1-12> has angles (35.26, 45, 0) degrees: (011)[2 -1 1] in the variant of these angles.
    r = np.asarray(t.Rotation.from_bunge(np.arctan(1 / np.sqrt(2)), np.pi / 4, 0.0))
    np.testing.assert_allclose(r @ (np.array([0, 1, 1]) / np.sqrt(2)), z, rtol=0, atol=1e-15)
    np.testing.assert_allclose(r @ (np.array([2, -1, 1]) / np.sqrt(6)), x, rtol=0, atol=1e-15)


def test_bunge_is_three_turns_and_quaternion_and_axis_angle_agree():
    from scipy.spatial.transform import Rotation as Peer

    rng = np.random.default_rng(4)
    a = rng.uniform(0, 2 * np.pi, (6, 3))
    expected = Peer.from_euler("ZXZ", a).as_matrix()
    np.testing.assert_allclose(t.Rotation.from_bunge(*a.T), expected, rtol=0, atol=1e-14)
    q = rng.normal(size=(6, 4))
    expected = Peer.from_quat(q[:, [1, 2, 3, 0]]).as_matrix()
    np.testing.assert_allclose(t.Rotation.from_quaternion(q), expected, rtol=0, atol=1e-14)
    axis, angle = rng.normal(size=(6, 3)), rng.uniform(-3, 3, 6)
    unit = axis / np.linalg.norm(axis, axis=1, keepdims=True)
    expected = Peer.from_rotvec(unit * angle[:, None]).as_matrix()
    np.testing.assert_allclose(t.Rotation.from_axis_angle(axis, angle), expected, rtol=0, atol=1e-14)
    single = t.Rotation.from_bunge(jnp.float32(0.1), jnp.float32(0.2), jnp.float32(0.3))
    assert single.dtype == jnp.float32
    np.testing.assert_allclose(t.Rotation.from_axis_angle(np.zeros(3), 0.3), np.eye(3), rtol=0, atol=1e-15)


@pytest.mark.parametrize("dim", (2, 3))
def test_projectors(dim):
    j, k = t.spherical_projector(dim), t.deviatoric_projector(dim)
    np.testing.assert_allclose(j @ j, j, rtol=0, atol=1e-15)
    np.testing.assert_allclose(k @ k, k, rtol=0, atol=1e-15)
    np.testing.assert_allclose(j @ k, 0, rtol=0, atol=1e-15)
    assert (round(float(jnp.trace(j))), round(float(jnp.trace(k)))) == (1, {2: 2, 3: 5}[dim])
    assert t.spherical_projector(dim, jnp.float32).dtype == jnp.float32


def test_isotropic_stiffness_is_lames_law():
    young, poisson = 210.0, 0.3
    lam = young * poisson / ((1 + poisson) * (1 - 2 * poisson))
    g = young / (2 * (1 + poisson))
    bulk, shear = t.bulk_and_shear(young, poisson)
    np.testing.assert_allclose((bulk, shear), (lam + 2 * g / 3, g), rtol=1e-14)
    strain = _symmetric(np.random.default_rng(5), 3, ())
    stress = lam * np.trace(strain) * np.eye(3) + 2 * g * strain
    c = t.isotropic_stiffness(bulk, shear, 3)
    np.testing.assert_allclose(c @ t.to_mandel(strain), t.to_mandel(stress), rtol=1e-12)
    np.testing.assert_allclose(t.isotropic_stiffness(bulk, shear, 2), t.plane_strain(c), rtol=1e-14, atol=1e-13)
    field = t.isotropic_stiffness(jnp.ones((4, 5), jnp.float32), jnp.float32(1.0), 2)
    assert field.shape == (4, 5, 3, 3) and field.dtype == jnp.float32
    np.testing.assert_allclose(t.cubic_stiffness(lam + 2 * g, lam, g), c, rtol=1e-13)
    with pytest.raises(InputError, match="dim=1"):
        t.isotropic_stiffness(1.0, 1.0, 1)


def test_cubic_stiffness_in_voigt():
    v = t.to_voigt(t.cubic_stiffness(5.0, 2.0, 3.0), "stiffness")
    expected = np.diag([5.0, 5, 5, 3, 3, 3])
    expected[:3, :3] += 2 * (1 - np.eye(3))
    np.testing.assert_allclose(v, expected, rtol=1e-14)


@pytest.mark.parametrize("dtype", DTYPES)
def test_safe_functions_are_finite_forward_and_backward(dtype):
    zero = jnp.zeros(3, dtype)
    for f in (t.safe_norm, lambda x: jnp.sum(t.safe_sqrt(x))):
        assert f(zero).dtype == dtype
        np.testing.assert_array_equal(f(zero), 0)
        np.testing.assert_array_equal(jax.jit(jax.grad(f))(zero), 0)
        np.testing.assert_array_equal(jax.jit(jax.hessian(f))(zero), 0)
    x = jnp.asarray([3.0, 4.0, 0.0], dtype)
    np.testing.assert_allclose(t.safe_norm(x), 5, rtol=1e-6)
    np.testing.assert_allclose(jax.grad(t.safe_norm)(x), x / 5, rtol=1e-6)
    np.testing.assert_allclose(t.safe_norm(x * 1e-30) / 1e-30, 5, rtol=1e-6)
    np.testing.assert_allclose(t.safe_norm(x * 1e30) / 1e30, 5, rtol=1e-6)
    np.testing.assert_allclose(t.safe_sqrt(jnp.asarray([4.0, -1.0], dtype)), [2, 0])
    assert jnp.isnan(t.safe_norm(jnp.asarray([jnp.nan, 1.0], dtype))) and jnp.isnan(t.safe_sqrt(jnp.asarray(jnp.nan)))


def test_safe_norm_hessian_is_the_norms():
    x = jnp.asarray([1.0, -2.0, 0.5])
    np.testing.assert_allclose(
        jax.jit(jax.hessian(t.safe_norm))(x), jax.jit(jax.hessian(jnp.linalg.norm))(x), rtol=1e-12
    )


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", (1, 2, 3, 6))
def test_inverse_spd(n, dtype):
    rng = np.random.default_rng(6)
    a = jnp.asarray(_spd(rng, n, (2, 3)) * 1e9, dtype)
    x = t.inverse_spd(a)
    assert x.dtype == dtype
    np.testing.assert_allclose(x @ a, np.broadcast_to(np.eye(n), a.shape), rtol=0, atol=3000 * RTOL[jnp.dtype(dtype)])
    # (the derivative, against a library's inverse)
    v = jnp.asarray(_symmetric(rng, n, (2, 3)), dtype)
    _, got = jax.jvp(t.inverse_spd, (a,), (v,))
    _, expected = jax.jvp(jnp.linalg.inv, (a.astype(float),), (v.astype(float),))
    np.testing.assert_allclose(
        got, expected, rtol=0, atol=1e-2 * np.abs(expected).max() if dtype == jnp.float32 else 1e-25
    )


def test_inverse_spd_of_singular_matrices_is_zero_and_nan_is_seen():
    fluid = t.isotropic_stiffness(1.0, 0.0, 3)
    a = jnp.stack([jnp.eye(6), jnp.zeros((6, 6)), fluid, jnp.full((6, 6), jnp.nan)])
    x = t.inverse_spd(a)
    np.testing.assert_array_equal(x[0], np.eye(6))
    np.testing.assert_array_equal(x[1:3], 0)
    assert jnp.all(jnp.isnan(x[3]))
    g = jax.grad(lambda a: jnp.sum(t.inverse_spd(a)))(a[:3])
    assert jnp.all(jnp.isfinite(g)) and jnp.all(g[1:] == 0)


def test_no_custom_call_in_the_program():
    def f(c, q, angles):
        c = t.rotate_stiffness(c, t.Rotation.from_quaternion(q) @ t.Rotation.from_bunge(*angles))
        return jnp.sum(t.inverse_spd(c)) + t.safe_norm(t.to_mandel(t.from_mandel(c[..., 0])))

    text = jax.jit(jax.value_and_grad(f)).lower(jnp.eye(6), jnp.ones(4), jnp.ones(3)).as_text()
    assert "custom_call" not in text
