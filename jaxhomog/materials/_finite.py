"""Algebra of finite strain at points: 3 x 3 matrices as nested lists of fields.

A deformation gradient travels row by row, (d d, *pts); in two dimensions it is that of plane strain, F33 = 1.
"""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..messages import total

Matrix = list[list[Array]]

# Gauss-Legendre points and weights on [0, 1] of the logarithm's integral.
_POINTS, _WEIGHTS = (np.asarray(x) for x in np.polynomial.legendre.leggauss(16))
# Of the exponential's series: 3^30 / 30! is rounding.
_TERMS = 30


def solid_gradient(strain: Float[Array, "n *pts"], dim: int) -> Matrix:
    """A deformation gradient as a 3 x 3 matrix."""
    zero, one = jnp.zeros_like(strain[0]), jnp.ones_like(strain[0])
    inside = lambda i, k: i < dim and k < dim  # noqa: E731
    return [[strain[i * dim + k] if inside(i, k) else one if i == k else zero for k in range(3)] for i in range(3)]


def in_rows(matrix: Matrix, dim: int) -> Float[Array, "n *pts"]:
    """The components in the plane (or all), row by row."""
    return jnp.stack([matrix[i][k] for i in range(dim) for k in range(dim)])


def product(a: Matrix, b: Matrix) -> Matrix:
    """a b."""
    return [[total([a[i][j] * b[j][k] for j in range(3)]) for k in range(3)] for i in range(3)]


def transposed(a: Matrix) -> Matrix:
    """a^T."""
    return [[a[k][i] for k in range(3)] for i in range(3)]


def symmetric_product(a: Matrix, b: Matrix) -> Matrix:
    """a b a^T of a symmetric b, symmetric to the last bit."""
    half = product(a, b)
    out: list[list] = [[None] * 3 for _ in range(3)]
    for i in range(3):
        for k in range(i, 3):
            out[i][k] = out[k][i] = total([half[i][j] * a[k][j] for j in range(3)])
    return out


def inverse(a: Matrix) -> tuple[Matrix, Array]:
    """a^-1 and det a; of a matrix with det a <= 0 that of the identity (the law says that the point fails)."""
    cofactor = [[_minor(a, i, k) for k in range(3)] for i in range(3)]
    det = total([a[0][k] * cofactor[0][k] for k in range(3)])
    sound = det > 0
    safe = jnp.where(sound, det, 1)
    one = lambda i, k: 1.0 if i == k else 0.0  # noqa: E731
    return [[jnp.where(sound, cofactor[k][i] / safe, one(i, k)) for k in range(3)] for i in range(3)], det


def _minor(a: Matrix, i: int, k: int) -> Array:
    p, q, r, s = (i + 1) % 3, (i + 2) % 3, (k + 1) % 3, (k + 2) % 3
    return a[p][r] * a[q][s] - a[p][s] * a[q][r]


def _resolvents(a: Matrix) -> tuple[Array, Matrix]:
    """Weights and ((1 - t) 1 + t a)^-1 at the quadrature points, which are a leading axis: one program for all."""
    dtype, ones = a[0][0].dtype, (1,) * a[0][0].ndim
    t = jnp.asarray(0.5 * (1 + _POINTS), dtype).reshape(-1, *ones)
    weights = jnp.asarray(0.5 * _WEIGHTS, dtype).reshape(-1, *ones)
    return weights, _symmetric_inverse([[t * a[i][k] + (1 - t if i == k else 0) for k in range(3)] for i in range(3)])


def _symmetric_inverse(a: Matrix) -> Matrix:
    """Inverse of a positive definite matrix, symmetric to the last bit."""
    entries = {(i, k): _minor(a, i, k) for i in range(3) for k in range(i, 3)}
    det = total([a[0][k] * entries[0, k] for k in range(3)])
    scale = 1 / jnp.where(det > 0, det, 1)
    return [[entries[min(i, k), max(i, k)] * scale for k in range(3)] for i in range(3)]


def logarithm(a: Matrix) -> Matrix:
    """log a of a symmetric positive definite matrix, by quadrature of an exact integral.

        log a = int_0^1 (a - 1) ((1 - t) 1 + t a)^-1 dt

    No eigenvectors, hence derivatives of every order where eigenvalues coincide. With 16 points the error relative to
    |log a| is rounding for eigenvalues between 1/5 and 5 and 1e-9 between 1/10 and 10.

    Source: Higham (2008), Functions of Matrices, section 11.4 (Pade approximants in partial fractions).
    """
    weights, resolvents = _resolvents(a)
    means = {(i, k): jnp.sum(weights * resolvents[i][k], axis=0) for i in range(3) for k in range(i, 3)}
    mean = [[means[min(i, k), max(i, k)] for k in range(3)] for i in range(3)]
    return _commuting([[x - (1 if i == k else 0) for k, x in enumerate(row)] for i, row in enumerate(a)], mean)


def _commuting(a: Matrix, b: Matrix) -> Matrix:
    """a b of symmetric matrices that commute, symmetric to the last bit."""
    out: list[list] = [[None] * 3 for _ in range(3)]
    for i in range(3):
        for k in range(i, 3):
            out[i][k] = out[k][i] = total([a[i][j] * b[j][k] for j in range(3)])
    return out


def logarithm_slope(a: Matrix) -> list[list[list[list[Array]]]]:
    """L_ijkl = d (log a)_ij / d a_kl, with the integrand m^-1_ik m^-1_lj (m as in `logarithm`), not symmetrized."""
    out: list = [[[[None] * 3 for _ in range(3)] for _ in range(3)] for _ in range(3)]
    weights, b = _resolvents(a)
    found: dict = {}
    for i in range(3):
        for j in range(3):
            for k in range(3):
                for m in range(3):
                    # int m_ik m_jl: the same for ij and kl exchanged in pairs.
                    key = tuple(sorted([tuple(sorted((i, k))), tuple(sorted((j, m)))]))
                    if key not in found:
                        (p, q), (r, s) = key
                        found[key] = jnp.sum(weights * b[p][q] * b[r][s], axis=0)
                    out[i][j][k][m] = found[key]
    return out


def exponential(a: Matrix) -> Matrix:
    """exp a of a symmetric matrix without trace, by its power series on scalars.

        a^3 = (a : a / 2) a + det a 1    (Cayley-Hamilton),    hence    a^n = x_n 1 + y_n a + z_n a^2

    No eigenvectors, hence derivatives of every order; to rounding for |a| < 3 (the flow of a step).

    Source: Higham (2008), Functions of Matrices, section 1.2 (functions as polynomials).
    """
    square = _commuting(a, a)
    half = 0.5 * total([square[k][k] for k in range(3)])
    det = total([a[0][k] * _minor(a, 0, k) for k in range(3)])
    zero, one = jnp.zeros_like(det), jnp.ones_like(det)
    power, out = (zero, zero, one), [one, one, 0.5 * one]  # a^2, and the sum up to it
    factor = 0.5
    for n in range(3, _TERMS):
        x, y, z = power
        power, factor = (z * det, x + z * half, y), factor / n
        out = [s + factor * p for s, p in zip(out, power, strict=True)]
    x, y, z = out
    mixed = [[y * a[i][k] + z * square[i][k] for k in range(3)] for i in range(3)]
    return [[mixed[i][k] + x if i == k else mixed[i][k] for k in range(3)] for i in range(3)]


def to_components(a: Matrix) -> Float[Array, "6 *pts"]:
    """A symmetric matrix in Mandel components."""
    root = 2**0.5
    return jnp.stack([a[0][0], a[1][1], a[2][2], root * a[1][2], root * a[0][2], root * a[0][1]])


def from_components(x: Float[Array, "6 *pts"]) -> Matrix:
    """The symmetric matrix of Mandel components."""
    root = 0.5**0.5
    a, b, c = root * x[3], root * x[4], root * x[5]
    return [[x[0], c, b], [c, x[1], a], [b, a, x[2]]]
