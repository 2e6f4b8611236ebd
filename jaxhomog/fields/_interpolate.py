"""Nodal fields of a periodic box at any points."""

from __future__ import annotations

import math
from itertools import product

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Real

from ..results import InputError, real_array


def interpolated(
    nodal: Float[Array, "..."], lengths: Real[ArrayLike, " d"], points: Real[ArrayLike, "*p d"]
) -> tuple[Float[Array, "..."], Float[Array, "..."]]:
    """Value and gradient of a periodic nodal field, multilinear in every voxel (the field of element `q1`).

        u(x) = sum over corners c of the voxel  w_c(x) u_c,      grad u = sum of grad w_c u_c

    Node i of an axis lies at i h, the lower face of voxel i. On a face between voxels the gradient is that of the upper
    one.

    Args:
        nodal: (*lead, *nodes), one node per voxel along each of d axes.
        lengths: edges of the box.
        points: where, in the unit of the edges; any number of periods away.

    Returns:
        Value (*p, *lead) and gradient (*p, *lead, d), the latter per unit of length.

    Fails with:
        InputError: points and edges of different dimension, or fewer than d axes of nodes.
    """
    given = ((points, "points"), (lengths, "lengths"))
    x, edges = (real_array(v, name).astype(nodal.dtype) for v, name in given)
    d = edges.shape[0] if edges.ndim == 1 else -1
    if x.ndim < 1 or x.shape[-1] != d or nodal.ndim < d:
        raise InputError(
            f"points of shape {x.shape} in a box of {edges.shape} lengths with nodal values {nodal.shape}: give points"
            " (..., d), d lengths and d axes of nodes, the last ones"
        )
    return _interpolated(nodal, edges, x)


@jax.jit
def _interpolated(nodal, edges, x):
    d = edges.shape[0]
    shape = jnp.asarray(nodal.shape[nodal.ndim - d :])
    share = x / edges
    # Whole periods go first: float32 has too few digits for the voxel of a distant point.
    at = (share - jnp.floor(share)) * shape
    low = jnp.floor(at)
    inner, low = at - low, low.astype(int)
    value = jnp.zeros((*nodal.shape[: nodal.ndim - d], *x.shape[:-1]), nodal.dtype)
    slopes = [value] * d
    for corner in product((0, 1), repeat=d):
        index = [(low[..., k] + corner[k]) % shape[k] for k in range(d)]
        here = nodal[(..., *index)]
        factors = [inner[..., k] if corner[k] else 1 - inner[..., k] for k in range(d)]
        value = value + math.prod(factors) * here
        for k in range(d):
            others = math.prod([f for j, f in enumerate(factors) if j != k])
            slopes[k] = slopes[k] + (1 if corner[k] else -1) * others * here
    scale = shape / edges
    gradient = jnp.stack([s * scale[k] for k, s in enumerate(slopes)], axis=-1)
    lead = tuple(range(nodal.ndim - d))
    to = tuple(range(x.ndim - 1, x.ndim - 1 + len(lead)))
    return jnp.moveaxis(value, lead, to), jnp.moveaxis(gradient, lead, to)
