"""Residuals of all experiments as a function of numbers without limits, and their Jacobian."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..results import under_jax_defaults
from ._spectrum import spectrum
from ._transform import Limits

# Up to so many parameters the gradient for minimisers is J^T r with J by columns, which no failed lane can poison.
_FEW = 32


class Misfit(eqx.Module):
    """Everything that the residuals depend on, beside the free numbers z.

    Args:
        experiments: tuple of `Experiment`.
        counted: mask of every experiment's data that count.
        limits: x(z).
        prior_mean, prior_deviation: of every parameter (p,); infinite deviation where there is no prior.
        unravel: from x to the user's pytree.
    """

    experiments: tuple
    counted: tuple
    limits: Limits
    prior_mean: Float[Array, " p"]
    prior_deviation: Float[Array, " p"]
    unravel: Any

    def predictions(self, z) -> tuple:
        """Of every experiment."""
        parameters = self.unravel(self.limits.parameters(z))
        return tuple(e.predicted(parameters) for e in self.experiments)

    def residuals(self, z) -> Float[Array, " m"]:
        """All residuals and the prior's; NaN where a prediction that counts fails."""
        x = self.limits.parameters(z)
        parameters = self.unravel(x)
        parts = [e.residuals(parameters, c) for e, c in zip(self.experiments, self.counted, strict=True)]
        return jnp.concatenate([*parts, (x - self.prior_mean) / self.prior_deviation]).astype(z.dtype)

    @property
    def measured(self) -> Array:
        """Number of data that count."""
        return jnp.asarray(sum(jnp.sum(c) for c in self.counted))

    @property
    def freedom(self) -> Array:
        """Data and priors beyond the number of parameters."""
        return self.measured + jnp.sum(jnp.isfinite(self.prior_deviation)) - self.prior_mean.size

    def unit(self, value) -> Array:
        """Standard deviation of the residuals, for an unknown noise; at least rounding of the data.

        sqrt(sum r^2 / (m - p)).
        """
        parts = zip(self.experiments, self.counted, strict=True)
        size = jnp.sqrt(sum(jnp.sum(jnp.where(c, e.data, 0) ** 2) for e, c in parts) / jnp.maximum(self.measured, 1))
        floor = float(jnp.finfo(value.dtype).eps) ** 0.5 * size
        shown = jnp.sqrt(jnp.sum(value**2) / jnp.maximum(self.freedom, 1))
        return jnp.maximum(jnp.maximum(shown, floor), jnp.finfo(value.dtype).tiny)


def residuals(z, misfit: Misfit) -> Float[Array, " m"]:
    """Residuals whose derivative is a matrix: a solver that linearizes keeps m p numbers, not the history of a path."""
    return _with_matrix(z, misfit)


@eqx.filter_custom_jvp
def _with_matrix(z, misfit):
    return misfit.residuals(z)


@_with_matrix.def_jvp
@under_jax_defaults
def _with_matrix_jvp(primals, tangents):
    (z, misfit), (dz, _) = primals, tangents
    value, slopes = jacobian(z, misfit)
    return value, slopes @ dz


def jacobian(z, misfit: Misfit) -> tuple[Array, Array]:
    """Residuals (m,) and d residuals / dz (m, p): one nonlinear solve, and one linearized one per parameter."""

    def column(direction):
        return jax.jvp(misfit.residuals, (z,), (direction,))

    value, columns = jax.vmap(column, out_axes=(None, 1))(jnp.eye(z.size, dtype=z.dtype))
    return value, columns


def half_square(z, misfit: Misfit) -> Array:
    """Half of chi squared, for minimisers; infinite, with derivative zero, where a prediction that counts fails."""
    return _half_square(z, misfit) if z.size <= _FEW else _or_infinite(misfit.residuals(z))


@eqx.filter_custom_jvp
def _half_square(z, misfit):
    return _or_infinite(misfit.residuals(z))


@_half_square.def_jvp
@under_jax_defaults
def _half_square_jvp(primals, tangents):
    (z, misfit), (dz, _) = primals, tangents
    value, slopes = jacobian(z, misfit)
    gradient = slopes.T @ value
    return _or_infinite(value), jnp.where(jnp.all(jnp.isfinite(gradient)), gradient, 0) @ dz


def _or_infinite(value):
    fine = jnp.all(jnp.isfinite(value))
    return jnp.where(fine, 0.5 * jnp.sum(jnp.where(fine, value, 0) ** 2), jnp.inf)


def distance(value, slopes, at_bound) -> Array:
    """sqrt(g . F^-1 g): how far the optimum lies, linearized, in standard deviations of the parameters.

    Along the directions that the data see, of the parameters that do not lie at a bound: the others have no optimum.
    """
    found = spectrum(jnp.where(at_bound, 0, slopes))
    along = jnp.where(found.seen, found.left.T @ value, 0)
    return jnp.sqrt(jnp.sum(along**2))


def summed(z, misfit: Misfit):
    """`residuals` as optimistix's least squares solvers take them."""
    return residuals(z, misfit), None


def halved(z, misfit: Misfit):
    """`half_square` as its minimisers take it."""
    return half_square(z, misfit), None
