"""What comes with every fit: residuals, covariance, intervals, what the data see, the Laplace posterior."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..results import InputError
from ._identify import Identifiability, information
from ._misfit import Misfit, distance
from ._transform import Limits


class Fitted(eqx.Module):
    """The value of `fit`.

    Args:
        parameters: the best ones, as `start`.
        lower, upper: confidence interval of every parameter, as `start`; infinite (or the bound) where the data do not
            see it. They are normal in the logarithm of a positive parameter, in the logit of a bounded one.
        covariance: of the parameters in the order of `identifiability.names` (p, p).
        predictions: of every experiment, in the units of its data.
        residuals: of every experiment, in units of the noise (of the estimated one where it was unknown).
        chi_squared: sum of the squared residuals, with the prior's; about the number of data minus that of parameters.
        noise: factor between the noise that was given (one, if none was) and the one that the residuals show.
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
    identifiability: Identifiability
    z: Float[Array, " p"]
    deviation_z: Float[Array, "p p"]
    limits: Limits
    unravel: Any = eqx.field(static=True)

    def sample(self, key: Array, number: int) -> Any:
        """Draws of the Laplace posterior, normal in the free numbers of `bounds`: leaves (number, ...).

        Args:
            key: of `jax.random`.
            number: of draws.

        Raises:
            InputError: a direction that neither data nor prior see.
        """
        if not bool(np.all(np.isfinite(np.asarray(self.deviation_z)))):
            raise InputError("the posterior is not proper: " + self.identifiability.words.splitlines()[-1])
        normal = jax.random.normal(key, (number, self.z.size), self.z.dtype)
        return jax.vmap(lambda e: self.unravel(self.limits.parameters(self.z + self.deviation_z @ e)))(normal)

    def __str__(self) -> str:
        names = self.identifiability.names
        flat = lambda tree: [float(v) for leaf in jax.tree.leaves(tree) for v in np.ravel(leaf)]  # noqa: E731
        rows = zip(names, flat(self.parameters), flat(self.lower), flat(self.upper), strict=True)
        lines = [f"{name} = {x:.6g} in [{low:.6g}, {high:.6g}]" for name, x, low, high in rows]
        return "\n".join([*lines, f"chi squared {float(self.chi_squared):.4g}", self.identifiability.words])


@eqx.filter_jit
def fitted(misfit: Misfit, z, predictions, value, slopes, names, quantile, free) -> tuple[Fitted, Array]:
    """The value at z, from predictions, residuals and Jacobian there, and the distance from the optimum."""
    limits = misfit.limits
    x, slope = limits.parameters(z), limits.slope(z)
    count = sum(jnp.sum(b & jnp.isfinite(e.data)) for b, e in zip(misfit.believed, misfit.experiments, strict=True))
    chi = jnp.sum(value**2)
    shown = jnp.sqrt(chi / jnp.maximum(count - z.size, 1))
    unit = shown if free else jnp.ones_like(shown)
    far = distance(value, slopes) / jnp.where(unit > 0, unit, 1)
    slopes = slopes / unit
    by_parameter = slopes / slope
    seen = information(by_parameter.T @ by_parameter, x, names)
    free_seen = information(slopes.T @ slopes, z, names)
    spread = free_seen.covariance()
    half = quantile * jnp.sqrt(jnp.diagonal(spread))
    root = jnp.where(free_seen.seen, 1 / jnp.sqrt(jnp.where(free_seen.seen, free_seen.eigenvalues, 1)), jnp.inf)
    parts, place = [], 0
    for e in misfit.experiments:
        parts.append((value[place : place + e.data.size] / unit).reshape(e.data.shape))
        place += e.data.size
    out = Fitted(
        parameters=misfit.unravel(x),
        lower=misfit.unravel(limits.parameters(z - half)),
        upper=misfit.unravel(limits.parameters(z + half)),
        covariance=seen.covariance(),
        predictions=predictions,
        residuals=tuple(parts),
        chi_squared=chi / unit**2,
        noise=shown,
        identifiability=seen,
        z=z,
        deviation_z=free_seen.directions.T * root,
        limits=limits,
        unravel=misfit.unravel,
    )
    return out, far
