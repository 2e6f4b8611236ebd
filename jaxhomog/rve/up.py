"""What the RVE returns: mean fluxes as messages, and the Hill-Mandel residual that certifies them."""

from __future__ import annotations

import jax.numpy as jnp
from jaxtyping import Array, Float

from ..tensors import to_mandel


def message_up(physics: str, flux: Float[Array, "*n c d"]) -> Float[Array, "*n m"]:
    """A mean stress matrix as a Mandel vector, a mean flux row as a vector."""
    if physics == "elasticity":
        return to_mandel(0.5 * (flux + jnp.swapaxes(flux, -1, -2)))
    return flux[..., 0, :]


def hill_mandel_residual(
    mean_up: Float[Array, "n m"], mean_down: Float[Array, "n m"], energies: Float[Array, "n n"]
) -> Array:
    """max over pairs of |<s_i : e_j> - <s_i> : <e_j>| / sqrt(<s_i : e_i> <s_j : e_j>).

    Args:
        mean_up: mean stress of every load case, as computed (not from energies).
        mean_down: mean strain of every load case.
        energies: <s_i : e_j>.

    Returns:
        A number >= 0; 0 where a denominator is 0.
    """
    work = mean_up @ mean_down.T
    own = jnp.maximum(jnp.diagonal(energies), 0)
    scale = jnp.sqrt(own[:, None] * own[None, :])
    return jnp.max(jnp.where(scale > 0, jnp.abs(energies - work) / jnp.where(scale > 0, scale, 1), 0))
