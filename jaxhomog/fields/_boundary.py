"""Boundary conditions of a cell as subspaces of fluctuations.

Every condition is the same problem, minimize 1/2 <(E + grad u) : C : (E + grad u)>, over another space of u with
<grad u> = 0. Named per axis, for the two faces normal to it:

    periodic           u takes the same values on both faces
    affine             u = 0 on both faces
    uniform_traction   u is free; <grad u> = 0 is imposed, and its multiplier is the uniform traction (or normal flux)
    uniform_mixed      the normal component of u vanishes, the tangential ones are free (elasticity): orthogonal mixed

    affine < {periodic, uniform_mixed} < uniform_traction   as sets, and the reverse as apparent stiffnesses

An axis that is not periodic gets one more layer of voxels, without stiffness: the periodic operator then is that of the
open window, and both faces have nodes of their own. Moduli are multiplied by the ratio of volumes, so that every mean
over the extended cell is a mean over the window.

Hill (1963, JMPS 11:357), Hazanov and Huet (1994, JMPS 42:1995), Miehe and Koch (2002, Arch. Appl. Mech. 72:300).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ._element import AbstractElement

BOUNDARIES = ("periodic", "affine", "uniform_traction", "uniform_mixed")


class _Constraint(NamedTuple):
    """<d_k u_c> = 0, as the functional b . u_c and a direction w in the space with b . w = 1; both are products."""

    functional: list[Array]
    direction: list[Array]


class Boundary(eqx.Module):
    """The fluctuations that a boundary condition admits.

    Args:
        names: one of `BOUNDARIES` per axis.
    """

    names: tuple[str, ...] = eqx.field(static=True)

    @property
    def periodic(self) -> bool:
        """Whether every axis is periodic."""
        return all(name == "periodic" for name in self.names)

    def wraps(self, axis: int) -> bool:
        """Whether the axis is periodic."""
        return self.names[axis] == "periodic"

    def free(self, component: int, axis: int) -> bool:
        """Whether a component may move on the faces normal to an axis that is not periodic."""
        return self.names[axis] == "uniform_traction" or (self.names[axis] == "uniform_mixed" and component != axis)

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

    def admit(self, u: Float[Array, "c *nodes"], h: Float[Array, " d"]):
        """P u: the projection on the space with <grad u> = 0 (u = 0 is met already)."""
        rows = []
        for c, row in enumerate(u):
            # Constraints of one component are orthogonal to each other's directions: all sizes come from u itself.
            parts = [(_contract(u[c], part.functional), part.direction) for part in self._constraints(c, u.shape, h)]
            rows.append(row - sum(size * _product(direction) for size, direction in parts))
        return jnp.stack(rows)

    def restrict(self, force: Float[Array, "c *nodes"], h: Float[Array, " d"]):
        """P^T f: what of a nodal force acts on admissible fluctuations."""
        if self.periodic:
            return force
        rows = []
        for c, row in enumerate(force):
            row = row * self._mask(c, force.shape, force.dtype)
            parts = [(_contract(row, part.direction), part.functional) for part in self._constraints(c, force.shape, h)]
            rows.append(row - sum(size * _product(functional) for size, functional in parts))
        return jnp.stack(rows)

    def loose(self, response, shape: tuple[int, ...]) -> Array:
        """Whether a node of a free face touches no stiffness: the multiplier then has nothing to act on."""
        stiff = response.isotropic_part()[-1]
        out = jnp.asarray(False)
        for axis, name in enumerate(self.names):
            if name not in ("uniform_traction", "uniform_mixed"):
                continue
            for layer in (0, shape[axis] - 1):
                around = jax.lax.index_in_dim(stiff, layer, axis, keepdims=False) > 0
                for k, other in enumerate([j for j in range(len(shape)) if j != axis]):
                    if self.wraps(other):
                        around = around | jnp.roll(around, 1, axis=k)
                    else:
                        pad = [(0, 0)] * around.ndim
                        low, high = list(pad), list(pad)
                        low[k], high[k] = (1, 0), (0, 1)
                        around = jnp.pad(around, low) | jnp.pad(around, high)
                out = out | ~jnp.all(around)
        return out

    def _mask(self, c, shape, dtype):
        """1 where a component may move, 0 on held faces."""
        mask = jnp.ones((), dtype)
        for k, n in enumerate(shape[1:]):
            if not self.wraps(k) and not self.free(c, k):
                index = jnp.arange(n)
                mask = mask * _along(((index > 0) & (index < n - 1)).astype(dtype), k, len(shape) - 1)
        return mask

    def _constraints(self, c, shape, h) -> list[_Constraint]:
        """The constraints on component c: one for every axis on whose faces it is free."""
        nodes, out = shape[1:], []
        for k in range(len(nodes)):
            if self.wraps(k) or not self.free(c, k):
                continue
            pairs = [self._factors(c, k, a, m, h.dtype) for a, m in enumerate(nodes)]
            out.append(_Constraint([b for b, _ in pairs], [w for _, w in pairs]))
        return out

    def _factors(self, c, k, a, m, dtype):
        """Factors along axis a (m nodes) of <d_k u_c>, and of a direction in the space where it is not zero."""
        index = jnp.arange(m).astype(dtype)
        end = (index == 0) | (index == m - 1)
        ones = jnp.ones(m, dtype)
        if a == k:
            return jnp.where(index == 0, -ones, jnp.where(index == m - 1, ones, 0)), index / (m - 1) - 0.5
        if self.wraps(a):
            return ones / m, ones
        if self.free(c, a):
            # A linear field is what a uniform traction makes of a homogeneous medium.
            return jnp.where(end, 0.5 * ones, ones) / (m - 1), ones
        bubble = jnp.where(end, 0, jnp.sin(index * (math.pi / (m - 1))))
        # A single voxel has no inner node: no fluctuation of this component, nothing to take out.
        return jnp.where(end, 0, ones), bubble / jnp.maximum(jnp.sum(bubble), jnp.finfo(dtype).tiny)


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


def _along(x, axis, dim):
    return x.reshape(tuple(-1 if j == axis else 1 for j in range(dim)))


def _product(factors):
    dim = len(factors)
    out = _along(factors[0], 0, dim)
    for k, factor in enumerate(factors[1:], 1):
        out = out * _along(factor, k, dim)
    return out


def _contract(field, factors):
    """Sum of a field times a product of one-dimensional factors, axis by axis."""
    for factor in reversed(factors):
        field = jnp.sum(field * factor, axis=-1)
    return field
