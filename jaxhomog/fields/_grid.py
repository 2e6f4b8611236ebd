"""The periodic box that a field lives on."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..results import InputError


class Grid(eqx.Module):
    """A box of voxels: `Grid(shape=(nx, ny, nz), lengths=(lx, ly, lz))`; 2-D alike.

    Args:
        shape: voxels along each direction (static).
        lengths: edge lengths of the box in the user's unit (a leaf: vmap and grad go through it). Default: unit
            voxels, that is, `lengths = shape`.

    Raises:
        InputError: fewer than two or more than three directions, an empty direction, lengths that do not match.
    """

    shape: tuple[int, ...] = eqx.field(static=True)
    lengths: Float[Array | np.ndarray, " d"]

    def __init__(self, shape, lengths=None):
        shape = tuple(int(n) for n in shape)
        if len(shape) not in (2, 3):
            raise InputError(f"Grid.shape {shape} has {len(shape)} directions: give 2 or 3")
        if min(shape) < 1:
            raise InputError(f"Grid.shape {shape} has an empty direction: every count must be at least 1")
        if lengths is None:
            lengths = tuple(float(n) for n in shape)
        if isinstance(lengths, (tuple, list)) and any(isinstance(x, jax.Array) for x in lengths):
            lengths = jnp.stack([jnp.asarray(x) for x in lengths])
        if isinstance(lengths, (tuple, list, np.ndarray)):
            # numpy keeps the construction free of a backend: a Grid may be built at import time.
            lengths = np.asarray(lengths, dtype=np.float64)
        if np.shape(lengths)[-1:] != (len(shape),):
            raise InputError(f"Grid.lengths has shape {np.shape(lengths)}: give {len(shape)} lengths for shape {shape}")
        self.shape = shape
        self.lengths = lengths

    @property
    def dim(self) -> int:
        """Number of directions."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of voxels."""
        return int(np.prod(self.shape))

    def spacing(self, dtype) -> Float[Array, " d"]:
        """Voxel edges, in the dtype of the computation."""
        return jnp.asarray(self.lengths, dtype) / jnp.asarray(self.shape, dtype)
