"""Removal of a divergence along paths of conducting voxels, so that no flux enters an insulator.

Every connected cluster of conducting voxels gets a spanning tree: parents point one voxel nearer to the cluster's first
voxel. A voxel hands the sum of its own and its descendants' net outflow to its parent; what reaches the root is the
cluster's total, which is zero for a flux that crosses no insulator.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int


def _least(field: Int[Array, "*shape"], walls: Int[Array, "*shape"], toll: int) -> Int[Array, "*shape"]:
    """min(own, neighbour's + toll), never below the wall: up every axis and down again, whole rows at a time.

    Fast sweeping (Zhao 2005, Math. Comp. 74:603), periodic.
    """

    def step(before, row_and_wall):
        row, wall = row_and_wall
        here = jnp.maximum(jnp.minimum(row, before + toll), wall)
        return here, here

    for k in range(field.ndim):
        rows, closed = jnp.moveaxis(field, k, 0), jnp.moveaxis(walls, k, 0)
        _, rows = jax.lax.scan(step, rows[-1], (rows, closed))
        _, rows = jax.lax.scan(step, rows[0], (rows, closed), reverse=True)
        field = jnp.moveaxis(rows, 0, k)
    return field


def _roots(conducting: Bool[Array, "*shape"]) -> Bool[Array, "*shape"]:
    """The voxel of smallest index in every cluster of conducting voxels.

    Labels spread along rows and then jump to the label of the voxel that they name, until none changes.
    """
    shape, size = conducting.shape, conducting.size
    own = jnp.arange(size, dtype=jnp.int32).reshape(shape)
    walls = jnp.where(conducting, 0, size).astype(jnp.int32)

    def sweep(state):
        label, _, count = state
        best = _least(label, walls, 0)
        best = jnp.append(best.ravel(), size)[best]
        return best, jnp.any(best != label), count + 1

    start = (jnp.where(conducting, own, size), jnp.asarray(True), jnp.zeros((), jnp.int32))
    return jax.lax.while_loop(lambda s: s[1] & (s[2] <= size), sweep, start)[0] == own


def spanning_forest(conducting: Bool[Array, "*shape"]) -> Int[Array, "*shape"]:
    """Towards its parent, a voxel's face: 2 k along +k, 2 k + 1 along -k; -1 at roots and insulators.

    Breadth first from the roots: as many sweeps as the longest of the shortest paths has straight pieces.
    """
    shape, size = conducting.shape, conducting.size
    roots = _roots(conducting)
    walls = jnp.where(conducting, 0, size + 1).astype(jnp.int32)

    def sweep(state):
        steps, _, count = state
        best = _least(steps, walls, 1)
        return best, jnp.any(best != steps), count + 1

    start = (jnp.where(roots, 0, size + 1).astype(jnp.int32), jnp.asarray(True), jnp.zeros((), jnp.int32))
    # A path has at most as many voxels as the grid.
    steps = jax.lax.while_loop(lambda s: s[1] & (s[2] <= size + 1), sweep, start)[0]
    face = jnp.full(shape, -1, jnp.int32)
    for number, (k, shift) in enumerate((k, shift) for k in range(len(shape)) for shift in (-1, 1)):
        parent = jnp.roll(steps, shift, axis=k) == steps - 1
        face = jnp.where((face < 0) & parent & conducting, number, face)
    return face


def route_divergence(
    faces: Float[Array, "n d *shape"], towards: Int[Array, "*shape"], outflow: Float[Array, "n *shape"]
) -> Float[Array, "n d *shape"]:
    """Face fluxes plus a flux along the trees of `spanning_forest` that takes up their net outflow.

    Args:
        faces: n face fluxes that are zero at insulators.
        towards: `spanning_forest` of the conducting voxels.
        outflow: their divergence.

    Returns:
        Fluxes whose divergence is rounding.
    """
    shape, size = towards.shape, towards.size
    own = jnp.arange(size, dtype=jnp.int32).reshape(shape)
    parent = jnp.full(shape, size, jnp.int32)  # one past the end: none
    for k in range(len(shape)):
        parent = jnp.where(towards == 2 * k, jnp.roll(own, -1, axis=k), parent)
        parent = jnp.where(towards == 2 * k + 1, jnp.roll(own, 1, axis=k), parent)

    def double(state):
        """Sums over descendants up to 2^m generations, and the ancestor 2^m generations up."""
        sums, ancestor = state
        handed = jnp.zeros((sums.shape[0], size + 1), sums.dtype).at[:, ancestor].add(sums)
        return sums + handed[:, :size], jnp.append(ancestor, size)[ancestor]

    start = (outflow.reshape(len(outflow), size), parent.ravel())
    sums, _ = jax.lax.while_loop(lambda s: jnp.any(s[1] < size), double, start)
    sums = sums.reshape(outflow.shape)
    out = []
    for k in range(len(shape)):
        up, down = jnp.where(towards == 2 * k, sums, 0), jnp.where(towards == 2 * k + 1, sums, 0)
        out.append(faces[:, k] - up + jnp.roll(down, -1, axis=k + 1))
    return jnp.stack(out, axis=1)
