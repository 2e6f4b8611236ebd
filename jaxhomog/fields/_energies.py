"""Mean fluxes and powers of pairs of load cases, summed slab by slab so that no strain field is ever stored."""

from __future__ import annotations

import math
from functools import partial

import jax
import jax.numpy as jnp
from jax import lax

from ..messages import total
from ._element import AbstractElement
from ._gauss import PointwiseResponse
from ._modal import ModalElement

# Elements of a slab.
_SLAB = 16384


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
    response = element.completed(response, (True,) * (u.ndim - 2))  # before slabs part neighbours
    if not isinstance(element, ModalElement):
        # One station of weight 1: vmap over the load cases of its gradient.
        gradient = jax.vmap(lambda v, e: element.gradient(v, h, e)[0][1])(u, macros)
        return _pairs(element, response, [(1.0, gradient)], n) / size

    dim = u.ndim - 2
    weights = [weight for _, weight in element.stations(dim)]

    def slab(nodes, moduli, h, macros):
        def row(args):
            # flux_i . gradient_j = force_i . u_j + (sum of flux_i) . macro_j, by adjointness: pairs meet at the nodes,
            # which hold fewer numbers than the stations. The transpose, every voxel's derivative, inherits that.
            stations, pull = jax.vjp(lambda v, e: _gradients(element, v, h, e), *args)
            fluxes = element.flux(moduli, list(zip(weights, stations, strict=True)))
            # What a station's flux does not act on has no force.
            both = zip(fluxes, stations, strict=True)
            flux = [{k: w * q[k] if k in q else jnp.zeros_like(x) for k, x in g.items()} for (w, q), g in both]
            force, mean = pull(flux)
            return _inner(nodes, force) + _inner(macros, mean)

        # One load at a time stays in the caches.
        return lax.map(jax.checkpoint(row), (nodes, macros))

    return _sum_slabs(slab, jnp.zeros((n, n), u.dtype), response, u, h, macros) / size


def _inner(many, one):
    """Inner products of each of `many` (n, ...) with `one`."""
    return jnp.einsum("jv,v->j", many.reshape(many.shape[0], -1), one.ravel(), precision=lax.Precision.HIGHEST)


def mean_fluxes(element: AbstractElement, response, u, h, macros):
    """Mean fluxes (n, components, d) of load cases with fluctuations u (n, components, *shape)."""
    response = element.completed(response, (True,) * (u.ndim - 2))
    if isinstance(element, ModalElement):
        slab = partial(_slab_fluxes, element)
        return _sum_slabs(slab, jnp.zeros(macros.shape, u.dtype), response, u, h, macros) / math.prod(u.shape[2:])

    def one(args):
        v, macro = args
        return element.mean_gradient(element.flux(response, element.gradient(v, h, macro)), v)

    return lax.map(one, (u, macros))


def mean_flux(element: AbstractElement, prepared, u, h, macro):
    """Mean flux (components, d) of one load case, from the moduli as `prepare` left them; primal only.

    A solver need not keep the moduli in two layouts for this.
    """
    if not isinstance(element, ModalElement):
        return element.mean_gradient(element.prepared_flux(prepared, element.gradient(u, h, macro)), u)
    shape = u.shape[1:]
    thick = _thickness(shape)

    def add(so_far, start):
        moduli = element.slab_moduli(prepared, shape, start, thick)
        return so_far + _slab_fluxes(element, _slab_nodes(u[None], start, thick), moduli, h, macro[None])[0], None

    return lax.scan(add, jnp.zeros_like(macro), jnp.arange(0, shape[0], thick))[0] / math.prod(shape)


def _slab_fluxes(element: ModalElement, nodes, moduli, h, macros):
    """Sum of the fluxes over a slab, (n, components, d)."""
    dim = nodes.ndim - 2

    def one(args):
        if isinstance(moduli, PointwiseResponse):
            # The mean of a product is not the product of the means.
            stations = [
                (w, g)
                for (_, w), g in zip(element.stations(dim), _gradients(element, args[0], h, args[1]), strict=True)
            ]
            flux = element.flux(moduli, stations)[0][1]
        else:
            gradient, *_ = _gradients(element, args[0], h, args[1], top=0)
            flux = moduli.flux(gradient)
        return jnp.stack([jnp.stack([jnp.sum(flux[c, k]) for k in range(dim)]) for c in range(nodes.shape[1])])

    return lax.map(one, (nodes, macros))


def _gradients(element: ModalElement, nodes, h, macro, top=None):
    return [g for _, g in element.slab_gradient(nodes, h, macro, top)]


def _thickness(shape) -> int:
    """Layers of a slab: few elements stay in a CPU's caches, more keep its cores (or an accelerator) busy."""
    target = _SLAB if jax.default_backend() == "cpu" else 64 * _SLAB
    fitting = [t for t in range(1, shape[0] + 1) if shape[0] % t == 0 and t * math.prod(shape[1:]) <= target]
    return max(fitting, default=1)


def _slab_nodes(u, start, thick):
    """Layers start, ..., start + thick of the nodes of u (n, components, *shape), periodically."""
    here = lax.dynamic_slice_in_dim(u, start, thick, axis=2)
    after = lax.dynamic_slice_in_dim(u, (start + thick) % u.shape[2], 1, axis=2)
    return jnp.concatenate([here, after], axis=2)


def _sum_slabs(slab, zero, response, u, h, macros):
    """Sum of slab(nodes, moduli, h, macros) over slabs of elements; its residuals are recomputed, not stored."""
    dim = u.ndim - 2
    thick = _thickness(u.shape[2:])

    def by_slab(x):
        at = x.ndim - dim
        return jnp.moveaxis(x.reshape(*x.shape[:at], -1, thick, *x.shape[at + 1 :]), at, 0)

    @jax.checkpoint
    def add(i, moduli, u, h, macros):
        return slab(_slab_nodes(u, i * thick, thick), moduli, h, macros)

    def body(so_far, xs):
        return so_far + add(*xs, u, h, macros), None

    return lax.scan(body, zero, (jnp.arange(u.shape[2] // thick), jax.tree.map(by_slab, response)))[0]
