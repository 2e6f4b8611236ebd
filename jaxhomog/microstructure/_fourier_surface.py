"""A periodic surface by the coefficients of its level: minimal surfaces of crystals and whatever else is smooth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Float

from ..results import InputError
from ..tensors import safe_norm
from ._shapes import AbstractShape, _floating


class FourierSurface(AbstractShape):
    """The region phi < 0 of a trigonometric level.

        phi(x) = sum_m a_m cos(2 pi k_m . x / L) + b_m sin(2 pi k_m . x / L)

    The wave 0 is the constant. Schwarz P: waves (1, 0, 0), (0, 1, 0), (0, 0, 1) with equal a.

    Args:
        waves: k, rows of whole numbers, one component per direction (static).
        cosines: a, one per wave.
        sines: b, one per wave; 0 by default.

    Fails with:
        InputError: waves that are not rows of 2 or 3 whole numbers, or coefficients that are not one per wave.
    """

    cosines: Float[Array, " m"]
    sines: Float[Array, " m"]
    waves: tuple[tuple[int, ...], ...] = eqx.field(static=True)

    def __init__(self, waves: Sequence[Sequence[int]], cosines: Any, sines: Any = None):
        try:
            rows = np.asarray(waves)
        except ValueError:
            raise InputError("waves are rows of different lengths: give rows of 2 or 3 whole numbers") from None
        numbers = rows.dtype.kind in "iuf" and rows.ndim == 2 and rows.shape[1] in (2, 3)
        if not numbers or not np.array_equal(rows, np.round(rows)):
            raise InputError(f"waves have shape {rows.shape} or are not whole: give rows of 2 or 3 whole numbers")
        a = _floating(cosines, "cosines")
        b = jnp.zeros_like(a) if sines is None else _floating(sines, "sines").astype(a.dtype)
        if a.shape != rows.shape[:1] or b.shape != rows.shape[:1]:
            raise InputError(f"{rows.shape[0]} waves, cosines {a.shape}, sines {b.shape}: give one number per wave")
        self.cosines, self.sines = a, b
        self.waves = tuple(tuple(int(k) for k in row) for row in rows)

    def _phase(self, points, lengths):
        return 2 * jnp.pi * (points / lengths) @ jnp.asarray(self.waves, points.dtype).T

    def _raw(self, points, lengths):
        phase = self._phase(points, lengths)
        return jnp.cos(phase) @ self.cosines + jnp.sin(phase) @ self.sines

    def level(self, points, lengths):
        phase = self._phase(points, lengths)
        phi = self._raw(points, lengths)
        along = jnp.cos(phase) * self.sines - jnp.sin(phase) * self.cosines
        slope = 2 * jnp.pi * (along @ jnp.asarray(self.waves, points.dtype)) / lengths
        # Away from the surface, where the slope may vanish, the level is of the size of the box.
        steepness = safe_norm(jnp.concatenate([slope, (phi / jnp.max(lengths))[..., None]], axis=-1))
        return phi / jnp.where(steepness > 0, steepness, 1)

    def enclose(self, centres, spacing, lengths):
        phi = self._raw(centres, lengths)
        waves = jnp.asarray(np.abs(np.asarray(self.waves)), centres.dtype)
        reach = jnp.sum(safe_norm(jnp.stack([self.cosines, self.sines], -1)) * (jnp.pi * waves @ (spacing / lengths)))
        return phi <= -reach, phi < reach

    def check(self, lengths):
        if len(self.waves[0]) != len(lengths):
            raise InputError(f"waves have {len(self.waves[0])} components and the box {len(lengths)} directions")
        for name, values in (("cosines", self.cosines), ("sines", self.sines)):
            if not isinstance(values, Tracer) and not np.isfinite(np.asarray(values)).all():
                raise InputError(f"{name} are not finite: give real numbers")
