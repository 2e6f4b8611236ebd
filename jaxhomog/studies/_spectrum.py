"""Singular values of a Jacobian whose columns have units of their own."""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float


class Spectrum(NamedTuple):
    """J = U diag(s) V^T D with D the norms of the columns of J.

    Args:
        left: U (m, k).
        values: s, descending (k,), k the smaller of m and p.
        right: V^T (k, p).
        norms: D (p,), one where a column is zero.
        seen: which of the k directions rounding leaves (k,).
    """

    left: Float[Array, "m k"]
    values: Float[Array, " k"]
    right: Float[Array, "k p"]
    norms: Float[Array, " p"]
    seen: Array

    def inverse(self) -> tuple[Float[Array, "p p"], Array]:
        """(J^T J)^-1 on the directions that are seen, and which parameters the others move (p,)."""
        share = jnp.where(self.seen, 1 / jnp.where(self.seen, self.values, 1), 0)[:, None] * self.right
        out = share.T @ share / (self.norms[:, None] * self.norms)
        # What a parameter's own direction has outside of the directions that are seen.
        within = jnp.sum(jnp.where(self.seen[:, None], self.right, 0) ** 2, axis=0)
        return out, within < 1 - smallest(self.values.dtype)


def smallest(dtype) -> float:
    """Singular values below this share of what columns without cancellation would give are not seen: the accuracy of a
    Jacobian from solves, 1e-5 (1e-3 in single precision)."""
    return 1e-5 if jnp.finfo(dtype).bits == 64 else 1e-3


def spectrum(slopes: Float[Array, "m p"]) -> Spectrum:
    """Scaled by its columns, so that neither units nor sensitivities decide what is seen: cancellation alone does."""
    norms = jnp.sqrt(jnp.sum(slopes**2, axis=0))
    norms = jnp.where(norms > 0, norms, 1)
    left, values, right = jnp.linalg.svd(slopes / norms, full_matrices=False)
    return Spectrum(left, values, right, norms, values > smallest(slopes.dtype))
