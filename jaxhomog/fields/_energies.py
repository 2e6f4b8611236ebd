"""Mean fluxes and powers of pairs of load cases, summed layer by layer so that no strain field is ever stored."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
from jax import lax

from ..messages import total
from ._element import AbstractElement
from ._modal import ModalElement


def _pairs(element, response, stations, n):
    """Sum over points of w flux_i . gradient_j, an (n, n) matrix."""
    parts = []
    for (weight, g), (_, q) in zip(stations, element.flux(response, stations), strict=True):
        for key in g:
            powers = jnp.einsum(
                "iv,jv->ij", q[key].reshape(n, -1), g[key].reshape(n, -1), precision=lax.Precision.HIGHEST
            )
            parts.append(weight * powers)
    return total(parts)


def pair_energies(element: AbstractElement, response, u, h, macros):
    """Mean powers <flux_i . gradient_j> of load cases i and j.

    Args:
        element: discretization.
        response: per-voxel moduli.
        u: fluctuations (n, components, *shape).
        h: voxel edges.
        macros: macroscopic gradients (n, components, d).

    Returns:
        (n, n), symmetric up to rounding. Linear in the moduli: its derivative with respect to them, at fixed `u`, is
        the derivative of the effective tensor.
    """
    n, size = u.shape[0], math.prod(u.shape[2:])
    if not isinstance(element, ModalElement):
        # One station of weight 1: vmap over the load cases of its gradient.
        gradient = jax.vmap(lambda v, e: element.gradient(v, h, e)[0][1])(u, macros)
        return _pairs(element, response, [(1.0, gradient)], n) / size

    def layer(i, moduli, u, h, macros):
        stations, moduli = _layer(element, i, moduli, u, h, macros)
        return _pairs(element, moduli, stations, n)

    return _sum_layers(layer, jnp.zeros((n, n), u.dtype), response, u, h, macros) / size


def mean_fluxes(element: AbstractElement, response, u, h, macros):
    """Mean fluxes (n, components, d) of load cases with fluctuations u (n, components, *shape)."""
    if not isinstance(element, ModalElement):

        def one(args):
            v, macro = args
            return element.mean_gradient(element.flux(response, element.gradient(v, h, macro)), v)

        return lax.map(one, (u, macros))

    dim = u.ndim - 2

    def layer(i, moduli, u, h, macros):
        stations, moduli = _layer(element, i, moduli, u, h, macros, top=0)
        flux = element.flux(moduli, stations)[0][1]
        space = tuple(range(1, dim + 1))
        rows = [[jnp.sum(flux[c, k], axis=space) for k in range(dim)] for c in range(u.shape[1])]
        return jnp.stack([jnp.stack(row, axis=-1) for row in rows], axis=-2)

    size = math.prod(u.shape[2:])
    return _sum_layers(layer, jnp.zeros(macros.shape, u.dtype), response, u, h, macros) / size


def _layer(element: ModalElement, i, moduli, u, h, macros, top=None):
    """Stations and moduli of layer i of elements, load cases first, then one layer of space."""
    n, dim = u.shape[0], u.ndim - 2
    here = lax.dynamic_slice_in_dim(u, i, 1, axis=2)
    after = lax.dynamic_slice_in_dim(u, (i + 1) % u.shape[2], 1, axis=2)
    nodes = jnp.moveaxis(jnp.concatenate([here, after], axis=2), 1, 0)
    # Macro gradients broadcast over space.
    macro = jnp.moveaxis(macros, 0, -1).reshape(*macros.shape[1:], n, *(1,) * dim)
    moduli = jax.tree.map(lambda x: jnp.expand_dims(x, x.ndim - dim + 1), moduli)
    return element.layer_gradient(nodes, dim, h, macro, top), moduli


def _sum_layers(layer, zero, response, u, h, macros):
    """Sum of layer(i, moduli, u, h, macros) over layers; its residuals are recomputed, not stored."""
    dim = u.ndim - 2
    by_layer = jax.tree.map(lambda x: jnp.moveaxis(x, x.ndim - dim, 0), response)
    layer = jax.checkpoint(layer)

    def body(so_far, xs):
        return so_far + layer(*xs, u, h, macros), None

    return lax.scan(body, zero, (jnp.arange(u.shape[2]), by_layer))[0]
