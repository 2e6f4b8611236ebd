"""Removal of a divergence along paths of conducting voxels, so that no flux enters an insulator.

Every connected cluster of conducting voxels gets a spanning tree: parents point one voxel nearer to the cluster's first
voxel. A voxel hands the sum of its own and its descendants' net outflow to its parent; what reaches the root is the
cluster's total, which is zero for a flux that crosses no insulator.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int


def spanning_forest(conducting: Bool[Array, "*shape"]) -> Int[Array, "*shape"]:
    """Towards its parent, a voxel's face: 2 k along +k, 2 k + 1 along -k; -1 at roots and insulators.

    Breadth first, from every voxel at once: (label, steps) spreads to neighbours, the smaller pair wins, and the
    smallest label of a cluster is its root. As many sweeps as the longest of the shortest paths has voxels.
    """
    shape, size = conducting.shape, conducting.size
    own = jnp.arange(size, dtype=jnp.int32).reshape(shape)
    label = jnp.where(conducting, own, size)
    neighbours = [(k, shift) for k in range(len(shape)) for shift in (-1, 1)]

    def sweep(state):
        label, steps, _, count = state
        best, fewest = label, steps
        for k, shift in neighbours:
            other, further = jnp.roll(label, shift, axis=k), jnp.roll(steps, shift, axis=k) + 1
            closer = (other < best) | ((other == best) & (further < fewest))
            best, fewest = jnp.where(closer, other, best), jnp.where(closer, further, fewest)
        best, fewest = jnp.where(conducting, best, size), jnp.where(conducting, fewest, 0)
        changed = jnp.any((best != label) | (fewest != steps))
        return best, fewest, changed, count + 1

    start = (label, jnp.zeros_like(label), jnp.asarray(True), jnp.zeros((), jnp.int32))
    # A path has at most as many voxels as the grid.
    label, steps, _, _ = jax.lax.while_loop(lambda s: s[2] & (s[3] <= size), sweep, start)
    face = jnp.full(shape, -1, jnp.int32)
    for number, (k, shift) in enumerate(neighbours):
        parent = (jnp.roll(label, shift, axis=k) == label) & (jnp.roll(steps, shift, axis=k) == steps - 1)
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
