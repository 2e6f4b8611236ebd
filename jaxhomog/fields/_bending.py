"""Assumed strains of the element `q1e`: neither volume nor bending locks, and no hourglass is free.

At the station of the monomial x^S (see `_modal`) only the strains between the axes K that are not in S are kept: the
others are the parasitic shears of a bent element. Of the kept ones the trace t is scaled by r and balanced by the axes
in S, and all are scaled by the root of a share c,

    sqrt(c) (e_k - t / n + r t / n)   for k in K,     -sqrt(c) r t / m   for j in S,      n = |K|, m = |S|, t = tr_K e.

The station changes no volume, whatever the law. r makes the energy of an isotropic law that of the condition which a
slender part bends under, zero stress along the axes of S (a plate for m = 1, a bar for m = 2):

    r^2 = K / (lambda + 2 mu) for m = 1,   K / (lambda + mu) for m = 2,      K = lambda + 2 mu / d,

so that with c = 1 an isotropic linear law gives the element of incompatible modes with its own modes eliminated; its
station has Lame's parameter 2 lambda mu / (m lambda + 2 mu). A law that flows is asked at the 2^d Gauss points. r and c
come from the virgin moduli, so that a whole path has one potential.

What c is good for: where a voxel has a neighbour that is softer by the ratio q, the element is (or may be) a wall of a
strut and carries bending by itself; inside a body bending shows in the means of the elements, and their higher modes
only stiffen the cell. With the reflection R = (1 - q) / (1 + q) of the softest neighbour

    c = c_min + (c_max - c_min) R^2,     c_max = 0.9 - 0.27 nu,     c_min = 0.1, or 0.03 where laws flow.

c_max is below 1 since the joints of coarse struts are too stiff. These numbers are choices, made on frames of struts of
one voxel, a disc in a matrix of nu = 0.499 and a composite that flows (`experiments/element.py`); a smaller c_min takes
more iterations. With any of them the element converges, and none is zero.

Source: Wilson, Taylor, Doherty, Ghaboussi (1973), in Numerical and Computer Methods in Structural Mechanics, 43-57
(incompatible modes); Taylor, Beresford, Wilson (1976), IJNME 10, 1211-1219; Belytschko & Bindeman (1991), CMAME 88,
311-340 and (1993), CMAME 105, 225-260 (assumed strains that bend and do not lock); Simo & Rifai (1990), IJNME 29,
1595-1638.
"""

from __future__ import annotations

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..messages import AbstractResponse, Gradient, IsotropicElasticResponse, total
from ._gauss import PointwiseResponse

# c at a soft neighbour for nu = 0, and by how much it falls with nu.
_MOST, _FALL = 0.9, 0.27


def assumed_strain(g: Gradient, s, ratios: Array) -> Gradient:
    """Strains that a law sees at the station S.

    Args:
        g: gradient of displacement at the station.
        s: S as bits, not empty.
        ratios: sqrt(c) and r of the stations |S| = 1, ... (m, *pts).
    """
    kept, left = _axes(s)
    root, ratio = ratios[0], ratios[sum(s)]
    normal = [g[k, k] for k in kept]
    trace = total(normal)
    out = {key: root * value for key, value in g.items() if key[0] != key[1] and not (s[key[0]] or s[key[1]])}
    for k in kept:
        share = (ratio - 1) * trace / len(kept) if len(kept) > 1 else None
        out[k, k] = root * (ratio * trace if share is None else g[k, k] + share)
    for j in left:
        out[j, j] = root * ratio * trace / (-len(left))
    return out


def conjugate_stress(q: Gradient, s, ratios: Array) -> Gradient:
    """Adjoint of `assumed_strain`: what the stresses at the station S do on its gradient."""
    kept, left = _axes(s)
    root, ratio = ratios[0], ratios[sum(s)]
    along = total([q[k, k] for k in kept]) / len(kept)
    across = total([q[j, j] for j in left]) / len(left)
    out = {key: root * value for key, value in q.items() if key[0] != key[1] and not (s[key[0]] or s[key[1]])}
    for k in kept:
        part = ratio * (along - across)
        out[k, k] = root * (part if len(kept) == 1 else q[k, k] - along + part)
    return out


def bending_ratios(response: AbstractResponse, wraps: tuple[bool, ...], least: float) -> Float[Array, "m *shape"]:
    """sqrt(c), and r of the stations |S| = 1, ..., d - 1, from the isotropic part of the moduli.

    Args:
        response: virgin moduli of the window.
        wraps: whether the axis is periodic; else the faces' own voxels are their neighbours.
        least: c of a voxel among its like.
    """
    lam, mu = response.isotropic_part()
    bulk = lam + 2 * mu / len(wraps)
    roots = [_root(bulk, lam + 2 * mu / m) for m in range(1, len(wraps))]
    return jnp.stack([jnp.sqrt(_share(lam, mu, wraps, least)), *roots])


def _share(lam, mu, wraps, least):
    """c of every voxel."""
    own = jnp.where(mu > 0, mu, 1)
    softest = jnp.ones_like(mu)
    for k, periodic in enumerate(wraps):
        for step in (1, -1):
            beside = jnp.roll(mu, step, axis=k)
            if not periodic:
                first = jnp.arange(mu.shape[k]) == (0 if step == 1 else mu.shape[k] - 1)
                beside = jnp.where(first.reshape(tuple(-1 if j == k else 1 for j in range(len(wraps)))), mu, beside)
            softest = jnp.minimum(softest, beside / own)
    soft = jnp.clip(jnp.where(mu > 0, softest, 1), 0, 1)
    below = 2 * (lam + mu)
    nu = jnp.clip(jnp.where(below > 0, lam / jnp.where(below > 0, below, 1), 0), 0, 0.5)
    return least + (_MOST - _FALL * nu - least) * ((1 - soft) / (1 + soft)) ** 2


def bending_lame(lam, mu, m: int):
    """Lame's first parameter under zero stress along m axes; zero where there is no stiffness."""
    below = m * lam + 2 * mu
    safe = jnp.where(below > 0, below, 1)
    return jnp.where(below > 0, 2 * lam * mu / safe, 0)


def _root(above, below):
    # A void has neither: any ratio will do, and its derivative must stay finite. Admissible isotropic moduli have a
    # square between 0 and 1.
    sound = (below > 0) & (above > 0)
    square = jnp.where(sound, above, 1) / jnp.where(sound, below, 1)
    return jnp.sqrt(jnp.clip(square, 1e-4, 1))


def _axes(s):
    return [k for k, bit in enumerate(s) if not bit], [k for k, bit in enumerate(s) if bit]


class AbstractBentResponse(AbstractResponse):
    """A response that knows its fluxes at the stations of higher modes."""

    def station_flux(self, gradient: Gradient, s) -> Gradient:
        """Conjugate of the station's gradient."""
        raise AssertionError("given by every class that is made")


class IsotropicBending(AbstractBentResponse):
    """Isotropic moduli; at the higher stations c mu, and c times Lame's first parameter of |S| = 1, ..., d - 1."""

    law: IsotropicElasticResponse
    bent: Float[Array, "m *shape"]
    least: float = eqx.field(static=True)

    def flux(self, gradient: Gradient) -> Gradient:
        return self.law.flux(gradient)

    def station_flux(self, gradient: Gradient, s) -> Gradient:
        inside = {key: value for key, value in gradient.items() if not (s[key[0]] or s[key[1]])}
        return IsotropicElasticResponse(self.bent[sum(s)], self.bent[0], self.law.dim).flux_within(inside)

    def lowest(self, lam, mu):
        """Smallest eigenvalue of the higher stations' moduli relative to those of the reference medium."""
        dim, shear = self.law.dim, self.bent[0]
        found = [jnp.min(shear) / (self.least * mu)]
        for m in range(1, dim):
            normal, reference = self.bent[m] + 2 * shear / (dim - m), bending_lame(lam, mu, m) + 2 * mu / (dim - m)
            found.append(jnp.min(normal) / (self.least * reference))
        return jnp.min(jnp.stack(found))

    def isotropic_part(self):
        return self.law.isotropic_part()

    def mean(self):
        return self.law.mean()

    def unit(self):
        return IsotropicBending(self.law.unit(), jnp.ones_like(self.bent), self.least)

    def valid(self):
        return self.law.valid()


class GeneralBending(AbstractBentResponse):
    """Any linear moduli behind the assumed strains."""

    law: AbstractResponse
    ratio: Float[Array, "m *shape"]

    def flux(self, gradient: Gradient) -> Gradient:
        return self.law.flux(gradient)

    def station_flux(self, gradient: Gradient, s) -> Gradient:
        return conjugate_stress(self.law.flux(assumed_strain(gradient, s, self.ratio)), s, self.ratio)

    def times(self, factor):
        return GeneralBending(self.law.times(factor), self.ratio)

    def transpose(self):
        return GeneralBending(self.law.transpose(), self.ratio)

    def isotropic_part(self):
        return self.law.isotropic_part()

    def mean(self):
        return self.law.mean()

    def unit(self):
        return GeneralBending(self.law.unit(), jnp.ones_like(self.ratio))

    def valid(self):
        return self.law.valid()


class BendingPoints(PointwiseResponse):
    """Tangents at the Gauss points, and the ratios of the assumed strains."""

    ratio: Float[Array, "m *shape"]

    def times(self, factor):
        return BendingPoints(self.points.times(factor), self.ratio)

    def transpose(self):
        return BendingPoints(super().transpose().points, self.ratio)

    def unit(self):
        return BendingPoints(super().unit().points, jnp.ones_like(self.ratio))


def bent(response: AbstractResponse, wraps: tuple[bool, ...], least: float) -> AbstractResponse:
    """Moduli of the window with what the stations of higher modes need; once for a whole solve."""
    if isinstance(response, AbstractBentResponse | BendingPoints):
        return response
    if isinstance(response, IsotropicElasticResponse):
        lam, mu = response.lam, response.mu
        share = _share(lam, mu, wraps, least)
        plates = [share * bending_lame(lam, mu, m) for m in range(1, len(wraps))]
        return IsotropicBending(response, jnp.stack([share * mu, *plates]), least)
    ratio = bending_ratios(response, wraps, least)
    if isinstance(response, PointwiseResponse):
        return BendingPoints(response.points, ratio)
    return GeneralBending(response, ratio)
