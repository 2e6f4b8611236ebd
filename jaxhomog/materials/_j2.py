"""Von Mises plasticity with isotropic and kinematic hardening, by radial return."""

from __future__ import annotations

import math
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..messages import IsotropicElasticResponse, PlasticResponse, components, total
from ..results import LOCAL_SOLVE, SUCCESS
from ..solvers import scalar_root
from ..tensors import safe_sqrt
from ._hardening import check_hardening, need_function, slope, stored_energy
from ._isotropic import isotropic_moduli, need_isotropic
from ._kinematic import ArmstrongFrederick
from ._law import spread_part
from ._linear_elastic import LinearElastic
from ._material import AbstractMaterial, AbstractPoints, Step, Update, engineering
from ._onset import beyond

_ROOT = math.sqrt(1.5)


class J2Plasticity(AbstractMaterial):
    """Von Mises plasticity, rate-independent, small strain, isotropic elasticity; 2-D is plane strain.

        f = sqrt(3/2) |dev sigma - beta| - sigma_y(p) <= 0,    d eps_p = dp (3/2) (dev sigma - beta) / sigma_y,

    integrated by backward Euler; the equation for dp is solved at every point.

    Args:
        elastic: `LinearElastic.isotropic`.
        hardening: `LinearHardening`, `VoceHardening`, `TabulatedHardening`, or any `eqx.Module` p -> sigma_y.
        kinematic: `ArmstrongFrederick`, `prager`, or None.

    Raises:
        InputError: an elasticity that is not isotropic.

    Source:
        Simo & Hughes (1998), Computational Inelasticity, sections 3.3 and 3.4, boxes 3.1 (radial return) and 3.2.
    """

    elastic: LinearElastic
    hardening: Any
    kinematic: ArmstrongFrederick | None
    physics: str = eqx.field(static=True)

    def __init__(self, elastic: LinearElastic, hardening: Any, kinematic: ArmstrongFrederick | None = None):
        need_isotropic(elastic, "J2Plasticity")
        need_function(hardening)
        self.elastic, self.hardening, self.kinematic = elastic, hardening, kinematic
        self.physics = "elasticity"

    @property
    def isochoric(self) -> bool:
        return True

    def points(self, shape, dtype):
        moduli = isotropic_moduli(self.elastic, shape, dtype)
        parts = (self.hardening, self.kinematic)
        hardening, kinematic = (spread_part(x, shape, dtype, "a hardening parameter", rows=True) for x in parts)
        return J2Points(lam=moduli.lam, mu=moduli.mu, hardening=hardening, kinematic=kinematic, dim=len(shape))

    def code(self):
        return jnp.asarray(SUCCESS, jnp.int32)

    def check(self, where: str = "") -> None:
        self.elastic.check(where)
        check_hardening(self.hardening, where)
        if self.kinematic is not None:
            self.kinematic.check(where)


class J2Points(AbstractPoints):
    """The law at points. State: (m, *pts) of plastic strain (in-plane, the rest is its trace), p, back stress."""

    lam: Float[Array, "*pts"]
    mu: Float[Array, "*pts"]
    hardening: Any
    kinematic: ArmstrongFrederick | None
    dim: int = eqx.field(static=True)

    @property
    def symmetric(self) -> bool:
        """Without recovery of the back stress an incremental potential exists."""
        return self.kinematic is None or self.kinematic.recovery is None

    @property
    def _n(self):
        return 6 if self.dim == 3 else 3

    def initial(self, shape, dtype):
        return jnp.zeros((self._n + 1 + (0 if self.kinematic is None else self._n), *shape), dtype)

    def internal(self, state):
        plastic, p, beta = self._split(state)
        names = {"plastic_strain": engineering(plastic, "strain"), "equivalent_plastic_strain": p}
        return names if beta is None else names | {"back_stress": engineering(beta, "stress")}

    def elastic(self, shape, dtype):
        full = lambda x: jnp.broadcast_to(jnp.asarray(x, dtype), shape)  # noqa: E731
        return IsotropicElasticResponse(full(self.lam), full(self.mu), self.dim)

    def _split(self, state):
        n = self._n
        return state[:n], state[n], None if self.kinematic is None else state[n + 1 :]

    def _deviator(self, strain):
        """Trace and deviator of a strain without out-of-plane part."""
        rows = components(strain)
        trace = total(rows[: self.dim])
        return trace, jnp.stack([*(x - trace / 3 for x in rows[: self.dim]), *rows[self.dim :]])

    def _square(self, a):
        """a : a of a trace-free tensor; in 2-D its component 33 is minus the sum of 11 and 22."""
        rows = components(a)
        out = total(x**2 for x in rows)
        return out if self.dim == 3 else out + (rows[0] + rows[1]) ** 2

    def _return(self, strain, state):
        """Trace and deviator of the strain, trial stress, plastic strain, p, back stress, and the increment of p."""
        plastic, p, beta = self._split(state)
        trace, e = self._deviator(strain)
        trial = 2 * self.mu * (e - plastic)
        args = (self, trial, p, beta)
        # At dp = 0 the yield function of the trial state; where dp reaches `upper` no driving stress is left.
        excess = _yield(jnp.zeros_like(p), args)
        largest = _ROOT * (jnp.sqrt(self._square(trial)) + (0 if beta is None else jnp.sqrt(self._square(beta))))
        upper = jnp.where(beyond(excess, largest), largest / jnp.where(self.mu > 0, 3 * self.mu, 1), -1)
        dp = scalar_root(_yield, args, jax.lax.stop_gradient(upper))
        return trace, e, trial, plastic, p, beta, dp

    def update(self, strain, state, step: Step) -> Update:
        trace, e, trial, plastic, p, beta, dp = self._return(strain, state)
        theta, drive = self._driving(dp, trial, beta)
        size = _ROOT * safe_sqrt(self._square(drive))
        flow = drive * (1.5 / jnp.where(size > 0, size, 1))
        stress_dev = trial - 2 * self.mu * dp * flow
        bulk = self.lam + 2 * self.mu / 3
        pressure = bulk * trace
        rows = components(stress_dev)
        stress = jnp.stack([*(x + pressure for x in rows[: self.dim]), *rows[self.dim :]])
        p_new = p + dp
        parts = [plastic + dp * flow, p_new[None]]
        energy = 0.5 * bulk * trace**2 + self.mu * self._square(e - plastic - dp * flow)
        energy = energy + stored_energy(self.hardening, p_new)
        dissipation = self.hardening(jnp.zeros_like(p)) * dp
        if beta is not None:
            k = self.kinematic
            assert k is not None
            new = theta * (beta + (2 / 3) * k.modulus * dp * flow)
            parts.append(new)
            square = self._square(new) / jnp.where(k.modulus > 0, k.modulus, 1)
            energy = energy + 0.75 * square
            if k.recovery is not None:
                dissipation = dissipation + 1.5 * k.recovery * square * dp
        return Update(stress, jnp.concatenate(parts), energy, dissipation, self._code(trial, p, beta, dp))

    def _code(self, trial, p, beta, dp):
        """LOCAL_SOLVE where the step has no root: a law that softens below a flow stress of zero."""
        trial, p, beta, dp, points = jax.lax.stop_gradient((trial, p, beta, dp, self))
        left = jnp.abs(_yield(dp, (points, trial, p, beta)))
        size = _ROOT * jnp.sqrt(self._square(trial))
        lost = (dp > 0) & ~(left <= float(jnp.finfo(dp.dtype).eps) ** 0.5 * size)
        return jnp.where(lost, LOCAL_SOLVE, SUCCESS).astype(jnp.int32)

    def _driving(self, dp, trial, beta):
        """Factor of recovery, and the stress whose direction is the flow's."""
        if beta is None or self.kinematic is None:
            return None, trial
        if self.kinematic.recovery is None:
            return jnp.ones_like(dp), trial - beta
        theta = 1 / (1 + self.kinematic.recovery * dp)
        return theta, trial - theta * beta

    def tangent(self, strain, state, step: Step):
        if not self.symmetric:
            return super().tangent(strain, state, step)
        _, _, trial, _, p, beta, dp = self._return(strain, state)
        _, drive = self._driving(dp, trial, beta)
        size = _ROOT * safe_sqrt(self._square(drive))
        safe = jnp.where(size > 0, size, 1)
        g3 = 3 * self.mu
        plastic = dp > 0
        hard = slope(self.hardening, p + dp)
        if self.kinematic is not None:
            hard = hard + self.kinematic.modulus
        keep = jnp.where(plastic, 1 - g3 * dp / safe, 1)
        # keep - 1 + 1 / (1 + H / 3G) of the direction n n, with n = drive / |drive|.
        along = jnp.where(plastic, g3 / (g3 + hard) + keep - 1, 0)
        mu = self.mu * keep
        bulk = self.lam + 2 * self.mu / 3
        weight = jnp.broadcast_to(2 * self.mu * along, p.shape)
        mu = jnp.broadcast_to(mu, p.shape)
        return PlasticResponse(
            jnp.broadcast_to(bulk - 2 * mu / 3, p.shape), mu, weight, drive * (_ROOT / safe), self.dim
        )


def _yield(dp, args):
    """f(dp) of the backward Euler step: falls with dp while 3 mu + hardening > 0."""
    points, trial, p, beta = args
    theta, drive = points._driving(dp, trial, beta)
    stiff = 3 * points.mu
    if theta is not None:
        stiff = stiff + points.kinematic.modulus * theta
    return _ROOT * safe_sqrt(points._square(drive)) - stiff * dp - points.hardening(p + dp)
