"""Conduction that follows a power law of the gradient."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..messages import ScalarConductionResponse, TensorConductionResponse, mandel_pairs, total
from ..results import SUCCESS
from ._law import as_parameter, at_least, spread
from ._material import AbstractMaterial, AbstractPoints, Step, Update


class PowerLawConduction(AbstractMaterial):
    """Isotropic conduction that stiffens with the gradient, g = -q the power-conjugate of grad T:

        g = A |grad T|^(n-1) grad T,    potential A |grad T|^(n+1) / (n + 1).

    All of the power is dissipated: the energy of the point is 0 and its dissipation in a step is (g . grad T) dt.

    Args:
        coefficient: A >= 0 (unit of flux over gradient^n), 0-d or broadcastable to the grid's shape.
        exponent: n >= 1 (no unit), likewise; 1 is `LinearConduction`.

    Caveats:
        At grad T = 0 with n > 1 the tangent is 0. The moduli that choose a reference medium are those at
        |grad T| = 1. A second derivative exists at grad T = 0 for n = 1 and n > 2.

    Source:
        Ponte Castaneda & Suquet (1998), Adv. Appl. Mech. 34, 171-302.
    """

    coefficient: Float[Array, "..."]
    exponent: Float[Array, "..."]
    physics: str = eqx.field(static=True)

    def __init__(self, coefficient: Any, exponent: Any):
        self.coefficient = as_parameter(coefficient, "coefficient")
        self.exponent = as_parameter(exponent, "exponent")
        self.physics = "conduction"

    def points(self, shape, dtype):
        coefficient = spread(self.coefficient, shape, dtype, "coefficient")
        exponent = spread(self.exponent, shape, dtype, "exponent")
        return PowerLawPoints(coefficient=coefficient, exponent=exponent, dim=len(shape))

    def code(self):
        return jnp.asarray(SUCCESS, jnp.int32)

    def check(self, where: str = "") -> None:
        at_least(self.coefficient, 0, "coefficient", where)
        at_least(self.exponent, 1, "exponent", where)


class PowerLawPoints(AbstractPoints):
    """The law at points; it has no state."""

    coefficient: Float[Array, "*pts"]
    exponent: Float[Array, "*pts"]
    dim: int = eqx.field(static=True)

    @property
    def symmetric(self) -> bool:
        return True

    def initial(self, shape, dtype):
        return ()

    def elastic(self, shape, dtype):
        return ScalarConductionResponse(jnp.broadcast_to(jnp.asarray(self.coefficient, dtype), shape), self.dim)

    def _secant(self, gradient):
        """A |grad|^(n-1) and |grad|^2, with finite derivatives at 0."""
        square = total([gradient[k] ** 2 for k in range(self.dim)])
        moving = square > 0
        power = jnp.exp(0.5 * (self.exponent - 1) * jnp.log(jnp.where(moving, square, 1)))
        rest = jnp.where(self.exponent == 1, jnp.ones_like(power), jnp.zeros_like(power))
        return self.coefficient * jnp.where(moving, power, rest), square

    def potential(self, gradient: Float[Array, "d *pts"]) -> Float[Array, "*pts"]:
        """A |grad|^(n+1) / (n + 1), whose derivative is the flux."""
        secant, square = self._secant(gradient)
        return secant * square / (self.exponent + 1)

    def update(self, strain, state, step: Step) -> Update:
        secant, square = self._secant(strain)
        flux, lost = secant * strain, secant * square * jnp.asarray(step.dt, square.dtype)
        return Update(flux, state, jnp.zeros_like(square), lost, jnp.zeros(square.shape, jnp.int32), flux)

    def tangent(self, strain, state, step: Step):
        secant, square = self._secant(strain)
        share = (self.exponent - 1) * secant / jnp.where(square > 0, square, 1)
        rows = [share * strain[a] * strain[b] + (secant if a == b else 0) for a, b in mandel_pairs(self.dim)]
        return TensorConductionResponse(jnp.stack(rows), self.dim)
