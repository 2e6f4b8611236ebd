"""Hooke's law at points: packed moduli times Mandel vectors, component first."""

from __future__ import annotations

import jax.numpy as jnp
from jaxtyping import Array, Float

from ..messages import AbstractResponse, AnisotropicElasticResponse, IsotropicElasticResponse, total, upper_triangle
from ..results import InputError
from ._linear_elastic import LinearElastic


def hooke(moduli: AbstractResponse, strain: Float[Array, "n *pts"]) -> Float[Array, "n *pts"]:
    """sigma = C : eps with the moduli of `LinearElastic.response`, which broadcast against the points."""
    n = strain.shape[0]
    if isinstance(moduli, IsotropicElasticResponse):
        dim = 3 if n == 6 else 2
        spherical = moduli.lam * total([strain[k] for k in range(dim)])
        shear = [2 * moduli.mu * strain[k] for k in range(n)]
        return jnp.stack([shear[k] + spherical if k < dim else shear[k] for k in range(n)])
    assert isinstance(moduli, AnisotropicElasticResponse)
    row = {}
    for m, (i, j) in enumerate(upper_triangle(n)):
        row[i, j] = row[j, i] = m
    return jnp.stack([total([moduli.c[row[i, j]] * strain[j] for j in range(n)]) for i in range(n)])


def solid_moduli(elastic: LinearElastic, shape: tuple[int, ...], dtype) -> AbstractResponse:
    """The three-dimensional moduli on a grid of two or three directions.

    Raises:
        InputError: an in-plane stiffness, which does not tell the stress of an out-of-plane strain.
    """
    if elastic.form == "stiffness" and elastic.parameters["stiffness"].shape[-1] == 3:
        raise InputError("an out-of-plane strain meets a 3 x 3 in-plane stiffness: give the 6 x 6 Mandel stiffness")
    if len(shape) == 3:
        return elastic.response(shape, dtype)
    moduli = elastic.response((1, *shape), dtype)
    if isinstance(moduli, IsotropicElasticResponse):
        return IsotropicElasticResponse(moduli.lam[0], moduli.mu[0], 3)
    assert isinstance(moduli, AnisotropicElasticResponse)
    return AnisotropicElasticResponse(moduli.c[:, 0], 3)


def lifted(strain: Float[Array, "n *pts"]) -> Float[Array, "6 *pts"]:
    """All six Mandel components of an in-plane strain (plane strain: the others are zero)."""
    if strain.shape[0] == 6:
        return strain
    zero = jnp.zeros_like(strain[0])
    return jnp.stack([strain[0], strain[1], zero, zero, zero, strain[2]])


def in_plane(solid: Float[Array, "6 *pts"], dim: int) -> Float[Array, "n *pts"]:
    """The components 11 22 12 in two dimensions, all of them in three."""
    return solid if dim == 3 else jnp.stack([solid[0], solid[1], solid[5]])
