"""The directions in which a small matrix is as good as zero."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from ..tensors import inverse_spd

_HIGHEST = jax.lax.Precision.HIGHEST


def null_projector(matrix: Float[Array, "n n"], small: ArrayLike) -> Array:
    """Orthogonal projector on the directions in which a small symmetric positive semi-definite matrix is below `small`.

    (1 + A / small)^-1 has eigenvalues near one there and near zero elsewhere; p -> 3 p^2 - 2 p^3 makes them exact. No
    derivative, and no call to a linear algebra library.

    Args:
        matrix: (n, n); eigenvalues near `small` itself are told apart by chance.
        small: positive.

    Returns:
        (n, n); zeros where `small` is rounding beside the matrix.

    Source:
        McWeeny (1960), Rev. Mod. Phys. 32, 335-369, eq. (2.29).
    """
    matrix = jax.lax.stop_gradient(matrix)
    start = inverse_spd(jnp.eye(matrix.shape[-1], dtype=matrix.dtype) + matrix / small)

    def purify(_, p):
        square = jnp.matmul(p, p, precision=_HIGHEST)
        return 3 * square - 2 * jnp.matmul(square, p, precision=_HIGHEST)

    return jax.lax.fori_loop(0, 24, purify, start)
