"""Phases of a labelled image at points: every law on all points, each believed where it belongs."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Int

from ..messages import (
    AbstractResponse,
    AnisotropicElasticResponse,
    GeneralResponse,
    IsotropicElasticResponse,
    PlasticResponse,
    ScalarConductionResponse,
    TensorConductionResponse,
    mandel_pairs,
    physics_of,
    upper_triangle,
)
from ._linear_points import at_points
from ._material import AbstractPoints, Step, Update, at_rest
from ._state import same_state, state_plan


class PhasePoints(AbstractPoints):
    """One law per label. The state is one array with the rows of the longest law, or () if no law has one; laws with
    states of several dtypes, or with leaves that are no fields, share a dictionary (see `StatePlan`).

    Args:
        labels: (*shape).
        laws: points of every law, on the grid or on a single voxel.
        keys: labels of the laws.
    """

    labels: Int[Array, "*shape"]
    laws: tuple[AbstractPoints, ...]
    keys: tuple[int, ...] = eqx.field(static=True)
    dim: int = eqx.field(static=True)

    @property
    def symmetric(self) -> bool:
        return all(law.symmetric for law in self.laws)

    def _select(self, parts):
        """The part of every point's own law; parts broadcast against the points."""
        out = parts[0]
        for key, part in zip(self.keys[1:], parts[1:], strict=True):
            out = jnp.where(self.labels == key, part, out)
        return out

    def _plan(self, shape, dtype):
        return state_plan(self.laws, tuple(shape), dtype)

    def initial(self, shape, dtype):
        plan = self._plan(shape, dtype)
        return plan.pack(plan.starts, self._select)

    def _own(self, i, plan, strain, state):
        """Strain and state for law i, harmless where the point is another's."""
        here = self.labels == self.keys[i]
        return jnp.where(here, strain, at_rest(strain, self.dim)), plan.unpack(i, state, here)

    def internal(self, state):
        """The variables of all laws; NaN where a point's law has none of the name (or fewer components)."""
        dtype = _floating(self, state)
        plan = self._plan(self.labels.shape, dtype)
        out: dict[str, Array] = {}
        states = [plan.unpack(i, state, self.labels == key) for i, key in enumerate(self.keys)]
        each = [law.internal(own) if jax.tree.leaves(own) else {} for law, own in zip(self.laws, states, strict=True)]
        for name in dict.fromkeys(name for variables in each for name in variables):
            shape = max((v[name].shape for v in each if name in v), key=lambda s: (len(s), s))
            out[name] = jnp.full(shape, jnp.nan, dtype)
            for key, variables in zip(self.keys, each, strict=True):
                if name in variables:
                    value = variables[name]
                    more = [(0, a - b) for a, b in zip(shape, value.shape, strict=True)]
                    value = jnp.pad(value, more, constant_values=jnp.nan)
                    out[name] = jnp.where(self.labels == key, value, out[name])
        return out

    def update(self, strain, state, step: Step) -> Update:
        plan = self._plan(strain.shape[1:], strain.dtype)
        ups = [law.update(*self._own(i, plan, strain, state), step) for i, law in enumerate(self.laws)]
        states = [same_state(law, start, up.state) for law, start, up in zip(self.laws, plan.starts, ups, strict=True)]
        new = plan.pack(states, self._select)
        pick = lambda name: self._select([getattr(u, name) for u in ups])  # noqa: E731
        drags, none = [u.dissipative for u in ups], jnp.zeros_like(strain)
        drag = self._select([none if d is None else d for d in drags]) if any(d is not None for d in drags) else None
        return Update(pick("stress"), new, pick("energy"), pick("dissipation"), pick("code"), drag)

    def _responses(self, responses, shape):
        full = [at_points(r, shape) for r in responses]
        alike = _unified(full, self.dim)
        return jax.tree.map(lambda *parts: self._select(parts), *alike)

    def elastic(self, shape, dtype):
        return self._responses([law.elastic(shape, dtype) for law in self.laws], shape)

    def tangent(self, strain, state, step: Step):
        plan = self._plan(strain.shape[1:], strain.dtype)
        each = [law.tangent(*self._own(i, plan, strain, state), step) for i, law in enumerate(self.laws)]
        return self._responses(each, strain.shape[1:])


def _floating(points, state):
    """Floating dtype of a state, or of its law."""
    for tree in (state, points):
        leaves = [x for x in jax.tree.leaves(tree) if jnp.issubdtype(jnp.result_type(x), jnp.floating)]
        if leaves:
            return jnp.result_type(*leaves)
    return jnp.result_type(float)


def _unified(responses: list[AbstractResponse], dim: int) -> list[AbstractResponse]:
    """Responses of one kind that holds them all."""
    kinds = {type(r) for r in responses}
    if len({jax.tree.structure(r) for r in responses}) == 1:
        return responses
    if kinds <= {IsotropicElasticResponse, PlasticResponse}:
        return [_plastic(r, dim) for r in responses]
    sizes = [r.n for r in responses if isinstance(r, GeneralResponse)]
    conduction = kinds <= {ScalarConductionResponse, TensorConductionResponse}
    n = sizes[0] if sizes else dim if conduction else len(mandel_pairs(dim))
    matrices = [matrix_rows(r, dim, n) for r in responses]
    symmetric = not any(isinstance(r, GeneralResponse) and not r.symmetric for r in responses)
    if symmetric and physics_of(n, dim) == "elasticity":
        return [AnisotropicElasticResponse(jnp.stack([m[i][j] for i, j in upper_triangle(n)]), dim) for m in matrices]
    return [GeneralResponse.of(m, dim, symmetric) for m in matrices]


def _plastic(response, dim):
    if isinstance(response, PlasticResponse):
        return response
    none = jnp.zeros((len(mandel_pairs(dim)), *response.mu.shape), response.mu.dtype)
    return PlasticResponse(response.lam, response.mu, jnp.zeros_like(response.mu), none, dim)


def matrix_rows(response, dim, n) -> list[list[Array]]:
    """Moduli as rows of a full matrix."""
    if isinstance(response, GeneralResponse):
        return response.matrix()
    if isinstance(response, AnisotropicElasticResponse | TensorConductionResponse):
        rows = response.c if isinstance(response, AnisotropicElasticResponse) else response.k
        positions = upper_triangle(n) if isinstance(response, AnisotropicElasticResponse) else mandel_pairs(dim)
        out: list[list] = [[None] * n for _ in range(n)]
        for m, (i, j) in enumerate(positions):
            out[i][j] = out[j][i] = rows[m]
        return out
    if isinstance(response, ScalarConductionResponse):
        return [[response.k if i == j else jnp.zeros_like(response.k) for j in range(n)] for i in range(n)]
    assert isinstance(response, IsotropicElasticResponse | PlasticResponse)
    zero = jnp.zeros_like(response.mu)
    out = [[response.lam if i < dim and j < dim else zero for j in range(n)] for i in range(n)]
    for i in range(n):
        out[i][i] = out[i][i] + 2 * response.mu
        if isinstance(response, PlasticResponse):
            for j in range(n):
                out[i][j] = out[i][j] - response.weight * response.flow[i] * response.flow[j]
    return out
