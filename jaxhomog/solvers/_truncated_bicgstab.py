"""Stabilized bi-conjugate gradients for tangents without symmetry, with the interface of `truncated_cg`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.scipy.sparse.linalg import bicgstab
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
    """Solve A x = b until sqrt(r . G r) falls by about `rtol`; `jax.scipy`'s iteration, its end judged from here.

    That iteration watches the Euclidean norm, so its answer is measured once more, and a second round asks for what is
    missing.

    Args, Returns:
        as for `truncated_cg`; `iterations` is not counted (0), `curved` says whether x is finite.

    Source:
        van der Vorst (1992), SIAM J. Sci. Stat. Comput. 13, 631-644.
    """
    # Solvers call this inside loops and rules of their own: nothing is differentiated here.
    b, rtol = jax.lax.stop_gradient((b, rtol))
    size = lambda r: jnp.sqrt(jnp.maximum(tree_dot(r, precondition(r)), 0))  # noqa: E731
    b = jax.tree.map(lambda v: jnp.where(enabled, v, 0), b)
    first = size(b)
    safe = jnp.where(first > 0, first, 1)
    x = jax.tree.map(jnp.zeros_like, b)
    r, reached = b, jnp.ones_like(first)
    for _ in range(2):
        share = jnp.clip(rtol / jnp.where(reached > 0, reached, 1), 1e-14, 1.0)
        missing = jax.tree.map(lambda v: jnp.where(reached > rtol, v, 0), r)  # noqa: B023
        tol: Any = 0.3 * share
        step, _ = bicgstab(operator, missing, tol=tol, maxiter=max_iterations, M=precondition)
        x = jax.tree.map(jnp.add, x, step)
        r = jax.tree.map(lambda p, q: p - q, b, operator(x))
        reached = jnp.where(first > 0, size(r) / safe, 0)
    return Truncated(x, jnp.asarray(0, jnp.int32), reached, jnp.isfinite(reached))
