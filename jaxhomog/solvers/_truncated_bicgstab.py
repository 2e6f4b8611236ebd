"""Stabilized bi-conjugate gradients for tangents without symmetry, with the interface of `truncated_cg`.

Every vector is carried with its preconditioned image, so that the norm sqrt(r . G r) of `truncated_cg` is minimized and
watched at no further cost: two products with A and two with G per iteration.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array

from ._truncated_cg import Truncated, tree_dot


def truncated_bicgstab(
    operator: Callable[[Any], Any],
    precondition: Callable[[Any], Any],
    b: Any,
    rtol: Array | float,
    max_iterations: int,
    enabled: Array | bool = True,
) -> Truncated:
    """Solve A x = b until sqrt(r . G r) falls by `rtol`, for any A near a symmetric positive one.

    Args, Returns:
        as for `truncated_cg`; `curved` is False where the recursion broke down.

    Source:
        van der Vorst (1992), SIAM J. Sci. Stat. Comput. 13, 631-644.
    """
    add = lambda x, a, y: jax.tree.map(lambda p, q: p + a * q, x, y)  # noqa: E731
    safe = lambda a: jnp.where(a != 0, a, 1)  # noqa: E731
    start = precondition(b)
    square0 = jnp.maximum(tree_dot(b, start), 0)
    limit = rtol**2 * square0
    zero = jax.tree.map(jnp.zeros_like, b)

    def step(carry):
        x, r, z, p, rho, _, count, _ = carry
        v = operator(p)
        w = precondition(v)
        along = tree_dot(start, v)
        alpha = rho / safe(along)
        s, zs = add(r, -alpha, v), add(z, -alpha, w)
        t = operator(zs)
        wt = precondition(t)
        size = tree_dot(t, wt)
        omega = tree_dot(s, wt) / safe(size)
        x = add(add(x, alpha, p), omega, zs)
        r, z = add(s, -omega, t), add(zs, -omega, wt)
        new = tree_dot(start, r)
        beta = new / safe(rho) * alpha / safe(omega)
        p = add(z, beta, add(p, -omega, w))
        square = jnp.maximum(tree_dot(r, z), 0)
        sound = (along != 0) & (size != 0) & (rho != 0) & jnp.isfinite(square)
        # Zero residual after the half step leaves nothing to divide by: done, not broken.
        sound = sound | ((size == 0) & (square <= limit))
        return x, r, z, p, new, square, count + 1, sound

    def go_on(carry):
        *_, square, count, sound = carry
        return enabled & sound & (square > limit) & (count < max_iterations)

    first = (zero, b, start, start, square0, square0, jnp.asarray(0, jnp.int32), jnp.asarray(True))
    x, *_, square, count, sound = lax.while_loop(go_on, step, first)
    x = jax.tree.map(lambda v: jnp.where(sound, v, 0), x)
    return Truncated(x, count, jnp.sqrt(square / jnp.where(square0 > 0, square0, 1)), sound)
