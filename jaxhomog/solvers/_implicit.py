"""Derivatives through a solve and through a failure.

`guarded` turns a failed lane's value into NaN and its (co)tangent into NaN where the incoming one is not zero and 0
where it is exactly zero, so that a lane masked downstream does not poison parameters shared with others. That map is
not linear, so it is written as a linear solve with the identity, whose transpose JAX lets us state.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import lax

from ..results import under_jax_defaults


def _nan_unless_zero(ok, x):
    # Scalars of x's dtype: two Python scalars in one `where` would make a float64 array.
    zero, nan = jnp.zeros((), x.dtype), jnp.full((), jnp.nan, x.dtype)
    return jnp.where(ok, x, jnp.where(x == 0, zero, nan))


def _pass(ok, t):
    """t where ok; where not, NaN for t != 0 and 0 for t == 0, in both directions."""

    def solve(_, b):
        return _nan_unless_zero(ok, b)

    return lax.custom_linear_solve(lambda x: x, t, solve, solve)


@jax.custom_jvp
def guarded(ok, value):
    """`value` where ok, NaN where not (ok is a scalar; value any array of floats)."""
    return jnp.where(ok, value, jnp.full((), jnp.nan, value.dtype))


@guarded.defjvp
@under_jax_defaults
def _guarded_jvp(primals, tangents):
    ok, value = primals
    return guarded(ok, value), _pass(ok, tangents[1])


@jax.custom_jvp
def replaced(ok, value, safe):
    """`value` where ok, else `safe`, with the derivative rule of `guarded`: invalid input is computed around."""
    return jnp.where(ok, value, safe)


@replaced.defjvp
@under_jax_defaults
def _replaced_jvp(primals, tangents):
    ok, value, safe = primals
    return replaced(ok, value, safe), _pass(ok, tangents[1])
