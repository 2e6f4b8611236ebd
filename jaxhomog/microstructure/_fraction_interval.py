"""Volume fraction of a medium with its confidence interval, from one image or several."""

from __future__ import annotations

from typing import Literal

import equinox as eqx
import jax.numpy as jnp
from jax.core import Tracer
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int, Real

from ..results import InputError
from ._integral_range import IntegralRange, _images, integral_range
from ._quantiles import level_of, student_quantile

# From this many images on their scatter is used: Student's factor is then below 2.8 at 95 %.
SCATTER_FROM = 5


class FractionInterval(eqx.Module):
    """Volume fraction f of the medium and how well the images determine it.

    Args:
        fraction: mean of all voxels.
        half_width: of the interval at `level`.
        range_error: standard error of the fraction from the integral range of all images.
        scatter_error: from the scatter of the images' own fractions; NaN for one image.
        freedom: degrees of freedom of the error that was used.
        integral_range: see `IntegralRange`.
        level: of confidence.
        number: of images.
        method: "range" or "scatter": which error the interval comes from.
    """

    fraction: Float[Array, ""]
    half_width: Float[Array, ""]
    range_error: Float[Array, ""]
    scatter_error: Float[Array, ""]
    freedom: Float[Array, ""]
    integral_range: IntegralRange
    level: float = eqx.field(static=True)
    number: int = eqx.field(static=True)
    method: str = eqx.field(static=True)

    @property
    def low(self) -> Float[Array, ""]:
        """Lower end, not below 0."""
        return jnp.maximum(self.fraction - self.half_width, 0)

    @property
    def high(self) -> Float[Array, ""]:
        """Upper end, not above 1."""
        return jnp.minimum(self.fraction + self.half_width, 1)

    @property
    def code(self) -> Int[Array, ""]:
        """What speaks against an interval from the integral range (its bits); 0 from the scatter of images."""
        uniform = jnp.where(jnp.isfinite(self.half_width), 0, self.integral_range.code)
        return self.integral_range.code if self.method == "range" else uniform

    @property
    def reason(self) -> str:
        """The interval in words, and what speaks against it (needs concrete values)."""
        if isinstance(self.fraction, Tracer):
            return "<traced>"
        text = (
            f"volume fraction {float(self.fraction):.4g} +- {float(self.half_width):.2g} ({self.level:.4g} confidence"
        )
        if self.method == "range":
            text += f", integral range {float(self.integral_range.covariance):.3g} voxels, {self.number} image"
            text += "s)" if self.number > 1 else ")"
        else:
            text += f", scatter of {self.number} images)"
        return text if int(self.code) == 0 else f"{text}; but {self.integral_range.reason}"


def fraction_interval(
    indicator: Real[ArrayLike, "..."],
    *,
    dim: int | None = None,
    level: float = 0.95,
    method: Literal["range", "scatter"] | None = None,
    window: int | None = None,
    periodic: bool = True,
) -> FractionInterval:
    """Volume fraction with a confidence interval.

        range:     f +- t_nu sqrt(f (1 - f) A / V),    nu = 2 (A / standard error of A)^2
        scatter:   f +- t_{m-1} s / sqrt(m),           s: standard deviation of the fractions of m images

    A is the integral range (by the covariance), V the volume of all images; f (1 - f) of a finite image is too small by
    the factor 1 - A / V, which is put right. `range` takes the image for stationary, and several images for
    realizations of one ergodic medium; `scatter` only takes them for independent. The interval is that of the medium
    the images were drawn from, at the resolution of the voxels: an error of the segmentation is not in it.

    Args:
        indicator: (*batch, *space): 1 in the phase, 0 outside (`labels == phase`), or shares in [0, 1]; the leading
            axes are images.
        dim: number of space axes, the last ones; default all.
        level: of confidence, in (0, 1).
        method: None: "scatter" from five images on, else "range".
        window: of `integral_range`; give it under `jit`.
        periodic: of `integral_range`; False for a crop.

    Returns:
        `FractionInterval`; its code is that of `integral_range`, where the interval rests on it.

    Fails with:
        InputError: values outside [0, 1], a level outside (0, 1), scatter of one image, and as for `integral_range`.

    Source:
        Lantuejoul (1991), J. Microsc. 161, 387-403; Kanit et al. (2003), Int. J. Solids Struct. 40, 3647-3679;
        degrees of freedom: Satterthwaite (1946), Biometrics Bull. 2, 110-114.
    """
    level = level_of(level)
    chi, _ = _images(indicator, dim)
    m = len(chi)
    if method not in (None, "range", "scatter") or (method == "scatter" and m < 2):
        raise InputError(f"method={method!r} for {m} images: choose 'range', or from two images on 'scatter'")
    if not isinstance(chi, Tracer) and chi.size and not (bool(jnp.min(chi) >= 0) and bool(jnp.max(chi) <= 1)):
        raise InputError("indicator: values outside [0, 1] or NaN: give labels == phase")
    found = integral_range(indicator, dim=dim, window=window, periodic=periodic)
    each = jnp.mean(chi.reshape(m, -1), axis=1)
    share = found.covariance / chi.size
    range_error = jnp.sqrt(jnp.var(chi) * share / (1 - share))
    scatter_error = jnp.sqrt(jnp.var(each) / (m - 1)) if m > 1 else jnp.full((), jnp.nan, chi.dtype)
    by = method or ("scatter" if m >= SCATTER_FROM else "range")
    if by == "range":
        freedom, error = 2 * (found.covariance / found.covariance_error) ** 2, range_error
    else:
        freedom, error = jnp.full((), m - 1.0, chi.dtype), scatter_error
    half = student_quantile(level, freedom) * error
    return FractionInterval(jnp.mean(each), half, range_error, scatter_error, freedom, found, level, m, by)
