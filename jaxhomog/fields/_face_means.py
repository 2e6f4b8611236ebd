"""Means of gradients on a window, <d_k u_c>, which a uniform traction is the multiplier of.

By Gauss' theorem <d_k u_c> times the length is the difference of the means of u_c over the two faces normal to k: a
product of one-dimensional factors, b . u_c. Each has a direction w, a product too, with b_i . w_j = delta_ij, so that

    P u = u - w Q (b . u),     P^T f = f - b Q^T (w . f)

project on the fluctuations whose means are zero, with one small matrix Q = T A S: S makes the means that are imposed
out of the differences (the symmetric part of a pair alone), T is its right inverse.

Where nodes of a face touch no stiffness (voids) they can take up a mean at no cost, and the multiplier is zero: a void
bears no traction. A is the orthogonal projector on the combinations of means that such nodes cannot take up, the null
space of S M S^T with M_ij the product of b_i and b_j over those nodes. It is the limit of a soft medium in the voids.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float

from ..solvers import null_projector
from ..tensors import inverse_spd


class Held(NamedTuple):
    """What is imposed on the fluctuations of one load, beyond the faces.

    Args:
        odd: (d,), the axes in which the load is odd.
        means: Q (f, f), or None where no mean is imposed.
        fill: (f, f), what nodes without stiffness take up, or None.
        loose: those nodes, or None.
    """

    odd: Bool[Array, " d"]
    means: Float[Array, "f f"] | None
    fill: Float[Array, "f f"] | None
    loose: Bool[Array, "*nodes"] | None


def held_means(odd, means, pairs, present, lengths, functionals, loose) -> Held:
    """`Held` from the geometry of the window and the nodes that touch no stiffness.

    Args:
        odd: (d,), the axes in which the load is odd.
        means: (c, k) of every <d_k u_c>.
        pairs: indices of two of them whose sum alone is imposed.
        present: whether each of them counts for this load.
        lengths: of the window.
        functionals: b of every mean, as factors.
        loose: (*nodes) of bool.
    """
    dtype = functionals[0][0].dtype
    number = len(means)
    taken = {i for pair in pairs for i in pair}
    rows, columns = [], []
    for i in range(number):
        if i not in taken:
            rows.append({i: 1 / lengths[means[i][1]]})
            columns.append({i: lengths[means[i][1]]})
    for i, j in pairs:
        a, b = lengths[means[i][1]], lengths[means[j][1]]
        rows.append({i: 0.5 / a, j: 0.5 / b})
        columns.append({i: a, j: b})
    zero = jnp.zeros((), dtype)
    matrix = lambda entries: jnp.stack([jnp.stack([row.get(i, zero) for i in range(number)]) for row in entries])  # noqa: E731
    s, t = matrix(rows), matrix(columns).T
    counts = jnp.stack(present).astype(dtype)
    weight = lax.stop_gradient(loose.astype(dtype))
    m = [[zero] * number for _ in range(number)]
    for i in range(number):
        for j in range(i, number):
            if means[i][0] == means[j][0]:
                both = [x * y for x, y in zip(functionals[i], functionals[j], strict=True)]
                m[i][j] = m[j][i] = contract(weight, both) * counts[i] * counts[j]
    taken_up = _matmul(_matmul(s, jnp.stack([jnp.stack(row) for row in m])), s.T)
    size = jnp.max(jnp.diagonal(taken_up))
    # Where nothing is loose every mean is imposed.
    size = lax.stop_gradient(jnp.where(size > 0, size, 1))
    a = null_projector(taken_up, size * (1e-4 if dtype == jnp.float32 else 1e-8))
    inverse = inverse_spd(taken_up + size * a) - a / size
    q, fill = _matmul(_matmul(t, a), s), _matmul(_matmul(s.T, inverse), s)
    return Held(odd, counts[:, None] * q, counts[:, None] * fill, loose)


def factors(m, dtype, normal: bool, wraps: bool, free):
    """Factors along an axis of m nodes of the functional b and of the direction w.

    Args:
        m: nodes along the axis.
        dtype: of the factors.
        normal: whether it is the axis of the derivative.
        wraps: whether it is periodic.
        free: whether the component may move on its faces; an array where that depends on the load.
    """
    index = jnp.arange(m).astype(dtype)
    end = (index == 0) | (index == m - 1)
    ones = jnp.ones(m, dtype)
    if normal:
        return jnp.where(index == 0, -ones, jnp.where(index == m - 1, ones, 0)), index / (m - 1) - 0.5
    if wraps:
        return ones / m, ones
    # The trapezoidal rule. A linear field is what a uniform traction makes of a homogeneous medium.
    moving = jnp.where(end, 0.5 * ones, ones) / (m - 1), ones
    if free is True:
        return moving
    bubble = jnp.where(end, 0, jnp.sin(index * (math.pi / (m - 1))))
    inner = jnp.where(end, 0, ones) / (m - 1)
    resting = inner, bubble * ((m - 1) / jnp.maximum(jnp.sum(bubble), jnp.finfo(dtype).tiny))
    if free is False:
        return resting
    return tuple(jnp.where(free, x, y) for x, y in zip(moving, resting, strict=True))


def face_means(u, means, products) -> Float[Array, " f"]:
    """The contractions of the components of a field with products of factors."""
    return jnp.stack([contract(u[c], product_) for (c, _), product_ in zip(means, products, strict=True)])


def weights(matrix, sizes):
    """A small matrix times a vector, at full precision on every device."""
    return jnp.sum(matrix * sizes, axis=-1)


def add(u, means, products, sizes):
    """Components of a field plus products of factors."""
    rows = list(u)
    for i, (c, _) in enumerate(means):
        rows[c] = rows[c] + sizes[i] * product(products[i])
    return jnp.stack(rows)


def along(x, axis, dim):
    """One-dimensional numbers shaped to broadcast along an axis."""
    return x.reshape(tuple(-1 if j == axis else 1 for j in range(dim)))


def product(terms):
    """The field that is a product of one-dimensional factors."""
    dim = len(terms)
    out = along(terms[0], 0, dim)
    for k, factor in enumerate(terms[1:], 1):
        out = out * along(factor, k, dim)
    return out


def contract(field, terms):
    """Sum of a field times a product of one-dimensional factors, axis by axis."""
    for factor in reversed(terms):
        field = jnp.sum(field * factor, axis=-1)
    return field


def _matmul(a, b):
    return jnp.matmul(a, b, precision=lax.Precision.HIGHEST)
