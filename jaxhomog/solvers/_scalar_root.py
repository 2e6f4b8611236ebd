"""One scalar equation at every point: safeguarded Newton, with the implicit derivative."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from ..results import under_jax_defaults

_MAX_ITERATIONS = 60


@partial(jax.custom_jvp, nondiff_argnums=(0,))
def scalar_root(function: Callable, args: Any, upper: Float[Array, "*pts"]) -> Float[Array, "*pts"]:
    """The root x in [0, upper] of f(x, args) = 0 at every point, where f falls from f(0) >= 0 to f(upper) <= 0.

    Newton's step where it stays inside the bracket that the signs of f have left, else bisection. Where upper <= 0
    the answer is 0 and nothing is asked of f.

    Args:
        function: (x, args) -> f, elementwise; a function of the module or a static method (it holds no arrays).
        args: pytree of what f depends on; it carries the derivative dx = -(df/dargs dargs) / (df/dx).
        upper: upper end of the bracket.

    Returns:
        x of `upper`'s shape; NaN where f is NaN.

    Caveats:
        A derivative exists where df/dx is not zero. `upper` carries none: it is a bound.
    """
    dtype = upper.dtype
    args, upper = lax.stop_gradient((args, upper))
    active = upper > 0
    eps = float(jnp.finfo(dtype).eps)

    def step(carry):
        x, low, high, moved, _, count = carry
        f, slope = jax.jvp(lambda y: function(y, args), (x,), (jnp.ones_like(x),))
        low, high = jnp.where(f > 0, x, low), jnp.where(f < 0, x, high)
        newton = x - f / jnp.where(slope < 0, slope, -1)
        size = jnp.abs(newton - x)
        # Steps that do not halve are bisected: Newton's may be many and short where f is steep (Brent's rule).
        inside = (slope < 0) & (newton > low) & (newton < high) & (2 * size <= moved)
        # Convergence is quadratic: after a step this small the next one would only move rounding.
        last = (slope < 0) & (size <= eps**0.6 * jnp.abs(x))
        settled = (f == 0) | last | (high - low <= 2 * eps * high) | jnp.isnan(f)
        new = jnp.where(f == 0, x, jnp.where(inside | last, newton, 0.5 * (low + high)))
        new = jnp.where(jnp.isnan(f), f, new)
        return new, low, high, jnp.abs(new - x), jnp.any(active & ~settled), count + 1

    zero, top = jnp.zeros_like(upper), jnp.maximum(upper, 0)
    start = (zero, zero, top, 4 * top, jnp.any(active), 0)
    x = lax.while_loop(lambda c: c[4] & (c[5] < _MAX_ITERATIONS), step, start)[0]
    return jnp.where(active, x, 0)


@scalar_root.defjvp
@under_jax_defaults
def _scalar_root_jvp(function, primals, tangents):
    args, upper = primals
    x = scalar_root(function, args, upper)
    active = upper > 0
    _, slope = jax.jvp(lambda y: function(y, args), (x,), (jnp.ones_like(x),))
    # One more Newton step, written in `args`: where a transformation loses this rule for values that it takes for
    # known (reverse mode through `lax.scan` does), the root still moves with them, and second derivatives are right.
    x = jnp.where(active, x - function(x, args) / jnp.where(active & (slope != 0), lax.stop_gradient(slope), -1), x)
    _, change = jax.jvp(lambda a: function(x, a), (args,), (tangents[0],))
    _, slope = jax.jvp(lambda y: function(y, args), (x,), (jnp.ones_like(x),))
    return x, jnp.where(active, -change / jnp.where(active & (slope != 0), slope, -1), 0)
