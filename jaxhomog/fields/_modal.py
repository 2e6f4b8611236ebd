"""Trilinear (bilinear) elements in modal form: `q1` fully integrated, `q1r` with one point, `q1bar` and `q1e`.

In an element with local coordinates in [-1, 1]^d the field is sum_T a_T x^T over subsets T of the axes, and
d/dx_k of the monomial x^T is x^(T without k). Stations are therefore monomials S: the gradient's coefficient of x^S in
column k is 2 a_(S+k) / h_k, different S are orthogonal, and the mean of (x^S)^2 is (1/3)^|S|. So full integration costs
2^d - 1 evaluations of the law, not the 2^d of Gauss points, and `q1r` is S = {} alone.

`q1bar` replaces the dilatation by its mean over the element (B-bar): the stations S other than {} lose their trace,
which is shared out among the d directions of the grid, so that plane strain stays plane. Nagtegaal, Parks, Rice (1974,
CMAME 4:153), Hughes (1980, IJNME 15:1413). `q1e` neither locks in volume nor in bending: see `_bending`.

A law that is not linear is asked at the 2^d Gauss points instead (`_gauss`).

The coefficients a_T are sums and differences over element edges, axis by axis (a Hadamard butterfly).
"""

from __future__ import annotations

import itertools
import math

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array

from ..messages import AbstractResponse, Gradient, components, total
from . import _bending, _gauss, _modal_fast
from ._element import AbstractElement, Stations
from ._subsets import modes, with_axis


def butterfly(v, dim: int, first_open: bool = False):
    """Sums and differences of the 2^d corner values of every element: {T: array}.

    The last `dim` axes are space and periodic. With `first_open` the first of them holds one layer of nodes more than
    there are layers of elements, instead of wrapping around.
    """
    parts: dict[tuple[int, ...], Array] = {(): v}
    for axis in range(dim):
        nxt = {}
        for key, value in parts.items():
            at = value.ndim - dim + axis
            if axis == 0 and first_open:
                low = value[(slice(None),) * at + (slice(None, -1),)]
                high = value[(slice(None),) * at + (slice(1, None),)]
            else:
                low, high = value, jnp.roll(value, -1, axis=at)
            nxt[(*key, 0)] = low + high
            nxt[(*key, 1)] = high - low
        parts = nxt
    return parts


def butterfly_transpose(parts, dim: int):
    """Adjoint of the periodic `butterfly`; absent keys are zero."""
    for axis in reversed(range(dim)):
        nxt = {}
        for key in {k[:axis] for k in parts}:
            total = None
            at = axis - dim
            if (*key, 0) in parts:
                value = parts[(*key, 0)]
                total = value + jnp.roll(value, 1, axis=at)
            if (*key, 1) in parts:
                value = parts[(*key, 1)]
                part = jnp.roll(value, 1, axis=at) - value
                total = part if total is None else total + part
            nxt[key] = total
        parts = nxt
    return parts[()]


class ModalElement(AbstractElement):
    """Q1 element: `order` is the largest |S| kept, d - 1 for full integration and 0 for one point."""

    name: str = eqx.field(static=True)
    full: bool = eqx.field(static=True)
    conforming: bool = eqx.field(static=True)
    mean_dilatation: bool = eqx.field(static=True, default=False)
    # The same of the volume ratio at finite strain: a nonlinear map, which laws at points go through (`_mean_volume`).
    mean_volume: bool = eqx.field(static=True, default=False)
    # Assumed strains at the stations beyond the mean (`_bending`), and their share among like voxels.
    bending: bool = eqx.field(static=True, default=False)
    least: float = eqx.field(static=True, default=1.0)

    def stations(self, dim: int):
        """The monomials S with their weights (1/3)^|S|."""
        top = dim - 1 if self.full else 0
        return [(s, 3.0 ** -sum(s)) for s in modes(dim) if sum(s) <= top]

    def gradient(self, u, h, macro=None) -> Stations:
        return self._gradient(u, u.ndim - 1, h, macro, first_open=False)

    def slab_gradient(self, nodes, h, macro, top: int | None = None) -> Stations:
        """Stations up to |S| = top of elements between layers of nodes (components, layers + 1, ...)."""
        return self._gradient(nodes, nodes.ndim - 1, h, macro, first_open=True, top=top)

    def _gradient(self, u, dim, h, macro, first_open, top: int | None = None) -> Stations:
        scale = [2.0 ** (1 - dim) / h[k] for k in range(dim)]
        parts = {key: components(value) for key, value in butterfly(u, dim, first_open).items()}
        out: Stations = []
        for s, weight in self.stations(dim):
            if top is not None and sum(s) > top:
                continue
            g: Gradient = {}
            for c, k in itertools.product(range(u.shape[0]), range(dim)):
                if not s[k]:
                    g[c, k] = parts[with_axis(s, k)][c] * scale[k]
                    if macro is not None and sum(s) == 0:
                        g[c, k] = g[c, k] + macro[c, k]
            out.append((weight, g))
        return out

    def flux(self, response: AbstractResponse, stations: Stations, apart=_gauss.called) -> Stations:
        dim = 1 + max(k for _, k in stations[0][1])  # the arrays may be flat
        names = [s for s, _ in self.stations(dim)][: len(stations)]  # see `mean_only`
        if self.bending:
            response = _bending.bent(response, (True,) * dim, self.least)
            if isinstance(response, _bending.AbstractBentResponse):
                both = zip(stations, names, strict=True)
                return [(w, response.station_flux(g, s) if any(s) else response.flux(g)) for (w, g), s in both]
        ratio = response.ratio if isinstance(response, _bending.BendingPoints) else None
        assumed = [(w, self._assumed(g, s, dim, ratio)) for (w, g), s in zip(stations, names, strict=True)]
        if isinstance(response, _gauss.PointwiseResponse):
            fluxes = _gauss.station_fluxes(self, response, assumed, dim, apart)
        else:
            fluxes = [(w, response.flux(g)) for w, g in assumed]
        both = zip(fluxes, stations, names, strict=True)
        return [(w, self._conjugate(q, g, s, dim, ratio)) for (w, q), (_, g), s in both]

    def completed(self, response: AbstractResponse, wraps: tuple[bool, ...]) -> AbstractResponse:
        return _bending.bent(response, wraps, self.least) if self.bending else response

    def ratios(self, response: AbstractResponse, wraps: tuple[bool, ...]) -> Array | None:
        """What the assumed strains of a law at points need to know of its virgin moduli."""
        return _bending.bending_ratios(response, wraps, self.least) if self.bending else None

    def tangents(self, points: AbstractResponse, ratio: Array | None) -> AbstractResponse:
        """Tangents at the integration points (a leading axis) as a response."""
        if not self.full:
            return jax.tree.map(lambda x: x[0], points)
        return _gauss.PointwiseResponse(points) if ratio is None else _bending.BendingPoints(points, ratio)

    def at_points(self, u, h, macro=None, cut=lambda x: x, ratio: Array | None = None) -> list[Gradient]:
        """Gradients that a law sees at the integration points; `cut` selects elements on the way."""
        dim = u.ndim - 1
        stations = [(w, cut(g)) for w, g in self.gradient(u, h, macro)]
        names = [s for s, _ in self.stations(dim)]
        assumed = [(w, self._assumed(g, s, dim, ratio)) for (w, g), s in zip(stations, names, strict=True)]
        return _gauss.point_gradients(self, assumed, dim)

    def point_stations(self, fluxes: list[Gradient], dim: int, ratio: Array | None = None) -> Stations:
        """Stations of fluxes at the integration points: `divergence` of them is the adjoint of `at_points`."""
        out = []
        for (w, q), (s, _) in zip(_gauss.station_conjugates(self, fluxes, dim), self.stations(dim), strict=True):
            columns: Gradient = {key: value for key, value in q.items() if not s[key[1]]}
            out.append((w, self._conjugate(q, columns, s, dim, ratio)))
        return out

    def _assumed(self, g: Gradient, s, dim, ratio: Array | None = None) -> Gradient:
        """The gradient that the law sees at a station."""
        if ratio is not None and any(s):
            return _bending.assumed_strain(g, s, ratio)
        diagonal = [g[k, k] for k in range(dim) if (k, k) in g]
        if not self.mean_dilatation or not any(s) or not diagonal:
            return g
        share = total(diagonal) / dim
        out = dict(g)
        for k in range(dim):
            out[k, k] = g[k, k] - share if (k, k) in g else -share
        return out

    def _conjugate(self, q: Gradient, g: Gradient, s, dim, ratio: Array | None = None) -> Gradient:
        """Adjoint of `_assumed`, on the columns that the station has."""
        if ratio is not None and any(s):
            return _bending.conjugate_stress(q, s, ratio)
        if not self.mean_dilatation or not any(s):
            return q
        columns = {k for _, k in g}
        diagonal = [q[k, k] for k in range(dim) if (k, k) in q]
        out = {key: value for key, value in q.items() if key[1] in columns}
        if diagonal:
            share = total(diagonal) / dim
            for k in columns:
                out[k, k] = out[k, k] - share if (k, k) in out else -share
        return out

    def mean_only(self, u, h, macro=None) -> Stations:
        return self._gradient(u, u.ndim - 1, h, macro, first_open=False, top=0)

    def prepare(self, response, dim: int):
        return _modal_fast.prepare(self.completed(response, (True,) * dim), dim)

    def slab_moduli(self, prepared, shape, start, thick: int):
        """Moduli of `thick` layers of elements from layer `start` on, from their prepared form."""
        return _modal_fast.slab_moduli(prepared, shape, start, thick)

    def fast_force(self, prepared, u, h, macro=None):
        return _modal_fast.force(self, prepared, u, h, macro)

    def divergence(self, stations: Stations, h, like):
        dim = like.ndim - 1
        scale = [2.0 ** (1 - dim) / h[k] for k in range(dim)]
        forces = []
        for c in range(like.shape[0]):
            parts: dict = {}
            for (s, _), (weight, flux) in zip(self.stations(dim), stations, strict=True):
                for k in range(dim):
                    if (c, k) in flux and not s[k]:
                        t = with_axis(s, k)
                        value = flux[c, k] * (weight * scale[k])
                        parts[t] = parts[t] + value if t in parts else value
            forces.append(butterfly_transpose(parts, dim))
        return jnp.stack(forces)

    def symbol(self, shape, h):
        sine, cosine = half_angle(shape, h.dtype)
        if self.bending:
            stations = self.stations(len(shape))
            # The reference medium has the share of a voxel among its like: most iterations go to the softest phase.
            weights = [(s, weight * self.least if any(s) else weight) for s, weight in stations]
            return "bending", [w for s, weight in weights for w in _station_waves(sine, cosine, h, s, weight)]
        if self.full:
            stiff = [4 * s**2 / h[k] ** 2 for k, s in enumerate(sine)]
            mass = [1 - (2.0 / 3.0) * s**2 for s in sine]
            cross = [2 * s * c / h[k] for k, (s, c) in enumerate(zip(sine, cosine, strict=True))]
            if self.mean_dilatation or self.mean_volume:
                return "dilatation", [*stiff, *mass, *cross, *_waves(sine, cosine, h)]
            return "tensor", [*stiff, *mass, *cross]
        return "vector", _waves(sine, cosine, h)


def _waves(sine, cosine, h):
    """Symbols of the mean gradient over an element."""
    waves = []
    for k in range(len(sine)):
        factors = [sine[j] if j == k else cosine[j] for j in range(len(sine))]
        waves.append(math.prod(factors[1:], start=factors[0]) * (2 / h[k]))
    return waves


def _station_waves(sine, cosine, h, s, weight):
    """Symbols of the gradient's columns k at a station (without the power of i that they share), root of weight in."""
    waves = []
    for k in (k for k, bit in enumerate(s) if not bit):
        factors = [sine[j] if j == k or s[j] else cosine[j] for j in range(len(s))]
        waves.append(math.prod(factors[1:], start=factors[0]) * (2 * math.sqrt(weight) / h[k]))
    return waves


def half_angle(shape, dtype):
    """sin and cos of half the wave angle along each axis of the real FFT's half spectrum, shaped to broadcast."""
    dim = len(shape)
    sine, cosine = [], []
    for k, n in enumerate(shape):
        index = jnp.arange(n // 2 + 1 if k == dim - 1 else n)
        # Wave numbers -n/2..n/2: sin(xi/2) is odd, and the products sin * cos need its sign.
        index = jnp.where(index > n // 2, index - n, index)
        angle = index.astype(dtype) * (math.pi / n)
        at = tuple(-1 if j == k else 1 for j in range(dim))
        # The Nyquist wave has cos(pi/2) = 0 exactly; rounding would leave a mode of one-point elements unsuppressed.
        nyquist = 2 * jnp.abs(index) == n
        sine.append(jnp.sin(angle).reshape(at))
        cosine.append(jnp.where(nyquist, 0, jnp.cos(angle)).astype(dtype).reshape(at))
    return sine, cosine


Q1 = ModalElement(name="q1", full=True, conforming=True)
Q1R = ModalElement(name="q1r", full=False, conforming=False)
Q1FBAR = ModalElement(name="q1bar", full=True, conforming=False, mean_volume=True)
Q1BAR = ModalElement(name="q1bar", full=True, conforming=False, mean_dilatation=True)
Q1E = ModalElement(name="q1e", full=True, conforming=False, bending=True, least=0.1)
# The same for laws that flow at constant volume.
Q1EFLOW = ModalElement(name="q1e", full=True, conforming=False, bending=True, least=0.03)
