"""Laws that differ from Gauss point to Gauss point of one element: tangents of a history, and nonlinear laws.

A modal field is the sum of coefficient times monomial, sum_S g_S x^S. At the Gauss points x = +-1/sqrt 3 its values are
one more butterfly over the axes; the adjoint returns the conjugates f_S = (1/2^d) sum_q x_q^S f_q, so that

    (1/2^d) sum_q f_q . g_q = sum_S f_S . g_S                                                        (adjointness)

With the weight (1/3)^|S| of a station taken out, this is the station's flux of a uniform linear law again.
"""

from __future__ import annotations

import itertools
import math

import jax
import jax.numpy as jnp
from jaxtyping import Array

from ..messages import AbstractResponse, Gradient, PlasticResponse, total

_X = 1 / math.sqrt(3.0)


def called(function, *args):
    """function(*args); kernels put a barrier of their compiler here."""
    return function(*args)


class PointwiseResponse(AbstractResponse):
    """A response of its own at every integration point of an element.

    Args:
        points: a response whose leaves have a leading axis of points.
    """

    points: AbstractResponse

    @property
    def number(self) -> int:
        """Integration points of an element."""
        return jax.tree.leaves(self.points)[0].shape[0]

    def at(self, q: int) -> AbstractResponse:
        """The response of one point."""
        return jax.tree.map(lambda x: x[q], self.points)

    def fluxes(self, gradients: list[Gradient], apart=called) -> list[Gradient]:
        """Fluxes at all points of an element, of the gradients at all of them; stages go through `apart`."""
        stacked = {key: jnp.stack([g[key] for g in gradients]) for key in gradients[0]}
        if isinstance(self.points, PlasticResponse):
            # The power along the flow is asked for by every flux.
            share = apart(jax.vmap(lambda r, g: r.share(g)), self.points, stacked)
            found = apart(jax.vmap(lambda r, g, x: r.flux_beside(g, x)), self.points, stacked, share)
        else:
            found = apart(jax.vmap(lambda r, g: r.flux(g)), self.points, stacked)
        return [{key: value[q] for key, value in found.items()} for q in range(len(gradients))]

    def flux(self, gradient: Gradient) -> Gradient:
        """Mean flux of a gradient that is the same at all points."""
        each = self.fluxes([gradient] * self.number)
        return {key: total([q[key] for q in each]) / self.number for key in each[0]}

    def times(self, factor):
        return PointwiseResponse(self.points.times(factor))

    def transpose(self):
        return PointwiseResponse(jax.vmap(lambda r: r.transpose())(self.points))

    def isotropic_part(self):
        return tuple(jnp.mean(x, axis=0) for x in jax.vmap(lambda r: r.isotropic_part())(self.points))

    def mean(self):
        return jnp.mean(jax.vmap(lambda r: r.mean())(self.points), axis=0)

    def unit(self):
        return PointwiseResponse(jax.vmap(lambda r: r.unit())(self.points))

    def valid(self):
        return jnp.all(jax.vmap(lambda r: r.valid())(self.points))


def to_points(coefficients: dict[tuple[int, ...], Array], dim: int) -> dict[tuple[int, ...], Array]:
    """Values at the 2^d Gauss points (bits: the upper one of each axis) of a field given by {S: coefficient}."""
    parts = dict(coefficients)
    for axis in range(dim):
        nxt = {}
        for key in {(*k[:axis], *k[axis + 1 :]) for k in parts}:
            at = lambda bit: (*key[:axis], bit, *key[axis:])  # noqa: B023, E731
            even, odd = parts.get(at(0)), parts.get(at(1))
            low = even if odd is None else (-_X * odd if even is None else even - _X * odd)
            high = even if odd is None else (_X * odd if even is None else even + _X * odd)
            nxt[at(0)], nxt[at(1)] = low, high
        parts = nxt
    return parts


def from_points(values: dict[tuple[int, ...], Array], dim: int) -> dict[tuple[int, ...], Array]:
    """{S: (1/2^d) sum_q x_q^S f_q}, the adjoint of `to_points` in the means; all 2^d monomials S."""
    parts = dict(values)
    for axis in range(dim):
        nxt = {}
        for key in {(*k[:axis], *k[axis + 1 :]) for k in parts}:
            at = lambda bit: (*key[:axis], bit, *key[axis:])  # noqa: B023, E731
            low, high = parts[at(0)], parts[at(1)]
            nxt[at(0)], nxt[at(1)] = 0.5 * (low + high), (0.5 * _X) * (high - low)
        parts = nxt
    return parts


def point_bits(full: bool, dim: int) -> list[tuple[int, ...]]:
    """Names of the integration points, in the order of their axis: the centre, or the 2^d Gauss points."""
    return list(itertools.product((0, 1), repeat=dim)) if full else [(0,) * dim]


def point_gradients(element, assumed, dim: int) -> list[Gradient]:
    """Gradients at the integration points, from the gradients that the law sees at the stations."""
    if not element.full:
        return [assumed[0][1]]
    names = [s for s, _ in element.stations(dim)]
    bits = point_bits(True, dim)
    out: list[Gradient] = [{} for _ in bits]
    for key in sorted({key for _, g in assumed for key in g}):
        field = {s: g[key] for s, (_, g) in zip(names, assumed, strict=True) if key in g}
        values = to_points(field, dim)
        for place, q in enumerate(bits):
            out[place][key] = values[q]
    return out


def station_conjugates(element, fluxes: list[Gradient], dim: int):
    """Stations (weight, flux) of fluxes at the integration points: the adjoint of `point_gradients`."""
    stations = element.stations(dim)
    if not element.full:
        return [(1.0, fluxes[0])]
    bits = point_bits(True, dim)
    out = [(weight, {}) for _, weight in stations]
    for key in fluxes[0]:
        found = from_points({q: f[key] for q, f in zip(bits, fluxes, strict=True)}, dim)
        for (s, weight), (_, flux) in zip(stations, out, strict=True):
            flux[key] = found[s] * (1 / weight)
    return out


def station_fluxes(element, response: PointwiseResponse, assumed, dim: int, apart=called):
    """Fluxes at the stations of a response that differs from point to point."""
    weights = [w for w, _ in assumed]
    gradients = apart(
        lambda each: point_gradients(element, list(zip(weights, each, strict=True)), dim), [g for _, g in assumed]
    )
    fluxes = apart(lambda q: [g for _, g in station_conjugates(element, q, dim)], response.fluxes(gradients, apart))
    return list(zip(weights, fluxes, strict=True))
