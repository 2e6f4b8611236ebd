"""Divergence-free stresses in Fourier space: the projection on them, and the best one for a homogeneous medium.

With every number seen from the point where it sits, symbols are real. For a wave theta, a = cos(theta / 2),
s = sin(theta / 2) and mass M = (1 + 2 a^2) / 3 along each axis, put t_ii = a_i s_ii, t_ij = s_ij. Then

    balance           s_i s_ii + sum_j s_j s_ij = 0,         i.e. a plain product with the vector s
    energy            4 mu' M_i M_j s_ij^2,   (2 mu' N_i + lambda' (N_i - M_i^2)) s_ii^2,   lambda' (sum M_i s_ii)^2
                      N_i = M_i^2 + s_i^2 a_i^2 / 3 + s_i^4 / 45

for a compliance lambda' tr I + 2 mu' (voxel edges left out), so that the minimizer is a diagonal, a rank-one and a
d x d inverse away. It is the discrete energy itself, not a likeness: what bounds compliances bounds operators.
"""

from __future__ import annotations

import math

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from ..messages import mandel_pairs, total
from ._stresses import imbalance


def _half_angles(shape, dtype):
    """cos and sin of theta / 2 per axis on the half spectrum of `rfftn`, each broadcastable."""
    dim, cosines, sines = len(shape), [], []
    for k, n in enumerate(shape):
        index = jnp.arange(n // 2 + 1 if k == dim - 1 else n)
        index = jnp.where(index > n // 2, index - n, index)
        angle = index.astype(dtype) * (math.pi / n)
        at = tuple(-1 if j == k else 1 for j in range(dim))
        # Exact zeros at the wave of alternating signs, as in the plain sums of the other files.
        cosines.append(jnp.where(2 * jnp.abs(index) == n, 0, jnp.cos(angle)).reshape(at))
        sines.append(jnp.sin(angle).reshape(at))
    return cosines, sines


def _inverse(matrix, seen):
    """Unique entries of the inverse of a symmetric 1 x 1, 2 x 2 or 3 x 3 matrix by cofactors; zero where unseen."""
    if len(matrix) == 1:
        cofactors, determinant = [[jnp.ones_like(matrix[0][0])]], matrix[0][0]
    elif len(matrix) == 2:
        (a, b), (_, c) = matrix
        cofactors, determinant = [[c, -b], [-b, a]], a * c - b * b
    else:
        (a, f, e), (_, b, d), (_, _, c) = matrix
        aa, ff, ee = b * c - d * d, e * d - f * c, f * d - e * b
        bb, dd, cc = a * c - e * e, e * f - a * d, a * b - f * f
        cofactors, determinant = [[aa, ff, ee], [ff, bb, dd], [ee, dd, cc]], a * aa + f * ff + e * ee
    inverse = jnp.where(seen, 1 / jnp.where(seen, determinant, 1), 0)
    n = len(matrix)
    return {(i, j): cofactors[i][j] * inverse for i in range(n) for j in range(i, n)}


def _apply(inverse, r):
    n = len(r)
    return [total(inverse[min(i, j), max(i, j)] * r[j] for j in range(n)) for i in range(n)]


def stress_green(shape, h: Float[Array, " d"], reference):
    """The preconditioner: r -> the divergence-free stress of zero mean that minimizes 1/2 <t : S0 : t> - <r . t>.

    Args:
        shape: grid shape.
        h: voxel edges.
        reference: (lambda', mu') of an isotropic compliance S0.

    Returns:
        Function of numbers (n, *shape) as in `_stresses`; symmetric, positive semi-definite, the inverse of the
        discrete energy of S0 on divergence-free stresses.
    """
    lam, mu = reference
    dim = len(shape)
    dtype = h.dtype
    a, s = _half_angles(shape, dtype)
    pairs = mandel_pairs(dim)
    mass = [(1 + 2 * x**2) / 3 for x in a]
    square = [m**2 + (x * y) ** 2 / 3 + y**4 / 45 for m, x, y in zip(mass, a, s, strict=True)]
    soft = []  # inverse diagonal of the energy
    for i, j in pairs:
        shear, normal = 4 * mu * mass[i] * mass[j], 2 * mu * square[i] + lam * (square[i] - mass[i] ** 2)
        soft.append(1 / ((normal if i == j else shear) * (h[i] * h[j]) ** 2))
    trace = [h[i] ** 2 * mass[i] for i in range(dim)]
    share = [soft[i] * trace[i] for i in range(dim)]
    beta = lam / (1 + lam * total(x * y for x, y in zip(trace, share, strict=True)))

    def release(r):
        """Inverse of the energy, without regard to the balance."""
        z = [x * y for x, y in zip(soft, r, strict=True)]
        push = beta * total(x * y for x, y in zip(trace, z[:dim], strict=True))
        return [z[m] - push * share[m] if m < dim else z[m] for m in range(len(pairs))]

    def balance(t):
        parts = {k: [] for k in range(dim)}
        for (i, j), x in zip(pairs, t, strict=True):
            parts[i].append(s[j] * x)
            if i != j:
                parts[j].append(s[i] * x)
        return [total(parts[k]) for k in range(dim)]

    def spread(u):
        return [s[i] * u[i] if i == j else s[j] * u[i] + s[i] * u[j] for i, j in pairs]

    pull = [s[i] * share[i] for i in range(dim)]
    stiff = [[-beta * pull[i] * pull[j] for j in range(dim)] for i in range(dim)]
    for (i, j), x in zip(pairs, soft, strict=True):
        stiff[i][i] = stiff[i][i] + s[j] ** 2 * x
        if i != j:
            stiff[j][j] = stiff[j][j] + s[i] ** 2 * x
            stiff[i][j] = stiff[i][j] + s[i] * s[j] * x
            stiff[j][i] = stiff[i][j]
    seen = total(x**2 for x in s) > 0
    inverse = _inverse(stiff, seen)

    def minimizer(r):
        r = [a[m] * x if m < dim else x for m, x in enumerate(r)]
        u = _apply(inverse, balance(release(r)))
        t = [jnp.where(seen, x, 0) for x in release([x - y for x, y in zip(r, spread(u), strict=True)])]
        return [a[m] * x if m < dim else x for m, x in enumerate(t)]

    def turned(parts, sign):
        """The numbers seen from where they sit (sign -1), and back: times e^(sign i theta / 2) per axis of offset."""
        out = []
        for (i, j), (x, y) in zip(pairs, parts, strict=True):
            for k in {i, j}:
                x, y = a[k] * x - sign * s[k] * y, a[k] * y + sign * s[k] * x
            out.append((x, y))
        return out

    def green(r):
        # Real and imaginary parts apart: XLA does not vectorize products of real and complex numbers.
        waves = [jnp.fft.rfftn(x) for x in r]
        parts = turned([(jnp.real(x), jnp.imag(x)) for x in waves], -1)
        real, imaginary = minimizer([x for x, _ in parts]), minimizer([y for _, y in parts])
        parts = turned(list(zip(real, imaginary, strict=True)), 1)
        return jnp.stack([jnp.fft.irfftn(lax.complex(x, y), s=shape) for x, y in parts]).astype(r.dtype)

    return green


def balanced(stress: Float[Array, "n *shape"], h: Float[Array, " d"]) -> Float[Array, "n *shape"]:
    """The divergence-free stress of the same mean that is nearest in the sum of sigma_ij^2 over its numbers."""
    shape, dim = stress.shape[1:], len(h)
    a, s = _half_angles(shape, h.dtype)
    pairs = mandel_pairs(dim)
    # Inverse weights of the numbers in that sum.
    soft = [1 / (h[i] * h[j]) ** 2 * (1.0 if i == j else 0.5) for i, j in pairs]
    stiff = [[jnp.zeros((), h.dtype) for _ in range(dim)] for _ in range(dim)]
    for (i, j), x in zip(pairs, soft, strict=True):
        if i == j:
            stiff[i][i] = stiff[i][i] + x * s[i] ** 2
            continue
        stiff[i][i] = stiff[i][i] + x * (a[i] * s[j]) ** 2
        stiff[j][j] = stiff[j][j] + x * (a[j] * s[i]) ** 2
        stiff[i][j] = stiff[j][i] = stiff[i][j] + x * a[i] * s[i] * a[j] * s[j]
    seen = total(x**2 for x in s) > 0
    # Differences have symbols 2 i s.
    inverse = _inverse([[4 * x for x in row] for row in stiff], seen)
    waves = [jnp.fft.rfftn(x) for x in imbalance(stress, dim)]
    real, imaginary = (_apply(inverse, [part(x) for x in waves]) for part in (jnp.real, jnp.imag))
    u = [jnp.fft.irfftn(lax.complex(x, y), s=shape).astype(stress.dtype) for x, y in zip(real, imaginary, strict=True)]
    return jnp.stack([t - x * y for t, x, y in zip(stress, soft, _spread(u, dim), strict=True)])


def _spread(u: list[Array], dim: int) -> list[Array]:
    """Adjoint of `imbalance`."""
    out = []
    for i, j in mandel_pairs(dim):
        if i == j:
            out.append(u[i] - jnp.roll(u[i], -1, axis=i))
            continue
        along = u[i] + jnp.roll(u[i], -1, axis=i)
        across = u[j] + jnp.roll(u[j], -1, axis=j)
        out.append(0.5 * ((along - jnp.roll(along, -1, axis=j)) + (across - jnp.roll(across, -1, axis=i))))
    return out
