"""Duality of two-dimensional conduction: a flux turned by a quarter is a gradient, and the other way round."""

from __future__ import annotations

import jax.numpy as jnp
from jax.core import Tracer
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Real

from ..results import InputError, real_array


def dual_conductivity(conductivity: Float[Array, "*batch 2 2"]) -> Float[Array, "*batch 2 2"]:
    """Conductivity of the dual medium, in which stream functions are temperatures.

        K* = R K^-1 R^T = K / det K,    R the quarter turn

    The effective tensors of a medium and of its dual are connected in the same way, whatever the image and the number
    of phases: K*_eff = R K_eff^-1 R^T. It is its own inverse.

    Args:
        conductivity: symmetric positive definite tensors (*batch, 2, 2).

    Returns:
        (*batch, 2, 2), in the inverse unit; not finite where the determinant is zero.

    Raises:
        InputError: no tensors of two directions.

    Source:
        Keller (1964), J. Math. Phys. 5, 548-549; Mendelson (1975), J. Appl. Phys. 46, 917-918.
    """
    k = real_array(conductivity, "conductivity")
    if k.shape[-2:] != (2, 2):
        raise InputError(f"conductivity has shape {k.shape}: give tensors of two directions, (*batch, 2, 2)")
    # By a number of its size: a permeability of 1e-20 squared is zero in single precision.
    size = jnp.abs(k[..., 0, 0]) + jnp.abs(k[..., 1, 1])
    unit = k / size[..., None, None]
    determinant = unit[..., 0, 0] * unit[..., 1, 1] - unit[..., 0, 1] * unit[..., 1, 0]
    return unit / determinant[..., None, None] / size[..., None, None]


def interchanged(
    effective: Float[Array, "*batch 2 2"], first: Real[ArrayLike, "..."], second: Real[ArrayLike, "..."]
) -> Float[Array, "*batch 2 2"]:
    """Effective conductivity of a two-phase image after its two isotropic phases have changed places.

        K(k2, k1) = k1 k2 R K(k1, k2)^-1 R^T

    In the principal axes K_xx(k1, k2) K_yy(k2, k1) = k1 k2; the product of two diagonal components is k1 k2 in these
    axes only. An image that is statistically equal to its negative, and isotropic, has sqrt(k1 k2).

    Args:
        effective: K(k1, k2), (*batch, 2, 2).
        first: k1 > 0, one or (*batch).
        second: k2 > 0.

    Returns:
        K(k2, k1), (*batch, 2, 2).

    Raises:
        InputError: no tensors of two directions, or a concrete conductivity that is not positive.

    Source:
        Keller (1964), J. Math. Phys. 5, 548-549; Mendelson (1975), J. Appl. Phys. 46, 917-918 (K_xy != 0); Dykhne
        (1971), Sov. Phys. JETP 32, 63-65.
    """
    k1, k2 = real_array(first, "first"), real_array(second, "second")
    for name, k in (("first", k1), ("second", k2)):
        if not isinstance(k, Tracer) and not bool(jnp.all(k > 0)):
            raise InputError(f"{name} is not positive: give the conductivity of a phase that conducts")
    return (k1 * k2)[..., None, None] * dual_conductivity(effective)
