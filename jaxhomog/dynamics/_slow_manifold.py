"""A fast variable that relaxes onto a slow manifold: the motion along it, with the first correction."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from ..results import InputError, real_array
from ..solvers import guarded
from ._flow import (
    TIME_NO_MANIFOLD,
    TIME_NOT_INTEGRATED,
    TIME_REPELLED,
    checked,
    diffrax,
    flow,
    rate_of,
    reason,
    settle,
)

_NEWTON = 50


class SlowMotion(eqx.Module):
    """Motion along a slow manifold.

    Args:
        slow: x at the times (m, *x); NaN where the code is not 0.
        fast: y on the manifold at the times (m, *y): h0 (order 0) or h0 + eps h1; without the first transient.
        attraction: slowest rate, in the fast time, at which neighbours of the manifold approach it (m,); > 0.
        code: what went wrong (bits; see `reason`); 0: sound.
    """

    slow: Float[Array, "m ..."]
    fast: Float[Array, "m ..."]
    attraction: Float[Array, " m"]
    code: Int[Array, ""]

    @property
    def verdict(self) -> Bool[Array, ""]:
        """True where the manifold attracts all along and the motion was followed to the end."""
        return self.code == 0

    @property
    def reason(self) -> str:
        """The code in words (needs concrete values)."""
        return reason(self.code)


def slow_manifold(
    slow_rate: Callable, fast_rate: Callable, x: Float[Array, "..."], guess: Float[Array, "..."], tolerance: float
) -> tuple[Float[Array, "..."], Float[Array, "..."], Bool[Array, ""]]:
    """Slow manifold y = h0(x) + eps h1(x) of x' = f(x, y), eps y' = g(x, y), at one x.

        g(x, h0) = 0,     D h0 = -g_y^-1 g_x,     h1 = g_y^-1 D h0 f(x, h0)

    the terms of order 1 and eps of the invariance eps D h f(x, h) = g(x, h).

    Args:
        slow_rate: f(x, y).
        fast_rate: g(x, y).
        x: slow variable.
        guess: y from which Newton's method finds h0.
        tolerance: of Newton's method, relative.

    Returns:
        h0, h1 and whether Newton's method converged. Derivatives of h0 are implicit. h1 is not finite where the fast
        equation has no slope in y.

    Raises:
        InputError: x or guess that are no numbers, a tolerance outside (0, 1), or diffrax is not installed.

    Source:
        Fenichel (1979), J. Differ. Equ. 31, 53-98; Verhulst (2005), Methods and Applications of Singular Perturbations
        (the expansion by invariance).
    """
    x, guess = real_array(x, "x"), real_array(guess, "guess")
    if isinstance(tolerance, bool) or not isinstance(tolerance, (int, float)) or not 0 < tolerance < 1:
        raise InputError(f"tolerance={tolerance!r}: give a relative tolerance between 0 and 1")
    diffrax()  # which brings optimistix, or says that it is missing
    import optimistix as optx

    found = optx.root_find(
        lambda y, _: fast_rate(x, y),
        optx.Newton(rtol=tolerance, atol=tolerance),
        guess,
        max_steps=_NEWTON,
        throw=False,
    )
    h0 = found.value
    size = guess.size
    g_y = jax.jacfwd(fast_rate, argnums=1)(x, h0).reshape(size, size)
    pushed = jax.jvp(lambda z: fast_rate(z, h0), (x,), (slow_rate(x, h0),))[1].ravel()
    h1 = -jnp.linalg.solve(g_y, jnp.linalg.solve(g_y, pushed)).reshape(guess.shape)
    return h0, h1, found.result == optx.RESULTS.successful


def slow_motion(
    slow_rate: Callable,
    fast_rate: Callable,
    x0: Any,
    y0: Any,
    times: Any,
    eps: Any,
    *,
    order: int = 1,
    tolerance: float | None = None,
    max_steps: int = 100_000,
) -> SlowMotion:
    """Slow motion beside a variable that relaxes fast, without following the relaxation.

        x' = f(x, y),     eps y' = g(x, y)
        order 0:   X' = f(X, h0(X)),                    X(0) = x0,              x = X + O(eps)
        order 1:   X' = f(X, h0(X) + eps h1(X)),        X(0) = x0 + eps J,      x = X + O(eps^2)
        J = int_0^inf [f(x0, Y(s)) - f(x0, h0(x0))] ds,     dY/ds = g(x0, Y),   Y(0) = y0

    outside the first transient of some eps, on times of order one. h0 and h1 are those of `slow_manifold`; J is what
    the transient moves x by: with X(0) = x0 the correction would be wrong by eps. Steps do not depend on eps.

    Args:
        slow_rate: f(x, y), a pure function for jax, of the shape of x.
        fast_rate: g(x, y), of the shape of y.
        x0: start of the slow variable.
        y0: start of the fast variable, from where it must settle on h0(x0); first guess of Newton's method.
        times: (m,), ascending, from 0 on.
        eps: ratio of the time scales.
        order: 0 or 1.
        tolerance: relative tolerance of the time integration; default 1e-9 (float32: 1e-5).
        max_steps: cap, of the motion and of the transient.

    Returns:
        `SlowMotion`; NaN where the manifold is not found or does not attract. Differentiable in x0, y0 (through J), eps
        and what f and g close over.

    Raises:
        InputError: a bad argument, or diffrax is not installed.

    Source:
        Tikhonov (1952), Mat. Sb. 31, 575-586; Fenichel (1979), J. Differ. Equ. 31, 53-98; initial condition: Vasil'eva,
        Butuzov & Kalachev (1995), The Boundary Function Method for Singular Perturbation Problems, chapter 2.
    """
    x, t, small, tolerance = checked(x0, times, eps, tolerance, max_steps)
    y = real_array(y0, "y0").astype(x.dtype)
    if isinstance(order, bool) or not isinstance(order, int) or order not in (0, 1):
        raise InputError(f"order={order!r}: give 0 (the reduced motion) or 1 (with the first correction)")
    rate_of(slow_rate, x, "slow_rate", x, y)
    rate_of(fast_rate, y, "fast_rate", x, y)

    def manifold(z):
        h0, h1, found = slow_manifold(slow_rate, fast_rate, z, guess, tolerance)
        return (h0 + small * h1 if order else h0), h0, found

    guess = y
    _, start, found = manifold(x)
    # From here on Newton's method starts on the manifold.
    guess = jax.lax.stop_gradient(start)
    on = slow_rate(x, start)
    (rest, moved), settled = settle(
        lambda z: (fast_rate(x, z[0]), slow_rate(x, z[0]) - on), (y, jnp.zeros_like(x)), tolerance, max_steps
    )
    reach = jnp.sqrt(tolerance) * (1 + jnp.max(jnp.abs(start)))
    settled = settled & (jnp.max(jnp.abs(rest - start)) <= reach)
    begin = x + small * moved if order else x
    slow, done = flow(lambda z: slow_rate(z, manifold(z)[0]), begin, t, tolerance, max_steps)
    fast, h0, along = jax.vmap(manifold)(slow)

    def slowest(z, h):
        g_y = jax.jacfwd(fast_rate, argnums=1)(z, h).reshape(h.size, h.size)
        return -jnp.max(jnp.linalg.eigvals(g_y).real)

    attraction = jax.lax.stop_gradient(jax.vmap(slowest)(slow, h0)).astype(x.dtype)
    code = (
        jnp.where(done, 0, TIME_NOT_INTEGRATED)
        | jnp.where(found & jnp.all(along), 0, TIME_NO_MANIFOLD)
        | jnp.where(settled & jnp.all(attraction > 0), 0, TIME_REPELLED)
    ).astype(jnp.int32)
    ok = code == 0
    return SlowMotion(guarded(ok, slow), guarded(ok, fast), attraction, code)
