"""Separation of scales from measured lengths and times: a regime per macroscopic point, and how sure it is."""

from __future__ import annotations

from typing import Final

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Float, Int, Real

from ..results import InputError, real_array
from ._expansion import ExpansionConstants
from ._regime import REGIME_NONE, REGIME_STRONG, REGIME_UNDECIDED, REGIME_WEAK, Regime, regime
from ._scales import Scale

SCALES_WEAK: Final = 1
SCALES_NONE: Final = 2
SCALES_UNSURE: Final = 4
SCALES_UNDECIDED: Final = 8

_SCHEMES: Final = (
    (REGIME_STRONG, "first-order homogenization"),
    (REGIME_WEAK, "first-order correctors or a second-order scheme"),
    (REGIME_NONE, "the microstructure resolved"),
    (REGIME_UNDECIDED, "scales that can be measured"),
)


class ScaleSeparation(eqx.Module):
    """Whether the scales are separated, per macroscopic point.

    Args:
        eps_length: L_micro / L_macro.
        eps_time: T_micro / T_macro.
        regime: by the rule, with the constants of the cell where they were given: code, name and advice.
        textbook: by the rule with constants of one.
        lower: regime at the lower ends of the intervals of both ratios.
        upper: regime at their upper ends.
        fractions: share of the points in regime strong, weak, none, undecided.
        code: what speaks against first-order homogenization of all points (bits; see `reason`); 0: nothing.
    """

    eps_length: Float[Array, "..."]
    eps_time: Float[Array, "..."]
    regime: Regime
    textbook: Regime
    lower: Regime
    upper: Regime
    fractions: Float[Array, " 4"]
    code: Int[Array, ""]

    @property
    def verdict(self) -> Bool[Array, ""]:
        """True where first-order homogenization holds in every point, whatever end of the intervals is true."""
        return self.code == 0

    @property
    def sure(self) -> Bool[Array, "..."]:
        """True in the points whose regime is the same at both ends of the intervals."""
        return _sure(self.lower, self.upper)

    @property
    def reason(self) -> str:
        """The verdict in one or two sentences (needs concrete values)."""
        if isinstance(self.code, Tracer):
            return "<traced>"
        shares = np.asarray(self.fractions)
        parts = [f"{text} in {_percent(shares[k])}" for k, text in _SCHEMES if shares[k] > 0]
        unsure = 1 - float(np.mean(np.asarray(self.sure)))
        doubt = "it is the same at both ends of the measured intervals"
        if unsure > 0:
            doubt = f"in {_percent(unsure)} it changes within the measured intervals (measure the scales better)"
        largest = float(np.max(np.asarray(self.eps_length))), float(np.max(np.asarray(self.eps_time)))
        # No times were given, or the problem is steady: 0 would read as a measurement.
        times = f", {largest[1]:.3g} (time)" if largest[1] != 0 else ""
        return (
            f"the points need {', '.join(parts)}; {doubt}. Largest micro over macro: {largest[0]:.3g} (length){times}"
        )


def _percent(share) -> str:
    return "all" if share == 1 else f"{100 * share:.3g} %"


def _sure(lower, upper):
    return (lower.code == upper.code) & (lower.code != REGIME_UNDECIDED)


def scale_separation(
    micro_length: Scale | Real[ArrayLike, "..."],
    macro_length: Scale | Real[ArrayLike, "..."],
    micro_time: Scale | Real[ArrayLike, "..."] = 0.0,
    macro_time: Scale | Real[ArrayLike, "..."] = np.inf,
    *,
    tolerance: Real[ArrayLike, ""],
    constants: ExpansionConstants | None = None,
    deviations: float = 2.0,
) -> ScaleSeparation:
    """Regime of scale separation in every macroscopic point, from measured lengths and times.

        eps_L = L_micro / L_macro,    eps_T = T_micro / T_macro,    regime(eps_L, eps_T, tolerance)  at every point

    Every scale with a standard error s is known to value +- z s (z = `deviations`; two for 95 % of normal errors); both
    ratios are taken at their lower, middle and upper ends, and a point is sure where the regime is the same at all.
    Scales: `microstructure.measured_length` and the edge of a periodic cell; `gradient_length` of a macroscopic field;
    `integral_time` and `relaxation_time`.

    The regimes speak of the interior: in a layer as wide as the microstructure along boundaries, cracks and loads the
    gradients of a corrected field are wrong by O(1) for every eps (see `rve.corrected`).

    Args:
        micro_length: number, array or `Scale`, at least 0; a `MeasuredLength` times the voxel edge as
            `Scale(value, error)`.
        macro_length: of every point; infinite where the field is uniform.
        micro_time: 0 for a steady problem.
        macro_time: infinite for a steady problem.
        tolerance: relative error that is accepted.
        constants: from `expansion_constants`, in terms of `micro_length`; None for the textbook's, one. A second one
            that is missing is one.
        deviations: z.

    Returns:
        `ScaleSeparation`; arrays of the broadcast shape.

    Fails with:
        InputError: an argument of another kind, no points, shapes that do not broadcast, negative deviations or
            standard errors.

    Source:
        Rule: see `regime`. Bensoussan, Lions & Papanicolaou (1978), Asymptotic Analysis for Periodic Structures.
    """
    if isinstance(deviations, bool) or not isinstance(deviations, (int, float)) or not 0 <= deviations < np.inf:
        raise InputError(f"deviations={deviations!r}: give a number of standard errors, at least 0")
    if constants is not None and not isinstance(constants, ExpansionConstants):
        raise InputError(f"constants is a {type(constants).__name__}: give `expansion_constants(...)`, or None")
    length = _ratio(micro_length, macro_length, "length", deviations)
    time = _ratio(micro_time, macro_time, "time", deviations)
    first = second = 1.0
    if constants is not None:
        first = constants.first
        second = 1.0 if constants.second is None else constants.second
    tau = real_array(tolerance, "tolerance")
    try:
        jnp.broadcast_shapes(length[1].shape, time[1].shape, tau.shape)
    except ValueError:
        shapes = f"{length[1].shape}, {time[1].shape} and {tau.shape}"
        raise InputError(f"ratios of lengths and times and the tolerance, {shapes}, must broadcast") from None
    low, middle, high = (regime(e, t, tau, first, second) for e, t in zip(length, time, strict=True))
    textbook = regime(length[1], time[1], tau)
    shares = jnp.stack([jnp.mean((middle.code == k).astype(length[1].dtype)) for k, _ in _SCHEMES])
    code = (
        SCALES_WEAK * (shares[REGIME_WEAK] > 0)
        + SCALES_NONE * (shares[REGIME_NONE] > 0)
        + SCALES_UNDECIDED * (shares[REGIME_UNDECIDED] > 0)
        + SCALES_UNSURE * ~jnp.all(_sure(low, high))
    )
    shape = middle.code.shape
    eps_length, eps_time = (jnp.broadcast_to(x[1], shape) for x in (length, time))
    return ScaleSeparation(eps_length, eps_time, middle, textbook, low, high, shares, code.astype(jnp.int32))


def _ratio(micro, macro, what: str, z: float):
    """Lower end, value and upper end of micro over macro; an unknown standard error makes both ends NaN."""
    small, small_error = _scale(micro, f"micro_{what}")
    large, large_error = _scale(macro, f"macro_{what}")
    try:
        jnp.broadcast_shapes(small.shape, large.shape)
    except ValueError:
        raise InputError(f"micro_{what} {small.shape} and macro_{what} {large.shape} must broadcast") from None
    # Ends stop at zero; what is negative stays so, and has no regime.
    low = jnp.maximum(small - z * small_error, jnp.minimum(small, 0)) / (large + z * large_error)
    high = (small + z * small_error) / jnp.maximum(large - z * large_error, jnp.minimum(large, 0))
    return low, small / large, high


def _scale(x, name: str):
    """Value and error in one floating dtype."""
    value = real_array(x.value if isinstance(x, Scale) else x, name)
    error = real_array(x.error, f"{name}.error").astype(value.dtype) if isinstance(x, Scale) else jnp.zeros_like(value)
    if value.size == 0 or error.shape not in ((), value.shape):
        raise InputError(f"{name} has shape {value.shape}, its error {error.shape}: give points, and an error for each")
    if not isinstance(error, Tracer) and bool(jnp.any(error < 0)):
        raise InputError(f"{name}.error is negative: give standard errors, NaN where they are not known")
    # An infinite scale has no error: inf - inf is not a number.
    return value, jnp.where(jnp.isinf(value), 0, error)
