"""Eigenvalues of many small symmetric matrices: closed forms up to 3 x 3, the linear algebra library beyond."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..results import under_jax_defaults
from ..tensors import inverse_spd

_HIGHEST = jax.lax.Precision.HIGHEST


def entries(a: Float[Array, "*b n n"]) -> list[list[Array]]:
    """The entries of symmetric matrices as arrays."""
    n = a.shape[-1]
    return [[a[..., i, j] for j in range(n)] for i in range(n)]


@jax.custom_jvp
def eigenvalues(a: Float[Array, "*b n n"]) -> Float[Array, "*b n"]:
    """Eigenvalues of symmetric matrices, ascending; errors of a few units in the last place of the largest.

    Derivatives are v_k . da v_k, with the vectors of the library where n > 1 (right for simple eigenvalues; of those
    that coincide, those of one basis).

    Source:
        Smith (1961), Commun. ACM 4, 168; Eberly (2014), A Robust Eigensolver for 3 x 3 Symmetric Matrices (n = 3).
    """
    n = a.shape[-1]
    if n > 3:
        return jnp.linalg.eigvalsh(a)
    return jnp.stack(closed_form(entries(a)), axis=-1)


@eigenvalues.defjvp
@under_jax_defaults
def _eigenvalues_jvp(primals, tangents):
    (a,), (da,) = primals, tangents
    value = eigenvalues(a)
    if a.shape[-1] == 1:
        return value, da[..., 0]
    vectors = jnp.linalg.eigh(a)[1]
    return value, jnp.sum(vectors * jnp.matmul(da, vectors, precision=jax.lax.Precision.HIGHEST), axis=-2)


def closed_form(e: list[list[Array]]) -> list[Array]:
    """Ascending eigenvalues of symmetric 1 x 1, 2 x 2 or 3 x 3 matrices of arrays."""
    if len(e) == 1:
        return [e[0][0]]
    if len(e) == 2:
        mean, half = 0.5 * (e[0][0] + e[1][1]), 0.5 * (e[0][0] - e[1][1])
        radius = jnp.hypot(half, e[0][1])
        return [mean - radius, mean + radius]
    mean = (e[0][0] + e[1][1] + e[2][2]) / 3
    x, y, z = (e[k][k] - mean for k in range(3))
    a, b, c = e[1][2], e[0][2], e[0][1]
    size = jnp.sqrt((x * x + y * y + z * z + 2 * (a * a + b * b + c * c)) / 6)
    scale = 1 / jnp.where(size > 0, size, 1)
    x, y, z, a, b, c = (scale * k for k in (x, y, z, a, b, c))
    half = 0.5 * (x * (y * z - a * a) - c * (c * z - a * b) + b * (c * a - y * b))
    # The eigenvalue that stands apart has an angle with all its digits; the other two, which may coincide, have none:
    # they are those of the 2 x 2 matrix across its vector (Eberly).
    sign = jnp.where(half >= 0, 1.0, -1.0).astype(half.dtype)
    apart = sign * 2 * jnp.cos(jnp.arccos(jnp.clip(jnp.abs(half), 0, 1)) / 3)
    rows = ((x - apart, c, b), (c, y - apart, a), (b, a, z - apart))
    w, square = (jnp.ones_like(x), jnp.zeros_like(x), jnp.zeros_like(x)), jnp.zeros_like(x)
    for i, j in ((0, 1), (1, 2), (2, 0)):
        normal = _crossed(rows[i], rows[j])
        longer = sum(k * k for k in normal)
        better = longer > square
        w = tuple(jnp.where(better, new, old) for new, old in zip(normal, w, strict=True))
        square = jnp.where(better, longer, square)
    length = jnp.sqrt(jnp.where(square > 0, square, 1))
    w = tuple(k / length for k in w)
    first = jnp.abs(w[0]) > jnp.abs(w[1])
    zero = jnp.zeros_like(x)
    across = tuple(jnp.where(first, p, q) for p, q in zip((-w[2], zero, w[0]), (zero, w[2], -w[1]), strict=True))
    length = jnp.sqrt(sum(k * k for k in across))
    u = tuple(k / jnp.where(length > 0, length, 1) for k in across)
    v = _crossed(w, u)
    image = lambda n: (  # noqa: E731
        x * n[0] + c * n[1] + b * n[2],
        c * n[0] + y * n[1] + a * n[2],
        b * n[0] + a * n[1] + z * n[2],
    )
    inner = lambda n, k: n[0] * k[0] + n[1] * k[1] + n[2] * k[2]  # noqa: E731
    turned, other = image(u), image(v)
    p, q = inner(u, turned), inner(v, other)
    radius, middle = jnp.hypot(0.5 * (p - q), inner(v, turned)), 0.5 * (p + q)
    lower, upper = middle - radius, middle + radius
    high = half >= 0
    values = (jnp.where(high, lower, apart), jnp.where(high, upper, lower), jnp.where(high, apart, upper))
    return [mean + size * k for k in values]


def _crossed(a, b):
    """Cross product of triples of arrays."""
    return tuple(a[i] * b[j] - a[j] * b[i] for i, j in ((1, 2), (2, 0), (0, 1)))


def lowest_vector(a: Float[Array, "*b n n"]) -> Float[Array, "*b n"]:
    """A unit eigenvector of the smallest eigenvalue, without derivative; of several, one."""
    a = jax.lax.stop_gradient(a)
    n = a.shape[-1]
    if n > 3:
        return jnp.linalg.eigh(a)[1][..., 0]
    e = entries(a)
    low = closed_form(e)[0]
    s = [[e[i][j] - low if i == j else e[i][j] for j in range(n)] for i in range(n)]
    size = jnp.max(jnp.abs(a), axis=(-2, -1))
    tiny = 64 * float(jnp.finfo(a.dtype).eps)
    unit = jnp.zeros(a.shape[:-1], a.dtype).at[..., 0].set(1)
    if n == 1:
        return unit
    rows = jnp.stack([jnp.stack(r, axis=-1) for r in s], axis=-2)
    longest = _longest(rows)
    if n == 2:
        across = jnp.stack([-longest[..., 1], longest[..., 0]], axis=-1)
        return _normed(across, tiny * size, unit)
    # Rank two: across two rows. Rank one (a double eigenvalue): anywhere across the one row. Rank zero: anywhere.
    crossed = _longest(
        jnp.stack([jnp.cross(rows[..., i, :], rows[..., j, :]) for i, j in ((0, 1), (1, 2), (2, 0))], -2)
    )
    axis = jax.nn.one_hot(jnp.argmin(jnp.abs(longest), axis=-1), 3, dtype=a.dtype)
    single = _normed(jnp.cross(longest, axis), tiny * size, unit)
    return _normed(crossed, tiny * size**2, single)


def lowest(a: Float[Array, "n n"], paired: bool = False) -> Float[Array, ""]:
    """The smallest eigenvalue of a symmetric matrix, with its derivatives up to the third where it is simple.

        v = v0 - (A0 - l0 + s v0 v0^T)^-1 (A - v0.A v0) v0,    l = v.A v / v.v

    v0, l0 and A0 carry no derivative. The vector is right to first order in A - A0, so that the quotient is right to
    third. Where the eigenvalue is not simple v = v0: a first derivative, of one basis.

    Args:
        a: the matrix.
        paired: of the real form [[Re, -Im], [Im, Re]] of a Hermitian matrix: every eigenvalue comes twice, i v with v.

    Source:
        Saad (2011), Numerical Methods for Large Eigenvalue Problems, section 4.1 (one step of Newton's iteration).
    """
    if a.shape[-1] == 1:
        return a[0, 0]
    fixed = jax.lax.stop_gradient(a)
    v = lowest_vector(fixed)
    low = v @ fixed @ v
    size = jnp.max(jnp.abs(jnp.diagonal(fixed)))
    own = jnp.outer(v, v)
    if paired:
        half = v.shape[0] // 2
        partner = jnp.concatenate([-v[half:], v[:half]])
        own = own + jnp.outer(partner, partner)
    shifted = fixed - low * jnp.eye(v.shape[0], dtype=a.dtype) + size * own
    image = jnp.matmul(a, v, precision=_HIGHEST)
    rest = image - jnp.dot(v, image, precision=_HIGHEST) * v
    v = v - jnp.matmul(inverse_spd(shifted), rest, precision=_HIGHEST)
    return jnp.dot(v, jnp.matmul(a, v, precision=_HIGHEST), precision=_HIGHEST) / jnp.dot(v, v, precision=_HIGHEST)


def _longest(rows):
    at = jnp.argmax(jnp.sum(rows**2, axis=-1), axis=-1)
    return jnp.take_along_axis(rows, at[..., None, None], axis=-2)[..., 0, :]


def _normed(v, floor, instead):
    """v of unit length, or another vector where v is rounding."""
    length = jnp.sqrt(jnp.sum(v**2, axis=-1))
    good = length > floor
    return jnp.where(good[..., None], v / jnp.where(good, length, 1)[..., None], instead)
