"""What the RVE returns: mean fluxes as messages, and the Hill-Mandel residual that certifies them."""

from __future__ import annotations

from typing import Final

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..tensors import to_mandel

# Of the relative error of the effective tensor, where a user gives none.
DEFAULT_TOLERANCE: Final = {"float64": 1e-6, "float32": 1e-5}


def message_up(physics: str, flux: Float[Array, "*n c d"]) -> Float[Array, "*n m"]:
    """A mean stress matrix as a Mandel vector (or row by row at finite strain), a mean flux row as a vector."""
    if physics == "finite_strain":
        return flux.reshape(*flux.shape[:-2], -1)
    if physics == "elasticity":
        return to_mandel(0.5 * (flux + jnp.swapaxes(flux, -1, -2)))
    return flux[..., 0, :]


def hill_mandel_floor(
    voigt: Float[Array, "m m"], mean_down: Float[Array, "n m"], tolerance: float | None
) -> Float[Array, " n"]:
    """c tolerance (C_Voigt : E_i : E_i): the power that a load may carry and still be solver's noise.

        c tolerance = 4 sqrt(tolerance),    c = 4000 at 1e-6 and 1265 at 1e-5, the defaults of float64 and float32

    A tensor within `tolerance` of the exact one comes from fields, and has means, that are right to about its root.
    On random cells with voids the power that means lose is at most 2.3e-5 of the Voigt energy at 1e-6, a hundred and
    seventieth of the floor (`experiments/hill_mandel_cells.py`); 3 % lost where 1 % of the Voigt energy is carried is
    2 % of w.

    Args:
        voigt: Voigt average of the moduli, Mandel (or d x d).
        mean_down: mean strain of every load case.
        tolerance: of the effective tensor; None stands for the default of the dtype. Not below its rounding.

    Returns:
        (n,), numbers >= 0, in the unit of the power.
    """
    name = str(voigt.dtype)
    accuracy = DEFAULT_TOLERANCE[name] if tolerance is None else tolerance
    return noise_share(accuracy, name) * jnp.sum((mean_down @ voigt) * mean_down, axis=-1)


def noise_share(tolerance: float, dtype: str) -> float:
    """c tolerance of `hill_mandel_floor`."""
    return 4 * max(tolerance, 64 * float(jnp.finfo(dtype).eps)) ** 0.5


def hill_mandel_scale(own: Float[Array, " n"], floor: Float[Array, " n"]) -> Float[Array, "n n"]:
    """sqrt(w_i w_j), w_i = <s_i : e_i> + floor_i, of every pair: what lost power is measured by."""
    root = jnp.sqrt(jnp.maximum(own, 0) + floor)  # the root first: products of small powers would underflow
    return root[:, None] * root[None, :]


def hill_mandel_pairs(
    mean_up: Float[Array, "n m"],
    mean_down: Float[Array, "n m"],
    energies: Float[Array, "n n"],
    floor: Float[Array, " n"],
) -> Float[Array, "n n"]:
    """|<s_i : e_j> - <s_i> : <e_j>| / sqrt(w_i w_j), w_i = <s_i : e_i> + floor_i, of every pair of load cases.

    Without the floor round-off in a direction that carries nothing would be divided by round-off; the Voigt energy
    alone would hide a loss in a soft direction.

    Args:
        mean_up: mean stress of every load case, as computed (not from energies).
        mean_down: mean strain of every load case.
        energies: <s_i : e_j>.
        floor: of every load case, see `hill_mandel_floor`.

    Returns:
        (n, n), numbers >= 0; 0 where a denominator is 0.

    Source:
        Hill (1963), J. Mech. Phys. Solids 11, 357-372, section 2.
    """
    work = jnp.matmul(mean_up, mean_down.T, precision=jax.lax.Precision.HIGHEST)
    return relative(jnp.abs(energies - work), hill_mandel_scale(jnp.diagonal(energies), floor))


def hill_mandel_residual(
    mean_up: Float[Array, "n m"],
    mean_down: Float[Array, "n m"],
    energies: Float[Array, "n n"],
    floor: Float[Array, " n"],
) -> Array:
    """The largest of `hill_mandel_pairs` (same arguments): the energy lost between the scales, relative."""
    return jnp.max(hill_mandel_pairs(mean_up, mean_down, energies, floor))


def relative(lost, scale):
    """lost / scale, and 0 where the scale is 0."""
    return jnp.where(scale > 0, lost / jnp.where(scale > 0, scale, 1), 0)
