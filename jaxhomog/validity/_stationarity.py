"""Is an image a sample of a stationary medium? Trends and slow patterns of its mean, variance and texture."""

from __future__ import annotations

from functools import partial
from typing import Final

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax import jit
from jax.core import Tracer
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int, Real
from scipy.special import fdtri

from ..microstructure._integral_range import _images, _tiles
from ..microstructure._quantiles import level_of
from ..results import InputError
from ._slow_modes import correlation_cut, freedom_of, slow_modes

DRIFT_MEAN: Final = 1
DRIFT_VARIANCE: Final = 2
DRIFT_TEXTURE: Final = 4
DRIFT_FEW_WINDOWS: Final = 8
DRIFT_UNIFORM: Final = 16

_DRIFTS: Final = DRIFT_MEAN | DRIFT_VARIANCE | DRIFT_TEXTURE
_QUANTITIES: Final = ("mean", "variance", "texture (mean square step between neighbours)")
# Window over the cut of the correlation, and the least that is taken for independent windows.
_WINDOW: Final = 2.0
_LEAST: Final = 1.5
# Fewer windows along an axis show no pattern (and, slow modes being taken out, cannot tell that the correlation is as
# long as the image), fewer slow modes no variance.
_AXIS: Final = 4
_FREEDOM: Final = 6


class Stationarity(eqx.Module):
    """Whether mean, variance and texture of an image depend on the place; the three quantities are rows, in this order.

    Args:
        slope: change of each quantity from face to face along each axis, by linear regression (3, d).
        slope_error: its standard error, which contains the correlation of the windows (3, d).
        trend: p-value of no linear trend along any axis (3,); NaN where a quantity was not tested.
        pattern: p-value of no other slow variation (3,).
        level: share of stationary media that are called so.
        tests: number of p-values that are looked at; each is compared with (1 - level) / tests.
        cut: distance in voxels where the correlation falls below 0.1.
        freedom: independent slow modes that the trend is compared with.
        window: edge in voxels.
        axes: array axes of space that are longer than one voxel, counted without those of the batch.
        code: bits, see `reason`; 0: stationary.
    """

    slope: Float[Array, "3 d"]
    slope_error: Float[Array, "3 d"]
    trend: Float[Array, "3"]
    pattern: Float[Array, "3"]
    cut: Float[Array, ""]
    tests: Int[Array, ""]
    code: Int[Array, ""]
    freedom: int = eqx.field(static=True)
    window: int = eqx.field(static=True)
    axes: tuple[int, ...] = eqx.field(static=True)
    level: float = eqx.field(static=True)

    @property
    def verdict(self) -> str:
        """stationary, not stationary, or cannot be decided (needs concrete values)."""
        if isinstance(self.code, Tracer):
            return "<traced>"
        bits = int(self.code)
        if bits & (DRIFT_FEW_WINDOWS | DRIFT_UNIFORM):
            return "cannot be decided"
        return "not stationary" if bits & _DRIFTS else "stationary"

    @property
    def reason(self) -> str:
        """The verdict in words, with numbers (needs concrete values)."""
        if isinstance(self.code, Tracer):
            return "<traced>"
        bits = int(self.code)
        if bits & DRIFT_UNIFORM:
            return "cannot be decided: the image does not vary or is not finite"
        if bits & DRIFT_FEW_WINDOWS:
            return (
                f"cannot be decided: windows of {self.window} voxels are too few (or too narrow) beside a correlation"
                f" that ends after {float(self.cut):.3g} voxels (give a larger image)"
            )
        if not bits & _DRIFTS:
            slope, error = np.abs(np.asarray(self.slope[0])), np.asarray(self.slope_error[0])
            at = int(np.argmax(slope))
            # What the test of all axes would flag if the mean changed along this one alone.
            axes = len(self.axes)
            limit = fdtri(axes, self.freedom, 1 - (1 - self.level) / int(self.tests))
            return (
                f"stationary: no drift at a level of {self.level:.4g}; the mean changes by {slope[at]:.2g} from face"
                f" to face, where {error[at] * (axes * limit) ** 0.5:.2g} may be chance"
            )
        words = [self._words(k) for k in range(3) if bits & (1 << k)]
        return "not stationary: " + "; ".join(words)

    def _words(self, k: int) -> str:
        """What drifts, along which axis and by how much."""
        trend, pattern = float(self.trend[k]), float(self.pattern[k])
        if trend <= (1 - self.level) / int(self.tests):
            slope, error = np.asarray(self.slope[k]), np.asarray(self.slope_error[k])
            at = int(np.argmax(np.abs(slope) / error))
            return (
                f"the {_QUANTITIES[k]} changes by {slope[at]:+.3g} +- {error[at]:.1g} from face to face along axis"
                f" {self.axes[at]} (p = {trend:.1g})"
            )
        return f"the {_QUANTITIES[k]} varies over the image, but not as a linear trend (p = {pattern:.1g})"


def stationarity(
    images: Real[ArrayLike, "..."], *, dim: int | None = None, window: int | None = None, level: float = 0.95
) -> Stationarity:
    """Does the medium look the same everywhere in the image? Tests of mean, variance and texture over windows.

    The image is cut into cubic windows. In each: the mean, the variance about it (not tested for two values only, where
    it follows from the mean), and the mean square difference of neighbouring voxels, which grows with the surface of a
    phase. Each is tested for a linear trend along the axes, and for any other slow pattern (`slow_modes`). The error of
    a trend comes from the slow modes of the same windows: it respects their correlation. All p-values together falsely
    flag a stationary medium with probability 1 - level at most.

    Nothing is wrapped around: the image may be a crop. "Stationary" means that no drift was found; `reason` says which
    one might be hidden by chance. Correlations as long as the image cannot be told from a drift.

    Args:
        images: (*batch, *space), any field; the leading axes are images of one medium, cut out in the same orientation:
            a trend is that of all of them.
        dim: number of space axes, the last ones; default all. Axes of one voxel do not count.
        window: edge in voxels; default twice the distance where the correlation falls below 0.1. Give it under `jit`.
        level: share of stationary media that are called so, at least.

    Returns:
        `Stationarity`.

    Fails with:
        InputError: not one to three space axes, no axis of four voxels, a window that does not fit, a bad level.

    Source:
        `slow_modes`; several p-values: Bonferroni's bound.
    """
    level = level_of(level)
    chi, space = _images(images, dim)
    given = jnp.shape(images)[jnp.ndim(images) - (jnp.ndim(images) if dim is None else dim) :]
    cut = correlation_cut(chi)
    if window is None:
        if isinstance(cut, Tracer):
            raise InputError("stationarity under jit: give window=, in voxels")
        known = float(cut) if np.isfinite(float(cut)) else 1.0
        window = max(1, min(int(np.ceil(_WINDOW * known)), min(space)))
    if isinstance(window, bool) or not isinstance(window, int | np.integer) or not 1 <= window <= min(space):
        raise InputError(f"window={window!r}: give an edge in voxels that fits into the box of {space} voxels")
    counts = tuple(n // window for n in space)
    slope, error, trend, pattern, two_valued = _tested(chi, int(window))
    # Windows may leave a rest at the end of an axis: the trend is carried on over it.
    stretch = jnp.asarray([n / (c * window) for n, c in zip(space, counts, strict=True)], chi.dtype)
    tests = jnp.where(two_valued, 4, 6)
    drift = (jnp.fmin(trend, pattern) * tests <= 1 - level) @ jnp.asarray([DRIFT_MEAN, DRIFT_VARIANCE, DRIFT_TEXTURE])
    freedom = freedom_of(len(chi), counts)
    enough = (min(counts) >= _AXIS) & (freedom >= _FREEDOM) & (window >= _LEAST * cut)
    uniform = ~(jnp.isfinite(jnp.var(chi)) & (jnp.ptp(chi) > 0))
    code = drift + jnp.where(enough, 0, DRIFT_FEW_WINDOWS) + jnp.where(uniform, DRIFT_UNIFORM, 0)
    return Stationarity(
        slope * stretch,
        error * stretch,
        trend,
        pattern,
        cut,
        tests.astype(jnp.int32),
        code.astype(jnp.int32),
        freedom,
        int(window),
        tuple(k for k, n in enumerate(given) if n > 1),
        level,
    )


@partial(jit, static_argnums=1)
def _tested(chi, window: int) -> tuple[Array, ...]:
    """Slopes, their errors, p-values of trend and pattern (one row for each quantity); are there two values only?"""
    found = [slow_modes(x) for x in _window_statistics(chi, window)]
    slope, error, trend, pattern = (jnp.stack(column) for column in zip(*found, strict=True))
    two_valued = jnp.all((chi == jnp.min(chi)) | (chi == jnp.max(chi)))
    skipped = jnp.asarray([False, True, False]) & two_valued
    return slope, error, *(jnp.where(skipped, jnp.nan, p) for p in (trend, pattern)), two_valued


def _window_statistics(chi, window: int) -> tuple[Array, Array, Array]:
    """Mean, variance and mean square step in every window: (m, *windows) each."""
    chi = chi - jnp.mean(chi)
    mean = _tiles(chi, window)
    variance = jnp.maximum(_tiles(chi**2, window) - mean**2, 0)
    step = jnp.zeros_like(chi)
    for k in range(1, chi.ndim):
        square = jnp.diff(chi, axis=k) ** 2
        # The last voxel has no neighbour: it takes the step before it.
        step = step + jnp.pad(square, [(0, int(j == k)) for j in range(chi.ndim)], mode="edge")
    return mean, variance, _tiles(step, window)
