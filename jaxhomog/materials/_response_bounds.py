"""Analytic bounds of a cell from its per-voxel response."""

from __future__ import annotations

import jax.numpy as jnp
from jax import lax

from ..messages import (
    AbstractResponse,
    IsotropicElasticResponse,
    ScalarConductionResponse,
    TensorConductionResponse,
    mandel_pairs,
    symmetric_matrix,
    upper_triangle,
)
from ..tensors import inverse_spd
from ._bounds import Bounds, conduction_bounds, elastic_bounds_isotropic


def response_bounds(response: AbstractResponse, dim: int) -> Bounds:
    """Voigt, Reuss and, for isotropic voxels, Hashin-Shtrikman bounds of a cell.

    Args:
        response: per-voxel moduli.
        dim: 2 or 3.

    Returns:
        `Bounds`; see its functions for sources and assumptions.
    """
    if isinstance(response, ScalarConductionResponse):
        return conduction_bounds(response.k, dim)
    if isinstance(response, IsotropicElasticResponse):
        return elastic_bounds_isotropic(response.lam + 2 * response.mu / 3, response.mu, dim)
    rows = response.k if isinstance(response, TensorConductionResponse) else response.c  # type: ignore[attr-defined]
    conduction = isinstance(response, TensorConductionResponse)
    positions = list(mandel_pairs(dim)) if conduction else upper_triangle(6 if dim == 3 else 3)

    def layer(x):
        inverse = inverse_spd(symmetric_matrix(x, positions))
        singular = jnp.any(jnp.all(inverse == 0, axis=(-1, -2)))
        return jnp.mean(inverse, axis=tuple(range(inverse.ndim - 2))), singular

    # Layer by layer: the tensors of all voxels at once would take (2 n^2) numbers per voxel.
    inverse, singular = lax.map(layer, jnp.moveaxis(rows, 1, 0))
    reuss = jnp.where(jnp.any(singular), 0, inverse_spd(jnp.mean(inverse, axis=0)))
    return Bounds(response.mean(), reuss, None, None, "nothing (Voigt and Reuss only)")
