"""Residuals of all experiments as a function of numbers without limits, and their Jacobian."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ._identify import UNSEEN
from ._transform import Limits


class Misfit(eqx.Module):
    """Everything that the residuals depend on, beside the free numbers z.

    Args:
        experiments: tuple of `Experiment`.
        believed: mask of every experiment's predictions.
        limits: x(z).
        prior_mean, prior_deviation: of every parameter (p,); infinite deviation where there is no prior.
        unravel: from x to the user's pytree.
    """

    experiments: tuple
    believed: tuple
    limits: Limits
    prior_mean: Float[Array, " p"]
    prior_deviation: Float[Array, " p"]
    unravel: Any

    def predictions(self, z) -> tuple:
        """Of every experiment."""
        parameters = self.unravel(self.limits.parameters(z))
        return tuple(e.predicted(parameters) for e in self.experiments)

    def residuals(self, z, forgiving: bool = False) -> Float[Array, " m"]:
        """All residuals and the prior's; NaN where a believed prediction fails, unless `forgiving`."""
        x = self.limits.parameters(z)
        parameters = self.unravel(x)
        parts = []
        for e, mask in zip(self.experiments, self.believed, strict=True):
            parts.append(e.residuals(parameters, None if forgiving else mask))
        return jnp.concatenate([*parts, (x - self.prior_mean) / self.prior_deviation])


def residuals(z, misfit: Misfit) -> Float[Array, " m"]:
    """Residuals whose derivative is a matrix: a solver that linearizes keeps m p numbers, not the history of a path."""
    return _with_matrix(z, misfit)


@eqx.filter_custom_jvp
def _with_matrix(z, misfit):
    return misfit.residuals(z)


@_with_matrix.def_jvp
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
    """Half of chi squared, for minimizers; predictions that fail are left out."""
    return 0.5 * jnp.sum(misfit.residuals(z, forgiving=True) ** 2)


def distance(value, slopes) -> Array:
    """sqrt(g . F^-1 g): how far the optimum lies, linearized, in standard deviations of the parameters.

    Along the directions that the data see: the others have no optimum.
    """
    left = jnp.linalg.lstsq(slopes, value, rcond=UNSEEN**0.5)[0]
    return jnp.sqrt(jnp.sum((slopes @ left) ** 2))


def summed(z, misfit: Misfit):
    """`residuals` as optimistix's least squares solvers take them."""
    return residuals(z, misfit), None


def halved(z, misfit: Misfit):
    """`half_square` as its minimisers take it."""
    return half_square(z, misfit), None
