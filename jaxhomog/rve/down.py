"""How the RVE receives the scale above: macroscopic gradients, one per load case."""

from __future__ import annotations

import math

import jax.numpy as jnp
from jaxtyping import Array, Float

from ..tensors import from_mandel


def load_cases(physics: str, dim: int, dtype) -> Float[Array, "n c d"]:
    """The unit load cases whose responses are the columns of the effective tensor.

    Elasticity: the Mandel basis (3 or 6 strains); finite strain: the d d unit changes of F; conduction: the d unit
    gradients.
    """
    if physics == "finite_strain":
        return jnp.eye(dim * dim, dtype=dtype).reshape(-1, dim, dim)
    if physics == "elasticity":
        return from_mandel(jnp.eye(6 if dim == 3 else 3, dtype=dtype))
    return jnp.eye(dim, dtype=dtype)[:, None, :]


def macro_gradient(physics: str, message: Float[Array, " n"]) -> Float[Array, "c d"]:
    """A Mandel strain as a symmetric matrix, a deformation gradient as a matrix, a gradient as a single row."""
    if physics == "finite_strain":
        dim = math.isqrt(message.shape[0])
        return message.reshape(dim, dim)
    return from_mandel(message) if physics == "elasticity" else message[None, :]
