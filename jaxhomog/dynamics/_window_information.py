"""How much of what a window of a microstructure says is kept by its average."""

from __future__ import annotations

from typing import Any, Final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Float, Int

from ..microstructure import two_point_correlation
from ..results import InputError
from ._checked import array, together, whole
from ._information import entropy

_MOST_VOXELS: Final = 2048


class WindowInformation(eqx.Module):
    """Information in a window and in its average.

    Args:
        full: of the whole window, nat.
        kept: of its average, nat; never more.
        fraction: kept / full; NaN where there is nothing to keep.
        code: 1 where there is nothing to keep, else 0.
    """

    full: Float[Array, ""]
    kept: Float[Array, ""]
    fraction: Float[Array, ""]
    code: Int[Array, ""]

    @property
    def reason(self) -> str:
        """In words (needs concrete values)."""
        if isinstance(self.code, Tracer):
            return "<traced>"
        return (
            "the window does not vary: there is nothing to keep"
            if int(np.asarray(self.code))
            else "the average keeps a part of what the window says"
        )


def window_information(indicator: Any, window: int, noise: Any, *, dim: int | None = None) -> WindowInformation:
    """Information about a random image in noisy voxels of a window, and in their average, to second order.

        full = 1/2 ln det(1 + C / noise^2),        kept = 1/2 ln(1 + n var(average) / noise^2),      n voxels

    with the image's covariance C between the voxels of the window: exact for a Gaussian image measured with
    independent normal errors in every voxel, of which the average keeps noise^2 / n. Without noise a continuous image
    would hold infinitely much.

    To second order alone: of an image that is not Gaussian (two phases, say) only C is looked at. Among all images
    with this C the Gaussian one says most through normal errors. Both numbers are then upper bounds, and their ratio is
    no bound. A two-phase image holds at most ln 2 a voxel, however small the errors are: see
    `chain_window_information` for one without errors, `neighbour_information` for samples of any image.

    Args:
        indicator: (*batch, *space), periodic, numbers or booleans; leading axes are realizations of one medium and are
            pooled.
        window: edge in voxels.
        noise: standard deviation of the error of a voxel, unit of the image.
        dim: number of space axes, the last ones; default all. Axes of one voxel do not count.

    Returns:
        `WindowInformation`.

    Raises:
        InputError: a window that does not fit into half of the image, or of more than 2048 voxels.

    Source:
        Capacity of a Gaussian channel: Cover & Thomas (2006), Elements of Information Theory, section 9.4.
    """
    if jnp.issubdtype(getattr(indicator, "dtype", float), jnp.bool_):
        indicator = jnp.asarray(indicator).astype(jnp.result_type(float))
    x, sigma = together(array(indicator, "indicator"), array(noise, "noise", 0, "positive"))
    d, w = x.ndim if dim is None else whole(dim, "dim"), whole(window, "window")
    if not 1 <= d <= min(3, x.ndim):
        raise InputError(f"an image of shape {x.shape} with dim={dim}: give dim=1, 2 or 3 space axes, the last ones")
    space = tuple(n for n in x.shape[x.ndim - d :] if n > 1) or (1,)
    if w > max(1, min(space) // 2) or w ** len(space) > _MOST_VOXELS:
        raise InputError(f"window={w} in {space} voxels: give at most half an edge, and {_MOST_VOXELS} voxels in all")
    return _second_order(x.reshape(-1, *space), w, sigma)


@eqx.filter_jit
def _second_order(x, w: int, sigma):
    space = x.shape[1:]
    # The mean of equal values may be rounded: no variation is none.
    x = jnp.where(jnp.ptp(x) == 0, 0, x - jnp.mean(x))
    c = jnp.mean(two_point_correlation(x, dim=len(space)), axis=0)
    places = np.stack(np.unravel_index(np.arange(w ** len(space)), (w,) * len(space)), axis=-1)
    lag = (places[:, None] - places[None]) % np.asarray(space)
    matrix = c[tuple(np.moveaxis(lag, -1, 0))] / sigma**2
    n = len(places)
    # A sample covariance of a periodic image is positive semi-definite, its block too.
    full = jnp.sum(jnp.log(jnp.diag(jnp.linalg.cholesky(jnp.eye(n, dtype=x.dtype) + matrix))))
    return _report(full, 0.5 * jnp.log1p(jnp.sum(matrix) / n))


def chain_window_information(fraction: Any, correlation: Any, voxels: int) -> WindowInformation:
    """Entropy of a window of a two-phase Markov chain, and of its phase fraction, exactly.

        covariance f (1 - f) r^lag:    full = H(f) + (n - 1) h(chain),        kept = H(number of voxels of a phase)

    The average is a function of the window, so that kept is also their mutual information.

    Args:
        fraction: f of the phase, in (0, 1).
        correlation: r of neighbours, in [0, 1): exp(-voxel / length) of a random telegraph.
        voxels: n.

    Returns:
        `WindowInformation`.

    Raises:
        InputError: a fraction or a correlation outside of its range.
    """
    f, r = together(array(fraction, "fraction", 0), array(correlation, "correlation", 0, "not negative"))
    n = whole(voxels, "voxels")
    if not isinstance(f, Tracer) and not 0 < float(f) < 1:
        raise InputError(f"fraction={float(f):g}: give a number between 0 and 1")
    if not isinstance(r, Tracer) and float(r) >= 1:
        raise InputError(f"correlation={float(r):g}: give a number below 1")
    up = jnp.stack([f * (1 - r), f + (1 - f) * r])  # probability of the phase after its absence, and after itself
    start = jnp.stack([1 - f, f])

    def grow(counts, _):
        # counts (n + 1, 2): probability of a number of voxels of the phase, and of the last voxel.
        into = counts @ up
        return jnp.stack([counts @ (1 - up), jnp.roll(into, 1)], axis=1), None

    first = jnp.zeros((n + 1, 2), f.dtype).at[0, 0].set(1 - f).at[1, 1].set(f)
    counts, _ = jax.lax.scan(grow, first, None, length=n - 1)
    step = sum(start[k] * entropy(jnp.stack([up[k], 1 - up[k]])) for k in (0, 1))
    return _report(entropy(start) + (n - 1) * step, entropy(jnp.sum(counts, axis=1)))


def _report(full, kept):
    some = full > 0
    share = jnp.where(some, kept / jnp.where(some, full, 1), jnp.full((), jnp.nan, full.dtype))
    return WindowInformation(full, kept, share, jnp.where(some, 0, 1).astype(jnp.int32))
