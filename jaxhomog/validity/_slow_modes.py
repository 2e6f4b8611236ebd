"""Slow variation of a random image: trends and cosine modes of window means, tested against each other.

Window means of a stationary medium with short correlations have a flat spectrum at low frequency: their slow cosine
modes are independent, of one variance. That variance, not the one of the windows, is what a trend is compared with:
it contains the correlation of neighbouring windows.
"""

from __future__ import annotations

from math import prod
from typing import Final, NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import jit
from jaxtyping import Array, Float

from ..microstructure._correlation import covariance, radial_average
from ..microstructure._quantiles import fisher_tail

# Highest mode along an axis, by dimension, and its share of the number of windows: there the spectrum is flat.
_HIGHEST: Final = {1: 24, 2: 8, 3: 5}
_SHARE: Final = 3
# Modes that are taken out before the correlation is looked at, and the correlation that counts as none.
_TREND_MODES: Final = 3
_NONE: Final = 0.1


class SlowModes(NamedTuple):
    """Trends over the windows' range along each axis with standard errors, and p-values of trend and pattern."""

    slope: Array
    slope_error: Array
    trend: Array
    pattern: Array


def cosines(n: int, modes: int) -> Float[np.ndarray, "modes n"]:
    """The first orthonormal cosine modes on n points (DCT-II)."""
    rows = np.cos(np.pi * np.arange(modes)[:, None] * (np.arange(n) + 0.5) / n) * (2 / n) ** 0.5
    rows[0] = n**-0.5
    return rows


@jit
def correlation_cut(chi: Float[Array, "m *space"]) -> Float[Array, ""]:
    """Distance in voxels where the correlation falls below 0.1, without what varies over the whole image.

    The three slowest cosine modes along each axis are taken out of every image, so that a graded material has a
    correlation length too. No pair of points goes through opposite faces.
    """
    slow = chi
    for k, n in enumerate(chi.shape[1:], start=1):
        rows = jnp.asarray(cosines(n, min(_TREND_MODES, n)), chi.dtype)
        slow = jnp.moveaxis(jnp.tensordot(jnp.tensordot(slow, rows, (k, 1)), rows, 1), -1, k)
    rest = chi - slow
    # What rounding leaves of a uniform image is no variation.
    rest = jnp.where(jnp.var(rest) > 1e2 * jnp.finfo(chi.dtype).eps ** 2 * jnp.mean(chi**2), rest, 0)
    r, c = radial_average(covariance(rest, chi.ndim - 1, periodic=False))
    gone = c < _NONE * c[0]
    return jnp.asarray(np.append(r, r[-1]), c.dtype)[jnp.where(jnp.any(gone), jnp.argmax(gone), len(r))]


def freedom_of(m: int, counts: tuple[int, ...]) -> int:
    """Degrees of freedom of the slow modes of m images with these numbers of windows."""
    return int(_freedoms(m, counts).sum())


def slow_modes(means: Float[Array, "m *windows"]) -> SlowModes:
    """Trend and pattern of window means.

        M(x) = M_i + sum_k b_k x_k + e,       t_k = b_k / sqrt(s^2 / (m sum x_k^2)),    mean of t_k^2 ~ F(d, nu)

    with s^2 the mean square of the slow modes of e, over nu of them. Pattern: the largest slow mode against the mean of
    the others, F again, with Bonferroni's factor for having looked at all.

    Args:
        means: window means of m images; images may have different means M_i, and share the trend.

    Returns:
        `SlowModes`; NaN where nothing varies or there are no modes.

    Source:
        Lazarus, Lewis, Stock & Watson (2018), J. Bus. Econ. Stat. 36, 541-559: variance of a mean from cosine modes.
    """
    m, counts = means.shape[0], means.shape[1:]
    d, dtype = len(counts), means.dtype
    rest = means - jnp.mean(means, axis=tuple(range(1, d + 1)), keepdims=True)
    slopes, norms = [], []
    for k, n in enumerate(counts):
        x = (np.arange(n) - 0.5 * (n - 1)) / n
        norm = m * float(np.sum(x**2)) * prod(counts) / n
        x = jnp.asarray(x, dtype).reshape((-1,) + (1,) * (d - 1 - k))
        b = jnp.sum(rest * x) / norm if n > 1 else jnp.zeros((), dtype)
        rest = rest - b * x
        slopes.append(b)
        norms.append(norm)
    modes = rest
    for k, count in enumerate(_modes(counts), start=1):
        modes = jnp.moveaxis(jnp.tensordot(modes, jnp.asarray(cosines(counts[k - 1], count), dtype), (k, 1)), -1, k)
    freedoms = _freedoms(m, counts)
    looked = np.flatnonzero(freedoms)
    nan = jnp.full((), jnp.nan, dtype)
    slope = jnp.stack(slopes)
    if len(looked) < 2:
        return SlowModes(slope, nan * slope, nan, nan)
    energy = jnp.sum(modes**2, axis=0).ravel()[looked]
    freedom = jnp.asarray(freedoms.ravel()[looked], dtype)
    total, nu = jnp.sum(energy), float(freedoms.sum())
    square = jnp.where(total > 0, total / nu, jnp.nan)
    error = jnp.sqrt(square / jnp.asarray([x if x > 0 else np.inf for x in norms], dtype))
    tested = [k for k, n in enumerate(counts) if n > 1]
    f = jnp.mean(jnp.stack([slope[k] ** 2 / error[k] ** 2 for k in tested]))
    trend = fisher_tail(f, len(tested), nu)
    others = (total - energy) / (nu - freedom)
    each = fisher_tail(energy / freedom / jnp.where(total > 0, others, jnp.nan), freedom, nu - freedom)
    return SlowModes(slope, error, trend, jnp.minimum(len(looked) * jnp.min(each), 1))


def _modes(counts: tuple[int, ...]) -> list[int]:
    """How many modes along each axis, the constant one included."""
    highest = _HIGHEST[len(counts)]
    return [min(n, 1 + max(2, min(highest, round(n / _SHARE)))) for n in counts]


def _freedoms(m: int, counts: tuple[int, ...]) -> np.ndarray:
    """Of each mode summed over images: of the first along an axis, the trend has taken one, of the mean all."""
    out = np.full(_modes(counts), m)
    out[(0,) * len(counts)] = 0
    for k, n in enumerate(_modes(counts)):
        if n > 1:
            out[tuple(int(j == k) for j in range(len(counts)))] = m - 1
    return out
