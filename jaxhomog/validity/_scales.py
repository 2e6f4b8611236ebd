"""Lengths and times over which fields and signals change, measured from them."""

from __future__ import annotations

from functools import partial
from typing import Final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Real

from ..microstructure._arguments import flag
from ..results import InputError, real_array
from ..tensors import safe_sqrt

# Below this share of its first deviation a decaying signal is taken as noise.
_TAIL: Final = 1e-3
# Fewest samples that fix a slope and leave something to judge it by.
_SAMPLES: Final = 3


class Scale(eqx.Module):
    """A length or a time, with its standard error.

    Args:
        value: in the user's unit.
        error: the same shape; NaN where it is not known.
    """

    value: Float[Array, "..."]
    error: Float[Array, "..."]


def gradient_length(
    field: Real[ArrayLike, "..."],
    spacing: Real[ArrayLike, " d"],
    *,
    periodic: bool = False,
    reference: str = "local",
    floor: float = 0.1,
) -> Float[Array, "*space"]:
    """Length over which a macroscopic field changes, in every point.

        L(x) = U(x) / |grad e|(x),     |grad e|^2 = sum over axes of the mean square of forward and backward difference
        local:  U = max(|e(x)|, floor * rms of e),        range:  U = sqrt(sum over components of (max - min)^2)

    `local` is for fields whose zero means something (strain, temperature gradient, plastic strain): what a first-order
    scheme neglects in x is the change of e over the microstructure relative to e itself. Where e passes through zero
    that ratio has no bound although nothing is wrong; the floor asks there for an error relative to a tenth of what is
    usual in the body. `range` is for fields whose zero is arbitrary (temperature, potential, displacement): adding a
    constant must not change a length. With Frobenius norms, L is at most sqrt(d) below that along the steepest
    direction, never above.

    Args:
        field: (*space, *components): scalar, vector or tensor (Mandel) on a grid of points.
        spacing: distance of the points along each space axis.
        periodic: whether the last point's neighbour is the first.
        reference: "local" or "range".
        floor: share of the root mean square below which |e| is not followed (local).

    Returns:
        L in the unit of the spacing; infinite where the field does not change. Both differences count, so that a
        field that alternates from point to point is seen; the first order error at the ends of a grid that is not
        periodic is h / L.

    Fails with:
        InputError: a spacing that does not fit the field or is not positive, an unknown reference.

    Source:
        Auriault (1991), Int. J. Eng. Sci. 29, 785-795 (macroscopic length of a field phi: phi / |grad phi|); Geers,
        Kouznetsova & Brekelmans (2010), J. Comput. Appl. Math. 234, 2175-2182 (separation of scales in terms of the
        macroscopic gradient).
    """
    e, h = real_array(field, "field"), real_array(spacing, "spacing")
    if h.ndim != 1 or not 1 <= h.shape[0] <= e.ndim or e.size == 0:
        raise InputError(f"spacing has shape {h.shape} for a field {e.shape}: one number per space axis")
    if not isinstance(h, Tracer) and not (np.isfinite(np.asarray(h)) & (np.asarray(h) > 0)).all():
        raise InputError(f"spacing={spacing}: every distance must be finite and positive")
    if reference not in ("local", "range"):
        raise InputError(f"reference={reference!r}: give 'local' or 'range'")
    if isinstance(floor, bool) or not isinstance(floor, (int, float)) or not 0 <= floor < np.inf:
        raise InputError(f"floor={floor!r}: give a share of the root mean square, at least 0")
    return _gradient_length(e, h.astype(e.dtype), flag(periodic, "periodic"), reference, float(floor))


@partial(jax.jit, static_argnums=(2, 3, 4))
def _gradient_length(e, h, periodic: bool, reference: str, floor: float):
    d = h.shape[0]
    e = e.reshape(*e.shape[:d], -1)
    # Of size one: L does not depend on the unit, squares would leave the range of the dtype.
    size = jax.lax.stop_gradient(jnp.max(jnp.abs(e)))
    e = e / jnp.where((size > 0) & jnp.isfinite(size), size, 1)
    slope = 0.0
    for k in range(d):
        slope = slope + jnp.sum(_square_slope(e, k, periodic), axis=-1) / h[k] ** 2
    square = jnp.sum(e**2, axis=-1)
    if reference == "local":
        size = jnp.maximum(safe_sqrt(square), floor * safe_sqrt(jnp.mean(square)))
    else:
        size = safe_sqrt(jnp.sum(jnp.ptp(e, axis=tuple(range(d))) ** 2))
    steep = safe_sqrt(slope)
    return jnp.where(steep == 0, jnp.inf, size / jnp.where(steep == 0, 1, steep))


def _square_slope(e, axis: int, periodic: bool):
    """Mean square of forward and backward difference; at an end the one that there is."""
    n = e.shape[axis]
    if n == 1:
        return jnp.zeros_like(e)
    if periodic:
        forward = (jnp.roll(e, -1, axis) - e) ** 2
        return 0.5 * (forward + jnp.roll(forward, 1, axis))
    square = jnp.diff(e, axis=axis) ** 2
    first, last = (jnp.take(square, jnp.asarray([k]), axis) for k in (0, n - 2))
    forward, backward = jnp.concatenate([square, last], axis), jnp.concatenate([first, square], axis)
    return 0.5 * (forward + backward)


def integral_time(signal: Real[ArrayLike, "*batch n"], step: Real[ArrayLike, ""]) -> Scale:
    """Integral time scale of stationary signals: how long a signal remembers itself.

        T = int_0^cut C(t) / C(0) dt,     error = T sqrt(2 M / n),     M = lags up to the cut, both sides

    The cut is where the autocorrelation first sinks below twice its standard error (Bartlett). What is lost because the
    mean is that of the sample is given back; what lies beyond the cut is not (half a standard error, for exp(-t / T)).

    Args:
        signal: (*batch, n), each at equal steps; every signal has its own T.
        step: time between samples.

    Returns:
        `Scale` (*batch), in the unit of the step: 0.5 step for white noise, T for exp(-t / T). NaN where a signal does
        not vary or its correlation does not vanish within half of it. An oscillating correlation is cut at its first
        zero: T is then the time of the first swing.

    Fails with:
        InputError: fewer than eight samples, or a step that is not positive.

    Source:
        Bartlett's formula and the variance at frequency zero: Priestley (1981), Spectral Analysis and Time
        Series.
    """
    return _integral_time(*_signals(signal, step, 8))


@jax.jit
def _integral_time(x, dt) -> Scale:
    n = x.shape[-1]
    x = jnp.where(jnp.ptp(x, axis=-1, keepdims=True) == 0, 0, x - jnp.mean(x, axis=-1, keepdims=True))
    # Of size one: squares would leave the range of the dtype.
    size = jax.lax.stop_gradient(jnp.max(jnp.abs(x), axis=-1, keepdims=True))
    x = x / jnp.where(size > 0, size, 1)
    power = jnp.abs(jnp.fft.rfft(x, n=2 * n)) ** 2
    lags = n // 2
    c = jnp.fft.irfft(power, n=2 * n)[..., :lags].astype(x.dtype) / jnp.arange(n, n - lags, -1).astype(x.dtype)
    still = c[..., :1] <= 0
    rho = c / jnp.where(still, 1, c[..., :1])
    noise = jnp.sqrt((2 * jnp.cumsum(rho**2, axis=-1) - 1) / n)
    gone = rho <= 2 * noise
    cut = jnp.argmax(gone, axis=-1)
    inside = jnp.arange(lags) < cut[..., None]
    q = 2 * jnp.sum(jnp.where(inside, rho, 0), axis=-1) - 1
    count = (2 * cut - 1).astype(x.dtype)
    q = q / (1 - count / n + q / n)
    value = jnp.where(still[..., 0] | ~jnp.any(gone, axis=-1), jnp.nan, 0.5 * q * dt)
    return Scale(value, value * jnp.sqrt(2 * count / n))


def relaxation_time(
    signal: Real[ArrayLike, "*batch n"], step: Real[ArrayLike, ""], final: Real[ArrayLike, "*batch"] = 0.0
) -> Scale:
    """Time of the exponential that a decaying signal follows, from the slope of its logarithm.

        s(t) = s_end + A exp(-t / T),     T = -1 / slope of log |s - s_end|,   weights (s - s_end)^2

    The weights are those of noise of one size on the signal. Samples count up to the first that changes sign or sinks
    below a thousandth of the first. Of a sum of exponentials T is a mean that leans to the strong ones.

    Args:
        signal: (*batch, n) at equal steps.
        step: time between samples.
        final: s_end, one per signal.

    Returns:
        `Scale` (*batch): T is infinite where the signal does not decay, NaN where fewer than three samples count; its
        error comes from the residuals, taken as independent.

    Fails with:
        InputError: fewer than three samples, or a step that is not positive.

    Source:
        Weighted least squares of a logarithm: Bevington & Robinson (2003), Data Reduction and Error Analysis.
    """
    x, dt = _signals(signal, step, _SAMPLES)
    end = real_array(final, "final").astype(x.dtype)
    if end.ndim and end.shape != x.shape[:-1]:
        raise InputError(f"final has shape {end.shape} for signals {x.shape}: give one number, or one per signal")
    return _relaxation_time(x - end[..., None], dt)


@jax.jit
def _relaxation_time(away, dt) -> Scale:
    size = jnp.abs(away)
    bad = (jnp.sign(away) * jnp.sign(away[..., :1]) <= 0) | (size < _TAIL * size[..., :1])
    counts = jnp.cumsum(bad, axis=-1) == 0
    number = jnp.sum(counts, axis=-1)
    w = jnp.where(counts, (size / jnp.max(jnp.where(size > 0, size, 1), axis=-1, keepdims=True)) ** 2, 0)
    total = jnp.sum(w, axis=-1, keepdims=True)
    w = w / jnp.where(total > 0, total, 1)
    log = jnp.log(jnp.where(counts, size, 1))
    t = jnp.arange(away.shape[-1], dtype=away.dtype) * dt
    middle = jnp.sum(w * t, axis=-1, keepdims=True)
    level = jnp.sum(w * log, axis=-1, keepdims=True)
    spread = jnp.sum(w * (t - middle) ** 2, axis=-1)
    spread = jnp.where(spread > 0, spread, 1)
    slope = jnp.sum(w * (t - middle) * (log - level), axis=-1) / spread
    left = jnp.sum(w * (log - level - slope[..., None] * (t - middle)) ** 2, axis=-1)
    enough = number >= _SAMPLES
    # Weights are normalized: the variance of the slope is that of unit weight over the spread, with n - 2 to judge by.
    error = jnp.sqrt(left / jnp.where(enough, number - 2, 1) / spread)
    finite = jnp.all(jnp.isfinite(away), axis=-1) & enough
    falls = slope < 0
    value = jnp.where(falls, -1 / jnp.where(falls, slope, -1), jnp.inf)
    value = jnp.where(finite, value, jnp.nan)
    return Scale(value, jnp.where(falls & finite, value**2 * error, jnp.nan))


def _signals(signal, step, least: int):
    """Signals in a floating dtype, and their step."""
    x = real_array(signal, "signal")
    x = x.astype(jnp.float32) if x.dtype.itemsize < 4 else x  # half precision has no Fourier transform
    if x.ndim < 1 or x.shape[-1] < least:
        raise InputError(f"signal has shape {x.shape}: give (*batch, n) with at least {least} samples, the last axis")
    dt = real_array(step, "step").astype(x.dtype)
    if dt.ndim or (not isinstance(dt, Tracer) and not (np.isfinite(dt) and dt > 0)):
        raise InputError(f"step={step}: give one positive time between samples")
    return x, dt
