"""Three laws as a user writes them from the contract: a linear one, one with an odd state, one that flows in time."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp

from jaxhomog.materials import AbstractLaw, AbstractMaterial, AbstractPoints, Update
from jaxhomog.messages import IsotropicElasticResponse


class Graded(AbstractLaw):
    """Isotropic elasticity of Poisson's ratio zero whose modulus is a field, under a name of its own."""

    physics: str = eqx.field(static=True)
    modulus: jax.Array

    def response(self, shape, dtype):
        two_mu = jnp.broadcast_to(jnp.asarray(self.modulus, dtype), shape)
        return IsotropicElasticResponse(jnp.zeros_like(two_mu), 0.5 * two_mu, len(shape))

    def code(self):
        return jnp.asarray(0, jnp.int32)

    def check(self, where=""):
        pass


class Memory(eqx.Module):
    """A part of a state with a class of its own."""

    inner: Any
    steps: Any


class Remembering(AbstractMaterial):
    """Another law and odd things beside its state: tuples, a dictionary, None, integers, numbers of the whole law."""

    physics: str = eqx.field(static=True)
    inner: AbstractMaterial

    def points(self, shape, dtype):
        return RememberingPoints(inner=self.inner.points(shape, dtype), dim=len(shape))

    def code(self):
        return self.inner.code()

    def check(self, where=""):
        self.inner.check(where)

    @property
    def isochoric(self):
        return self.inner.isochoric


class RememberingPoints(AbstractPoints):
    inner: AbstractPoints
    dim: int = eqx.field(static=True)

    @property
    def symmetric(self):
        return self.inner.symmetric

    def initial(self, shape, dtype):
        mine = Memory((self.inner.initial(shape, dtype), None), jnp.zeros(shape, jnp.int32))
        # Of the shape of a grid of 2 x 3, and no field of it.
        return {"law": mine, "largest": [jnp.full(shape, -jnp.inf, dtype), 0.5], "matrix": jnp.zeros((2, 3)), "n": 0}

    def update(self, strain, state, step):
        up = self.inner.update(strain, state["law"].inner[0], step)
        largest, number = state["largest"]
        mine = Memory((up.state, None), state["law"].steps + 1)
        after = {
            "law": mine,
            "largest": [jnp.maximum(largest, strain[0]), 2 * number],
            "matrix": state["matrix"] + 1,
            "n": state["n"] + 1,
        }
        return up._replace(state=after)

    def internal(self, state):
        return {**self.inner.internal(state["law"].inner[0]), "largest": state["largest"][0]}

    def elastic(self, shape, dtype):
        return self.inner.elastic(shape, dtype)


class Creeping(AbstractMaterial):
    """A Maxwell element without a spring: d sigma / dt = modulus d eps / dt - sigma / time, by Euler backward.

    State: a list of the strain and the stress of before.
    """

    physics: str = eqx.field(static=True)
    modulus: jax.Array
    time: jax.Array

    def points(self, shape, dtype):
        modulus, time = (jnp.broadcast_to(jnp.asarray(x, dtype), shape) for x in (self.modulus, self.time))
        return CreepingPoints(modulus=modulus, time=time, dim=len(shape))

    def code(self):
        return jnp.asarray(0, jnp.int32)

    def check(self, where=""):
        pass

    @property
    def rate_dependent(self):
        return True


class CreepingPoints(AbstractPoints):
    modulus: jax.Array
    time: jax.Array
    dim: int = eqx.field(static=True)

    @property
    def symmetric(self):
        return True

    def initial(self, shape, dtype):
        zero = jnp.zeros((6 if self.dim == 3 else 3, *shape), dtype)
        return [zero, zero]

    def update(self, strain, state, step):
        before, stress = state
        dt = jnp.asarray(step.dt, strain.dtype)
        new = (stress + self.modulus * (strain - before)) / (1 + dt / self.time)
        energy = 0.5 * jnp.sum(new * new, axis=0) / self.modulus
        lost = jnp.sum(new * new, axis=0) * dt / (self.modulus * self.time)
        return Update(new, [strain, new], energy, lost, jnp.zeros(energy.shape, jnp.int32))

    def elastic(self, shape, dtype):
        two_mu = jnp.broadcast_to(self.modulus, shape)
        return IsotropicElasticResponse(jnp.zeros_like(two_mu), 0.5 * two_mu, self.dim)
