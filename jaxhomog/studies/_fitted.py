"""What comes with every fit: residuals, covariance, intervals, what the data see, the Laplace posterior."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Float

from ..results import InputError
from ._identify import Identifiability, information
from ._misfit import Misfit, distance
from ._spectrum import spectrum
from ._transform import Limits


class Fitted(eqx.Module):
    """The value of `fit`.

    Args:
        parameters: the best ones, as `start`.
        lower, upper: confidence interval of every parameter, as `start`; infinite (or the bound) where the data do not
            see it. They are normal in the logarithm of a positive parameter, in the logit of a bounded one. A parameter
            that lies at its bound is held there: its interval is a point, the others' are those without it.
        covariance: of the parameters in the order of `identifiability.names` (p, p).
        predictions: of every experiment, in the units of its data.
        residuals: of every experiment, in units of the noise (of the estimated one where it was unknown); 0 where
            nothing was measured or predicted.
        chi_squared: sum of the squared residuals, with the prior's; about the number of data and priors minus that of
            parameters.
        noise: what the residuals show: the standard deviation of the data where the noise was unknown, else a factor on
            the one that was given, near one; NaN with no more data and priors than parameters.
        at_bound: which parameters lie at a bound, as `start`.
        identifiability: Fisher information (with the prior's), its directions in words.
    """

    parameters: Any
    lower: Any
    upper: Any
    covariance: Float[Array, "p p"]
    predictions: tuple
    residuals: tuple
    chi_squared: Array
    noise: Array
    at_bound: Any
    identifiability: Identifiability
    z: Float[Array, " p"]
    deviation: Float[Array, "p k"]
    limits: Limits
    unravel: Any = eqx.field(static=True)

    def sample(self, key: Array, number: int) -> Any:
        """Draws of the Laplace posterior, normal in the free numbers of `bounds`: leaves (number, ...).

        Args:
            key: of `jax.random`.
            number: of draws.

        Raises:
            InputError: a parameter that neither data nor prior determine (eager calls), no number of draws.
        """
        if type(number) is not int or number < 1:
            raise InputError(f"number={number!r}: give a whole number of draws, at least 1")
        covariance = self.covariance
        if not isinstance(covariance, Tracer) and bool(np.isinf(np.asarray(covariance)).any()):
            blind = ", ".join(self.identifiability.blind)
            raise InputError(f"the posterior is not proper, not identified: {blind}; add data, a prior, or fix one")
        normal = jax.random.normal(key, (number, self.deviation.shape[1]), self.z.dtype)
        return jax.vmap(lambda e: self.unravel(self.limits.parameters(self.z + self.deviation @ e)))(normal)

    def __str__(self) -> str:
        names = self.identifiability.names
        flat = lambda tree: [v for leaf in jax.tree.leaves(tree) for v in np.ravel(leaf)]  # noqa: E731
        rows = zip(names, *(flat(t) for t in (self.parameters, self.lower, self.upper, self.at_bound)), strict=True)
        lines = [
            f"{name} = {x:.6g}" + (", at its bound" if held else f" in [{low:.6g}, {high:.6g}]")
            for name, x, low, high, held in rows
        ]
        return "\n".join([*lines, f"chi squared {float(self.chi_squared):.4g}", self.identifiability.words])


@eqx.filter_jit
def fitted(misfit: Misfit, z, predictions, value, slopes, names, quantile, free) -> tuple[Fitted, Array]:
    """The value at z, from predictions, residuals and Jacobian there, and the distance from the optimum."""
    limits = misfit.limits
    x, slope, held = limits.parameters(z), limits.slope(z), limits.at_bound(z)
    shown = misfit.unit(value)
    unit = shown if free else jnp.ones_like(shown)
    value, slopes = value / unit, slopes / unit
    far = distance(value, slopes, held)
    slopes = jnp.where(held, 0, slopes)
    found = spectrum(slopes)
    covariance, blind = found.inverse()
    blind = blind & ~held
    half = quantile * jnp.sqrt(jnp.where(blind, jnp.inf, jnp.diagonal(covariance)))
    by_x = jnp.where(held, 0, slopes / jnp.where(slope > 0, slope, 1))
    parts, place = [], 0
    for e in misfit.experiments:
        parts.append(value[place : place + e.data.size].reshape(e.data.shape))
        place += e.data.size
    # Those at a bound are held: they are not asked for.
    seen = information(by_x, x, names, held)
    variance = jnp.where(held, 0, jnp.where(blind, jnp.inf, slope**2 * jnp.diagonal(covariance)))
    whole = covariance * slope[:, None] * slope
    whole = jnp.where(jnp.eye(z.size, dtype=bool), variance, jnp.where(held[:, None] | held, 0, whole))
    out = Fitted(
        parameters=misfit.unravel(x),
        lower=misfit.unravel(limits.parameters(z - half)),
        upper=misfit.unravel(limits.parameters(z + half)),
        covariance=whole,
        predictions=predictions,
        residuals=tuple(parts),
        chi_squared=jnp.sum(value**2),
        noise=jnp.where(misfit.freedom > 0, shown, jnp.nan),
        at_bound=_like(misfit.unravel(x), held),
        identifiability=eqx.tree_at(lambda i: i.covariance, seen, whole),
        z=z,
        deviation=_root(found),
        limits=limits,
        unravel=misfit.unravel,
    )
    return out, far


def _root(found):
    """A matrix L with L L^T the covariance on the directions that are seen."""
    scaled = jnp.where(found.seen, 1 / jnp.where(found.seen, found.values, 1), 0)[:, None] * found.right
    return (scaled / found.norms).T


def _like(tree, flags):
    """Flags of a vector as the leaves of a tree."""
    leaves, structure = jax.tree.flatten(tree)
    ends = np.cumsum([np.size(leaf) for leaf in leaves])
    parts = [flags[end - np.size(x) : end].reshape(np.shape(x)) for end, x in zip(ends, leaves, strict=True)]
    return jax.tree.unflatten(structure, parts)
