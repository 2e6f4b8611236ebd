"""The spectral discretization of Moulinec and Suquet (1998, CMAME 157:69), for comparison.

Trigonometric polynomials collocated at voxel centres. The derivative of the Nyquist wave of an even grid is set to
zero. Infinite contrast does not converge, and no energy of it is a bound: fields oscillate at interfaces (Gibbs).
"""

from __future__ import annotations

import math

import equinox as eqx
import jax.numpy as jnp

from ..messages import total
from ._element import AbstractElement, Stations


class Fourier(AbstractElement):
    """Spectral derivative at voxel centres."""

    name: str = eqx.field(static=True, default="fourier")
    conforming: bool = eqx.field(static=True, default=False)

    def _waves(self, shape, h):
        dim, waves = len(shape), []
        for k, n in enumerate(shape):
            index = jnp.arange(n // 2 + 1 if k == dim - 1 else n)
            index = jnp.where(index > n // 2, index - n, index)
            index = jnp.where(2 * jnp.abs(index) == n, 0, index)
            at = tuple(-1 if j == k else 1 for j in range(dim))
            waves.append((index.astype(h.dtype) * (2 * math.pi / n) / h[k]).reshape(at))
        return waves

    def gradient(self, u, h, macro=None) -> Stations:
        shape = u.shape[1:]
        axes = tuple(range(len(shape)))
        waves, g = self._waves(shape, h), {}
        for c in range(u.shape[0]):
            hat = jnp.fft.rfftn(u[c], axes=axes)
            for k, w in enumerate(waves):
                g[c, k] = jnp.fft.irfftn(1j * w * hat, s=shape, axes=axes).astype(u.dtype)
                if macro is not None:
                    g[c, k] = g[c, k] + macro[c, k]
        return [(1.0, g)]

    def divergence(self, stations: Stations, h, like):
        shape = like.shape[1:]
        axes = tuple(range(len(shape)))
        waves, flux = self._waves(shape, h), stations[0][1]
        forces = []
        for c in range(like.shape[0]):
            hat = total((-1j * w) * jnp.fft.rfftn(flux[c, k], axes=axes) for k, w in enumerate(waves))
            forces.append(jnp.fft.irfftn(hat, s=shape, axes=axes).astype(like.dtype))
        return jnp.stack(forces)

    def symbol(self, shape, h):
        waves = self._waves(shape, h)
        # Broadcast to the full half spectrum: the vector form multiplies the waves with each other.
        return "vector", list(jnp.broadcast_arrays(*waves))


FOURIER = Fourier()
