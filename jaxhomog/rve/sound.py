"""Whether the laws of a step have stayed within the finite numbers."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from ..materials import Update
from .cell import Unknowns, stopped


def left_finite(before, up: Update, x: Unknowns, mean) -> jax.Array:
    """Whether a step has left finite what was finite: unknowns, mean stress, energy, dissipation, state.

    Args:
        before: state before the step.
        up: what the law answered.
        x: unknowns at its end.
        mean: mean stress.
    """
    old, new = stopped((before, up.state)), stopped(up)
    sound = jnp.all(jnp.isfinite(mean)) & jnp.all(jnp.isfinite(stopped(x.down)))
    for field in (new.energy, new.dissipation):
        sound &= jnp.all(jnp.isfinite(field))
    for was, now in zip(*map(jax.tree.leaves, old), strict=True):
        # A law may start from infinity, a smallest strain so far for instance.
        if jnp.issubdtype(now.dtype, jnp.inexact):
            sound &= jnp.all(jnp.isfinite(now) | ~jnp.isfinite(was))
    return sound
