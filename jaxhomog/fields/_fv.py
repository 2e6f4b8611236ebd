"""The 7-point (5-point) finite-volume scheme of image-based transport codes: potentials at voxel centres.

The conductivity of a face is the harmonic mean of its two voxels (series connection over the half cells). Conduction
only. The gradient along axis k lives on the faces normal to k; the columns never mix, so laws are isotropic.
"""

from __future__ import annotations

import equinox as eqx
import jax.numpy as jnp

from ..messages import AbstractResponse, ScalarConductionResponse, total
from ._element import AbstractElement, Stations
from ._modal import half_angle


def harmonic(a, b):
    """2 a b / (a + b), 0 when both vanish, differentiable there."""
    both = a + b
    positive = both > 0
    return jnp.where(positive, 2 * a * b / jnp.where(positive, both, 1), 0)


class FiniteVolume(AbstractElement):
    """Two-point flux between voxel centres."""

    name: str = eqx.field(static=True, default="fv")
    conforming: bool = eqx.field(static=True, default=False)

    def gradient(self, u, h, macro=None) -> Stations:
        g = {}
        for k in range(u.ndim - 1):
            g[0, k] = (jnp.roll(u[0], -1, axis=k) - u[0]) / h[k]
            if macro is not None:
                g[0, k] = g[0, k] + macro[0, k]
        return [(1.0, g)]

    def flux(self, response: AbstractResponse, stations: Stations) -> Stations:
        assert isinstance(response, ScalarConductionResponse)
        (weight, g), k = stations[0], response.k
        return [(weight, {(0, a): harmonic(k, jnp.roll(k, -1, axis=a)) * v for (_, a), v in g.items()})]

    def prepare(self, response: AbstractResponse, dim: int):
        """The conductivities of the faces, axis by axis."""
        assert isinstance(response, ScalarConductionResponse)
        return [harmonic(response.k, jnp.roll(response.k, -1, axis=a)) for a in range(dim)]

    def prepared_flux(self, prepared, stations: Stations) -> Stations:
        (weight, g), *_ = stations
        return [(weight, {(0, a): k * g[0, a] for a, k in enumerate(prepared)})]

    def fast_force(self, prepared, u, h, macro=None):
        return self.divergence(self.prepared_flux(prepared, self.gradient(u, h, macro)), h, u)

    def divergence(self, stations: Stations, h, like):
        return total((jnp.roll(q, 1, axis=k) - q) / h[k] for (_, k), q in stations[0][1].items())[None]

    def symbol(self, shape, h):
        sine, _ = half_angle(shape, h.dtype)
        return "vector", [2 * s / h[k] for k, s in enumerate(sine)]


FV = FiniteVolume()
