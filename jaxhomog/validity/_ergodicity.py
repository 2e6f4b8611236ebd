"""Do averages over one image become those over the ensemble? How the variance of window means falls with their volume.

Lengths are in voxels.
"""

from __future__ import annotations

from functools import partial
from math import prod
from statistics import NormalDist
from typing import Final, NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax import jit
from jax.core import Tracer
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Float, Int, Real

from ..microstructure._correlation import covariance, decay, shells_of
from ..microstructure._integral_range import _images, _tiles
from ..microstructure._quantiles import fisher_tail, level_of
from ..results import InputError
from ._slow_modes import correlation_cut

ERGODIC_OFFSET: Final = 1
ERGODIC_ONE_IMAGE: Final = 2
ERGODIC_FEW_IMAGES: Final = 4
ERGODIC_SLOW: Final = 8
ERGODIC_FEW_WINDOWS: Final = 16
ERGODIC_UNIFORM: Final = 32

# Least window over the cut of the correlation.
_WINDOW: Final = 1.5
# Least edge of an image over the cut: taking out slow modes shortens longer correlations.
_BOX: Final = 8
# Fewer images than this have no between-image variance to speak of.
_IMAGES: Final = 4


class Ergodicity(eqx.Module):
    """How window means of a medium vary, within images and between them.

    Args:
        exponent: alpha of var(window mean) ~ volume^alpha within images; -1 for a finite integral range.
        exponent_error: its standard error.
        low, high: its confidence interval at `level`.
        variances: of window means about their image's mean (windows,).
        variance_errors: their standard errors (windows,).
        between: variance of the means of images; NaN for one image.
        predicted: what windows predict for it.
        between_p: p-value of no more variance between images than predicted; NaN for one image.
        offset_limit: standard deviation that an offset between images may have unseen, at `level`: a larger one makes
            `between` improbably small; NaN for one image.
        cut: distance where the correlation within images falls below 0.1.
        code: bits, see `reason`; 0: ergodic.
        windows: their edges in voxels.
        number: of images.
        level: of confidence.
    """

    exponent: Float[Array, ""]
    exponent_error: Float[Array, ""]
    low: Float[Array, ""]
    high: Float[Array, ""]
    variances: Float[Array, " windows"]
    variance_errors: Float[Array, " windows"]
    between: Float[Array, ""]
    predicted: Float[Array, ""]
    between_p: Float[Array, ""]
    offset_limit: Float[Array, ""]
    cut: Float[Array, ""]
    code: Int[Array, ""]
    windows: tuple[int, ...] = eqx.field(static=True)
    number: int = eqx.field(static=True)
    level: float = eqx.field(static=True)

    @property
    def decays(self) -> Bool[Array, ""]:
        """Within images, means over growing windows converge as 1 / volume or faster: a fact about the images alone."""
        return (self.code & (ERGODIC_SLOW | ERGODIC_FEW_WINDOWS | ERGODIC_UNIFORM)) == 0

    @property
    def verdict(self) -> str:
        """ergodic, not ergodic, cannot be decided, or cannot be decided from one image (needs concrete values)."""
        if isinstance(self.code, Tracer):
            return "<traced>"
        bits = int(self.code)
        if bits & ERGODIC_UNIFORM:
            return "cannot be decided"
        if bits & ERGODIC_ONE_IMAGE:
            return "cannot be decided from one image"
        if bits & ERGODIC_OFFSET:
            return "not ergodic"
        return "cannot be decided" if bits else "ergodic"

    @property
    def reason(self) -> str:
        """The verdict in words, with numbers (needs concrete values)."""
        if isinstance(self.code, Tracer):
            return "<traced>"
        bits, verdict = int(self.code), self.verdict
        if bits & ERGODIC_UNIFORM:
            return f"{verdict}: the images do not vary or are not finite"
        ratio, p = float(self.between / self.predicted), float(self.between_p)
        if bits & ERGODIC_OFFSET:
            return (
                f"{verdict}: the means of the {self.number} images vary {ratio:.3g} times as much as their windows"
                f" predict (p = {p:.1g}): each image has an offset of its own"
            )
        if bits & ERGODIC_FEW_WINDOWS:
            inside = (
                f"the correlation, below 0.1 after {float(self.cut):.3g} voxels, leaves too few windows for an exponent"
                " or does not vanish (give larger images), or windows hold whole periods and do not scatter"
            )
        else:
            inside = (
                f"within {'the image' if self.number == 1 else 'images'} the variance of window means falls as volume"
                f" to the power {float(self.exponent):.2f} ({float(self.low):.2f} to {float(self.high):.2f})"
            )
        if bits & ERGODIC_SLOW:
            inside += ", slower than -1: the correlation is long beside the image, or there is a drift"
        if bits & ERGODIC_ONE_IMAGE:
            return f"{verdict}: {inside}; an offset between images is not seen in one (give several realizations)"
        if bits & ERGODIC_FEW_IMAGES:
            return f"{verdict}: {inside}; {self.number} images do not tell how images differ (give at least {_IMAGES})"
        if bits:
            return f"{verdict}: {inside}"
        return (
            f"{verdict}: {inside}, and the means of {self.number} images vary {ratio:.2g} times as much as their"
            f" windows predict (p = {p:.2g}); an offset above {float(self.offset_limit):.2g} would have been seen"
        )


def ergodicity(
    images: Real[ArrayLike, "..."], *, dim: int | None = None, window: int | None = None, level: float = 0.99
) -> Ergodicity:
    """Do averages over one image stand for those over the ensemble? Two tests of window means.

        within images:    var(mean over W about the image's mean) = B W^alpha (g(W) - W / V)
        between images:   var(mean of an image) = B V^-1

    with V the volume of an image and g(W) what small windows lack, from the covariance up to where it vanishes; the
    term W / V, the scatter of the image's mean, is that of alpha = -1. alpha = -1 (Lantuejoul: a finite integral range)
    or less: the mean over a growing volume converges, and if the images vary no more than this predicts, its limit is
    that of the ensemble. Media of a fixed fraction or number of bodies have negative correlations and may have
    alpha < -1: that is reported and speaks against nothing.

    A single image of an ensemble whose realizations each have an offset of their own is like one of an ergodic medium:
    from one image the verdict is "cannot be decided from one image", whatever `decays` says about the image itself.

    The exponent comes from cubic windows of a half, a quarter, an eighth ... of the shortest edge, as long as they are
    1.5 times as wide as the cut, by weighted least squares in the logarithm, with the covariance of nested windows.
    Nothing is wrapped around: images may be crops.

    Args:
        images: (*batch, *space), any field; the leading axes are independent realizations.
        dim: number of space axes, the last ones; default all. Axes of one voxel do not count.
        window: least edge of windows in voxels; default 1.5 times the cut. Give it under `jit`.
        level: of the interval, and the share of ergodic ensembles that are called so, at least: the two tests (slower
            than -1, more variance between images) share 1 - level.

    Returns:
        `Ergodicity`.

    Fails with:
        InputError: not one to three space axes, no axis of four voxels, a window of which not two fit, a bad level.

    Source:
        Lantuejoul (1991), J. Microsc. 161, 387-403; Kanit et al. (2003), Int. J. Solids Struct. 40, 3647-3679;
        convergence of the mean: Papoulis (1991), Probability, Random Variables, and Stochastic Processes.
    """
    level = level_of(level)
    chi, space = _images(images, dim)
    within, found = _short_covariance(chi)
    cut = correlation_cut(chi)
    if window is None:
        if isinstance(cut, Tracer):
            raise InputError("ergodicity under jit: give window=, in voxels")
        window = max(1, min(int(np.ceil(_WINDOW * float(cut))), min(space) // 2))
    if isinstance(window, bool) or not isinstance(window, int | np.integer) or not 1 <= window <= min(space) // 2:
        raise InputError(f"window={window!r}: two windows must fit into each edge of a box of {space} voxels")
    halves = [min(space) // 2**k for k in range(1, min(space).bit_length())]
    edges = [n for n in reversed(halves) if n >= window]
    fit, low, high, between, predicted, p = _moments(chi, within, tuple(edges), level)
    slow, m = low > -1, len(chi)
    few_windows = (len(edges) < 2) | (min(space) < _BOX * cut) | ~found | (window < _WINDOW * cut)
    few_windows = few_windows | jnp.isnan(fit.exponent)
    still = jnp.max(fit.variances) <= 0
    offset = jnp.where(still, between > 0, (p < 0.5 * (1 - level)) & ~few_windows)
    uniform = ~(jnp.isfinite(jnp.var(chi)) & (jnp.ptp(chi) > 0))
    bits = (
        (offset, ERGODIC_OFFSET),
        (m == 1, ERGODIC_ONE_IMAGE),
        (1 < m < _IMAGES, ERGODIC_FEW_IMAGES),
        (slow, ERGODIC_SLOW),
        (few_windows, ERGODIC_FEW_WINDOWS),
        (uniform, ERGODIC_UNIFORM),
    )
    code = sum(jnp.where(bad, bit, 0) for bad, bit in bits)
    freedom = jnp.asarray([m * (prod(n // w for n in space) - 1) for w in edges], chi.dtype)
    return Ergodicity(
        fit.exponent,
        fit.error,
        low,
        high,
        fit.variances,
        fit.variances * jnp.sqrt(2 / freedom),
        between,
        predicted,
        p,
        # Where variance falls faster than 1 / volume, less than predicted is the medium's own: the limit is wider.
        _offset_limit(between, jnp.where(high < -1, 0, predicted), m, level),
        cut,
        jnp.asarray(code, jnp.int32),
        tuple(edges),
        m,
        level,
    )


class _Fit(NamedTuple):
    exponent: Array
    error: Array
    variances: Array


@partial(jit, static_argnums=(2, 3))
def _moments(chi, within, edges: tuple[int, ...], level: float):
    """The exponent with its interval, and the variance between images with what is predicted and its p-value."""
    share = jnp.stack([_share(within, w) for w in edges])
    upper = NormalDist().inv_cdf(0.5 * (1 + level))
    # Windows of half an edge are few: where there are smaller ones, these predict the variance between images.
    at = max(len(edges) - 2, 0)
    fit = _fit(chi, edges, share)
    low, high = fit.exponent - upper * fit.error, fit.exponent + upper * fit.error
    return fit, low, high, *_between(chi, edges[at], share[at], jnp.where(low > -1, fit.exponent, -1))


@jit
def _short_covariance(chi) -> tuple[Array, Array]:
    """Covariance about each image's mean up to where it vanishes, zero beyond; does it vanish within half a box?"""
    space = chi.shape[1:]
    rest = chi - jnp.mean(chi, axis=tuple(range(1, chi.ndim)), keepdims=True)
    rest = jnp.where(jnp.ptp(chi, axis=tuple(range(1, chi.ndim)), keepdims=True) == 0, 0, rest)
    c = covariance(rest, len(space), periodic=False)
    _, _, last, found = decay(c, chi.size, periodic=False)
    inside = jnp.asarray(shells_of(space)[1]) < last
    return jnp.where(inside, c, 0), found


def _share(within, window: int) -> Array:
    """g(w) = sum C(r) prod(1 - |r_k| / w)_+ / sum C(r), both up to the cut."""
    weighted = within
    for k, n in enumerate(within.shape):
        lag = np.minimum(np.arange(n), n - np.arange(n))
        row = jnp.asarray(np.maximum(1 - lag / window, 0), within.dtype)
        weighted = weighted * row.reshape((-1,) + (1,) * (within.ndim - 1 - k))
    return jnp.sum(weighted) / jnp.sum(within)


def _within_variance(chi, edge: int) -> Array:
    """Variance of window means about the mean of the windows of their image."""
    means = _tiles(chi, edge).reshape(len(chi), -1)
    return jnp.mean((means - jnp.mean(means, axis=1, keepdims=True)) ** 2)


def _fit(chi, edges: tuple[int, ...], share) -> _Fit:
    """Exponent of the variance within images by generalized least squares in the logarithm.

        log s_j = log B + alpha log W_j + log(g_j - W_j / V_j)

    with V_j what the windows of one image cover: their mean varies too, and is taken to do so as 1 / volume. Relative
    errors of s_i and s_j have the covariance 2 / nu_i, that of the smaller windows alone: what a larger window adds is
    independent of what its parts vary within it.
    """
    d, m, dtype = chi.ndim - 1, len(chi), chi.dtype
    variances, freedoms, volumes, covered = [], [], [], []
    for w in edges:
        count = prod(n // w for n in chi.shape[1:])
        variances.append(_within_variance(chi, w))
        freedoms.append(m * (count - 1))
        volumes.append(w**d)
        covered.append(count * w**d)
    s, nan = jnp.stack(variances), jnp.full((), jnp.nan, dtype)
    if len(edges) < 2:
        return _Fit(nan, nan, s)
    nu = np.asarray(freedoms, float)
    errors = 2 / np.maximum.outer(nu, nu)
    weight = np.linalg.inv(errors)
    rest = share - jnp.asarray(np.divide(volumes, covered), dtype)
    # The logarithm of a mean square of nu normal values is too small by 1 / nu.
    y = jnp.log(s) + jnp.asarray(1 / nu, dtype) - jnp.log(rest)
    ones = np.ones(len(nu))
    x = np.log(volumes)
    x = x - (ones @ weight @ x) / (ones @ weight @ ones)
    row = x @ weight / (x @ weight @ x)
    # Windows that hold whole periods do not scatter but for rounding: no power of the volume describes that.
    power = jnp.min(s) > jnp.finfo(dtype).eps ** 1.5 * jnp.max(s)
    exponent = jnp.where(power, jnp.asarray(row, dtype) @ y, jnp.nan)
    return _Fit(exponent, jnp.asarray((x @ weight @ x) ** -0.5, dtype), s)


def _between(chi, edge: int, share, alpha) -> tuple[Array, Array, Array]:
    """Variance between the means of images, what windows predict for it, and the p-value of an excess."""
    m, d = len(chi), chi.ndim - 1
    size, count = prod(chi.shape[1:]), prod(n // edge for n in chi.shape[1:])
    # (W / V)^alpha, V the image, and V_j what the windows cover: the variance is about their mean.
    predicted = _within_variance(chi, edge) / (share - 1 / count) * jnp.asarray(size / edge**d, chi.dtype) ** alpha
    if m == 1:
        nan = jnp.full((), jnp.nan, chi.dtype)
        return nan, predicted, nan
    means = jnp.mean(chi.reshape(m, -1), axis=1)
    between = jnp.sum((means - jnp.mean(means)) ** 2) / (m - 1)
    return between, predicted, fisher_tail(between / predicted, m - 1, m * (count - 1))


def _offset_limit(between, predicted, m: int, level: float) -> Array:
    """Standard deviation of an offset that would make `between` improbably small.

    A `between` below the predicted one is chance, and says no more about an offset than the predicted one does.
    """
    if m == 1:
        return between
    from scipy.special import chdtri  # scipy comes with JAX

    least = float(chdtri(m - 1, level))
    return jnp.sqrt(jnp.maximum(between, predicted) * (m - 1) / least - predicted)
