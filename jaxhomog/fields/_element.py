"""What a discretization of a periodic box must offer to the RVE.

The unknown is a periodic fluctuation `u` (components, *shape); the gradient at the element's stations is
macro + B u, power is the weighted mean over stations and voxels, and the internal force is B^T flux with the same
weights, so that

    <flux : B v> = sum(v * force) / N       for every v                                             (adjointness)

holds to rounding. Hill-Mandel over the RVE is this identity at equilibrium (force = 0).
"""

from __future__ import annotations

import abc

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..messages import AbstractResponse, Gradient

Stations = list[tuple[float, Gradient]]


class AbstractElement(eqx.Module):
    """A discretization of displacement (or potential) on a periodic grid; it has settings only, no arrays."""

    name: eqx.AbstractVar[str]
    # A conforming element's energy bounds the voxel medium's from above.
    conforming: eqx.AbstractVar[bool]

    @abc.abstractmethod
    def gradient(self, u: Float[Array, "c *shape"], h: Float[Array, " d"], macro=None) -> Stations:
        """Weighted stations of macro + B u; `macro` (c, d) is added where the mean gradient lives."""

    @abc.abstractmethod
    def divergence(self, stations: Stations, h: Float[Array, " d"], like: Array) -> Float[Array, "c *shape"]:
        """Adjoint of `gradient`: nodal forces of fluxes at the stations (weights included)."""

    @abc.abstractmethod
    def symbol(self, shape, h) -> tuple[str, list[Array]]:
        """Fourier symbols of the element's operator for a homogeneous medium (see `_green`)."""

    def completed(self, response: AbstractResponse, wraps: tuple[bool, ...]) -> AbstractResponse:
        """Moduli of a window with what the element derives from them; `wraps` says which axes are periodic."""
        return response

    def flux(self, response: AbstractResponse, stations: Stations) -> Stations:
        """The law at every station."""
        return [(w, response.flux(g)) for w, g in stations]

    def force(self, response: AbstractResponse, u, h, macro=None):
        """Internal force B^T (C : (macro + B u)); plain operations, so every derivative exists."""
        return self.divergence(self.flux(response, self.gradient(u, h, macro)), h, u)

    def prepare(self, response: AbstractResponse, dim: int):
        """Moduli in the layout that `fast_force` wants; done once per solve."""
        return response

    def prepared_flux(self, prepared, stations: Stations) -> Stations:
        """`flux` from prepared moduli."""
        return self.flux(prepared, stations)

    def fast_force(self, prepared, u, h, macro=None):
        """`force` in the form that runs fastest; primal only (solvers call it inside their loops)."""
        return self.force(prepared, u, h, macro)

    def mean_only(self, u, h, macro=None) -> Stations:
        """The stations that `mean_stations` needs (an element may skip the others)."""
        return self.gradient(u, h, macro)

    def mean_gradient(self, stations: Stations, like: Array) -> Float[Array, "c d"]:
        """Mean of a station field as a matrix (component, direction)."""
        c, d = like.shape[0], like.ndim - 1
        rows = [[jnp.zeros((), like.dtype)] * d for _ in range(c)]
        for (i, k), value in self.mean_stations(stations).items():
            rows[i][k] = axis_mean(value)
        return jnp.stack([jnp.stack(row) for row in rows])

    def mean_stations(self, stations: Stations) -> Gradient:
        """The station whose average is the average of the field."""
        return stations[0][1]

    def voxel_field(self, stations: Stations, like: Array) -> Float[Array, "c d *shape"]:
        """Voxel means of a station field."""
        c, d = like.shape[0], like.ndim - 1
        field = self.mean_stations(stations)
        zero = jnp.zeros(like.shape[1:], like.dtype)
        return jnp.stack([jnp.stack([field.get((i, k), zero) for k in range(d)]) for i in range(c)])


def axis_mean(field):
    """Mean, axis by axis: the error of a float32 sum grows with the longest axis, not with the number of voxels."""
    for _ in range(jnp.ndim(field)):
        field = jnp.mean(field, axis=-1)
    return field
