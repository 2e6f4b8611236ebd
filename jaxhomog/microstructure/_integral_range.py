"""Integral range: the volume that counts as one independent sample of a random medium, by two estimators.

The mean of a stationary ergodic field over a volume V that is large beside it has the variance C(0) A / V.
"""

from __future__ import annotations

from functools import partial
from math import prod
from typing import Final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Float, Int, Real

from ..results import InputError
from ._arguments import flag, whole
from ._correlation import covariance, decay, fields_of, shells_of

RANGE_DISAGREE: Final = 1
RANGE_NO_DECAY: Final = 2
RANGE_FEW_WINDOWS: Final = 4
RANGE_UNIFORM: Final = 8

_REASONS: Final = {
    RANGE_UNIFORM: "the image does not vary or is not finite: there is nothing to correlate",
    RANGE_NO_DECAY: "the covariance does not vanish within half of the box: the image is too small, not stationary, or"
    " its realizations differ in their means (give larger images)",
    RANGE_FEW_WINDOWS: "too few windows for a standard error, or windows inside the correlation (give larger images or"
    " more realizations)",
    RANGE_DISAGREE: "the two estimates differ by more than three standard errors (or have none): trust neither",
}
_SOUND: Final = "the two estimates agree within three standard errors"
# Standard errors from fewer blocks than this are themselves off by a quarter and more.
_BLOCKS: Final = 8
# Window over cut, by default: of a median-thresholded Gaussian field the extrapolation then leaves 1 % (2-D) or 3 %
# (3-D).
_WINDOW: Final = 1.5


class IntegralRange(eqx.Module):
    """Integral range by two independent estimators, in voxels^d.

    Args:
        covariance: from the sum of the covariance up to `cut`.
        covariance_error: its standard error.
        windows: from the variance of window means, extrapolated to large windows.
        windows_error: its standard error; NaN for a single block of windows.
        cut: distance in voxels where the radial mean of the covariance first vanishes: sinks below twice its standard
            error.
        window: edge of the smaller windows, in voxels; the larger are twice as wide.
        code: what is wrong (bits, see `reason`); 0 where the two agree.
    """

    covariance: Float[Array, ""]
    covariance_error: Float[Array, ""]
    windows: Float[Array, ""]
    windows_error: Float[Array, ""]
    cut: Float[Array, ""]
    window: int = eqx.field(static=True)
    code: Int[Array, ""]

    @property
    def agree(self) -> Bool[Array, ""]:
        """True where the two estimates agree and nothing speaks against either."""
        return self.code == 0

    @property
    def reason(self) -> str:
        """What is wrong, in words (needs concrete values)."""
        if isinstance(self.code, Tracer):
            return "<traced>"
        bits = int(self.code)
        return "; ".join(text for bit, text in _REASONS.items() if bits & bit) or _SOUND


def integral_range(
    indicator: Real[ArrayLike, "..."], *, dim: int | None = None, window: int | None = None, periodic: bool = True
) -> IntegralRange:
    """Integral range A of a stationary random image, from its covariance and from the variance of window means.

        A = int C(r) / C(0) dr,        var(mean over W) -> C(0) A / W

    Covariance: the sum over all lags shorter than the cut, freed of what is lost because the mean is that of the images
    (a periodic sample covariance sums to zero). Its standard error is A sqrt(2 V_cut / V), that of a spectral estimate
    at frequency zero. Windows: A(w) = W var_w / C(0) falls short of A by terms in 1/w, so that A = 2 A(2w) - A(w),
    up to terms in 1/w^2; its standard error is that of the mean over the larger windows, taken as independent.

    The estimates agree if the covariance is positive up to the cut and negligible beyond. Negative or slowly decaying
    tails (hard spheres, media of a fixed volume fraction, periodic ones) are seen by wide windows only: there the two
    disagree, and windows wider than the tail are right.

    Args:
        indicator: (*batch, *space); the leading axes are realizations of one medium and are pooled.
        dim: number of space axes, the last ones; default all. Axes of one voxel do not count.
        window: w in voxels; default 1.5 times the cut, at most half of the shortest edge. Give it under `jit`.
        periodic: whether the covariance takes pairs through opposite faces; False for a crop. (Windows never do.)

    Returns:
        `IntegralRange`.

    Fails with:
        InputError: no array of real numbers, not one to three space axes, no axis of four voxels, a window of which not
            two fit into the box.

    Source:
        Lantuejoul (1991), J. Microsc. 161, 387-403; Kanit et al. (2003), Int. J. Solids Struct. 40, 3647-3679;
        standard error: that of a spectral estimate, Priestley (1981), Spectral Analysis and Time Series.
    """
    chi, space = _images(indicator, dim)
    by_covariance, covariance_error, cut, found = _from_covariance(chi, flag(periodic, "periodic"))
    if window is None:
        if isinstance(cut, Tracer):
            raise InputError("integral_range under jit: give window=, in voxels")
        window = max(1, min(int(np.ceil(_WINDOW * float(cut))), min(space) // 2))
    if whole(window, "window", 1) > min(space) // 2:
        raise InputError(f"window={window}: two windows must fit into each edge of a box of {space} voxels")
    by_windows, windows_error = _from_windows(chi, window)
    blocks = len(chi) * prod(n // (2 * window) for n in space)
    agree = jnp.abs(by_covariance - by_windows) <= 3 * jnp.hypot(covariance_error, windows_error)
    code = (
        jnp.where(agree, 0, RANGE_DISAGREE)
        + jnp.where(found, 0, RANGE_NO_DECAY)
        + jnp.where((blocks >= _BLOCKS) & (window >= cut), 0, RANGE_FEW_WINDOWS)
        + jnp.where(jnp.isfinite(by_covariance), 0, RANGE_UNIFORM)
    )
    return IntegralRange(
        by_covariance, covariance_error, by_windows, windows_error, cut, window, code.astype(jnp.int32)
    )


def window_variance(
    indicator: Real[ArrayLike, "..."], window: int, *, dim: int | None = None
) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """Variance of the mean over cubic windows, and its standard error.

        var_w = <(mean over W - f)^2> / (1 - W / V)

    Windows tile the image from its origin; what is left over at the ends is not looked at. The factor accounts for f,
    which is the mean over all V = all voxels of all realizations.

    Args:
        indicator: (*batch, *space); the leading axes are realizations of one medium and are pooled.
        window: edge in voxels.
        dim: number of space axes, the last ones; default all. Axes of one voxel do not count.

    Returns:
        The variance and its standard error: that of the mean over blocks of windows (at least 64 where there are as
        many, so that the correlation of neighbours stays inside the blocks); NaN for a single window.

    Fails with:
        InputError: not one to three space axes, or a window that does not fit.

    Source:
        Lantuejoul (1991), J. Microsc. 161, 387-403.
    """
    chi, space = _images(indicator, dim)
    if whole(window, "window", 1) > min(space):
        raise InputError(f"window={window}: it must fit into the box of {space} voxels")
    return _window_variance(chi, int(window))


@partial(jax.jit, static_argnums=1)
def _window_variance(chi, window: int) -> tuple[Array, Array]:
    squares = _squares(chi, window)
    edge = 1
    while len(squares) * prod(n // (2 * edge) for n in squares.shape[1:]) >= 64:
        edge *= 2
    rest = jnp.asarray(1 - window ** (chi.ndim - 1) / chi.size, chi.dtype)
    return jnp.mean(squares) / rest, _standard_error(_tiles(squares, edge)) / rest


@partial(jax.jit, static_argnums=1)
def _from_covariance(chi, periodic: bool) -> tuple[Array, Array, Array, Array]:
    """Estimate, its standard error, the cut, and whether the covariance vanishes there."""
    c = covariance(chi, chi.ndim - 1, periodic)
    r, _, last, found = decay(c, chi.size, periodic)
    inside = jnp.asarray(shells_of(c.shape)[1]) < last
    lags = jnp.sum(inside).astype(c.dtype)
    q = jnp.sum(jnp.where(inside, c, 0)) / c.ravel()[0]
    # Mean of the sample covariance: C(r) - C(0) A / V at every lag, the origin included; not periodic, too: the mean
    # over the pairs' ends has with that of all the covariance C(0) A / V, however many pairs there are.
    value = q / (1 - lags / chi.size + q / chi.size)
    cut = jnp.asarray(np.append(r, r[-1]), c.dtype)[last]
    return value, value * jnp.sqrt(2 * lags / chi.size), cut, found


@partial(jax.jit, static_argnums=1)
def _from_windows(chi, window: int) -> tuple[Array, Array]:
    """Extrapolated estimate and its standard error."""
    d, total = chi.ndim - 1, chi.size
    large = _squares(chi, 2 * window)
    small = _tiles(_squares(chi, window), 2)
    # Sample moments are about the sample mean, whose variance is C(0) A / V: var_w / c0 = B (1 / W - 1 / V) with
    # B = A / (1 - A / V).
    each = 2 * large / (1 / (2 * window) ** d - 1 / total) - small / (1 / window**d - 1 / total)
    c0 = jnp.var(chi)
    b = jnp.mean(each) / c0
    return b / (1 + b / total), _standard_error(each) / c0


def _images(indicator, dim: int | None) -> tuple[Float[Array, "..."], tuple[int, ...]]:
    """Realizations (m, *space) without axes of one voxel, and the shape of space."""
    chi, axes = fields_of(indicator, dim)
    space = tuple(chi.shape[k] for k in axes if chi.shape[k] > 1)
    if not space or min(space) < 4:
        raise InputError(f"an image of {tuple(chi.shape[k] for k in axes)} voxels: give at least four along each axis")
    return chi.reshape(-1, *space), space


def _squares(chi, window: int):
    """Squared deviation of the mean of every window from the mean of everything: (m, *windows)."""
    return (_tiles(chi, window) - jnp.mean(chi)) ** 2


def _tiles(x, edge: int):
    """Means over tiles of `edge` along all axes but the first; incomplete tiles are left out."""
    for k in range(1, x.ndim):
        n = x.shape[k] // edge
        x = jnp.moveaxis(x, k, -1)[..., : n * edge]
        x = jnp.moveaxis(jnp.mean(x.reshape(*x.shape[:-1], n, edge), axis=-1), -1, k)
    return x


def _standard_error(x):
    """Of the mean of independent values."""
    return jnp.std(x) / jnp.sqrt(jnp.asarray(x.size - 1.0, x.dtype)) if x.size > 1 else jnp.asarray(jnp.nan, x.dtype)
