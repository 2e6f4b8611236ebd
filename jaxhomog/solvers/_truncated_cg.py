"""Conjugate gradients for one Newton step: inexact, on pytrees, and ending early where curvature is lost.

The residual is measured in the norm of the preconditioner, sqrt(r . G r): for a reference medium that is the energy
norm of what is out of balance, which does not see the size of the mesh.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array

from ._cg import dot


class Truncated(NamedTuple):
    """What was found.

    Args:
        x: approximate solution (a pytree like b).
        iterations: steps taken.
        reached: sqrt(r . G r) relative to that of b, by the recursion.
        curved: False where a direction of no or negative curvature ended the iteration.
    """

    x: Any
    iterations: Array
    reached: Array
    curved: Array


def tree_dot(a, b):
    """Inner product of two pytrees."""
    parts = [dot(x, y) for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True)]
    return sum(parts[1:], parts[0])


def truncated_cg(
    operator: Callable[[Any], Any],
    precondition: Callable[[Any], Any],
    b: Any,
    rtol: Array | float,
    max_iterations: int,
    enabled: Array | bool = True,
) -> Truncated:
    """Solve A x = b until sqrt(r . G r) falls by `rtol`, for symmetric A that need not be positive.

    Args:
        operator: x -> A x.
        precondition: r -> G r, symmetric positive semi-definite.
        b: right-hand side.
        rtol: relative tolerance (scalar).
        max_iterations: cap.
        enabled: False returns zero without a step.

    Returns:
        `Truncated`; where the first direction has no positive curvature, x is that direction (steepest descent).

    Source:
        Steihaug (1983), SIAM J. Numer. Anal. 20, 626-637; Dembo & Steihaug (1983), Math. Program. 26, 190-212.
    """
    add = lambda x, a, y: jax.tree.map(lambda p, q: p + a * q, x, y)  # noqa: E731
    z = precondition(b)
    rho0 = jnp.maximum(tree_dot(b, z), 0)
    limit = rtol**2 * rho0
    zero = jax.tree.map(jnp.zeros_like, b)

    def step(carry):
        x, r, p, rho, count, _ = carry
        q = operator(p)
        curvature = tree_dot(p, q)
        curved = curvature > 0
        alpha = jnp.where(curved, rho / jnp.where(curved, curvature, 1), 0)
        # Without curvature: the first direction as it stands, later what has been found.
        x = add(x, jnp.where(curved, alpha, jnp.where(count == 0, jnp.ones_like(rho), 0)), p)
        r = add(r, -alpha, q)
        z = precondition(r)
        new = jnp.maximum(tree_dot(r, z), 0)
        p = add(z, jnp.where(curved, new / jnp.where(rho > 0, rho, 1), 0), p)
        return x, r, p, jnp.where(curved, new, rho), count + 1, curved

    def go_on(carry):
        *_, rho, count, curved = carry
        return enabled & curved & (rho > limit) & (count < max_iterations)

    start = (zero, b, z, rho0, jnp.asarray(0, jnp.int32), jnp.asarray(True))
    x, _, _, rho, count, curved = lax.while_loop(go_on, step, start)
    return Truncated(x, count, jnp.sqrt(rho / jnp.where(rho0 > 0, rho0, 1)), curved)
