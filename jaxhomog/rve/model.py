"""The linear RVE: a periodic fluctuation u on a grid, gradient macro + B u, energy 1/2 <C : grad : grad>."""

from __future__ import annotations

import math
from typing import NamedTuple, TypeVar

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array

from ..fields import AbstractElement, IsotropicBending
from ..messages import (
    AbstractResponse,
    IsotropicElasticResponse,
    ScalarConductionResponse,
)

AnyResponse = TypeVar("AnyResponse", bound=AbstractResponse)


class Settings(NamedTuple):
    """Static settings of a solve (they are part of the compiled program).

    Args:
        tolerance: bound of the relative error of the effective tensor, or None.
        field_tolerance: bound of every field's relative energy-norm error, or None.
        residual_tolerance: largest ||r||_2 relative to the load's, or None.
        max_iterations: cap of conjugate gradient iterations per load case.
        devices: number of devices over which load cases are spread.
        void_tolerance: replaces a larger `tolerance` of a cell with voids, so that directions that carry nothing can be
            told from soft ones; None: does not.
    """

    tolerance: float | None
    field_tolerance: float | None
    residual_tolerance: float | None
    max_iterations: int
    devices: int = 1
    void_tolerance: float | None = None


class Reference(NamedTuple):
    """Homogeneous comparison medium: isotropic moduli, and the smallest eigenvalue of C relative to it.

    `floor` is guaranteed (point by point, hence for the operators too: Ladecky, Pultarova, Zeman 2021, Appl. Math.
    66:21); 0 where no cheap guarantee is known (voids, anisotropic voxels).
    """

    moduli: tuple[Array, ...]
    floor: Array


def reference_medium(response: AbstractResponse, mean) -> Reference:
    """Mean isotropic moduli of the cell; conjugate gradients only feel their ratio."""
    parts = response.isotropic_part()
    if len(parts) == 1:
        (k,) = parts
        k0 = mean(k)
        floor = jnp.min(k) / k0 if isinstance(response, ScalarConductionResponse) else jnp.zeros_like(k0)
        return Reference((k0,), floor)
    lam, mu = parts
    dim = mu.ndim
    lam0, mu0 = mean(lam), mean(mu)
    if isinstance(response, IsotropicElasticResponse | IsotropicBending):
        bulk, bulk0 = lam + 2 * mu / dim, lam0 + 2 * mu0 / dim
        floor = jnp.minimum(jnp.min(bulk) / bulk0, jnp.min(mu) / mu0)
        if isinstance(response, IsotropicBending):
            floor = jnp.minimum(floor, response.lowest(lam0, mu0))
    else:
        floor = jnp.zeros_like(mu0)
    return Reference((lam0, mu0), jnp.maximum(floor, 0))


def scaled(response: AnyResponse, mean) -> tuple[AnyResponse, Array]:
    """The response divided by its mean shear modulus or conductivity, and that number.

    Moduli of 1e11 Pa or conductivities of 1e-12 would overflow or underflow squares in float32.
    """
    size = mean(response.isotropic_part()[-1])
    size = jnp.where(size > 0, size, 1)
    return response.times(1 / size), size


def in_range(values, dtype):
    """Whether the largest of some magnitudes is 0, or one whose square (and that of its mean) the dtype can hold.

    Norms, bounds and powers are made of products of two moduli: float64 takes 1e-140 to 1e140, float32 1e-17 to 1e17.
    A number so far below the largest one that it vanishes beside it does no harm.

    Args:
        values: arrays (a pytree).
        dtype: floating dtype of the computation.
    """
    info = jnp.finfo(dtype)
    limit = 0.91 * math.log10(float(info.max)) / 2
    largest = jnp.max(jnp.stack([jnp.max(jnp.abs(lax.stop_gradient(x))) for x in jax.tree.leaves(values)]))
    fits = (largest >= 10.0**-limit) & (largest <= 10.0**limit)
    # What is not finite is another fault, with a code of its own.
    return fits | (largest == 0) | ~jnp.isfinite(largest)


def supports(element: AbstractElement, response: AbstractResponse) -> bool:
    """Whether an element can carry a response (finite volumes need scalar conductivities)."""
    return element.name != "fv" or isinstance(response, ScalarConductionResponse)
