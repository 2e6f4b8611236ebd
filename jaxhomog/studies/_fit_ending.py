"""How a fit ended: an optimum is a finite misfit whose slope is small and that does not fall beside it."""

from __future__ import annotations

from collections.abc import Callable

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from ..results import BLIND_FIT, INFINITE_MISFIT, MAX_ITERATIONS, SUCCESS, InputError
from ._fitted import Fitted
from ._misfit import Misfit
from ._spectrum import spectrum

# Steps of a free number without slope that are tried on both sides: shares of its start (or of its range).
_ASIDE = (0.1, 1.0)


def ending(misfit: Misfit, value: Fitted, slopes: Array, far: Array, tolerance: float) -> Array:
    """The result code at the end, traced or not.

    Args:
        misfit: of the fit.
        value: what was found.
        slopes: the Jacobian there, as it came from the model.
        far: distance of the optimum, in standard deviations.
        tolerance: likewise.
    """
    held = misfit.limits.at_bound(value.z)
    finite = jnp.all(jnp.isfinite(slopes)) & jnp.all(jnp.isfinite(value.z))
    for number in (value.chi_squared, far):
        finite = finite & jnp.isfinite(number)
    safe = jnp.where(jnp.isfinite(slopes) & ~held, slopes, 0)
    sees = jnp.any(spectrum(safe).seen) | jnp.all(held)
    # A hair more than the tolerance: the program that ended the fit rounds differently.
    near = (misfit.measured > 0) & (far <= 1.01 * tolerance)
    code = jnp.where(near, jnp.where(sees, SUCCESS, BLIND_FIT), MAX_ITERATIONS)
    return jnp.where(finite | (misfit.measured == 0), code, INFINITE_MISFIT).astype(jnp.int32)


def chi_squared(misfit: Misfit, x: np.ndarray, predictions: tuple) -> float:
    """The misfit of predictions (without the estimated noise), infinite where one that counts is missing."""
    total = 0.0
    with np.errstate(all="ignore"):
        for e, counted, found in zip(misfit.experiments, misfit.counted, predictions, strict=True):
            left = np.where(counted, np.asarray(found) - np.asarray(e.data), 0)
            left = left if e.noise is None else left / np.where(counted, np.asarray(e.noise), 1)
            total += np.sum(left.astype(x.dtype) ** 2)
        total += np.sum(((x - np.asarray(misfit.prior_mean)) / np.asarray(misfit.prior_deviation)) ** 2)
    return float(total) if np.isfinite(total) else np.inf


def falls_aside(misfit: Misfit, value: Fitted, predict: Callable[[Array], tuple]) -> bool:
    """Whether the misfit falls by more than one standard deviation along a parameter that has no slope.

    A symmetric model (a squared parameter at 0) has none at its worst point either.

    Args:
        misfit: of the fit.
        value: what was found.
        predict: predictions at other free numbers.
    """
    held = np.asarray(misfit.limits.at_bound(value.z))
    spread = np.diagonal(np.asarray(value.covariance))
    blind = np.flatnonzero(~np.isfinite(spread) & ~held)

    def at(z) -> float:
        return chi_squared(misfit, np.asarray(misfit.limits.parameters(z)), predict(z))

    unit = float(value.noise) ** 2 if all(e.noise is None for e in misfit.experiments) else 1.0
    here = at(value.z) if blind.size else np.inf
    for k in blind:
        for step in _ASIDE:
            for sign in (1, -1):
                z = jnp.asarray(value.z).at[k].add(jnp.asarray(sign * step, value.z.dtype))
                if here - at(z) > unit:
                    return True
    return False


def check_start(misfit: Misfit, x: Array, predictions: tuple) -> None:
    """Refuse a start whose misfit is infinite: no solver leaves it.

    Raises:
        InputError: in one line, with the largest residual.
    """
    if np.isfinite(chi_squared(misfit, np.asarray(x), predictions)):
        return
    worst = (0.0, "the prior", "")
    with np.errstate(all="ignore"):
        for e, counted, found in zip(misfit.experiments, misfit.counted, predictions, strict=True):
            left = np.where(counted, np.abs(np.asarray(found) - np.asarray(e.data)), 0)
            left = np.ravel(left if e.noise is None else left / np.where(counted, np.asarray(e.noise), 1))
            k = int(np.argmax(left)) if left.size else 0
            if left.size and not left[k] <= worst[0]:
                told = f" (predicted {np.ravel(found)[k]:.3g}, measured {np.ravel(e.data)[k]:.3g})"
                worst = (float(left[k]), f"datum {k} of experiment {e.name!r}", told)
    raise InputError(
        f"the misfit is infinite at the start: {worst[1]} is {worst[0]:.3g} standard deviations off{worst[2]}: begin"
        " nearer to the data, or check the units of model, data and noise"
    )


def advice(code: int, steps: int, most: int, far: float) -> str:
    """What to do about a fit that ended without success."""
    if code == INFINITE_MISFIT:
        return (
            "the misfit or its derivative is not finite where the fit ended: begin elsewhere, or give bounds within"
            " which the model and its derivative are finite"
        )
    if code == BLIND_FIT:
        return (
            "a parameter has no slope where the fit ended, which is no optimum of it or cannot be told from one: begin"
            " elsewhere, fix the parameter, or add data that depend on it"
        )
    if steps < most:
        return (
            f"the solver ended by its own rule after {steps} steps, and the optimum is {far:.2g} standard deviations"
            " away: give the solver smaller rtol and atol, leave it out for Levenberg-Marquardt, or give the solves of"
            " the model a smaller tolerance"
        )
    return (
        f"after {steps} steps the optimum is {far:.2g} standard deviations away: raise max_steps, begin elsewhere, or"
        " give the solves of the model a smaller tolerance"
    )
