"""Student's quantile and the tail of Fisher's distribution, for degrees of freedom that may be traced."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jax.scipy.special import betainc
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Real

from ..results import InputError
from ._arguments import number


def level_of(level: Any) -> float:
    """A level of confidence, checked."""
    if isinstance(level, int | float) and level > 1:
        raise InputError(f"level={level!r}: give a share such as 0.95, not a percentage")
    return number(level, "level", 0, 1)


def student_quantile(level: float, freedom: Real[ArrayLike, "..."]) -> Float[Array, "..."]:
    """t with P(|T| <= t) = level, by bisection of the incomplete beta function in y = t^2 / (nu + t^2).

    From 10^4 degrees of freedom on it is that of 10^4: 1e-4 off the normal one.

    Source:
        Abramowitz & Stegun (1964), Handbook of Mathematical Functions, 26.7.1 and 26.5.27.
    """
    nu = jnp.asarray(freedom, jnp.result_type(freedom, 0.0))
    return _student_quantile(jnp.asarray(level, nu.dtype), jnp.minimum(nu, 1e4))


@jax.jit
def _student_quantile(level, nu):
    def halve(_, ends):
        low, high = ends
        y = 0.5 * (low + high)
        below = betainc(0.5, 0.5 * nu, y) < level
        return jnp.where(below, y, low), jnp.where(below, high, y)

    low, high = jax.lax.fori_loop(0, 60, halve, (jnp.zeros_like(nu), jnp.ones_like(nu)))
    y = 0.5 * (low + high)
    return jnp.where(nu > 0, jnp.sqrt(nu * y / (1 - y)), jnp.nan)


@jax.jit
def fisher_tail(ratio: Real[ArrayLike, "..."], above: Real[ArrayLike, "..."], below: Real[ArrayLike, "..."]) -> Array:
    """P(F > ratio) of a quotient of mean squares with `above` over `below` degrees of freedom.

    Source:
        Abramowitz & Stegun (1964), 26.6.2.
    """
    f = jnp.asarray(ratio, jnp.result_type(ratio, 0.0))
    a, b = (jnp.asarray(x, f.dtype) for x in (above, below))
    tail = betainc(0.5 * b, 0.5 * a, b / (b + a * jnp.where(jnp.isfinite(f), f, 1)))
    return jnp.where(jnp.isnan(f), jnp.nan, jnp.where(jnp.isinf(f), 0.0, tail))
