"""Averaging over a fast periodic forcing, with the first correction."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from ..results import InputError, real_array
from ..solvers import guarded
from ._flow import TIME_NOT_INTEGRATED, checked, flow, rate_of, reason


class Averaged(eqx.Module):
    """Motion under a fast forcing, without its oscillation and with it.

    Args:
        slow: X at the times (m, *x); NaN where the integration failed.
        corrected: X + eps u1(X, t / eps) at the times; X itself for order 0.
        code: why not (bits; see `reason`); 0: sound.
    """

    slow: Float[Array, "m ..."]
    corrected: Float[Array, "m ..."]
    code: Int[Array, ""]

    @property
    def verdict(self) -> Bool[Array, ""]:
        """True where the motion was followed to the end."""
        return self.code == 0

    @property
    def reason(self) -> str:
        """The code in words (needs concrete values)."""
        return reason(self.code)


def first_correction(
    rate: Callable, x: Float[Array, "..."], phase: Any, *, period: float = 2 * math.pi, nodes: int = 32
) -> tuple[Float[Array, "..."], Float[Array, "..."], Float[Array, "..."]]:
    """Averaged rate, its first correction and the oscillation of a periodic rate, at one slow state.

        f_bar = <f(x, .)>,   d u1 / d phase = f - f_bar,  <u1> = 0,   f2 = <D_x f(x, .) u1(x, .)>

    Means over the phase by the trapezoidal rule, u1 by integrating the trigonometric interpolant: both exact for
    trigonometric polynomials of degree below nodes / 2, and of any order for smooth forcing. For a forcing with jumps
    give many nodes: errors are then of first order (f_bar) in their distance.

    Args:
        rate: f(x, phase), pure, of the shape of x.
        x: slow state.
        phase: where u1 is wanted, a scalar.
        period: of f in the phase.
        nodes: samples of a period.

    Returns:
        f_bar, f2 and u1(x, phase), each of the shape of x. (u1 has zero mean, therefore <D u1> f_bar = 0.)

    Raises:
        InputError: x or phase that are no numbers, a period that is not positive, or fewer than three nodes.

    Source:
        Sanders, Verhulst & Murdock (2007), Averaging Methods in Nonlinear Dynamical Systems, 2nd ed., chapter 2
        (near-identity transformation, second order averaging).
    """
    _check_samples(period, nodes)
    x, phase = real_array(x, "x"), real_array(phase, "phase")
    points = jnp.arange(nodes, dtype=x.dtype) * (period / nodes)
    values = jax.vmap(lambda s: rate(x, s))(points)
    mean = jnp.mean(values, axis=0)
    waves = jnp.arange(1, (nodes - 1) // 2 + 1)  # without the highest wave of an even number, which has no sine
    angles = (2 * math.pi / nodes) * jnp.outer(waves, jnp.arange(nodes)).astype(x.dtype)
    flat = values.reshape(nodes, -1)
    cosine, sine = (2 / nodes) * (jnp.cos(angles) @ flat), (2 / nodes) * (jnp.sin(angles) @ flat)
    # Integral of a cos(k w s) + b sin(k w s).
    number = (waves.astype(x.dtype) * (2 * math.pi / period))[:, None]

    def u1(s):
        turn = s / period
        angle = 2 * math.pi * (turn - jnp.floor(turn)) * waves.astype(x.dtype)[:, None]
        return jnp.sum((cosine * jnp.sin(angle) - sine * jnp.cos(angle)) / number, axis=0).reshape(x.shape)

    def along(s):
        return jax.jvp(lambda z: rate(z, s), (x,), (u1(s),))[1]

    return mean, jnp.mean(jax.vmap(along)(points), axis=0), u1(jnp.asarray(phase, x.dtype))


def averaged_forcing(
    rate: Callable,
    x0: Any,
    times: Any,
    eps: Any,
    *,
    order: int = 1,
    period: float = 2 * math.pi,
    nodes: int = 32,
    tolerance: float | None = None,
    max_steps: int = 100_000,
) -> Averaged:
    """Slow motion under a fast periodic forcing, without following the oscillation.

        x' = f(x, t / eps)
        order 0:   x = X + O(eps),                            X' = f_bar(X),                X(0) = x0
        order 1:   x = X + eps u1(X, t / eps) + O(eps^2),     X' = f_bar(X) + eps f2(X),    X(0) = x0 - eps u1(x0, 0)

    on times of order one. f_bar, f2 and u1 are those of `first_correction`. The mean motion starts beside x0: with
    X(0) = x0 the correction would be wrong by eps wherever u1(x0, 0) is not 0. Steps do not depend on eps.

    Args:
        rate: f(x, phase), a pure function for jax, of the shape of x; periodic in the phase.
        x0: start.
        times: (m,), ascending, from 0 on.
        eps: time of the forcing over the time of the motion.
        order: 0 or 1.
        period: of f in the phase.
        nodes: samples of a period; exact for fewer than nodes / 2 harmonics.
        tolerance: relative tolerance of the time integration; default 1e-9 (float32: 1e-5).
        max_steps: cap.

    Returns:
        `Averaged`; differentiable in x0, eps and what f closes over.

    Raises:
        InputError: a bad argument, or diffrax is not installed.

    Source:
        Sanders, Verhulst & Murdock (2007), Averaging Methods in Nonlinear Dynamical Systems, 2nd ed., chapter 2.
    """
    x, t, small, tolerance = checked(x0, times, eps, tolerance, max_steps)
    if isinstance(order, bool) or not isinstance(order, int) or order not in (0, 1):
        raise InputError(f"order={order!r}: give 0 (the mean) or 1 (with the first correction)")
    _check_samples(period, nodes)
    rate = rate_of(rate, x, "rate", x, t[0])

    def parts(z, s):
        return first_correction(rate, z, s, period=period, nodes=nodes)

    def slow_rate(z):
        mean, second, _ = parts(z, 0.0)
        return mean + small * second if order else mean

    start = x - small * parts(x, 0.0)[2] if order else x
    slow, done = flow(slow_rate, start, t, tolerance, max_steps)
    motion = slow
    if order:
        motion = slow + small * jax.vmap(lambda z, s: parts(z, s / small)[2])(slow, t)
    code = jnp.where(done, 0, TIME_NOT_INTEGRATED).astype(jnp.int32)
    return Averaged(guarded(done, slow), guarded(done, motion), code)


def _check_samples(period, nodes) -> None:
    if isinstance(period, bool) or not isinstance(period, (int, float)) or not 0 < period < math.inf:
        raise InputError(f"period={period!r}: give a positive period of the phase")
    if isinstance(nodes, bool) or not isinstance(nodes, int) or nodes < 3:
        raise InputError(f"nodes={nodes!r}: give at least 3 samples of a period")
