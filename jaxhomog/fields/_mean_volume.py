"""F-bar: the volume ratio of every integration point replaced by that of its element, at finite strain.

    F-bar_q = (theta / J_q)^(1/d) F_q,    J = det F,    theta = <J> over the points of the element = its volume ratio.

The stresses P-bar(F-bar) act on the nodes through the adjoint of this map's derivative, so that <P : dF> = <P-bar :
dF-bar>: no power is lost, and where the law has a potential W the element has the potential <W(F-bar)> and symmetric
tangents. In plane strain the two directions of the plane share the volume. At F = I it is the mean dilatation of
`q1bar`.

Source: Simo, Taylor, Pister (1985), CMAME 51, 177-208; Moran, Ortiz, Shih (1990), IJNME 29, 483-514 (F-bar).
"""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..messages import Gradient, gradient_of, total
from ._gauss import PointwiseResponse, called


def mean_volume(deformation: Gradient, dim: int) -> Gradient:
    """F-bar at all points of the elements; the fields have a leading axis of points."""
    factor, _, _ = _factors(deformation, dim)
    return {key: factor * value for key, value in deformation.items()}


def mean_volume_stress(deformation: Gradient, stress: Gradient, dim: int) -> Gradient:
    """P = (d F-bar / d F)^T P-bar at all points: stresses conjugate to the deformation gradients themselves."""
    factor, volume, theta = _factors(deformation, dim)
    power = factor * total([stress[key] * deformation[key] for key in stress])
    # d theta = <cof F : dF> and d J_q = cof F_q : dF_q, each in the factor's logarithm over d.
    share = (jnp.mean(power, axis=0) / theta - power / volume) / dim
    cofactor = _cofactor(deformation, dim)
    return {key: factor * stress[key] + share * cofactor[key] for key in stress}


class MeanVolumeResponse(PointwiseResponse):
    """Tangent of F-bar elements: dP at all points of an element for dF at all of them.

    Args:
        points: A-bar = d P-bar / d F-bar of every point, with a leading axis of points.
        deformation: F (q, d d, *shape), row by row.
        stress: P-bar (q, d d, *shape).
    """

    deformation: Float[Array, "q n *shape"]
    stress: Float[Array, "q n *shape"]

    @property
    def _dim(self):
        return math.isqrt(self.deformation.shape[1])

    def fluxes(self, gradients: list[Gradient], apart=called) -> list[Gradient]:
        dim = self._dim
        f, stress = (gradient_of(jnp.swapaxes(x, 0, 1), dim) for x in (self.deformation, self.stress))
        like = self.deformation[0, 0]
        row = lambda g, key: jnp.broadcast_to(g.get(key, 0.0), like.shape).astype(like.dtype)  # noqa: E731
        df = {key: jnp.stack([row(g, key) for g in gradients]) for key in f}
        seen = apart(lambda x, dx: jax.jvp(lambda y: mean_volume(y, dim), (x,), (dx,))[1], f, df)
        moved = apart(jax.vmap(lambda r, g: r.flux(g)), self.points, seen)
        slope = lambda x, p, dx, dp: jax.jvp(lambda y, q: mean_volume_stress(y, q, dim), (x, p), (dx, dp))[1]  # noqa: E731
        out = apart(slope, f, stress, df, moved)
        return [{key: value[q] for key, value in out.items()} for q in range(len(gradients))]

    def times(self, factor):
        return MeanVolumeResponse(self.points.times(factor), self.deformation, self.stress * factor)

    def transpose(self):
        # What the change of geometry adds is symmetric.
        return MeanVolumeResponse(super().transpose().points, self.deformation, self.stress)

    def unit(self):
        rest = jnp.eye(self._dim, dtype=self.deformation.dtype).reshape(1, -1, *(1,) * (self.deformation.ndim - 2))
        rest = jnp.broadcast_to(rest, self.deformation.shape)
        return MeanVolumeResponse(super().unit().points, rest, jnp.zeros_like(self.stress))

    def valid(self):
        return super().valid() & jnp.all(jnp.isfinite(self.deformation)) & jnp.all(jnp.isfinite(self.stress))


def _factors(deformation: Gradient, dim: int):
    """(theta / J)^(1/d), J, and theta; 1 where an element or a point of it is turned inside out."""
    cofactor = _cofactor(deformation, dim)
    volume = total([deformation[0, k] * cofactor[0, k] for k in range(dim)])
    theta = jnp.mean(volume, axis=0)
    # The law says of such a point that it fails; the padding of a box (F = 0) must stay finite.
    sound = jnp.all(volume > 0, axis=0)
    theta, volume = jnp.where(sound, theta, 1), jnp.where(sound, volume, 1)
    return (theta / volume) ** (1 / dim), volume, theta


def _cofactor(f: Gradient, dim: int) -> Gradient:
    """d J / d F."""
    if dim == 2:
        return {(0, 0): f[1, 1], (0, 1): -f[1, 0], (1, 0): -f[0, 1], (1, 1): f[0, 0]}
    out: Gradient = {}
    for i in range(3):
        for k in range(3):
            a, b, c, d = (i + 1) % 3, (i + 2) % 3, (k + 1) % 3, (k + 2) % 3
            out[i, k] = f[a, c] * f[b, d] - f[a, d] * f[b, c]
    return out
