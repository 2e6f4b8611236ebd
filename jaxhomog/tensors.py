"""Second- and fourth-order tensors in Mandel components, rotations, and functions with finite gradients.

The one convention of the library. A symmetric tensor is the vector of its Mandel components

    3-D: (a11, a22, a33, √2 a23, √2 a13, √2 a12),      2-D: (a11, a22, √2 a12),

so that a:b is the dot product, a stiffness is a symmetric matrix (6 x 6 or 3 x 3) and a rotation of the frame is an
orthogonal matrix. Every function is batched over leading axes `(..., n)`, keeps the dtype of its arguments, and can
be traced. Engineering Voigt components (same order, shear strain γ = 2ε) exist only at the doors: `to_voigt`,
`from_voigt`. Moduli and stresses are in the user's units; angles are in radians.
"""

from __future__ import annotations

from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Real

from .results import InputError, under_jax_defaults

Kind = Literal["stiffness", "compliance", "stress", "strain"]

_SQRT2 = 2.0**0.5
# Mandel component -> tensor indices (first, second), by dimension.
_FIRST = {2: (0, 1, 0), 3: (0, 1, 2, 1, 0, 0)}
_SECOND = {2: (0, 1, 1), 3: (0, 1, 2, 2, 2, 1)}
# Tensor indices -> Mandel component, by dimension.
_COMPONENT = {2: ((0, 2), (2, 1)), 3: ((0, 5, 4), (5, 1, 3), (4, 3, 2))}
_DIM = {3: 2, 6: 3}
_HIGHEST = jax.lax.Precision.HIGHEST


def _floating(*arrays: ArrayLike) -> list[Array]:
    """The arrays with their common floating dtype."""
    arrays = tuple(np.asarray(a) if isinstance(a, list | tuple) else a for a in arrays)
    dtype = jnp.result_type(*arrays)
    if not jnp.issubdtype(dtype, jnp.inexact):
        dtype = jnp.result_type(float)
    return [jnp.asarray(a, dtype) for a in arrays]


def _weights(n: int, dtype) -> np.ndarray:
    """Mandel weights (1 on the normal components, √2 on shear)."""
    dim = _DIM[n]
    return np.asarray([1.0] * dim + [_SQRT2] * (n - dim), dtype)


def _check(x, ends: tuple[int, ...], square: bool, what: str) -> None:
    """Raise unless the trailing axis (or the two trailing axes) of x has an allowed length."""
    ok = x.ndim >= (2 if square else 1) and x.shape[-1] in ends
    if not ok or (square and x.shape[-2] != x.shape[-1]):
        forms = " or ".join(f"(..., {n}, {n})" if square else f"(..., {n})" for n in ends)
        raise InputError(f"{what} has shape {tuple(x.shape)}: give an array of shape {forms}")


# ------------------------------------------------------------------------------------------------- components


@under_jax_defaults
def to_mandel(tensor: Real[ArrayLike, "*batch d d"]) -> Float[Array, "*batch n"]:
    """Mandel components of the symmetric part of a second-order tensor.

    Args:
        tensor: (..., d, d), d = 2 or 3.

    Returns:
        (..., n), n = 3 (2-D) or 6 (3-D): a11 a22 √2 a12, or a11 a22 a33 √2 a23 √2 a13 √2 a12.

    Fails with:
        InputError: the last two axes are neither (2, 2) nor (3, 3).
    """
    (x,) = _floating(tensor)
    _check(x, (2, 3), True, "a second-order tensor")
    i, j = np.asarray(_FIRST[x.shape[-1]]), np.asarray(_SECOND[x.shape[-1]])
    return 0.5 * (x[..., i, j] + x[..., j, i]) * _weights(len(i), x.dtype)


@under_jax_defaults
def from_mandel(vector: Real[ArrayLike, "*batch n"]) -> Float[Array, "*batch d d"]:
    """Symmetric second-order tensor (..., d, d) of Mandel components (..., n); the inverse of `to_mandel`.

    Fails with:
        InputError: the last axis is neither 3 nor 6.
    """
    (x,) = _floating(vector)
    _check(x, (3, 6), False, "a Mandel vector")
    n = x.shape[-1]
    return (x / _weights(n, x.dtype))[..., np.asarray(_COMPONENT[_DIM[n]])]


def _voigt_factor(x, kind: str) -> np.ndarray:
    if kind not in ("stiffness", "compliance", "stress", "strain"):
        raise InputError(f"kind={kind!r}: use 'stiffness', 'compliance', 'stress' or 'strain'")
    matrix = kind in ("stiffness", "compliance")
    _check(x, (3, 6), matrix, f"a {kind}")
    w = _weights(x.shape[-1], x.dtype)
    if kind in ("stiffness", "stress"):
        w = 1 / w
    return np.outer(w, w).astype(x.dtype) if matrix else w


@under_jax_defaults
def to_voigt(x: Real[ArrayLike, "..."], kind: Kind) -> Float[Array, "..."]:
    """Engineering Voigt components of Mandel components (same order; shear strain γ = 2ε, shear stress plain).

    Args:
        x: (..., n) for kind "stress" or "strain", (..., n, n) for "stiffness" or "compliance"; n = 3 or 6.
        kind: what x is; the four transform differently.

    Returns:
        Array of the shape of x.

    Fails with:
        InputError: an unknown kind, or a shape that does not fit it.
    """
    (x,) = _floating(x)
    return x * _voigt_factor(x, kind)


@under_jax_defaults
def from_voigt(x: Real[ArrayLike, "..."], kind: Kind) -> Float[Array, "..."]:
    """Mandel components of engineering Voigt components; the inverse of `to_voigt` (same arguments and errors)."""
    (x,) = _floating(x)
    return x / _voigt_factor(x, kind)


# -------------------------------------------------------------------------------------------------- rotations


@under_jax_defaults
def rotation_mandel(rotation: Real[ArrayLike, "*batch d d"]) -> Float[Array, "*batch n n"]:
    """Orthogonal matrix that rotates Mandel vectors: to_mandel(R a Rᵀ) = Q to_mandel(a).

    With I = (i, j), J = (a, b) and w the Mandel weights: Q_IJ = w_I w_J (R_ia R_jb + R_ib R_ja) / 2.

    Args:
        rotation: (..., 3, 3) or (..., 2, 2), v_sample = R v_crystal.

    Returns:
        (..., 6, 6) or (..., 3, 3), so that C_sample = Q C_crystal Qᵀ.

    Fails with:
        InputError: the last two axes are neither (2, 2) nor (3, 3).

    Source:
        Mehrabadi & Cowin (1990), Q. J. Mech. Appl. Math. 43, 15-41.
    """
    (r,) = _floating(rotation)
    _check(r, (2, 3), True, "a rotation")
    first, second = np.asarray(_FIRST[r.shape[-1]]), np.asarray(_SECOND[r.shape[-1]])
    i, j, a, b = first[:, None], second[:, None], first[None, :], second[None, :]
    w = _weights(len(first), r.dtype)
    both = r[..., i, a] * r[..., j, b] + r[..., i, b] * r[..., j, a]
    return both * np.asarray(0.5 * np.outer(w, w), r.dtype)


@under_jax_defaults
def rotate_stiffness(
    stiffness: Real[ArrayLike, "*#b n n"], rotation: Real[ArrayLike, "*#b d d"]
) -> Float[Array, "..."]:
    """Mandel stiffness in sample axes, C_sample = Q C_crystal Qᵀ with Q = `rotation_mandel`(R).

    Args:
        stiffness: (..., n, n) Mandel, in crystal axes (a compliance works as well).
        rotation: (..., d, d), v_sample = R v_crystal; leading axes broadcast against those of the stiffness.

    Returns:
        (..., n, n) Mandel, in sample axes.

    Fails with:
        InputError: shapes that do not fit each other.
    """
    c, r = _floating(stiffness, rotation)
    _check(c, (3, 6), True, "a stiffness")
    if r.ndim < 2 or r.shape[-2:] != (_DIM[c.shape[-1]],) * 2:
        d = _DIM[c.shape[-1]]
        raise InputError(f"a rotation has shape {r.shape}: for this stiffness give one of shape (..., {d}, {d})")
    q = rotation_mandel(r)
    qc = jnp.matmul(q, c, precision=_HIGHEST)
    return jnp.matmul(qc, jnp.swapaxes(q, -1, -2), precision=_HIGHEST)


class Rotation:
    """Rotation matrices (..., 3, 3) with v_sample = R v_crystal, from the usual descriptions (a namespace)."""

    @staticmethod
    @under_jax_defaults
    def from_bunge(
        phi1: Real[ArrayLike, "..."], Phi: Real[ArrayLike, "..."], phi2: Real[ArrayLike, "..."]
    ) -> Float[Array, "*b 3 3"]:
        """Rotation of Bunge's Euler angles (z, x', z''): R = Rz(φ1) Rx(Φ) Rz(φ2).

        This is the transpose of Bunge's passive matrix g (v_crystal = g v_sample), the one that EBSD files use.

        Args:
            phi1: first angle about the sample's z axis, radians, any shape.
            Phi: second angle about the rotated x axis, radians; broadcasts.
            phi2: third angle about the crystal's z axis, radians; broadcasts.

        Returns:
            (..., 3, 3) active rotation, v_sample = R v_crystal.

        Source:
            Bunge (1982), Texture Analysis in Materials Science, §2.1.2.
        """
        a, b, c = jnp.broadcast_arrays(*_floating(phi1, Phi, phi2))
        ca, sa, cb, sb, cc, sc = jnp.cos(a), jnp.sin(a), jnp.cos(b), jnp.sin(b), jnp.cos(c), jnp.sin(c)
        return _matrix(
            (ca * cc - sa * cb * sc, -ca * sc - sa * cb * cc, sa * sb),
            (sa * cc + ca * cb * sc, -sa * sc + ca * cb * cc, -ca * sb),
            (sb * sc, sb * cc, cb),
        )

    @staticmethod
    @under_jax_defaults
    def from_axis_angle(axis: Real[ArrayLike, "*b 3"], angle: Real[ArrayLike, "..."]) -> Float[Array, "*b 3 3"]:
        """Right-handed rotation by `angle` (radians) about `axis` (any length but 0): Rodrigues' formula.

        Args:
            axis: (..., 3).
            angle: radians; broadcasts against the leading axes of `axis`.

        Returns:
            (..., 3, 3).
        """
        n, t = _floating(axis, angle)
        _check(n, (3,), False, "an axis")
        length = safe_norm(n)[..., None]
        n = n / jnp.where(length > 0, length, 1)
        half = 0.5 * t[..., None]
        parts = jnp.broadcast_arrays(jnp.cos(half), *(jnp.sin(half) * n[..., k : k + 1] for k in range(3)))
        return Rotation.from_quaternion(jnp.concatenate(parts, axis=-1))

    @staticmethod
    @under_jax_defaults
    def from_quaternion(quaternion: Real[ArrayLike, "*b 4"]) -> Float[Array, "*b 3 3"]:
        """Rotation of a quaternion (w, x, y, z), scalar first; it need not have unit length.

        Args:
            quaternion: (..., 4), active: v_sample = q v_crystal q*.

        Returns:
            (..., 3, 3).
        """
        (q,) = _floating(quaternion)
        _check(q, (4,), False, "a quaternion")
        q = q / safe_norm(q)[..., None]
        w, x, y, z = q[..., 0], q[..., 1], q[..., 2], q[..., 3]
        return _matrix(
            (1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)),
            (2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)),
            (2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)),
        )


def _matrix(*rows) -> Array:
    """Stack nested tuples of arrays of one shape into (..., rows, columns)."""
    return jnp.stack([jnp.stack(jnp.broadcast_arrays(*row), axis=-1) for row in rows], axis=-2)


# -------------------------------------------------------------------------------------------------- stiffness


@under_jax_defaults
def spherical_projector(dim: int, dtype=None) -> Float[Array, "n n"]:
    """Projector J on spherical tensors in Mandel components, J_ijkl = δij δkl / dim."""
    n = dim * (dim + 1) // 2
    j = np.zeros((n, n))
    j[:dim, :dim] = 1 / dim
    return jnp.asarray(j, dtype)


@under_jax_defaults
def deviatoric_projector(dim: int, dtype=None) -> Float[Array, "n n"]:
    """Projector K = I - J on trace-free symmetric tensors in Mandel components."""
    j = spherical_projector(dim, dtype)
    return jnp.eye(j.shape[0], dtype=j.dtype) - j


@under_jax_defaults
def bulk_and_shear(young: Real[ArrayLike, "..."], poisson: Real[ArrayLike, "..."]) -> tuple[Array, Array]:
    """Bulk and shear modulus, K = E / (3 (1 - 2ν)) and G = E / (2 (1 + ν)), in the units of E."""
    e, nu = _floating(young, poisson)
    return e / (3 * (1 - 2 * nu)), e / (2 * (1 + nu))


@under_jax_defaults
def isotropic_stiffness(
    bulk: Real[ArrayLike, "..."], shear: Real[ArrayLike, "..."], dim: int = 3
) -> Float[Array, "*b n n"]:
    """Mandel stiffness of an isotropic solid; in 2-D the in-plane block of plane strain.

    3-D: C = 3 K J + 2 G K_dev. 2-D, with the area modulus k = K + G/3: C = 2 k J + 2 G K_dev.

    Args:
        bulk: **three-dimensional** bulk modulus K, also for dim 2; any shape.
        shear: shear modulus G; broadcasts against `bulk`.
        dim: 2 or 3.

    Returns:
        (..., 6, 6) or (..., 3, 3).

    Fails with:
        InputError: dim is neither 2 nor 3.
    """
    if dim not in (2, 3):
        raise InputError(f"dim={dim!r}: use 2 (plane strain) or 3")
    k, g = (a[..., None, None] for a in jnp.broadcast_arrays(*_floating(bulk, shear)))
    area = k if dim == 3 else k + g / 3
    return dim * area * spherical_projector(dim, k.dtype) + 2 * g * deviatoric_projector(dim, k.dtype)


@under_jax_defaults
def cubic_stiffness(
    c11: Real[ArrayLike, "..."], c12: Real[ArrayLike, "..."], c44: Real[ArrayLike, "..."]
) -> Float[Array, "*b 6 6"]:
    """Mandel stiffness of a cubic crystal in its own axes: c11, c12 on the normal block, 2 c44 on the shear diagonal.

    Args:
        c11: constant in engineering Voigt notation, any shape; the others broadcast.
        c12: likewise.
        c44: likewise (dσ23/dγ23).

    Returns:
        (..., 6, 6).
    """
    a, b, c = (x[..., None, None] for x in jnp.broadcast_arrays(*_floating(c11, c12, c44)))
    normal, shear, same = np.zeros((6, 6)), np.zeros((6, 6)), np.zeros((6, 6))
    normal[:3, :3] = 1
    same[:3, :3] = np.eye(3)
    shear[3:, 3:] = 2 * np.eye(3)
    return a * same.astype(a.dtype) + b * (normal - same).astype(a.dtype) + c * shear.astype(a.dtype)


@under_jax_defaults
def plane_strain(stiffness: Real[ArrayLike, "*b 6 6"]) -> Float[Array, "*b 3 3"]:
    """In-plane block (components 11, 22, 12) of a Mandel stiffness: the 2-D law at zero out-of-plane strain."""
    (c,) = _floating(stiffness)
    _check(c, (6,), True, "a stiffness")
    keep = np.asarray((0, 1, 5))
    return c[..., keep[:, None], keep[None, :]]


# --------------------------------------------------------------------------------------------- safe functions


@under_jax_defaults
def safe_sqrt(x: Real[ArrayLike, "..."]) -> Float[Array, "..."]:
    """Square root whose value and derivatives are 0 where x <= 0 (a plain root has an infinite slope at 0)."""
    (x,) = _floating(x)
    positive = ~(x <= 0)  # NaN stays NaN
    return jnp.where(positive, jnp.sqrt(jnp.where(positive, x, 1)), 0)


@under_jax_defaults
def safe_norm(x: Real[ArrayLike, "..."], axis: int | tuple[int, ...] = -1) -> Float[Array, "..."]:
    """Euclidean norm over `axis` with gradient 0 at x = 0; it neither overflows nor underflows in float32."""
    (x,) = _floating(x)
    largest = jax.lax.stop_gradient(jnp.max(jnp.abs(x), axis=axis, keepdims=True))
    scale = jnp.where((largest > 0) & jnp.isfinite(largest), largest, 1)
    return safe_sqrt(jnp.sum((x / scale) ** 2, axis=axis)) * jnp.squeeze(scale, axis)


@jax.custom_jvp
@under_jax_defaults
def inverse_spd(matrix: Float[Array, "*b n n"]) -> Float[Array, "*b n n"]:
    """Inverses of small symmetric positive definite matrices; **zeros** where a matrix is singular.

    Symmetric Gauss-Jordan elimination (n sweeps) without pivoting after scaling to a unit diagonal, as one short loop
    of element-wise operations: no call to a linear algebra library in the lowered program. A matrix counts as
    singular when a scaled pivot is below 16 n eps. The derivative is -A⁻¹ dA A⁻¹, and 0 where A is singular.

    Args:
        matrix: (..., n, n), symmetric, n small.

    Returns:
        (..., n, n).

    Source:
        Golub & Van Loan (2013), Matrix Computations, §4.2; sweeps: Goodnight (1979), Am. Stat. 33, 149-158.
    """
    n = matrix.shape[-1]
    index = jnp.arange(n)
    threshold = 16 * n * jnp.finfo(matrix.dtype).eps
    a = jnp.moveaxis(matrix, (-2, -1), (0, 1))
    diagonal = a[index, index]
    root = jax.lax.rsqrt(jnp.where(diagonal <= 0, 1, diagonal))
    scale = root[:, None] * root[None, :]

    def sweep(k, carry):
        a, singular = carry
        here = (index == k).reshape((n,) + (1,) * (a.ndim - 2))
        column = jax.lax.dynamic_index_in_dim(a, k, 0, keepdims=False)
        pivot = jax.lax.dynamic_index_in_dim(column, k, 0, keepdims=False)
        r = 1 / jnp.where(pivot <= threshold, 1, pivot)
        factor = jnp.where(here, 1, column)
        product = factor[:, None] * factor[None, :] * r
        a = jnp.where(here[:, None] | here[None, :], product, a - product)
        return jnp.where(here[:, None] & here[None, :], -r, a), singular | (pivot <= threshold)

    a, singular = jax.lax.fori_loop(0, n, sweep, (a * scale, jnp.any(diagonal <= 0, axis=0)))
    return jnp.moveaxis(jnp.where(singular, 0, -a * scale), (0, 1), (-2, -1))


@inverse_spd.defjvp
@under_jax_defaults
def _inverse_spd_jvp(primals, tangents):
    inverse = inverse_spd(primals[0])
    change = jnp.matmul(jnp.matmul(inverse, tangents[0], precision=_HIGHEST), inverse, precision=_HIGHEST)
    return inverse, -change
