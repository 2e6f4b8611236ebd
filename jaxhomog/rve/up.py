"""What the RVE returns: mean fluxes as messages, and the Hill-Mandel residual that certifies them."""

from __future__ import annotations

import jax.numpy as jnp
from jaxtyping import Array, Float

from ..tensors import to_mandel


def message_up(physics: str, flux: Float[Array, "*n c d"]) -> Float[Array, "*n m"]:
    """A mean stress matrix as a Mandel vector (or row by row at finite strain), a mean flux row as a vector."""
    if physics == "finite_strain":
        return flux.reshape(*flux.shape[:-2], -1)
    if physics == "elasticity":
        return to_mandel(0.5 * (flux + jnp.swapaxes(flux, -1, -2)))
    return flux[..., 0, :]


def hill_mandel_pairs(
    mean_up: Float[Array, "n m"], mean_down: Float[Array, "n m"], energies: Float[Array, "n n"]
) -> Float[Array, "n n"]:
    """|<s_i : e_j> - <s_i> : <e_j>| / sqrt(<s_i : e_i> <s_j : e_j>) of every pair of load cases.

    Args:
        mean_up: mean stress of every load case, as computed (not from energies).
        mean_down: mean strain of every load case.
        energies: <s_i : e_j>.

    Returns:
        (n, n), numbers >= 0; 0 where a denominator is 0.

    Source:
        Hill (1963), J. Mech. Phys. Solids 11, 357-372, section 2.
    """
    work = mean_up @ mean_down.T
    own = jnp.maximum(jnp.diagonal(energies), 0)
    scale = jnp.sqrt(own[:, None] * own[None, :])
    return jnp.where(scale > 0, jnp.abs(energies - work) / jnp.where(scale > 0, scale, 1), 0)


def hill_mandel_residual(
    mean_up: Float[Array, "n m"], mean_down: Float[Array, "n m"], energies: Float[Array, "n n"]
) -> Array:
    """The largest of `hill_mandel_pairs` (same arguments): the energy lost between the scales, relative."""
    return jnp.max(hill_mandel_pairs(mean_up, mean_down, energies))
