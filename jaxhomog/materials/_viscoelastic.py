"""Linear viscoelasticity of isotropic solids: the generalized Maxwell model and the Kelvin-Voigt solid."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..messages import IsotropicElasticResponse
from ..results import InputError
from ._isotropic import code_of, deviator, isotropic_moduli, need_isotropic, on_points, square, with_mean
from ._law import above, as_parameter, at_least
from ._linear_elastic import LinearElastic
from ._material import AbstractMaterial, AbstractPoints, Step, Update, engineering


class GeneralizedMaxwell(AbstractMaterial):
    """A spring beside k Maxwell branches (springs in series with dashpots): a Prony series of moduli.

        G(t) = G + sum_i G_i exp(-t / tau_i),    K(t) = K + sum_i K_i exp(-t / tau_i),
        dev sigma = 2 G e + sum_i 2 G_i (e - a_i),    d a_i / dt = (e - a_i) / tau_i,    e = dev eps,

    and likewise for the mean stress and the trace. Solved exactly for a strain that is linear in time over a step
    (second order otherwise); steps may be short or long against the times. 2-D is plane strain. Without a spring
    beside the branches it is a fluid that keeps its volume elastically:

        GeneralizedMaxwell(LinearElastic.from_bulk_shear(K, 0.0), [G_1], [tau_1])

    Args:
        elastic: `LinearElastic.isotropic` or `LinearElastic.from_bulk_shear`, the long-term moduli G and K.
        moduli: shear moduli G_i >= 0 of the branches (unit of stress): k numbers, or (k, *shape).
        times: relaxation times tau_i > 0 (unit of time): k numbers, or (k, *shape).
        bulk_moduli: K_i >= 0 (unit of stress), like `moduli`; None: the mean stress is elastic.

    Raises:
        InputError: an elasticity that is not isotropic, or rows of different length.

    Source:
        Taylor, Pister & Goudreau (1970), Int. J. Numer. Meth. Eng. 2, 45-59; Simo & Hughes (1998), Computational
        Inelasticity, sections 10.2 (model) and 10.3 (integration).

    Caveats:
        The dissipation of a step is the integral of sum_i 2 G_i |e - a_i|^2 / tau_i over it in closed form, with the
        strain linear in time; it is never negative.
    """

    elastic: LinearElastic
    moduli: Float[Array, "k *field"]
    times: Float[Array, "k *field"]
    bulk_moduli: Float[Array, "k *field"] | None
    physics: str = eqx.field(static=True)

    def __init__(self, elastic: LinearElastic, moduli: Any, times: Any, bulk_moduli: Any = None):
        need_isotropic(elastic, "GeneralizedMaxwell")
        self.elastic = elastic
        self.moduli = _row(moduli, "moduli")
        self.times = _row(times, "times")
        self.bulk_moduli = None if bulk_moduli is None else _row(bulk_moduli, "bulk_moduli")
        for name, row in (("times", self.times), ("bulk_moduli", self.bulk_moduli)):
            if row is not None and row.shape[0] != self.moduli.shape[0]:
                raise InputError(
                    f"moduli has {self.moduli.shape[0]} branches and {name} {row.shape[0]}: give one value per branch"
                )
        self.physics = "elasticity"

    @property
    def rate_dependent(self) -> bool:
        return True

    def points(self, shape, dtype):
        spring = isotropic_moduli(self.elastic, shape, dtype)

        def branches(row, name):
            return tuple(on_points(x, shape, dtype, f"{name}[{i}]") for i, x in enumerate(row))

        return MaxwellPoints(
            lam=spring.lam,
            mu=spring.mu,
            moduli=branches(self.moduli, "moduli"),
            times=branches(self.times, "times"),
            bulk_moduli=None if self.bulk_moduli is None else branches(self.bulk_moduli, "bulk_moduli"),
            dim=len(shape),
        )

    def code(self):
        rows = [self.moduli] if self.bulk_moduli is None else [self.moduli, self.bulk_moduli]
        return code_of(self.times > 0, *(row >= 0 for row in rows))

    def check(self, where: str = "") -> None:
        self.elastic.check(where)
        for i in range(self.moduli.shape[0]):
            at_least(self.moduli[i], 0, f"moduli[{i}]", where)
            above(self.times[i], f"times[{i}]", where)
            if self.bulk_moduli is not None:
                at_least(self.bulk_moduli[i], 0, f"bulk_moduli[{i}]", where)


class MaxwellPoints(AbstractPoints):
    """The law at points. State: (m, *pts) of strain, k viscous deviators (in-plane) and, with bulk, k viscous traces.

    `elastic` gives the moduli of a sudden strain, G + sum G_i and K + sum K_i.
    """

    lam: Float[Array, "*pts"]
    mu: Float[Array, "*pts"]
    moduli: tuple[Array, ...]
    times: tuple[Array, ...]
    bulk_moduli: tuple[Array, ...] | None
    dim: int = eqx.field(static=True)

    @property
    def symmetric(self) -> bool:
        return True

    @property
    def _n(self):
        return 6 if self.dim == 3 else 3

    def initial(self, shape, dtype):
        k = len(self.moduli)
        return jnp.zeros((self._n * (k + 1) + (0 if self.bulk_moduli is None else k), *shape), dtype)

    def internal(self, state):
        n, k = self._n, len(self.moduli)
        names = {}
        for i in range(k):
            strain = state[n * (i + 1) : n * (i + 2)]
            if self.bulk_moduli is not None:
                strain = with_mean(strain, state[n * (k + 1) + i] / 3, self.dim)
            names[f"viscous_strain_{i + 1}"] = engineering(strain, "strain")
        return names

    def elastic(self, shape, dtype):
        return self._moduli([1.0] * len(self.moduli), shape, dtype)

    def _moduli(self, shares, shape, dtype):
        """Spring plus a share of every branch."""
        mu = self.mu + sum(g * share for g, share in zip(self.moduli, shares, strict=True))
        bulk = self.lam + 2 * self.mu / 3
        if self.bulk_moduli is not None:
            bulk = bulk + sum(k * share for k, share in zip(self.bulk_moduli, shares, strict=True))
        full = lambda x: jnp.broadcast_to(jnp.asarray(x, dtype), shape)  # noqa: E731
        return IsotropicElasticResponse(full(bulk - 2 * mu / 3), full(mu), self.dim)

    def update(self, strain, state, step: Step) -> Update:
        n, k = self._n, len(self.moduli)
        trace, e = deviator(strain, self.dim)
        trace_old, e_old = deviator(state[:n], self.dim)
        de, dtrace = e - e_old, trace - trace_old
        bulk = self.lam + 2 * self.mu / 3
        dev, mean = 2 * self.mu * e, bulk * trace
        energy = self.mu * square(e, self.dim) + 0.5 * bulk * trace**2
        dissipation = jnp.zeros_like(trace)
        viscous, traces = [], []
        for i in range(k):
            stiff = self.moduli[i]
            decay, share, half, spent, rest = _exponential(step.dt, self.times[i], strain.dtype)
            spring = e_old - state[n * (i + 1) : n * (i + 2)]
            new = decay * spring + share * de
            dev = dev + 2 * stiff * new
            energy = energy + stiff * square(new, self.dim)
            lost = spent * square(spring + half * de, self.dim) + rest * square(de, self.dim)
            dissipation = dissipation + 2 * stiff * lost
            viscous.append(e - new)
            if self.bulk_moduli is not None:
                stiff = self.bulk_moduli[i]
                spring = trace_old - state[n * (k + 1) + i]
                new = decay * spring + share * dtrace
                mean = mean + stiff * new
                energy = energy + 0.5 * stiff * new**2
                dissipation = dissipation + stiff * (spent * (spring + half * dtrace) ** 2 + rest * dtrace**2)
                traces.append((trace - new)[None])
        after = jnp.concatenate([strain, *viscous, *traces])
        code = jnp.zeros(trace.shape, jnp.int32)
        return Update(with_mean(dev, mean, self.dim), after, energy, dissipation, code)

    def tangent(self, strain, state, step: Step):
        """Spring plus the share of every branch that a linear strain leaves in it, (1 - exp(-x)) / x, x = dt / tau."""
        shares = [_exponential(step.dt, tau, strain.dtype)[1] for tau in self.times]
        return self._moduli(shares, strain.shape[1:], strain.dtype)


class KelvinVoigt(AbstractMaterial):
    """A spring beside a dashpot.

        sigma = C : eps + 2 viscosity dev(d eps / dt) + bulk_viscosity tr(d eps / dt) I,

    with the strain rate of the step, (eps - eps_old) / dt: exact for a strain that is linear in time, of first order
    otherwise. 2-D is plane strain.

    Args:
        elastic: `LinearElastic.isotropic`.
        viscosity: shear viscosity >= 0 (stress x time).
        bulk_viscosity: >= 0 (stress x time).

    Raises:
        InputError: an elasticity that is not isotropic.

    Source:
        Christensen (1982), Theory of Viscoelasticity, chapter 1.

    Caveats:
        The dissipation of a step is dissipative stress : strain increment, (2 viscosity |dev|^2 + ...) / dt.
    """

    elastic: LinearElastic
    viscosity: Float[Array, "..."]
    bulk_viscosity: Float[Array, "..."]
    physics: str = eqx.field(static=True)

    def __init__(self, elastic: LinearElastic, viscosity: Any, bulk_viscosity: Any = 0.0):
        need_isotropic(elastic, "KelvinVoigt")
        self.elastic = elastic
        self.viscosity = as_parameter(viscosity, "viscosity")
        self.bulk_viscosity = as_parameter(bulk_viscosity, "bulk_viscosity")
        self.physics = "elasticity"

    @property
    def rate_dependent(self) -> bool:
        return True

    def points(self, shape, dtype):
        spring = isotropic_moduli(self.elastic, shape, dtype)
        return KelvinVoigtPoints(
            lam=spring.lam,
            mu=spring.mu,
            viscosity=on_points(self.viscosity, shape, dtype, "viscosity"),
            bulk_viscosity=on_points(self.bulk_viscosity, shape, dtype, "bulk_viscosity"),
            dim=len(shape),
        )

    def code(self):
        return code_of(self.viscosity >= 0, self.bulk_viscosity >= 0)

    def check(self, where: str = "") -> None:
        self.elastic.check(where)
        at_least(self.viscosity, 0, "viscosity", where)
        at_least(self.bulk_viscosity, 0, "bulk_viscosity", where)


class KelvinVoigtPoints(AbstractPoints):
    """The law at points. State: (n, *pts), the strain. `elastic` gives the moduli of the spring."""

    lam: Float[Array, "*pts"]
    mu: Float[Array, "*pts"]
    viscosity: Float[Array, "*pts"]
    bulk_viscosity: Float[Array, "*pts"]
    dim: int = eqx.field(static=True)

    @property
    def symmetric(self) -> bool:
        return True

    def initial(self, shape, dtype):
        return jnp.zeros((6 if self.dim == 3 else 3, *shape), dtype)

    def elastic(self, shape, dtype):
        full = lambda x: jnp.broadcast_to(jnp.asarray(x, dtype), shape)  # noqa: E731
        return IsotropicElasticResponse(full(self.lam), full(self.mu), self.dim)

    def split(self, strain: Float[Array, "n *pts"], state: Float[Array, "n *pts"], step: Step):
        """Reversible and dissipative stress of a step, each (n, *pts): the spring's and the dashpot's."""
        trace, e = deviator(strain, self.dim)
        dtrace, de = deviator((strain - state) / jnp.asarray(step.dt, strain.dtype), self.dim)
        bulk = self.lam + 2 * self.mu / 3
        return (
            with_mean(2 * self.mu * e, bulk * trace, self.dim),
            with_mean(2 * self.viscosity * de, self.bulk_viscosity * dtrace, self.dim),
        )

    def update(self, strain, state, step: Step) -> Update:
        reversible, dissipative = self.split(strain, state, step)
        trace, e = deviator(strain, self.dim)
        dtrace, de = deviator(strain - state, self.dim)
        energy = self.mu * square(e, self.dim) + 0.5 * (self.lam + 2 * self.mu / 3) * trace**2
        lost = 2 * self.viscosity * square(de, self.dim) + self.bulk_viscosity * dtrace**2
        dissipation = lost / jnp.asarray(step.dt, strain.dtype)
        code = jnp.zeros(trace.shape, jnp.int32)
        return Update(reversible + dissipative, strain, energy, dissipation, code, dissipative)

    def tangent(self, strain, state, step: Step):
        dt = jnp.asarray(step.dt, strain.dtype)
        mu = self.mu + self.viscosity / dt
        bulk = self.lam + 2 * self.mu / 3 + self.bulk_viscosity / dt
        full = lambda x: jnp.broadcast_to(x, strain.shape[1:])  # noqa: E731
        return IsotropicElasticResponse(full(bulk - 2 * mu / 3), full(mu), self.dim)


def _row(values, name):
    """One value or field per branch."""
    row = as_parameter(values, name)
    if row.ndim == 0 or row.shape[0] == 0:
        raise InputError(f"{name} has shape {row.shape}: give one value per branch, [1.0] for a single one")
    return row


def _exponential(dt, tau, dtype):
    """Coefficients of a branch for a strain that is linear in time, x = dt / tau.

    With h the strain of the branch's spring and d the increment of strain:

        h_new = decay h + share d,                           decay = exp(-x), share = (1 - exp(-x)) / x,
        integral of |h|^2 dt / tau = spent |h + half d|^2 + rest |d|^2,
        spent = (1 - exp(-2 x)) / 2,    half = tanh(x / 2) / x,    rest = (x - 2 tanh(x / 2)) / x^2.

    A sum of squares: a dissipation that rounding cannot turn negative.
    """
    x = jnp.asarray(dt, dtype) / tau
    z = 0.5 * x
    small = z < 1
    # Continued fraction of tanh, z / (1 + z^2 / (3 + z^2 / (5 + ...))): no difference of near numbers, and smooth at 0.
    y = jnp.where(small, z, 1) ** 2
    q = 3 + y / (5 + y / (7 + y / (9 + y / (11 + y / (13 + y / (15 + y / 17))))))
    large = jnp.where(small, 1, z)
    ratio = jnp.where(small, q / (q + y), jnp.tanh(large) / large)  # tanh(z) / z
    defect = jnp.where(small, z / (q + y), (1 - jnp.tanh(large) / large) / large)  # (1 - tanh(z) / z) / z
    return jnp.exp(-x), ratio / (1 + z * ratio), 0.5 * ratio, -0.5 * jnp.expm1(-2 * x), 0.5 * defect
