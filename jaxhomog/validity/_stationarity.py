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
# What repeats along an axis has the modes of the others alone: F with four degrees of freedom is then allowed for.
_FREEDOM_OF_LINES: Final = 4


class Stationarity(eqx.Module):
    """Whether mean, variance and texture of an image depend on the place; the three quantities are rows, in this order.

    Along an axis on which every image repeats exactly there is nothing to find: slope and error are 0.

    Args:
        slope: change of each quantity from face to face along each axis, by linear regression (3, d).
        slope_error: its standard error, which contains the correlation of the windows (3, d).
        trend: p-value of no linear trend along any axis (3,); NaN where a quantity was not tested.
        pattern: p-value of no other slow variation (3,).
        level: share of stationary media that are called so.
        tests: number of p-values that are looked at; each is compared with (1 - level) / tests.
        cut: distance in voxels where the correlation falls below 0.1.
        freedom: independent slow modes that the trend is compared with.
        window: edge in voxels, along axes that do not repeat.
        periods: voxels after which all images repeat exactly, along each axis of `axes`; 0: they do not.
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
    periods: tuple[int, ...] = eqx.field(static=True)
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
        if bits & DRIFT_FEW_WINDOWS and all(self.periods):
            return f"cannot be decided: {self._repeats()}, fewer than {_AXIS} times (give a larger image)"
        if bits & DRIFT_FEW_WINDOWS:
            return (
                f"cannot be decided: windows of {self.window} voxels are too few (or too narrow) beside a correlation"
                f" that ends after {float(self.cut):.3g} voxels (give a larger image)"
            )
        if not bits & _DRIFTS and all(self.periods):
            return f"stationary: {self._repeats()}: periodic, with an origin that may be anywhere"
        if not bits & _DRIFTS:
            slope, error = np.abs(np.asarray(self.slope[0])), np.asarray(self.slope_error[0])
            at = int(np.argmax(slope))
            # What the test of all axes would flag if the mean changed along this one alone.
            axes = self.periods.count(0)
            limit = fdtri(axes, self.freedom, 1 - (1 - self.level) / int(self.tests))
            return (
                f"stationary: no drift at a level of {self.level:.4g}; the mean changes by {slope[at]:.2g} from face"
                f" to face, where {error[at] * (axes * limit) ** 0.5:.2g} may be chance"
            )
        words = [self._words(k) for k in range(3) if bits & (1 << k)]
        return "not stationary: " + "; ".join(words)

    def _repeats(self) -> str:
        """Along which axes the image repeats, and after how many voxels."""
        each = [f"every {p} voxels along axis {k}" for p, k in zip(self.periods, self.axes, strict=True) if p > 1]
        return "the image repeats exactly " + " and ".join(each)

    def _words(self, k: int) -> str:
        """What drifts, along which axis and by how much."""
        trend, pattern = float(self.trend[k]), float(self.pattern[k])
        if trend <= (1 - self.level) / int(self.tests):
            slope, error = np.asarray(self.slope[k]), np.asarray(self.slope_error[k])
            at = int(np.argmax(np.abs(slope) / np.where(error > 0, error, np.inf)))
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

    A periodic medium whose origin may be anywhere is stationary, and windows that cut its periods would say otherwise:
    along axes on which all images repeat exactly (a laminate, a checkerboard, the length of a bundle of fibres) means
    are taken over whole periods, and the tests look at the other axes. An image that repeats along all of them four
    times is stationary. Periods that are no whole number of voxels, or with noise on them, are not recognized: give
    `window=`, whole periods (as good as they fit), or expect "not stationary".

    Nothing is wrapped around: the image may be a crop. "Stationary" means that no drift was found; `reason` says which
    one might be hidden by chance. Correlations as long as the image cannot be told from a drift.

    Args:
        images: (*batch, *space), any field; the leading axes are images of one medium, cut out in the same orientation:
            a trend is that of all of them.
        dim: number of space axes, the last ones; default all. Axes of one voxel do not count.
        window: edge in voxels; default twice the distance where the correlation falls below 0.1. Give it under `jit`,
            where repetitions are not looked for.
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
    given = np.shape(images)[np.ndim(images) - (np.ndim(images) if dim is None else dim) :]
    periods = (0,) * len(space) if isinstance(chi, Tracer) else exact_periods(np.asarray(chi))
    axes = tuple(k for k, n in enumerate(given) if n > 1)
    uniform = ~(jnp.isfinite(jnp.var(chi)) & (jnp.ptp(chi) > 0))
    if all(periods):
        return _periodic(chi, periods, axes, level, uniform)
    free = tuple(n for n, p in zip(space, periods, strict=True) if not p)
    cut = correlation_cut(_lines(chi, periods))
    if any(periods) and not _enough(len(chi), free, _edge(cut, free), periods):
        # Lines on which nothing is random but a gradient is seen are long in correlation: that of the image instead.
        cut = jnp.fmin(cut, correlation_cut(chi))
    if window is None:
        if isinstance(cut, Tracer):
            raise InputError("stationarity under jit: give window=, in voxels")
        window = _edge(cut, free)
    if isinstance(window, bool) or not isinstance(window, int | np.integer) or not 1 <= window <= min(free):
        raise InputError(f"window={window!r}: give an edge in voxels that fits into the box of {space} voxels")
    counts = tuple(n // window for n in free)
    slope, error, trend, pattern, two_valued = _tested(chi, int(window), periods)
    # Windows may leave a rest at the end of an axis: the trend is carried on over it.
    stretch = jnp.asarray([n / (c * window) for n, c in zip(free, counts, strict=True)], chi.dtype)
    open_axes = np.flatnonzero(np.asarray(periods) == 0)
    slope, error = (jnp.zeros((3, len(space)), chi.dtype).at[:, open_axes].set(x * stretch) for x in (slope, error))
    tests = jnp.where(two_valued, 4, 6)
    drift = (jnp.fmin(trend, pattern) * tests <= 1 - level) @ jnp.asarray([DRIFT_MEAN, DRIFT_VARIANCE, DRIFT_TEXTURE])
    freedom = freedom_of(len(chi), counts)
    enough = _enough(len(chi), free, int(window), periods) & (window >= _LEAST * cut)
    enough = enough & all(n >= _AXIS * p for n, p in zip(space, periods, strict=True))
    code = drift + jnp.where(enough, 0, DRIFT_FEW_WINDOWS) + jnp.where(uniform, DRIFT_UNIFORM, 0)
    return Stationarity(
        slope,
        error,
        trend,
        pattern,
        cut,
        tests.astype(jnp.int32),
        code.astype(jnp.int32),
        freedom,
        int(window),
        periods,
        axes,
        level,
    )


def _edge(cut, free: tuple[int, ...]) -> int:
    """Edge of windows for a distance where the correlation falls off, within the axes that do not repeat."""
    known = float(cut) if np.isfinite(float(cut)) else 1.0
    return max(1, min(int(np.ceil(_WINDOW * known)), min(free)))


def _enough(m: int, free: tuple[int, ...], window: int, periods: tuple[int, ...]) -> bool:
    """Whether m images hold windows enough to tell a drift from chance."""
    counts = tuple(n // window for n in free)
    return min(counts) >= _AXIS and freedom_of(m, counts) >= (_FREEDOM_OF_LINES if any(periods) else _FREEDOM)


def _periodic(chi, periods: tuple[int, ...], axes: tuple[int, ...], level: float, uniform) -> Stationarity:
    """The verdict on images that repeat along all axes: no p-values, no windows."""
    shape = chi.shape[1:]
    often = all(n >= _AXIS * p for n, p in zip(shape, periods, strict=True))
    zero, nan = jnp.zeros((3, len(periods)), chi.dtype), jnp.full(3, jnp.nan, chi.dtype)
    # Realizations that differ and are uniform each show no structure either.
    code = jnp.where(uniform | (max(periods) == 1), DRIFT_UNIFORM, 0 if often else DRIFT_FEW_WINDOWS)
    none, cut = jnp.zeros((), jnp.int32), jnp.full((), jnp.nan, chi.dtype)
    return Stationarity(zero, zero, nan, nan, cut, none, code.astype(jnp.int32), 0, 0, periods, axes, level)


def _lines(chi, periods: tuple[int, ...]):
    """The images along the axes that do not repeat; every place of a period along the others is one more image."""
    for k in reversed([k for k, p in enumerate(periods) if p]):
        part = jnp.moveaxis(chi, k + 1, 0)[: periods[k]]
        chi = part.reshape(-1, *part.shape[2:])
    return chi


@partial(jit, static_argnums=(1, 2))
def _tested(chi, window: int, periods: tuple[int, ...]) -> tuple[Array, ...]:
    """Slopes, their errors, p-values of trend and pattern (one row for each quantity); are there two values only?"""
    found = [slow_modes(x) for x in _window_statistics(chi, window, periods)]
    slope, error, trend, pattern = (jnp.stack(column) for column in zip(*found, strict=True))
    two_valued = jnp.all((chi == jnp.min(chi)) | (chi == jnp.max(chi)))
    skipped = jnp.asarray([False, True, False]) & two_valued
    return slope, error, *(jnp.where(skipped, jnp.nan, p) for p in (trend, pattern)), two_valued


def _window_statistics(chi, window: int, periods: tuple[int, ...]) -> tuple[Array, ...]:
    """Mean, variance and mean square step in every window, (m, *windows of the axes that do not repeat) each."""
    raw = jnp.mean(chi**2)
    chi = chi - jnp.mean(chi)
    step = jnp.zeros_like(chi)
    for k, p in enumerate(periods, start=1):
        square = jnp.moveaxis(jnp.diff(chi, axis=k) ** 2, k, 0)
        # The last voxel has no neighbour: it takes the step before it, or that of a period before.
        square = jnp.concatenate([square, square[-max(p, 1)][None]])
        step = step + jnp.moveaxis(square, 0, k)
    mean, square, step = (_tiles(_whole_periods(x, periods), window) for x in (chi, chi**2, step))
    variance = jnp.maximum(square - mean**2, 0)
    # What rounding leaves of a quantity that is the same in all windows is no variation.
    floor = 1e2 * jnp.finfo(chi.dtype).eps ** 2
    sizes = (raw, jnp.mean(square**2), jnp.mean(step**2))
    return tuple(
        jnp.where(jnp.var(x) > floor * size, x, 0) for x, size in zip((mean, variance, step), sizes, strict=True)
    )


def _whole_periods(x, periods: tuple[int, ...]):
    """Mean over the axes that repeat, from the origin on as many periods as there are."""
    for k in reversed([k for k, p in enumerate(periods) if p]):
        n = x.shape[k + 1]
        x = jnp.mean(jnp.moveaxis(x, k + 1, 0)[: n - n % periods[k]], axis=0)
    return x


def exact_periods(images: np.ndarray) -> tuple[int, ...]:
    """Voxels after which all images (m, *space) repeat, to rounding, along each axis: at least twice; 0 where not."""
    # Rounding of what was computed by a formula; never a share of the variation that could be a gradient.
    limit = min(512 * np.finfo(images.dtype).eps * np.max(np.abs(images)), 1e-3 * np.ptp(images))
    out = []
    for k in range(1, images.ndim):
        lines = np.moveaxis(images, k, 0)
        n, found = len(lines), 0
        for p in range(1, n // 2 + 1):
            # One slab is a cheap look at what is then true of none, as a rule.
            near = np.abs(lines[p] - lines[0]).max() <= limit
            if near and np.abs(lines[p:] - lines[np.arange(p, n) % p]).max() <= limit:
                found = p
                break
        out.append(found)
    return tuple(out)
