"""A linear law as a material with nothing to remember."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp

from ..messages import AbstractResponse, gradient_of, message_of, physics_of
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
        return jax.tree.map(lambda x: jnp.broadcast_to(x, (*x.shape[: x.ndim - self.dim], *shape)), self.response)

    def tangent(self, strain, state, step: Step):
        return self.elastic(strain.shape[1:], strain.dtype)
