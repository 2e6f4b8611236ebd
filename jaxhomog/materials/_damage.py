"""Local isotropic damage: stiffness that is lost with the largest elastic energy ever reached."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Float

from ..messages import (
    AbstractResponse,
    AnisotropicElasticResponse,
    IsotropicElasticResponse,
    PlasticResponse,
    total,
    upper_triangle,
)
from ..results import SUCCESS, InputError
from ._hooke import hooke
from ._law import above, as_parameter, first_bad, spread, spread_part
from ._linear_elastic import LinearElastic
from ._material import AbstractMaterial, AbstractPoints, Step, Update
from ._onset import beyond


class ExponentialSoftening(eqx.Module):
    """Stress that falls exponentially: 1 - d = exp(rate (1 - x)) / x, with x = sqrt(Y_max / Y_0) >= 1.

    Args:
        rate: > 0 (no unit); a point that is broken has dissipated Y_0 (1 + 2 / rate) per volume.

    Source:
        Oliver, Cervera, Oller & Lubliner (1990), Proc. SCI-C, 945-958.
    """

    rate: Float[Array, "..."]

    def __init__(self, rate: Any):
        self.rate = as_parameter(rate, "rate")

    def __call__(self, x):
        return jnp.exp(self.rate * (1 - x)) / x

    def check(self, where: str = "") -> None:
        """Raise `InputError` for inadmissible concrete values."""
        above(self.rate, "rate", where)


class LinearSoftening(eqx.Module):
    """Stress that falls along a straight line: 1 - d = (u - x) / ((u - 1) x) up to x = u, then 0.

    Args:
        ultimate: u > 1 (no unit), strain at failure over strain at the threshold; a point that is broken has
            dissipated Y_0 u per volume.
    """

    ultimate: Float[Array, "..."]

    def __init__(self, ultimate: Any):
        self.ultimate = as_parameter(ultimate, "ultimate")

    def __call__(self, x):
        left = self.ultimate - x
        return jnp.where(left > 0, left, 0) / ((self.ultimate - 1) * x)

    def check(self, where: str = "") -> None:
        """Raise `InputError` for inadmissible concrete values."""
        above(self.ultimate, "ultimate", where, 1)


class IsotropicDamage(AbstractMaterial):
    """Isotropic damage driven by the elastic energy, in tension and compression alike; 2-D is plane strain.

        sigma = (1 - d) C : eps,    Y = 1/2 eps : C : eps,    x = max(x_before, sqrt(Y / Y_0)),
        d = (1 - residual) (1 - softening(x)).

    The free energy is (1 - d) Y; the force on d is Y, and Y (d - d_before) is dissipated in a step.

    Args:
        elastic: `LinearElastic`, any symmetry.
        threshold: Y_0 > 0, elastic energy per volume where damage starts (unit of stress), 0-d or broadcastable to
            the grid's shape.
        softening: `ExponentialSoftening`, `LinearSoftening`, or any `eqx.Module` x -> 1 - d that falls from 1 at
            x = 1 and stays >= 0.
        residual: share of the stiffness that a broken point keeps, 0 < residual < 1: d < 1 always.

    Raises:
        InputError: an elasticity that is not `LinearElastic`, a softening that is not a function.

    Caveats:
        The law is local. Where the stress falls, damage gathers in one layer of voxels and the dissipated energy
        falls with the voxel's size: results after the peak depend on the grid. Choose the softening for the voxel's
        size (energy per area = voxel size times energy per volume), or trust only what comes before the peak.

    Source:
        Simo & Ju (1987), part I, Int. J. Solids Struct. 23, 821-840 (the strain-based model).
    """

    elastic: LinearElastic
    threshold: Float[Array, "..."]
    softening: Any
    residual: Float[Array, "..."]
    physics: str = eqx.field(static=True)

    def __init__(self, elastic: LinearElastic, threshold: Any, softening: Any, residual: Any = 1e-6):
        if not isinstance(elastic, LinearElastic):
            raise InputError(
                "IsotropicDamage needs a LinearElastic: give LinearElastic.isotropic(young, poisson) or alike"
            )
        if not callable(softening):
            raise InputError("softening is not a function x -> 1 - d: give ExponentialSoftening(...) or alike")
        self.elastic, self.softening = elastic, softening
        self.threshold = as_parameter(threshold, "threshold")
        self.residual = as_parameter(residual, "residual")
        self.physics = "elasticity"

    def points(self, shape, dtype):
        return DamagePoints(
            moduli=self.elastic.response(shape, dtype),
            threshold=spread(self.threshold, shape, dtype, "threshold"),
            softening=spread_part(self.softening, shape, dtype, "a softening parameter"),
            residual=spread(self.residual, shape, dtype, "residual"),
            dim=len(shape),
        )

    def code(self):
        return jnp.asarray(SUCCESS, jnp.int32)

    def check(self, where: str = "") -> None:
        self.elastic.check(where)
        above(self.threshold, "threshold", where)
        if isinstance(self.softening, ExponentialSoftening | LinearSoftening):
            self.softening.check(where)
        if not isinstance(self.residual, Tracer):
            k = np.asarray(self.residual, np.float64)
            ok = (k > 0) & (k < 1)
            if not ok.all():
                raise InputError(f"residual{where} is {first_bad(ok, k)}: give a share in (0, 1)")


class DamagePoints(AbstractPoints):
    """The law at points. State: (1, *pts), the largest x = sqrt(Y / Y_0) so far, 1 where nothing is damaged."""

    moduli: AbstractResponse
    threshold: Float[Array, "*pts"]
    softening: Any
    residual: Float[Array, "*pts"]
    dim: int = eqx.field(static=True)

    @property
    def symmetric(self) -> bool:
        return True

    def initial(self, shape, dtype):
        return jnp.ones((1, *shape), dtype)

    def elastic(self, shape, dtype):
        full = lambda x: jnp.broadcast_to(jnp.asarray(x, dtype), shape)  # noqa: E731
        if isinstance(self.moduli, IsotropicElasticResponse):
            return IsotropicElasticResponse(full(self.moduli.lam), full(self.moduli.mu), self.dim)
        assert isinstance(self.moduli, AnisotropicElasticResponse)
        return AnisotropicElasticResponse(jnp.stack([full(row) for row in self.moduli.c]), self.dim)

    def damage(self, state: Float[Array, "1 *pts"]) -> Float[Array, "*pts"]:
        """d of a state."""
        return 1 - self._kept(state[0])

    def internal(self, state):
        return {"damage": self.damage(state)}

    def _kept(self, x):
        """1 - d, without cancellation."""
        return self.residual + (1 - self.residual) * self.softening(x)

    def _reach(self, strain, state):
        """Undamaged stress, its energy, the new x, and whether damage grows."""
        stress = hooke(self.moduli, strain)
        energy = 0.5 * total([strain[k] * stress[k] for k in range(strain.shape[0])])
        ratio = energy / self.threshold
        grows = beyond(ratio - state[0] ** 2, ratio)
        return stress, energy, jnp.where(grows, jnp.sqrt(jnp.where(grows, ratio, 1)), state[0]), grows

    def update(self, strain, state, step: Step) -> Update:
        stress, energy, x, _ = self._reach(strain, state)
        kept = self._kept(x)
        lost = energy * (self._kept(state[0]) - kept)
        return Update(kept * stress, x[None], kept * energy, lost, jnp.zeros(x.shape, jnp.int32))

    def tangent(self, strain, state, step: Step):
        stress, _, x, grows = self._reach(strain, state)
        keep, fall = jax.jvp(self._kept, (x,), (jnp.ones_like(x),))
        # d x / d eps = C : eps / (2 x Y_0).
        along = jnp.where(grows, -fall / (2 * x * self.threshold), 0)
        if isinstance(self.moduli, IsotropicElasticResponse):
            return PlasticResponse(keep * self.moduli.lam, keep * self.moduli.mu, along, stress, self.dim)
        assert isinstance(self.moduli, AnisotropicElasticResponse)
        pairs = upper_triangle(strain.shape[0])
        rows = [keep * self.moduli.c[m] - along * stress[i] * stress[j] for m, (i, j) in enumerate(pairs)]
        return AnisotropicElasticResponse(jnp.stack(rows), self.dim)
