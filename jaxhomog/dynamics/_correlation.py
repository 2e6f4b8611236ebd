"""Time correlation of many trajectories, by fast Fourier transforms."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..results import InputError
from ._checked import array, whole

# Trajectories that are transformed together: enough to keep the core busy, few enough for its caches.
_BATCH = 64


def time_correlation(
    trajectories: Any, lags: int | None = None, *, same_origins: bool = False
) -> Float[Array, "lags d d"]:
    """Correlation matrix of stationary trajectories, averaged over origins and trajectories.

        C(n) = < x(k + n) x(k)^T >,    C(n)_ij = sum over k, trajectories of x_i(k + n) x_j(k) / (number of origins)

    Means are not subtracted.

    Args:
        trajectories: (batch, steps, d), or (batch, steps) of scalars, at equal times.
        lags: number of lags, from 0; default all, of which the last rest on few origins.
        same_origins: True: every lag is averaged over the origins that the longest one has. What the data say exactly
            (a linear relation between times) then holds exactly between the matrices.

    Returns:
        (lags, d, d).

    Raises:
        InputError: another number of axes, or more lags than steps.

    Source:
        Wiener-Khinchin by padded transforms: Allen & Tildesley (2017), Computer Simulation of Liquids, section 8.4.
    """
    x = as_trajectories(trajectories)
    steps = x.shape[1]
    lags = steps if lags is None else whole(lags, "lags")
    if lags > steps:
        raise InputError(f"lags={lags} of trajectories with {steps} steps: give at most {steps}")
    return _correlation(x, lags, bool(same_origins))


def as_trajectories(trajectories: Any) -> Float[Array, "batch steps d"]:
    """Trajectories with all three axes."""
    x = array(trajectories, "trajectories", (2, 3))
    return x[..., None] if x.ndim == 2 else x


@partial(jax.jit, static_argnums=(1, 2))
def _correlation(x, lags, same):
    batch, steps, d = x.shape
    length = _fast(steps + lags)

    def power(part):
        # Time last: the transform runs along memory.
        part = jnp.swapaxes(part, -1, -2)
        late = jnp.fft.rfft(part, length)
        early = jnp.fft.rfft(part[:, : steps - lags + 1], length) if same else late
        return late[:, None] * jnp.conj(early[None])

    # Whole batches are summed one after the other; what is left over is a batch of its own.
    full = batch // _BATCH * _BATCH
    total = jnp.zeros((), x.dtype)
    if full:
        zero = jax.eval_shape(power, x[0])
        groups = x[:full].reshape(-1, _BATCH, steps, d)
        add = lambda acc, group: (acc + jnp.sum(jax.vmap(power)(group), axis=0), None)  # noqa: E731
        total, _ = jax.lax.scan(add, jnp.zeros(zero.shape, zero.dtype), groups)
    if full < batch:
        total = total + jnp.sum(jax.vmap(power)(x[full:]), axis=0)
    sums = jnp.moveaxis(jnp.fft.irfft(total, length)[..., :lags], -1, 0)
    origins = jnp.full(lags, steps - lags + 1.0, x.dtype) if same else steps - jnp.arange(lags, dtype=x.dtype)
    return sums.astype(x.dtype) / (batch * origins)[:, None, None]


def _fast(n: int) -> int:
    """The smallest length from n on whose only factors are 2, 3 and 5."""
    twos = [2 ** int(np.ceil(np.log2(max(n / f, 1)))) * f for f in (1, 3, 5, 9, 15, 25, 27, 45, 75, 81, 125)]
    return int(min(m for m in twos if m >= n))
