"""Von Mises plasticity at finite strain: a multiplicative split, with the small-strain law in logarithmic strains."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax.numpy as jnp

from ..messages import GeneralResponse, IsotropicElasticResponse, PlasticResponse, mandel_pairs, total
from ..results import LOCAL_SOLVE
from ._finite import (
    exponential,
    from_components,
    in_rows,
    inverse,
    logarithm,
    logarithm_slope,
    product,
    solid_gradient,
    symmetric_product,
    to_components,
    transposed,
)
from ._j2 import J2Plasticity, J2Points
from ._linear_elastic import LinearElastic
from ._material import AbstractMaterial, AbstractPoints, Step, Update, engineering


class FiniteJ2Plasticity(AbstractMaterial):
    """Von Mises plasticity at finite strain, F = F_e F_p, with Hencky's elasticity; 2-D is plane strain.

        W = kappa/2 (ln J)^2 + mu |dev e|^2 + stored(p),    e = 1/2 ln b_e,    b_e = F C_p^-1 F^T,
        tau = kappa ln J 1 + 2 mu dev e,    sqrt(3/2) |dev tau| <= sigma_y(p),    P = tau F^-T

    The flow rule -1/2 L_v b_e = dp (3/2) (dev tau / sigma_y) b_e is integrated with the exponential map: the radial
    return of `J2Plasticity` in the logarithmic strains of the trial state, det F_p = 1 exactly. An incremental
    potential exists. No kinematic hardening.

    Args:
        elastic: `LinearElastic.isotropic`.
        hardening: as for `J2Plasticity`; sigma_y is a Kirchhoff stress, p the logarithmic plastic strain.

    Raises:
        InputError: an elasticity that is not isotropic.

    Source:
        Simo (1992), CMAME 99, 61-112, sections 3 and 4; Simo & Hughes (1998), Computational Inelasticity, section 9.3.

    Caveats:
        Principal elastic stretches of the trial state between 1/2 and 2 (see `_finite.logarithm`), plastic strains of
        a step up to 1: metals and any step that Newton's method can take.
    """

    elastic: LinearElastic
    hardening: Any
    physics: str = eqx.field(static=True)

    def __init__(self, elastic: LinearElastic, hardening: Any):
        small = J2Plasticity(elastic, hardening)
        self.elastic, self.hardening, self.physics = small.elastic, small.hardening, "finite_strain"

    def _small(self) -> J2Plasticity:
        return J2Plasticity(self.elastic, self.hardening)

    @property
    def isochoric(self) -> bool:
        return True

    def points(self, shape, dtype):
        small = self._small().points(shape, dtype)
        solid = J2Points(lam=small.lam, mu=small.mu, hardening=small.hardening, kinematic=None, dim=3)
        return FiniteJ2Points(small=solid, dim=len(shape))

    def code(self):
        return self._small().code()

    def check(self, where: str = "") -> None:
        self._small().check(where)


class FiniteJ2Points(AbstractPoints):
    """The law at points. State: (7, *pts), C_p^-1 in Mandel components and p."""

    small: J2Points
    dim: int = eqx.field(static=True)

    @property
    def symmetric(self) -> bool:
        return True

    def initial(self, shape, dtype):
        start = jnp.asarray([1.0, 1, 1, 0, 0, 0, 0], dtype).reshape(7, *(1,) * len(shape))
        return jnp.broadcast_to(start, (7, *shape))

    def internal(self, state):
        metric = engineering(state[:6], "stress")  # plain components
        return {"inverse_plastic_metric": metric, "equivalent_plastic_strain": state[6]}

    def elastic(self, shape, dtype):
        full = lambda x: jnp.broadcast_to(jnp.asarray(x, dtype), shape)  # noqa: E731
        return IsotropicElasticResponse(full(self.small.lam), full(self.small.mu), self.dim)

    def _trial(self, strain, state):
        """F, its inverse, J, the trial b_e, and strain and state of the law in logarithmic strains."""
        f = solid_gradient(strain, self.dim)
        inverted, det = inverse(f)
        b = symmetric_product(f, from_components(state[:6]))
        log = 0.5 * to_components(logarithm(b))
        inner = jnp.concatenate([jnp.zeros_like(state[:6]), state[6:]])
        return f, inverted, det, b, log, inner

    def update(self, strain, state, step: Step) -> Update:
        _, inverted, det, b, log, inner = self._trial(strain, state)
        up = self.small.update(log, inner, step)
        # Flow is coaxial with the trial state: b_e = exp(-de_p) b exp(-de_p).
        flow = from_components(-up.state[:6])
        c = symmetric_product(inverted, symmetric_product(exponential(flow), b))
        stress = product(from_components(up.stress), transposed(inverted))
        new = jnp.concatenate([to_components(c), up.state[6:]])
        code = jnp.where(det > 0, up.code, LOCAL_SOLVE).astype(jnp.int32)
        return Update(in_rows(stress, self.dim), new, up.energy, up.dissipation, code)

    def tangent(self, strain, state, step: Step):
        """A_iJkL = F^-1_Jj a_ijkl F^-1_Ll with a : l = dtau - tau l^T, dtau = D : (l b + b l^T), l = dF F^-1."""
        _, inverted, _, b, log, inner = self._trial(strain, state)
        tau = from_components(self.small.update(log, inner, step).stress)
        small = self.small.tangent(log, inner, step)
        assert isinstance(small, PlasticResponse)
        moduli = _pairs(small)
        slope = logarithm_slope(b)
        pairs = mandel_pairs(3)
        d, axes = self.dim, range(self.dim)
        # Columns l = e_k e_m: the change of b, of its logarithm, of tau.
        spatial = {}
        for k in axes:
            for m in axes:
                change = {}
                for p, q in pairs:
                    change[p, q] = 0.5 * total([(slope[p][q][k][n] + slope[p][q][n][k]) * b[n][m] for n in range(3)])
                for i in axes:
                    for j in axes:
                        row = moduli[min(i, j), max(i, j)]
                        value = total([(1 if p == q else 2) * row[p, q] * change[p, q] for p, q in pairs])
                        # - tau l^T: component ij of tau e_m e_k.
                        spatial[i, j, k, m] = value - tau[i][m] if j == k else value
        half = {}
        for i in axes:
            for big in axes:
                for k in axes:
                    for m in axes:
                        half[i, big, k, m] = total([inverted[big][j] * spatial[i, j, k, m] for j in axes])
        rows = []
        for i in axes:
            for big in axes:
                rows.append([
                    total([half[i, big, k, m] * inverted[last][m] for m in axes]) for k in axes for last in axes
                ])  # fmt: skip
        return GeneralResponse.of(rows, d, True)


def _pairs(response: PlasticResponse):
    """Moduli C_ijkl by symmetric pairs of indices, {(i, j): {(k, l): C_ijkl}}."""
    root = 0.5**0.5
    flow = [x if a == b else root * x for x, (a, b) in zip(response.flow, mandel_pairs(3), strict=True)]
    out: dict = {}
    for i, (a, b) in enumerate(mandel_pairs(3)):
        key = (min(a, b), max(a, b))
        out[key] = {}
        for k, (c, d) in enumerate(mandel_pairs(3)):
            value = -response.weight * flow[i] * flow[k]
            if a == b and c == d:
                value = value + response.lam
            if i == k:
                value = value + response.mu * (2 if a == b else 1)
            out[key][c, d] = value
    return out
