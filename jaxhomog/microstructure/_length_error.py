"""The correlation length with its standard error, from one image or several."""

from __future__ import annotations

from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Float, Real

from ..results import InputError
from ._arguments import flag
from ._correlation import covariance, decay, fields_of, integral_length, pair_share

# Blocks along an axis by number of axes: few and wide, because neighbours must be nearly independent.
_BLOCKS = {1: 8, 2: 4, 3: 2}
# A standard error from fewer blocks is itself off by a quarter and more.
_FEW = 8
# Narrower blocks, in correlation lengths, are not independent.
_APART = 4.0


class MeasuredLength(eqx.Module):
    """Correlation length of images.

    Args:
        value: integral length in voxels, that of `correlation_length`.
        error: its standard error.
        sure: whether the covariance vanishes within half of the box and there are eight blocks or more, wider than four
            correlation lengths: else the error is not to be relied on.
    """

    value: Float[Array, ""]
    error: Float[Array, ""]
    sure: Bool[Array, ""]


def measured_length(
    indicator: Real[ArrayLike, "..."], *, dim: int | None = None, blocks: int | None = None, periodic: bool = True
) -> MeasuredLength:
    """Correlation length of a random medium, and its standard error by leaving out one block of the image at a time.

        L = int_0^cut C(r) / C(0) dr,     error^2 = (B - 1) / B sum over blocks b of (L_(-b) - mean)^2

    L_(-b) is computed without the pairs of points whose first is in block b, with a cut of its own: neighbours are
    taken from the whole image, so that blocks need not be much wider than the correlation. Errors of
    single images of Gaussian fields agree within a tenth with the scatter of many (`experiments/scale_separation.py`).
    Because the mean is that of the image, the length itself is low by up to one standard error.

    Args:
        indicator: (*batch, *space); the leading axes are realizations of one medium and are pooled.
        dim: number of space axes, the last ones; default all. Axes of one voxel do not count.
        blocks: along each axis of every realization; default 8, 4, 2 in 1-D, 2-D, 3-D. 1: a realization is a block.
        periodic: whether pairs of points go through opposite faces; False for a crop.

    Returns:
        `MeasuredLength`; NaN where the image does not vary, error NaN for a single block. Takes one FFT per block.

    Fails with:
        InputError: not one to three space axes, no axis of two voxels, or more blocks than voxels.

    Source:
        Integral scale: Monin & Yaglom (1971), Statistical Fluid Mechanics, vol. 1; blocks left out: Kunsch (1989), Ann.
        Stat. 17, 1217-1241.
    """
    chi, axes = fields_of(indicator, dim)
    space = tuple(chi.shape[k] for k in axes if chi.shape[k] > 1)
    if not space:
        raise InputError(f"an image of {tuple(chi.shape[k] for k in axes)} voxels: give at least two along an axis")
    number = min(_BLOCKS[len(space)], *space) if blocks is None else blocks
    if isinstance(number, bool) or not isinstance(number, int | np.integer) or not 1 <= number <= min(space):
        raise InputError(f"blocks={blocks!r}: give 1 to {min(space)}, the voxels of the shortest edge")
    return _measured_length(chi.reshape(-1, *space), int(number), flag(periodic, "periodic"))


@partial(jax.jit, static_argnums=(1, 2))
def _measured_length(chi, number: int, periodic: bool) -> MeasuredLength:
    space = chi.shape[1:]
    chi = jnp.where(jnp.ptp(chi) == 0, 0, chi - jnp.mean(chi))
    share = jnp.ones((), chi.dtype) if periodic else jnp.asarray(pair_share(space), chi.dtype)
    pairs = chi.size * share
    total = covariance(chi, len(space), periodic) * pairs
    value, found = _length(total, pairs, chi.size, periodic)

    def without(block):
        sums, fewer, size = _pairs(chi, block, number, periodic)
        return _length(total - sums, pairs - fewer, chi.size - size, periodic)[0]

    index = np.indices((len(chi), *(number,) * len(space))).reshape(1 + len(space), -1)
    many = index.shape[1]
    if many > 1:
        left = jax.lax.map(without, tuple(jnp.asarray(row) for row in index))
        error = jnp.sqrt((many - 1) / many * jnp.sum(jnp.square(left - jnp.mean(left))))
    else:
        error = jnp.full_like(value, jnp.nan)
    wide = (number == 1) | (min(space) // number >= _APART * value)
    return MeasuredLength(value, error, found & wide & (many >= _FEW))


def _pairs(chi, block, number: int, periodic: bool):
    """Sum of chi(x) chi(x + r) over the x of a block (realization, position along each axis), how many pairs, points.

    Lags in FFT order; not periodic, pairs that leave the image count as neither.
    """
    here, space = chi[block[0]], chi.shape[1:]
    axes = tuple(range(len(space)))
    padded = space if periodic else tuple(n + n // 2 for n in space)
    inside, pairs = jnp.ones(space, bool), jnp.ones((), chi.dtype)
    for k, n in enumerate(space):
        start = block[1 + k] * (n // number)
        # The last block takes what is left over.
        end = jnp.where(block[1 + k] == number - 1, n, start + n // number)
        at = jnp.arange(n).reshape(-1, *(1,) * (len(space) - 1 - k))
        inside = inside & (at >= start) & (at < end)
        lag = np.where(np.arange(n) <= n // 2, np.arange(n), np.arange(n) - n).reshape(at.shape)
        pairs = pairs * jnp.maximum(jnp.minimum(end, n - lag) - jnp.maximum(start, -lag), 0)
    size = jnp.sum(inside)
    first = jnp.fft.rfftn(jnp.where(inside, here, 0), s=padded, axes=axes)
    sums = jnp.fft.irfftn(jnp.conj(first) * jnp.fft.rfftn(here, s=padded, axes=axes), s=padded, axes=axes)
    if periodic:
        return sums.astype(chi.dtype), size.astype(chi.dtype), size
    for k, n in enumerate(space):
        sums = jnp.take(sums, np.r_[0 : n // 2 + 1, -((n - 1) // 2) : 0], axis=k)
    return sums.astype(chi.dtype), pairs.astype(chi.dtype), size


def _length(sums, pairs, size, periodic: bool):
    """Integral length from sums of products over pairs of points, and whether the covariance vanishes."""
    r, c, last, found = decay(sums / pairs, size, periodic)
    return integral_length(r, c, last), found
