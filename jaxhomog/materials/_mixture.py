"""Phases of a labelled image, each with its own law."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Int

from ..messages import (
    AnisotropicElasticResponse,
    GeneralResponse,
    IsotropicElasticResponse,
    ScalarConductionResponse,
    TensorConductionResponse,
    mandel_pairs,
    upper_triangle,
)
from ..results import MISSING_LAW, SUCCESS, InputError, under_jax_defaults
from ._law import AbstractLaw
from ._linear_conduction import LinearConduction
from ._linear_elastic import LinearElastic
from ._material import AbstractMaterial
from ._phases import PhasePoints, matrix_rows

# From this many phases on, a table look-up is faster than a chain of selects.
_MANY = 12


class PhaseMixture(AbstractLaw):
    """A law for every label: `PhaseMixture(labels, {0: law_a, 1: law_b})`.

    Args:
        labels: integers of the grid's shape, any values (a leaf).
        laws: label -> law; all of one physics. A law's parameters may themselves be per voxel.

    Raises:
        InputError: no laws, labels that are not integers, laws of different physics.
    """

    labels: Int[Array, "*shape"]
    laws: tuple[AbstractMaterial, ...]
    keys: tuple[int, ...] = eqx.field(static=True)
    physics: str = eqx.field(static=True)

    @under_jax_defaults
    def __init__(self, labels: Any, laws: Mapping[int, AbstractMaterial]):
        if not laws:
            raise InputError("PhaseMixture has no laws: give {label: law}")
        if not hasattr(labels, "dtype"):
            labels = np.asarray(labels)
        if jnp.issubdtype(labels.dtype, jnp.bool_):
            labels = labels.astype(np.int8)
        if not jnp.issubdtype(labels.dtype, jnp.integer):
            raise InputError(f"labels have dtype {labels.dtype}: give integers (threshold a grey image first)")
        kinds = {law.physics for law in laws.values()}
        if len(kinds) > 1:
            raise InputError(f"the laws of one mixture belong to {' and '.join(sorted(kinds))}: give one physics")
        self.keys = tuple(sorted(int(k) for k in laws))
        self.laws = tuple(laws[k] for k in self.keys)
        self.labels = jnp.asarray(labels) if not isinstance(labels, jax.Array) else labels
        self.physics = kinds.pop()

    def _select(self, parts) -> Array:
        """Per-voxel values from one array per phase (0-d or of the grid's shape)."""
        if len(parts) >= _MANY and all(jnp.ndim(p) == 0 for p in parts):
            index = jnp.searchsorted(jnp.asarray(self.keys), self.labels)
            return jnp.stack(parts)[jnp.clip(index, 0, len(parts) - 1)]
        out = jnp.broadcast_to(parts[0], self.labels.shape)
        for key, part in zip(self.keys[1:], parts[1:], strict=True):
            out = jnp.where(self.labels == key, part, out)
        return out

    @property
    def linear(self) -> bool:
        return all(map(_linear, self.laws))

    @property
    def rate_dependent(self) -> bool:
        return any(law.rate_dependent for law in self.laws)

    @property
    def isochoric(self) -> bool:
        return any(law.isochoric for law in self.laws)

    def points(self, shape, dtype):
        if self.linear:
            return super().points(shape, dtype)
        self._fits(shape)
        dim = len(shape)
        laws = tuple(law.points((1,) * dim if _uniform(law) else tuple(shape), dtype) for law in self.laws)
        return PhasePoints(labels=jnp.asarray(self.labels), laws=laws, keys=self.keys, dim=dim)

    def _fits(self, shape):
        if self.labels.shape != tuple(shape):
            raise InputError(f"labels have shape {self.labels.shape} and the grid {tuple(shape)}: they must agree")

    def response(self, shape, dtype):
        self._fits(shape)
        dim = len(shape)
        # A law of uniform parameters is asked for one voxel, so that a phase costs no field of its own.
        one = (1,) * dim
        parts = []
        for law in self.laws:
            if not isinstance(law, AbstractLaw) or not law.linear:
                raise InputError(f"a {type(law).__name__} is not linear: use drive(grid, law, path)")
            uniform = _uniform(law)
            r = law.response(one if uniform else tuple(shape), dtype)
            parts.append(_scalars(r, dim) if uniform else r)
        if all(isinstance(p, ScalarConductionResponse) for p in parts):
            return ScalarConductionResponse(self._select([p.k for p in parts]), dim)
        if all(isinstance(p, IsotropicElasticResponse) for p in parts):
            return IsotropicElasticResponse(
                self._select([p.lam for p in parts]), self._select([p.mu for p in parts]), dim
            )
        rows = [_rows(p, dim) for p in parts]
        stacked = jnp.stack([self._select([r[m] for r in rows]) for m in range(len(rows[0]))])
        if self.physics == "conduction":
            return TensorConductionResponse(stacked, dim)
        return AnisotropicElasticResponse(stacked, dim)

    def across(self, shape, dtype):
        self._fits(shape)
        known = []
        for law in self.laws:
            c = law.across((1, 1) if _uniform(law) else tuple(shape), dtype) if isinstance(law, AbstractLaw) else None
            if c is None:
                return None
            known.append(c)
        return jnp.stack([self._select([c[k] for c in known]) for k in range(3)])

    def code(self):
        # A label without a law would silently take the first one.
        labels = jnp.asarray(self.labels)
        known = jnp.zeros(labels.shape, bool)
        for key in self.keys:
            known = known | (labels == key)
        own = jnp.where(jnp.all(known), SUCCESS, MISSING_LAW).astype(jnp.int32)
        for law in self.laws:
            own = jnp.maximum(own, law.code())
        return own

    def check(self, where: str = "") -> None:
        for key, law in zip(self.keys, self.laws, strict=True):
            law.check(f" of phase {key}{where}")
        if isinstance(self.labels, Tracer):
            return
        missing = np.setdiff1d(np.unique(np.asarray(self.labels)), self.keys)
        if missing.size:
            raise InputError(
                f"label{'s' if missing.size > 1 else ''} {', '.join(str(m) for m in missing[:8])} of the phase image"
                f" {'have' if missing.size > 1 else 'has'} no law: the mixture knows {list(self.keys)}"
            )


def _linear(law) -> bool:
    """Whether a law is its response: what calls itself linear and answers step by step is driven like any other."""
    return isinstance(law, AbstractLaw) and law.linear


def _uniform(law):
    """True when no parameter of the law varies over voxels; only of the laws whose parameters are known here."""
    if type(law) is LinearElastic:
        core, fields, rotation = 2 if law.form == "stiffness" else 0, law.parameters.values(), law.rotation
        return all(jnp.ndim(x) == core for x in fields) and (rotation is None or jnp.ndim(rotation) == 2)
    if type(law) is LinearConduction:
        return jnp.ndim(law.conductivity) == (2 if law.form == "tensor" else 0)
    return False


def _scalars(response, dim):
    """Drop the single voxel of a uniform response."""
    return jax.tree.map(lambda x: x.reshape(x.shape[: x.ndim - dim]), response)


def _rows(response, dim):
    """Moduli as the upper triangle that anisotropic responses hold."""
    if isinstance(response, AnisotropicElasticResponse):
        return list(response.c)
    if isinstance(response, TensorConductionResponse):
        return list(response.k)
    if isinstance(response, GeneralResponse) and not response.symmetric:
        raise InputError("a linear law of a mixture has moduli that are not symmetric: use drive, with its law alone")
    conducts = isinstance(response, ScalarConductionResponse) or getattr(response, "n", 0) == dim
    n = dim if conducts else len(mandel_pairs(dim))
    matrix = matrix_rows(response, dim, n)
    return [matrix[i][j] for i, j in (mandel_pairs(dim) if conducts else upper_triangle(n))]
