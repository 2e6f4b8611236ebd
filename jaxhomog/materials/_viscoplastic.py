"""Viscoplasticity of isotropic solids: Perzyna's overstress above a yield stress, Norton's power law without one."""

from __future__ import annotations

import math
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..messages import IsotropicElasticResponse, PlasticResponse
from ..results import INVALID_MATERIAL, SUCCESS
from ..solvers import scalar_root
from ..tensors import safe_sqrt
from ._hardening import check_hardening, need_function, slope, stored_energy
from ._isotropic import code_of, deviator, isotropic_moduli, need_isotropic, on_points, square, with_mean
from ._law import above, as_parameter, at_least, spread_part
from ._linear_elastic import LinearElastic
from ._material import AbstractMaterial, AbstractPoints, Step, Update, engineering

_ROOT = math.sqrt(1.5)


class ViscoPlasticity(AbstractMaterial):
    """Perzyna's viscoplasticity, von Mises, small strain, isotropic elasticity; 2-D is plane strain.

        dp / dt = reference_rate (max(q - sigma_y(p), 0) / drag)^exponent,    q = sqrt(3/2) |dev sigma|,
        d eps_p = dp (3/2) dev sigma / q,

    integrated by backward Euler; the equation for the overstress q - sigma_y is solved at every point.

    Args:
        elastic: `LinearElastic.isotropic`.
        hardening: `LinearHardening`, `VoceHardening`, `TabulatedHardening`, or any `eqx.Module` p -> sigma_y.
        drag: overstress at the reference rate, > 0 (unit of stress).
        exponent: >= 1 (no unit); rate-independent plasticity with the yield stress sigma_y + drag as it grows.
        reference_rate: > 0 (1 / unit of time).

    Raises:
        InputError: an elasticity that is not isotropic, or a hardening that is no function.

    Source:
        Perzyna (1966), Adv. Appl. Mech. 9, 243-377; de Souza Neto, Peric & Owen (2008), Computational Methods for
        Plasticity, section 11.3.

    Caveats:
        The dissipation of a step is (q - sigma_y(p) + sigma_y(0)) dp, with q and p at its end. A point whose
        equation has no root (softening below a yield stress of 0) answers with the code INVALID_MATERIAL.
    """

    elastic: LinearElastic
    hardening: Any
    drag: Float[Array, "..."]
    exponent: Float[Array, "..."]
    reference_rate: Float[Array, "..."]
    physics: str = eqx.field(static=True)

    def __init__(self, elastic: LinearElastic, hardening: Any, drag: Any, exponent: Any, reference_rate: Any):
        need_isotropic(elastic, "ViscoPlasticity")
        need_function(hardening)
        self.elastic, self.hardening = elastic, hardening
        self.drag = as_parameter(drag, "drag")
        self.exponent = as_parameter(exponent, "exponent")
        self.reference_rate = as_parameter(reference_rate, "reference_rate")
        self.physics = "elasticity"

    @property
    def rate_dependent(self) -> bool:
        return True

    @property
    def isochoric(self) -> bool:
        return True

    def points(self, shape, dtype):
        hardening = spread_part(self.hardening, shape, dtype, "a hardening parameter", rows=True)
        return _points(self, hardening, self.drag, "drag", shape, dtype)

    def code(self):
        return code_of(self.drag > 0, self.exponent >= 1, self.reference_rate > 0)

    def check(self, where: str = "") -> None:
        self.elastic.check(where)
        check_hardening(self.hardening, where)
        _check_rate(self, "drag", where)


class Norton(AbstractMaterial):
    """Norton's power-law creep, no yield stress, isotropic elasticity; 2-D is plane strain.

        d eps_p / dt = d_eq (3/2) dev sigma / q,    d_eq = reference_rate (q / stress)^exponent,

    integrated by backward Euler; the equation for q is solved at every point.

    Args:
        elastic: `LinearElastic.isotropic`.
        stress: von Mises stress q at the reference rate, > 0 (unit of stress).
        exponent: >= 1 (no unit); 1 is a Maxwell fluid of viscosity stress / (3 reference_rate).
        reference_rate: > 0 (1 / unit of time).

    Raises:
        InputError: an elasticity that is not isotropic.

    Source:
        Norton (1929), The Creep of Steel at High Temperatures; Odqvist (1966), Mathematical Theory of Creep and Creep
        Rupture, for the tensor form.

    Caveats:
        The dissipation of a step is q dp with q at its end.
    """

    elastic: LinearElastic
    stress: Float[Array, "..."]
    exponent: Float[Array, "..."]
    reference_rate: Float[Array, "..."]
    physics: str = eqx.field(static=True)

    def __init__(self, elastic: LinearElastic, stress: Any, exponent: Any, reference_rate: Any):
        need_isotropic(elastic, "Norton")
        self.elastic = elastic
        self.stress = as_parameter(stress, "stress")
        self.exponent = as_parameter(exponent, "exponent")
        self.reference_rate = as_parameter(reference_rate, "reference_rate")
        self.physics = "elasticity"

    @property
    def rate_dependent(self) -> bool:
        return True

    @property
    def isochoric(self) -> bool:
        return True

    def points(self, shape, dtype):
        return _points(self, None, self.stress, "stress", shape, dtype)

    def code(self):
        return code_of(self.stress > 0, self.exponent >= 1, self.reference_rate > 0)

    def check(self, where: str = "") -> None:
        self.elastic.check(where)
        _check_rate(self, "stress", where)


class ViscoPlasticPoints(AbstractPoints):
    """The law at points; no hardening means no yield stress. State: (n + 1, *pts), plastic strain (in-plane) and p."""

    lam: Float[Array, "*pts"]
    mu: Float[Array, "*pts"]
    hardening: Any
    drag: Float[Array, "*pts"]
    exponent: Float[Array, "*pts"]
    rate: Float[Array, "*pts"]
    dim: int = eqx.field(static=True)

    @property
    def symmetric(self) -> bool:
        return True

    def initial(self, shape, dtype):
        return jnp.zeros((7 if self.dim == 3 else 4, *shape), dtype)

    def internal(self, state):
        return {"plastic_strain": engineering(state[:-1], "strain"), "equivalent_plastic_strain": state[-1]}

    def elastic(self, shape, dtype):
        full = lambda x: jnp.broadcast_to(jnp.asarray(x, dtype), shape)  # noqa: E731
        return IsotropicElasticResponse(full(self.lam), full(self.mu), self.dim)

    def threshold(self, p):
        """Yield stress at accumulated plastic strain p."""
        return jnp.zeros_like(p) if self.hardening is None else self.hardening(p)

    def increment(self, overstress, most):
        """dp of a step at an overstress, where `most` = reference_rate dt is its value at the drag stress."""
        flows = overstress > 0
        ratio = jnp.where(flows, overstress, 1) / self.drag
        return jnp.where(flows, most * ratio**self.exponent, 0)

    def _return(self, strain, state, step):
        """Trace, elastic trial deviator and its von Mises stress, overstress, plastic increment and code."""
        plastic, p = state[:-1], state[-1]
        trace, e = deviator(strain, self.dim)
        trial = e - plastic
        size = 2 * _ROOT * self.mu * safe_sqrt(square(trial, self.dim))
        most = self.rate * jnp.asarray(step.dt, strain.dtype)
        args = (self, size, p, most)
        # No overstress is left where dp = size / 3 G, nor above size; both bounds keep the power from overflowing.
        whole = jnp.where(self.mu > 0, 3 * self.mu, 1) * most
        bound = jnp.minimum(size, self.drag * (size / whole) ** (1 / self.exponent))
        upper = jnp.where(size > self.threshold(p), bound, -1)
        over = scalar_root(_overstress, args, jax.lax.stop_gradient(upper))
        dp = self.increment(over, most)
        # The true residual, against the stresses that it is the small difference of (the power magnifies rounding).
        scale = size + over + 3 * self.mu * self.exponent * dp
        small = jnp.abs(_overstress(over, args)) <= float(jnp.finfo(strain.dtype).eps) ** 0.75 * scale
        code = jnp.where((over > 0) & ~small, INVALID_MATERIAL, SUCCESS).astype(jnp.int32)
        return trace, trial, size, over, dp, code

    def update(self, strain, state, step: Step) -> Update:
        trace, trial, size, over, dp, code = self._return(strain, state, step)
        safe = jnp.where(size > 0, size, 1)
        p = state[-1] + dp
        elastic = (1 - 3 * self.mu * dp / safe) * trial
        plastic = state[:-1] + (3 * self.mu * dp / safe) * trial
        bulk = self.lam + 2 * self.mu / 3
        stress = with_mean(2 * self.mu * elastic, bulk * trace, self.dim)
        energy = self.mu * square(elastic, self.dim) + 0.5 * bulk * trace**2
        if self.hardening is not None:
            energy = energy + stored_energy(self.hardening, p)
        dissipation = (over + self.threshold(jnp.zeros_like(p))) * dp
        state = jnp.concatenate([plastic, p[None]])
        return Update(stress, state, energy, dissipation, code)

    def tangent(self, strain, state, step: Step):
        """Of the radial return: d dp / d q_trial = y / (1 + (3 G + H) y), y = d dp / d overstress."""
        _, trial, size, over, dp, _ = self._return(strain, state, step)
        safe = jnp.where(size > 0, size, 1)
        g3 = 3 * self.mu
        flows = over > 0
        give = jnp.where(flows, self.exponent * dp / jnp.where(flows, over, 1), 0)
        hard = 0 if self.hardening is None else slope(self.hardening, state[-1] + dp)
        lost = g3 * dp / safe
        along = g3 * give / (1 + (g3 + hard) * give) - lost
        mu = self.mu * (1 - lost)
        bulk = self.lam + 2 * self.mu / 3
        # 2 G along n n with n = trial / |trial|.
        direction = trial * (2 * _ROOT * self.mu / safe)
        weight = jnp.broadcast_to(2 * self.mu * along, mu.shape)
        return PlasticResponse(jnp.broadcast_to(bulk - 2 * mu / 3, mu.shape), mu, weight, direction, self.dim)


def _check_rate(law, drag, where):
    """The parameters of the power law, of both materials."""
    above(getattr(law, drag), drag, where)
    at_least(law.exponent, 1, "exponent", where)
    above(law.reference_rate, "reference_rate", where)


def _points(law, hardening, drag, name, shape, dtype):
    """The law on a grid, of both materials."""
    spring = isotropic_moduli(law.elastic, shape, dtype)
    return ViscoPlasticPoints(
        lam=spring.lam,
        mu=spring.mu,
        hardening=hardening,
        drag=on_points(drag, shape, dtype, name),
        exponent=on_points(law.exponent, shape, dtype, "exponent"),
        rate=on_points(law.reference_rate, shape, dtype, "reference_rate"),
        dim=len(shape),
    )


def _overstress(x, args):
    """f(x) of the backward Euler step; falls with slope -1 or steeper while 3 mu + hardening > 0."""
    points, size, p, most = args
    dp = points.increment(x, most)
    return size - 3 * points.mu * dp - points.threshold(p + dp) - x
