"""Strong ellipticity of a tangent: may the response still be passed up as that of a material without a length?

Where the acoustic tensor loses its positive definiteness, a layer of any thickness may deform at once: the response of
the cell depends on its size from there on, and the problem of the scale above on its mesh.

Source: Rice (1976), The localization of plastic deformation, Proc. 14th IUTAM, 207-220; Triantafyllidis & Maker (1985),
J. Appl. Mech. 52, 794-800.
"""

from __future__ import annotations

import math
from functools import partial
from typing import Final

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..messages import mandel_pairs
from ..results import InputError

_HIGHEST = jax.lax.Precision.HIGHEST
_CIRCLE: Final = 180
_SPHERE: Final = 300
_ROUNDS: Final = 2
_PATCH: Final = 9


def ellipticity(tangent: Float[Array, "*b n n"]) -> tuple[Float[Array, "*b"], Float[Array, "*b d"]]:
    """Smallest eigenvalue of the symmetric acoustic tensor over all directions.

        min over unit n of  lambda_min(sym Q(n)),    Q_ik(n) = n_j C_ijkl n_l,    positive: strongly elliptic.

    2-D (plane strain): 180 directions of the half circle; 3-D: 300 points of Fibonacci's lattice on the half sphere,
    the axes and the diagonals. Two rounds of refinement around the best direction follow, to 0.1 (2-D) or 0.6 degrees
    (3-D): the value is an upper bound, above the minimum by some 1e-4 of the differences between directions at most.

    Args:
        tangent: (..., 3, 3) or (..., 6, 6) in Mandel components, or dP/dF at finite strain (..., 4, 4) or (..., 9, 9)
            row by row, with directions of the undeformed state; unit of stress; it need not be symmetric.

    Returns:
        The value (...), unit of stress, and its direction (..., d), of unit length and either sign. NaN where the
        tangent is not finite.

    Raises:
        InputError: a tangent of another shape.

    Source:
        Rice (1976), section 3; lattice: Gonzalez (2010), Math. Geosci. 42, 49-64.
    """
    c = jnp.asarray(tangent)
    if c.ndim < 2 or c.shape[-1] != c.shape[-2] or c.shape[-1] not in (3, 4, 6, 9):
        raise InputError(
            f"a tangent has shape {c.shape}: give Mandel components, (..., 3, 3) or (..., 6, 6), or dP/dF row by row,"
            " (..., 4, 4) or (..., 9, 9)"
        )
    if not jnp.issubdtype(c.dtype, jnp.floating):
        c = c.astype(jnp.result_type(float))
    return _search(c)


@jax.jit
def _search(c):
    dim = 3 if c.shape[-1] in (6, 9) else 2
    start = np.asarray(_half_circle() if dim == 2 else _half_sphere())
    value = jnp.vectorize(partial(_minimum, dim=dim, start=start), signature="(n,n)->(),(d)")
    return value(c)


def _minimum(c, dim, start):
    """Of one tangent."""
    finite = jnp.all(jnp.isfinite(c))
    safe = jnp.where(finite, 0.5 * (c + c.T), jnp.eye(len(c), dtype=c.dtype))
    directions = jnp.asarray(start, c.dtype)
    # Half a cell of the patch is left after each round.
    reach = np.pi / _CIRCLE if dim == 2 else 1.2 * math.sqrt(2 * math.pi / _SPHERE)
    best, value = _best(safe, directions, dim)
    for _ in range(_ROUNDS):
        best, value = _best(safe, _around(best, reach, dim), dim)
        reach = 2 * reach / (_PATCH - 1)
    return jnp.where(finite, value, jnp.nan), jnp.where(finite, best, jnp.nan)


def _best(c, directions, dim):
    """Direction with the smallest eigenvalue."""
    lowest = _lowest(_acoustic(c, directions, dim))
    at = jnp.argmin(lowest)
    return directions[at], lowest[at]


def _acoustic(c, directions, dim):
    """Q(n) = N^T C N, where N a is the message of a x n (Mandel: its symmetric part); directions (m, d), (m, d, d)."""
    if c.shape[0] == dim * dim:
        spread = np.eye(dim * dim).reshape(-1, dim, dim)
    else:
        pairs = mandel_pairs(dim)
        spread = np.zeros((len(pairs), dim, dim))
        for row, (a, b) in enumerate(pairs):
            for i, j in {(a, b), (b, a)}:
                spread[row, i, j] = 1 if a == b else math.sqrt(0.5)
    n = jnp.einsum("rij,mj->mri", jnp.asarray(spread, c.dtype), directions, precision=_HIGHEST)
    return jnp.einsum("mri,rs,msk->mik", n, c, n, precision=_HIGHEST)


def _lowest(q):
    """Smallest eigenvalue of symmetric 2 x 2 or 3 x 3 matrices."""
    if q.shape[-1] == 2:
        mean, half = 0.5 * (q[..., 0, 0] + q[..., 1, 1]), 0.5 * (q[..., 0, 0] - q[..., 1, 1])
        return mean - jnp.hypot(half, q[..., 0, 1])
    return jnp.linalg.eigvalsh(q)[..., 0]


def _around(n, reach, dim):
    """A patch of directions within `reach` (radians) of n, itself among them."""
    steps = np.linspace(-reach, reach, _PATCH)
    if dim == 2:
        across = jnp.stack([-n[1], n[0]])
        near = n + jnp.asarray(steps, n.dtype)[:, None] * across
    else:
        # An axis that is not along n gives the plane across it.
        axis = jax.nn.one_hot(jnp.argmin(jnp.abs(n)), 3, dtype=n.dtype)
        first = jnp.cross(n, axis)
        first = first / jnp.linalg.norm(first)
        second = jnp.cross(n, first)
        u, v = (jnp.asarray(x.ravel(), n.dtype)[:, None] for x in np.meshgrid(steps, steps))
        near = n + u * first + v * second
    return near / jnp.linalg.norm(near, axis=-1, keepdims=True)


def _half_circle():
    angle = np.arange(_CIRCLE) * np.pi / _CIRCLE
    return np.stack([np.cos(angle), np.sin(angle)], axis=-1)


def _half_sphere():
    """Fibonacci's lattice, the axes and the diagonals of faces and of the cube."""
    index = np.arange(_SPHERE)
    height = (index + 0.5) / _SPHERE
    angle = np.pi * (1 + math.sqrt(5)) * index
    radius = np.sqrt(1 - height**2)
    lattice = np.stack([radius * np.cos(angle), radius * np.sin(angle), height], axis=-1)
    corners = np.asarray([(i, j, k) for i in (-1, 0, 1) for j in (-1, 0, 1) for k in (-1, 0, 1)], float)[14:]
    return np.concatenate([lattice, corners / np.linalg.norm(corners, axis=-1, keepdims=True)])
