"""What isotropic laws share: trace and deviator in Mandel components, plane strain included."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float

from ..messages import IsotropicElasticResponse, total
from ..results import INVALID_MATERIAL, SUCCESS, InputError
from ._law import spread
from ._linear_elastic import LinearElastic


def deviator(strain: Float[Array, "n *pts"], dim: int):
    """Trace and deviator of a strain; in 2-D of one without out-of-plane part, whose component 33 is left out."""
    trace = total([strain[k] for k in range(dim)])
    normal = [strain[k] - trace / 3 for k in range(dim)]
    return trace, jnp.stack([*normal, *strain[dim:]])


def square(a: Float[Array, "n *pts"], dim: int) -> Float[Array, "*pts"]:
    """a : a of a trace-free tensor; in 2-D its component 33 is minus the sum of 11 and 22."""
    out = total([a[k] ** 2 for k in range(a.shape[0])])
    return out if dim == 3 else out + (a[0] + a[1]) ** 2


def with_mean(dev: Float[Array, "n *pts"], mean: Float[Array, "*pts"], dim: int) -> Float[Array, "n *pts"]:
    """The tensor of a deviator and a mean normal component."""
    return jnp.stack([dev[k] + mean if k < dim else dev[k] for k in range(dev.shape[0])])


def need_isotropic(elastic: Any, who: str) -> None:
    """Raise `InputError` unless the elasticity is `LinearElastic.isotropic`."""
    if not isinstance(elastic, LinearElastic) or elastic.form != "isotropic":
        raise InputError(
            f"{who} needs isotropic elasticity: give LinearElastic.isotropic(young, poisson), or"
            " LinearElastic.from_bulk_shear(bulk, shear)"
        )


def isotropic_moduli(elastic: LinearElastic, shape, dtype) -> IsotropicElasticResponse:
    """Moduli of an isotropic elasticity on a grid."""
    moduli = elastic.response(shape, dtype)
    assert isinstance(moduli, IsotropicElasticResponse)
    return moduli


def on_points(parameter, shape, dtype, name: str):
    """A parameter in the dtype of a grid: a number stays 0-d, a field must fit the shape."""
    parameter = jnp.asarray(parameter, dtype)
    return spread(parameter, shape, dtype, name) if parameter.ndim else parameter


def code_of(*conditions) -> Array:
    """SUCCESS where all conditions hold in every voxel, else INVALID_MATERIAL."""
    ok = jnp.asarray(True)
    for condition in conditions:
        ok = ok & jnp.all(condition)
    return jnp.where(ok, SUCCESS, INVALID_MATERIAL).astype(jnp.int32)
