"""Boundary conditions of a cell as subspaces of fluctuations.

Every condition is the same problem, minimize 1/2 <(E + grad u) : C : (E + grad u)>, over another space of u with
<grad u> = 0. Named per axis, for the two faces normal to it:

    periodic           u takes the same values on both faces
    affine             u = 0 on both faces
    uniform_traction   u is free; <grad u> = 0 is imposed, and its multiplier is the uniform traction (or normal flux)
    uniform_mixed      the normal component of u vanishes, the tangential ones are free (elasticity): orthogonal mixed
    pmubc              the window is one of the mirror images that make up a periodic cell (see below)

    affine < {periodic, uniform_mixed} < uniform_traction   as sets, and the reverse as apparent stiffnesses

A uniform traction is that of a symmetric stress: where u_c is free on the faces normal to k and u_k on those normal to
c, it has one number for both, and <d_k u_c + d_c u_k> = 0 alone is imposed. The mean rotation is held only where it is
a rigid motion that the faces admit (uniform traction all around), and at finite strain.

`pmubc`: the window and its mirror image in the axis are a periodic cell. Under a reflection every unit load is even or
odd. An even one leaves the faces like `uniform_mixed` but without a mean to impose; an odd one holds the tangential
components and frees the normal one. A temperature is free for even loads and held for odd ones.

An axis that is not periodic gets one more layer of voxels, without stiffness: the periodic operator then is that of the
open window, and both faces have nodes of their own. Moduli are multiplied by the ratio of volumes, so that every mean
over the extended cell is a mean over the window.

Hill (1963, JMPS 11:357), Hazanov and Huet (1994, JMPS 42:1995), Miehe and Koch (2002, Arch. Appl. Mech. 72:300), Pahr
and Zysset (2008, Biomech. Model. Mechanobiol. 7:463).
"""

from __future__ import annotations

import math

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ._element import AbstractElement
from ._face_means import Held, add, along, face_means, factors, held_means, weights

BOUNDARIES = ("periodic", "affine", "uniform_traction", "uniform_mixed", "pmubc")


class Boundary(eqx.Module):
    """The fluctuations that a boundary condition admits.

    Args:
        names: one of `BOUNDARIES` per axis.
        physics: "elasticity", "finite_strain" or "conduction".
    """

    names: tuple[str, ...] = eqx.field(static=True)
    physics: str = eqx.field(static=True, default="elasticity")

    @property
    def periodic(self) -> bool:
        """Whether every axis is periodic."""
        return all(name == "periodic" for name in self.names)

    def wraps(self, axis: int) -> bool:
        """Whether the axis is periodic."""
        return self.names[axis] == "periodic"

    @property
    def mirrors(self) -> tuple[int, ...]:
        """Axes in which the window is mirrored."""
        return tuple(k for k, name in enumerate(self.names) if name == "pmubc")

    def free(self, component: int, axis: int, odd=None):
        """Whether a component may move on the faces normal to an axis that is not periodic.

        Args:
            component: of displacement; 0 for the temperature.
            axis: of the faces.
            odd: (d,) of bool, the axes in which the load is odd. Where `axis` is mirrored the answer depends on it and
                is an array.
        """
        if self.names[axis] == "pmubc":
            assert odd is not None
            normal = self.physics != "conduction" and component == axis
            return odd[axis] if normal else ~odd[axis]
        return self.names[axis] == "uniform_traction" or (self.names[axis] == "uniform_mixed" and component != axis)

    def odd(self, macro) -> Array:
        """Axes (d,) whose reflection turns a load (c, d) into its opposite; loads that are neither count as odd."""
        if self.physics == "conduction":
            return macro[0] != 0
        apart = (macro != 0) & ~jnp.eye(macro.shape[-1], dtype=bool)
        return jnp.any(apart, axis=0) | jnp.any(apart, axis=1)

    def alike(self, macros) -> Array:
        """Pairs of loads (n, n) that the mirrored cell does not keep apart: both even or both odd in every mirror."""
        odd = jnp.stack([self.odd(macro) for macro in macros])[:, jnp.asarray(self.mirrors, int)]
        return jnp.all(odd[:, None] == odd[None, :], axis=-1)

    def mirrored_mean(self, mean: Float[Array, "c d"], macro=None):
        """Mean over the mirrored cell from that over the window: entries of the other parity cancel.

        Args:
            mean: of a flux or gradient.
            macro: the load (c, d); None for one that is even.
        """
        if not self.mirrors:
            return mean
        c, d = mean.shape
        odd = jnp.zeros(d, bool) if macro is None else self.odd(macro)
        for m in self.mirrors:
            turned = [[(self.physics != "conduction" and i == m) != (k == m) for k in range(d)] for i in range(c)]
            mean = jnp.where(jnp.asarray(turned) == odd[m], mean, 0)
        return mean

    def held(self, response, h: Float[Array, " d"], macro=None) -> Held | None:
        """What is imposed on the means of the fluctuations of one load; None where the faces alone say all.

        Args:
            response: moduli of the extended cell.
            h: voxel edges.
            macro: the load (c, d), which counts where the window is mirrored; None for one that is even.
        """
        if self.periodic:
            return None
        stiff = response.isotropic_part()[-1]
        d = stiff.ndim
        odd = jnp.zeros(d, bool) if macro is None else self.odd(macro)
        means = self._means(stiff.shape)
        if not means:
            return Held(odd, None, None, None)
        lengths = [h[k] * (m - 1) for k, m in enumerate(stiff.shape)]
        present = [self._counts(c, k, odd) for c, k in means]
        pairs = self._pairs(means)
        functionals = [self._factors(c, k, stiff.shape, h.dtype, odd)[0] for c, k in means]
        # A node that touches no stiffness; layers that were added touch it from outside.
        around = stiff > 0
        for axis in range(d):
            around = around | jnp.roll(around, 1, axis=axis)
        return held_means(odd, means, pairs, present, lengths, functionals, ~around)

    def nodes(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Nodes of the window; also the shape of the extended cell."""
        return tuple(n + (not self.wraps(k)) for k, n in enumerate(shape))

    def voxels(self, nodes: tuple[int, ...]) -> tuple[int, ...]:
        """Shape of the window, the inverse of `nodes`."""
        return tuple(n - (not self.wraps(k)) for k, n in enumerate(nodes))

    def extend(self, response, shape: tuple[int, ...]):
        """Per-voxel moduli of the extended cell."""
        if self.periodic:
            return response
        nodes = self.nodes(shape)
        pads = [(0, m - n) for m, n in zip(nodes, shape, strict=True)]
        ratio = math.prod(nodes) / math.prod(shape)
        pad = lambda x: jnp.pad(x, [(0, 0)] * (x.ndim - len(shape)) + pads)  # noqa: E731
        return jax.tree.map(pad, response.times(ratio))

    def extend_flux(self, fluxes, shape: tuple[int, ...]):
        """Fluxes of the window in the extended cell, the inverse of `window` and `unscale` together."""
        if self.periodic:
            return fluxes
        nodes = self.nodes(shape)
        pads = [(0, m - n) for m, n in zip(nodes, shape, strict=True)]
        ratio = math.prod(nodes) / math.prod(shape)
        return jax.tree.map(lambda x: jnp.pad(x * ratio, [(0, 0)] * (x.ndim - len(shape)) + pads), fluxes)

    def window(self, fields):
        """The voxels of the window, of arrays whose last axes are those of the extended cell."""
        cut = tuple(slice(None) if self.wraps(k) else slice(None, -1) for k in range(len(self.names)))
        return jax.tree.map(lambda x: x[(..., *cut)], fields)

    def unscale(self, fluxes, shape: tuple[int, ...]):
        """Fluxes of the extended cell's moduli in terms of the window's."""
        return fluxes * (math.prod(shape) / math.prod(self.nodes(shape)))

    def admit(self, u: Float[Array, "c *nodes"], held: Held | None):
        """P u: the projection on the space with means of zero (u = 0 is met already)."""
        if held is None or held.means is None:
            return u
        means = self._means(u.shape[1:])
        products = [self._factors(c, k, u.shape[1:], u.dtype, held.odd) for c, k in means]
        sizes = weights(held.means, face_means(u, means, [b for b, _ in products]))
        return add(u, means, [w for _, w in products], -sizes)

    def restrict(self, force: Float[Array, "c *nodes"], held: Held | None):
        """P^T f: what of a nodal force acts on admissible fluctuations."""
        if held is None:
            return force
        force = jnp.stack([row * self._mask(c, force.shape, force.dtype, held.odd) for c, row in enumerate(force)])
        if held.means is None:
            return force
        means = self._means(force.shape[1:])
        products = [self._factors(c, k, force.shape[1:], force.dtype, held.odd) for c, k in means]
        sizes = weights(held.means.T, face_means(force, means, [w for _, w in products]))
        return add(force, means, [b for b, _ in products], -sizes)

    def fill(self, u: Float[Array, "c *nodes"], held: Held | None):
        """The same fluctuation with means of zero: nodes that touch no stiffness move as they must."""
        if held is None or held.fill is None or held.loose is None:
            return u
        means = self._means(u.shape[1:])
        functionals = [self._factors(c, k, u.shape[1:], u.dtype, held.odd)[0] for c, k in means]
        sizes = weights(held.fill, face_means(u, means, functionals))
        return u - jnp.where(held.loose, add(jnp.zeros_like(u), means, functionals, sizes), 0)

    def unbound(self, response, shape: tuple[int, ...]) -> Array:
        """Whether a uniform traction acts on nothing and no face holds the window: it then carries no load at all."""
        if any(name != "uniform_traction" for name in self.names):
            return jnp.asarray(False)
        around = jnp.pad(response.isotropic_part()[-1] > 0, [(0, 1)] * len(shape))
        for axis in range(len(shape)):
            around = around | jnp.roll(around, 1, axis=axis)
        inner = around[tuple(slice(1, -1) for _ in shape)]
        return jnp.sum(~around) > jnp.sum(~inner)

    def _mask(self, c, shape, dtype, odd):
        """1 where a component may move, 0 on held faces."""
        mask = jnp.ones((), dtype)
        for k, n in enumerate(shape[1:]):
            if self.wraps(k) or self.free(c, k, odd) is True:
                continue
            index = jnp.arange(n)
            inner = (index > 0) & (index < n - 1)
            mask = mask * along((inner | self.free(c, k, odd)).astype(dtype), k, len(shape) - 1)
        return mask

    def _means(self, nodes: tuple[int, ...]) -> list[tuple[int, int]]:
        """(c, k) of every <d_k u_c> that is not zero by itself and not left to the mirror images."""
        dim = len(nodes)
        out = []
        for c in range(1 if self.physics == "conduction" else dim):
            # A single voxel between held faces has no inner node: no fluctuation of this component, nothing to impose.
            fixed = [j for j in range(dim) if self.names[j] not in ("periodic", "pmubc") and not self.free(c, j)]
            if all(nodes[j] > 2 for j in fixed):
                out += [(c, k) for k in range(dim) if self.names[k].startswith("uniform") and self.free(c, k)]
        return out

    def _pairs(self, means) -> list[tuple[int, int]]:
        """Indices of <d_k u_c> and <d_c u_k> of which only the sum is imposed."""
        if self.physics != "elasticity":
            return []
        out = []
        for i, (c, k) in enumerate(means):
            if c < k and (k, c) in means:
                others = {name for j, name in enumerate(self.names) if j not in (c, k)}
                turns = {self.names[c], self.names[k]} == {"uniform_traction"} and "affine" not in others
                if not turns:
                    out.append((i, means.index((k, c))))
        return out

    def paired(self, nodes: tuple[int, ...]) -> bool:
        """Whether what is imposed depends on the ratio of lengths."""
        return bool(self._pairs(self._means(nodes)))

    def _counts(self, c, k, odd):
        """Whether <d_k u_c> is even in all mirrors, so that the images do not cancel it."""
        counts = jnp.asarray(True)
        for m in self.mirrors:
            counts = counts & (odd[m] == (self.physics != "conduction" and c == m))
        return counts

    def _factors(self, c, k, nodes, dtype, odd):
        """Factors along all axes of <d_k u_c> times the length, and of a direction in the space where it is one."""
        pairs = [
            factors(m, dtype, a == k, self.wraps(a), None if self.wraps(a) else self.free(c, a, odd))
            for a, m in enumerate(nodes)
        ]
        return [b for b, _ in pairs], [w for _, w in pairs]


class Space(eqx.Module):
    """Discrete fluctuations: an element and a boundary condition."""

    element: AbstractElement
    boundary: Boundary

    def extend(self, response, shape: tuple[int, ...]):
        """Per-voxel moduli of the extended cell, with what the element derives from them."""
        wraps = tuple(self.boundary.wraps(k) for k in range(len(shape)))
        return self.boundary.extend(self.element.completed(response, wraps), shape)

    @property
    def name(self) -> str:
        """Name of the element."""
        return self.element.name
