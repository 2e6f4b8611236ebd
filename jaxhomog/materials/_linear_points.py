"""A linear law as a material with nothing to remember."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp

from ..messages import (
    AbstractResponse,
    AnisotropicElasticResponse,
    GeneralResponse,
    IsotropicElasticResponse,
    ScalarConductionResponse,
    TensorConductionResponse,
    gradient_of,
    message_of,
    physics_of,
)
from ._material import AbstractPoints, Step, Update


class LinearPoints(AbstractPoints):
    """stress = C : strain, energy 1/2 stress . strain, no dissipation; or g = K . gradient, all of whose power is
    dissipated. No state.

    Args:
        response: moduli on (*pts), or on single points that broadcast.
    """

    response: AbstractResponse
    dim: int = eqx.field(static=True)

    @property
    def symmetric(self) -> bool:
        return True

    def initial(self, shape, dtype):
        return ()

    def update(self, strain, state, step: Step) -> Update:
        flux = self.response.flux(gradient_of(strain, self.dim))
        stress = jnp.broadcast_to(message_of(flux, self.dim, strain.shape[0]), strain.shape)
        power = jnp.sum(stress * strain, axis=0)
        none, code = jnp.zeros_like(power), jnp.zeros(power.shape, jnp.int32)
        if physics_of(strain.shape[0], self.dim) == "conduction":
            return Update(stress, (), none, power * jnp.asarray(step.dt, power.dtype), code, stress)
        return Update(stress, (), 0.5 * power, none, code)

    def elastic(self, shape, dtype):
        return at_points(self.response, shape)

    def tangent(self, strain, state, step: Step):
        return self.elastic(strain.shape[1:], strain.dtype)


def at_points(response: AbstractResponse, shape: tuple[int, ...]) -> AbstractResponse:
    """Moduli of every point, of moduli that broadcast against the points (0-d ones, or a single row of them, too)."""
    rows = isinstance(response, AnisotropicElasticResponse | TensorConductionResponse | GeneralResponse)

    def full(x, lead):
        ones = (1,) * (len(shape) - (x.ndim - lead))
        return jnp.broadcast_to(x.reshape(*x.shape[:lead], *ones, *x.shape[lead:]), (*x.shape[:lead], *shape))

    if rows:
        return jax.tree.map(lambda x: full(jnp.asarray(x), 1), response)
    if isinstance(response, IsotropicElasticResponse | ScalarConductionResponse):
        return jax.tree.map(lambda x: full(jnp.asarray(x), 0), response)
    return jax.tree.map(lambda x: full(x, max(0, x.ndim - len(shape))), response)
