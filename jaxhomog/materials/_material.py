"""The contract of every material: (message down, state, parameters) -> (message up, new state, code).

A material is a set of parameters. On the points of a grid it becomes `AbstractPoints`: the same law with parameters
that broadcast against the points, and pure functions of arrays whose first axis is the component and whose other axes
are points, in any number. What travels down in a step is the total strain (Mandel), deformation gradient F (row by row)
or gradient at its end; what comes up is stress (Mandel), first Piola-Kirchhoff stress (row by row) or flux g (the
power-conjugate, -q in conduction), with energy and dissipation per (reference) volume.
"""

from __future__ import annotations

import abc
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from ..messages import AbstractResponse, AnisotropicElasticResponse, GeneralResponse, physics_of, upper_triangle
from ..tensors import Kind, to_voigt


class Step(NamedTuple):
    """What every point is told of a step besides its strain.

    Args:
        dt: time increment (scalar, > 0); laws cast it to the dtype of the strain.
        temperature: at the end of the step (scalar), or None: every law is at its reference temperature.
    """

    dt: Array
    temperature: Array | None = None


class Update(NamedTuple):
    """What a law answers.

    Args:
        stress: (n, *pts), what is conjugate to the strain at the end of the step.
        state: of the same structure, shapes and dtypes as the state before.
        energy: free energy per volume at the end of the step (*pts).
        dissipation: work turned into heat per volume in this step (*pts): sum A . d alpha with forces at its end, or
            the integral over the step; >= 0 is the second law.
        code: result code of every point (*pts).
        dissipative: (n, *pts), the part of `stress` that is no derivative of the free energy (2 eta D, -k grad T), or
            None: all of it is reversible.
    """

    stress: Float[Array, "n *pts"]
    state: Any
    energy: Float[Array, "*pts"]
    dissipation: Float[Array, "*pts"]
    code: Array
    dissipative: Float[Array, "n *pts"] | None = None


class AbstractPoints(eqx.Module):
    """A law at the points of a grid; its arrays broadcast against (*pts)."""

    dim: eqx.AbstractVar[int]

    @property
    def symmetric(self) -> bool:
        """Whether d stress / d strain of a step is symmetric (an incremental potential exists); static."""
        return False

    @abc.abstractmethod
    def initial(self, shape: tuple[int, ...], dtype) -> Any:
        """State of the virgin material on points of that shape: any pytree of arrays and numbers, or ().

        Few large arrays (m, *pts) or (*pts) are fast; arrays of other shapes, and numbers, belong to all points
        together. `update` answers the same structure, shapes and dtypes.
        """

    @abc.abstractmethod
    def update(self, strain: Float[Array, "n *pts"], state: Any, step: Step) -> Update:
        """One step of the law; differentiable with respect to everything."""

    def voxel(self, index: Int[Array, " d"], shape: tuple[int, ...]) -> AbstractPoints:
        """The law at one voxel of its grid, on points of shape (1, .., 1).

        Arrays whose last axes are those of the grid are fields. A law with others of that shape (weights of a network)
        takes those out.
        """
        return jax.tree.map(lambda x: one_voxel(x, index, shape), self)

    def internal(self, state: Any) -> dict[str, Array]:
        """Internal variables of a state by name, for a reader: (*pts), or (k, *pts), tensors in engineering Voigt."""
        return {}

    @abc.abstractmethod
    def elastic(self, shape: tuple[int, ...], dtype) -> AbstractResponse:
        """Moduli at the virgin state; they choose the reference medium and the scale of stress."""

    def tangent(self, strain: Float[Array, "n *pts"], state: Any, step: Step) -> AbstractResponse:
        """d stress / d strain of the step, packed; by automatic differentiation unless a law knows better."""
        n = strain.shape[0]
        stress = lambda e: self.update(e, state, step).stress  # noqa: E731

        def column(direction):
            return jax.jvp(stress, (strain,), (jnp.broadcast_to(direction, strain.shape),))[1]

        unit = jnp.eye(n, dtype=strain.dtype).reshape(n, n, *(1,) * (strain.ndim - 1))
        columns = jax.vmap(column)(unit)  # (strain j, stress i, *pts)
        return packed(columns, self.dim, self.symmetric)


def packed(columns: Float[Array, "n n *pts"], dim: int, symmetric: bool) -> AbstractResponse:
    """Moduli [j, i] = d stress_i / d strain_j as a response."""
    n = columns.shape[0]
    if symmetric and physics_of(n, dim) == "elasticity":
        return AnisotropicElasticResponse(jnp.stack([columns[j, i] for i, j in upper_triangle(n)]), dim)
    return GeneralResponse.of([[columns[j, i] for j in range(n)] for i in range(n)], dim, symmetric)


def one_voxel(x: Array, index: Int[Array, " d"], shape: tuple[int, ...]) -> Array:
    """A field (.., *shape) at one voxel, (.., 1, .., 1); anything else as it is."""
    lead = jnp.ndim(x) - len(shape)
    if lead < 0 or any(n not in (1, m) for n, m in zip(x.shape[lead:], shape, strict=True)):
        return x
    for axis, n in enumerate(x.shape[lead:]):
        x = jax.lax.dynamic_slice_in_dim(x, index[axis] if n > 1 else 0, 1, lead + axis)
    return x


def engineering(x: Float[Array, "n *pts"], kind: Kind) -> Float[Array, "n *pts"]:
    """Engineering Voigt components of Mandel components in front."""
    return jnp.moveaxis(to_voigt(jnp.moveaxis(x, 0, -1), kind), -1, 0)


def at_rest(strain: Float[Array, "n *pts"], dim: int) -> Float[Array, "n *ones"]:
    """The strain of the undeformed point, to broadcast against a field: zero, or F = I."""
    n = strain.shape[0]
    finite = physics_of(n, dim) == "finite_strain"
    rest = jnp.eye(dim, dtype=strain.dtype).reshape(n) if finite else jnp.zeros(n, strain.dtype)
    return rest.reshape(n, *(1,) * (strain.ndim - 1))


class AbstractMaterial(eqx.Module):
    """A law with a state: parameters that are 0-d or broadcast to the grid's shape."""

    physics: eqx.AbstractVar[str]

    @abc.abstractmethod
    def points(self, shape: tuple[int, ...], dtype) -> AbstractPoints:
        """The law on a grid.

        Raises:
            InputError: a parameter field does not fit the shape.
        """

    @abc.abstractmethod
    def code(self) -> Array:
        """Result code of the law's own consistency (a scalar; SUCCESS when there is nothing to say)."""

    @abc.abstractmethod
    def check(self, where: str = "") -> None:
        """Raise `InputError` for inadmissible concrete values; traced values are left to the result code."""

    @property
    def linear(self) -> bool:
        """Whether stress is a constant stiffness times strain: the linear verbs take no other law."""
        return False

    @property
    def rate_dependent(self) -> bool:
        """Whether the answer depends on time: a path without time is then refused."""
        return False

    @property
    def isochoric(self) -> bool:
        """Whether the flow keeps the volume: plain q1 elements then lock."""
        return False
