"""Hyperelastic laws at finite strain: P = dW/dF, from closed forms and from any energy."""

from __future__ import annotations

import abc
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array

from ..messages import (
    AbstractResponse,
    GeneralResponse,
    Gradient,
    IsotropicElasticResponse,
    gradient_of,
    message_of,
    total,
)
from ..results import LOCAL_SOLVE, SUCCESS, InputError
from ._finite import in_rows, inverse, solid_gradient, transposed
from ._gsm import Plain
from ._isotropic import isotropic_moduli, need_isotropic
from ._law import as_parameter, finite, spread
from ._linear_elastic import LinearElastic
from ._material import AbstractMaterial, AbstractPoints, Step, Update, at_rest, one_voxel


class _Hyperelastic(AbstractMaterial):
    """What hyperelastic laws share: nothing to remember, nothing dissipated."""

    def code(self):
        return jnp.asarray(SUCCESS, jnp.int32)


class _HyperelasticPoints(AbstractPoints):
    """No state; W and P from `_answer`, LOCAL_SOLVE where a point is turned inside out."""

    @property
    def symmetric(self) -> bool:
        return True

    def initial(self, shape, dtype):
        return ()

    @abc.abstractmethod
    def _answer(self, strain) -> tuple[Array, Array, Array]:
        """P, W and det F of deformation gradients."""

    def update(self, strain, state, step: Step) -> Update:
        stress, energy, det = self._answer(strain)
        code = jnp.where(det > 0, SUCCESS, LOCAL_SOLVE).astype(jnp.int32)
        return Update(stress, (), energy, jnp.zeros_like(energy), code)


class SaintVenantKirchhoff(_Hyperelastic):
    """Linear between Green's strain and the second Piola-Kirchhoff stress, of any symmetry.

        W = 1/2 E : C : E,    E = (F^T F - 1) / 2,    P = F (C : E)

    Args:
        elastic: `LinearElastic` of any kind (its rotation included).

    Raises:
        InputError: something else.

    Caveats:
        For small strains and large rotations: in compression it softens, and loses all stiffness at a stretch of
        1 / sqrt 3 along an axis.

    Source:
        Holzapfel (2000), Nonlinear Solid Mechanics, section 6.5, p. 250.
    """

    elastic: LinearElastic
    physics: str = eqx.field(static=True)

    def __init__(self, elastic: LinearElastic):
        if not isinstance(elastic, LinearElastic):
            raise InputError("SaintVenantKirchhoff needs an elasticity: give LinearElastic.isotropic(...) or alike")
        self.elastic, self.physics = elastic, "finite_strain"

    def points(self, shape, dtype):
        return SaintVenantKirchhoffPoints(moduli=self.elastic.response(shape, dtype), dim=len(shape))

    def check(self, where: str = "") -> None:
        self.elastic.check(where)


class SaintVenantKirchhoffPoints(_HyperelasticPoints):
    """The law at points."""

    moduli: AbstractResponse
    dim: int = eqx.field(static=True)

    def elastic(self, shape, dtype):
        return jax.tree.map(lambda x: jnp.broadcast_to(x, (*x.shape[: x.ndim - self.dim], *shape)), self.moduli)

    def _parts(self, strain):
        """F, Green's strain and the second Piola-Kirchhoff stress, as gradients."""
        f, axes = gradient_of(strain, self.dim), range(self.dim)
        green: Gradient = {}
        for i in axes:
            for k in axes:
                square = total([f[j, i] * f[j, k] for j in axes])
                green[i, k] = 0.5 * (square - (1 if i == k else 0))
        return f, green, self.moduli.flux(green)

    def _answer(self, strain):
        f, green, second = self._parts(strain)
        axes = range(self.dim)
        first = {(i, k): total([f[i, j] * second[j, k] for j in axes]) for i in axes for k in axes}
        energy = 0.5 * total([green[key] * second[key] for key in green])
        _, det = inverse(solid_gradient(strain, self.dim))
        return jnp.broadcast_to(message_of(first, self.dim, self.dim**2), strain.shape), energy, det

    def tangent(self, strain, state, step: Step):
        f, _, second = self._parts(strain)
        axes = range(self.dim)
        zero = jnp.zeros_like(strain[0])
        columns = []
        for k in axes:
            for m in axes:  # dF = 1 at (k, m)
                change: Gradient = {(i, j): zero for i in axes for j in axes}
                for j in axes:
                    half = 0.5 * f[k, j]
                    change[j, m] = change[j, m] + half
                    change[m, j] = change[m, j] + half
                turned = self.moduli.flux(change)
                column = []
                for i in axes:
                    for j in axes:
                        value = total([f[i, n] * turned[n, j] for n in axes])
                        column.append(value + second[m, j] if i == k else value)
                columns.append(column)
        n = self.dim**2
        return GeneralResponse.of([[columns[j][i] for j in range(n)] for i in range(n)], self.dim, True)


class NeoHookean(_Hyperelastic):
    """Compressible neo-Hookean elasticity; 2-D is plane strain.

        W = mu/2 (|F|^2 - 3 - 2 ln J) + lambda/2 (ln J)^2,    P = mu (F - F^-T) + lambda ln J F^-T

    Args:
        elastic: `LinearElastic.isotropic`, the moduli at small strain.

    Raises:
        InputError: an elasticity that is not isotropic.

    Source:
        Bonet & Wood (2008), Nonlinear Continuum Mechanics for Finite Element Analysis, section 6.4.3.
    """

    elastic: LinearElastic
    physics: str = eqx.field(static=True)

    def __init__(self, elastic: LinearElastic):
        need_isotropic(elastic, "NeoHookean")
        self.elastic, self.physics = elastic, "finite_strain"

    def points(self, shape, dtype):
        moduli = isotropic_moduli(self.elastic, shape, dtype)
        return NeoHookeanPoints(lam=moduli.lam, mu=moduli.mu, dim=len(shape))

    def check(self, where: str = "") -> None:
        self.elastic.check(where)


class NeoHookeanPoints(_HyperelasticPoints):
    """The law at points."""

    lam: Array
    mu: Array
    dim: int = eqx.field(static=True)

    def elastic(self, shape, dtype):
        full = lambda x: jnp.broadcast_to(jnp.asarray(x, dtype), shape)  # noqa: E731
        return IsotropicElasticResponse(full(self.lam), full(self.mu), self.dim)

    def _parts(self, strain):
        """F^-T row by row, ln J and J."""
        inverted, det = inverse(solid_gradient(strain, self.dim))
        return in_rows(transposed(inverted), self.dim), jnp.log(jnp.where(det > 0, det, 1)), det

    def _answer(self, strain):
        g, log, det = self._parts(strain)
        stress = self.mu * (strain - g) + self.lam * log * g
        # |F|^2 - d from the displacement gradient: small strains keep their digits.
        moved = strain - at_rest(strain, self.dim)
        diagonal = total([moved[k * self.dim + k] for k in range(self.dim)])
        stretch = 2 * diagonal + total([x**2 for x in moved])
        return stress, 0.5 * self.mu * (stretch - 2 * log) + 0.5 * self.lam * log**2, det

    def tangent(self, strain, state, step: Step):
        g, log, _ = self._parts(strain)
        mu, lam = (jnp.broadcast_to(x, strain.shape[1:]) for x in (self.mu, self.lam))
        turn, d = mu - lam * log, self.dim
        rows = []
        for i in range(d):
            for j in range(d):
                row = []
                for k in range(d):
                    for m in range(d):
                        value = lam * g[i * d + j] * g[k * d + m] + turn * g[i * d + m] * g[k * d + j]
                        row.append(value + mu if (i, j) == (k, m) else value)
                rows.append(row)
        return GeneralResponse.of(rows, d, True)


class Hyperelastic(_Hyperelastic):
    """Any hyperelastic law from its energy; 2-D is plane strain. A neo-Hookean one:

        def energy(F, p):
            J = jnp.linalg.det(F)
            return 0.5 * p["shear"] * (jnp.sum(F * F) - 3 - 2 * jnp.log(J)) + 0.5 * p["lame"] * jnp.log(J) ** 2

        Hyperelastic(energy, {"shear": 1.0, "lame": 10.0})

    P = dW/dF and A = d2W/dF2 by automatic differentiation at every point.

    Args:
        energy: W(F, parameters) per reference volume, F (3, 3) in two dimensions too; W(1) = 0 and P(1) = 0. A
            function or an `eqx.Module` whose arrays are parameters as well.
        parameters: pytree of numbers, 0-d or broadcastable to the grid's shape; the function sees those of the point.

    Raises:
        InputError: an energy that is no function, or no scalar.

    Caveats:
        Material frame indifference is the user's duty: W of F^T F, or of invariants (`certify` looks). The function
        must not close over traced arrays: those belong to `parameters`.

    Source:
        Holzapfel (2000), Nonlinear Solid Mechanics, section 6.1.
    """

    energy: Any
    parameters: Any
    physics: str = eqx.field(static=True)

    def __init__(self, energy: Callable, parameters: Any = ()):
        if not callable(energy):
            raise InputError("energy is not a function W(F, parameters)")
        self.energy = energy if isinstance(energy, eqx.Module) else Plain(energy)
        self.parameters = jax.tree.map(lambda p: as_parameter(p, "a parameter"), parameters)
        self.physics = "finite_strain"

    def points(self, shape, dtype):
        for path, leaf in jax.tree_util.tree_leaves_with_path(self.parameters):
            spread(leaf, shape, dtype, f"parameters{jax.tree_util.keystr(path)}")
        cast = lambda x: jnp.asarray(x, dtype) if eqx.is_inexact_array(x) else x  # noqa: E731
        law = jax.tree.map(cast, self)
        number = jax.tree.map(lambda p: jax.ShapeDtypeStruct((), p.dtype), law.parameters)
        out = jax.eval_shape(law.energy, jax.ShapeDtypeStruct((3, 3), dtype), number)
        if getattr(out, "shape", None) != ():
            raise InputError(f"energy gives {getattr(out, 'shape', type(out).__name__)} at a point: give a scalar")
        return HyperelasticPoints(energy=law.energy, parameters=law.parameters, dim=len(shape))

    def check(self, where: str = "") -> None:
        for path, leaf in jax.tree_util.tree_leaves_with_path(self.parameters):
            finite(leaf, f"parameters{jax.tree_util.keystr(path)}", where)


class HyperelasticPoints(_HyperelasticPoints):
    """The law at points."""

    energy: Any
    parameters: Any
    dim: int = eqx.field(static=True)

    def voxel(self, index, shape):
        parameters = jax.tree.map(lambda p: one_voxel(p, index, shape), self.parameters)
        return eqx.tree_at(lambda points: points.parameters, self, parameters)

    def _each(self, function, strain):
        """function(F (d d,), parameters) at every point."""
        pts = strain.shape[1:]
        parameters = jax.tree.map(lambda p: p if p.ndim == 0 else jnp.broadcast_to(p, pts).ravel(), self.parameters)
        axes = jax.tree.map(lambda p: None if p.ndim == 0 else 0, parameters)
        outs = jax.vmap(function, (1, axes), -1)(strain.reshape(strain.shape[0], -1), parameters)
        return jax.tree.map(lambda x: x.reshape(*x.shape[:-1], *pts), outs)

    def _energy(self, f, parameters):
        d = self.dim
        solid = f.reshape(d, d)
        if d == 2:
            solid = jnp.eye(3, dtype=f.dtype).at[:2, :2].set(solid)
        return self.energy(solid, parameters)

    def _answer(self, strain):
        energy, stress = self._each(jax.value_and_grad(self._energy), strain)
        _, det = inverse(solid_gradient(strain, self.dim))
        return stress, energy, det

    def tangent(self, strain, state, step: Step):
        rows = self._each(jax.hessian(self._energy), strain)
        n = self.dim**2
        return GeneralResponse.of([[rows[i, j] for j in range(n)] for i in range(n)], self.dim, True)

    def elastic(self, shape, dtype):
        one = jnp.broadcast_to(at_rest(jnp.zeros((self.dim**2, *shape), dtype), self.dim), (self.dim**2, *shape))
        lam, mu = (jnp.asarray(x) for x in self.tangent(one, (), Step(jnp.ones((), dtype))).isotropic_part())
        return IsotropicElasticResponse(lam, mu, self.dim)
