"""The nonlinear RVE: what a fluctuation and a mean strain make of a law's points, and what is out of balance.

Unknowns are the fluctuation u on the nodes and the components of the mean strain E whose stress is prescribed. With
N nodes and f = B^T sigma the residual is

    r = (f, N (<sigma> - S) on the prescribed components),

the derivative of N times the mean incremental potential where the law has one: its linearization is symmetric, and
the inner product of (u, E) with r is N times a power.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from ..fields import (
    Held,
    MeanVolumeResponse,
    ModalElement,
    Space,
    green_operator,
    mean_flux,
    mean_volume,
    mean_volume_stress,
    separable_inverse,
)
from ..fields._element import axis_mean
from ..materials import AbstractPoints, Step, Update, virgin_state
from ..messages import gradient_of, message_of, physics_of
from ..solvers import dot
from .down import macro_gradient
from .up import message_up


class Unknowns(NamedTuple):
    """Fluctuation u (c, *nodes) and the mean E (n,) of strain (Mandel), deformation gradient or gradient."""

    u: Array
    down: Array


class Load(NamedTuple):
    """What is prescribed at the end of a step.

    Args:
        down: mean strain (n,); counts where `held` is False.
        up: mean stress (n,); counts where `held` is True.
        held: components whose stress is prescribed.
        step: time increment and temperature.
    """

    down: Float[Array, " n"]
    up: Float[Array, " n"]
    held: Array
    step: Step


class Problem(NamedTuple):
    """Everything that a step depends on, arrays only.

    Args:
        points: the law.
        h: voxel edges.
        state: of every integration point, leaves (q, m, *shape).
        load: a `Load`, at the end of the step.
        imposed: on the means of fluctuations (`Boundary.held`), from the elastic stiffness.
        ratio: of assumed strains (see `virgin_ratios`), or None.
    """

    points: AbstractPoints
    h: Array
    state: Any
    load: Any
    imposed: Held | None
    ratio: Array | None


def point_number(space: Space, dim: int) -> int:
    """Integration points of an element."""
    assert isinstance(space.element, ModalElement)
    return 2**dim if space.element.full else 1


def initial_state(space: Space, points: AbstractPoints, shape, dtype):
    """Virgin state of all integration points."""
    q = point_number(space, len(shape))
    return jax.tree.map(lambda x: jnp.broadcast_to(x, (q, *x.shape)), virgin_state(points, shape, dtype))


def virgin_ratios(space: Space, points: AbstractPoints, shape, dtype) -> Array | None:
    """What assumed strains take from the law, frozen over a path so that it has a potential; None without them."""
    assert isinstance(space.element, ModalElement)
    if not space.element.bending:
        return None
    wraps = tuple(space.boundary.wraps(k) for k in range(len(shape)))
    return space.element.ratios(points.elastic(shape, dtype), wraps)


def strains(space: Space, problem: Problem, x: Unknowns) -> Float[Array, "q n *shape"]:
    """Strains (or deformation gradients, gradients) at all integration points of the window."""
    n, dim = x.down.shape[0], x.u.ndim - 1
    assert isinstance(space.element, ModalElement)
    macro = macro_gradient(physics_of(n, dim), x.down)
    each = space.element.at_points(x.u, problem.h, macro, space.boundary.window, problem.ratio)
    return jnp.stack([message_of(g, dim, n) for g in each])


def seen(space: Space, strain):
    """Strains that the law sees: those of `strains`, but for elements whose volume ratio is a mean."""
    assert isinstance(space.element, ModalElement)
    if not space.element.mean_volume:
        return strain
    return _stacked(mean_volume(_gradient(strain), strain.ndim - 2), strain)


def _gradient(strain):
    """Fields (q, n, *shape) by component, with the axis of points in front."""
    return gradient_of(jnp.swapaxes(strain, 0, 1), strain.ndim - 2)


def _stacked(gradient, like):
    """The reverse."""
    return jnp.swapaxes(message_of(gradient, like.ndim - 2, like.shape[1]), 0, 1)


def updated(space: Space, problem: Problem, strain) -> Update:
    """The law at all integration points, with the stresses that are conjugate to `strain`."""
    step = problem.load.step
    up = jax.vmap(lambda e, z: problem.points.update(e, z, step))(seen(space, strain), problem.state)
    assert isinstance(space.element, ModalElement)
    if not space.element.mean_volume:
        return up
    at = _gradient(strain)
    pull = lambda s: _stacked(mean_volume_stress(at, _gradient(s), strain.ndim - 2), strain)  # noqa: E731
    drag = None if up.dissipative is None else pull(up.dissipative)
    return up._replace(stress=pull(up.stress), dissipative=drag)


def point_mean(field, dim: int):
    """Mean over integration points and space, axis by axis: (q, n, *shape) to (n,), (q, *shape) to a scalar."""
    for _ in range(dim):
        field = jnp.mean(field, axis=-1)
    return jnp.mean(field, axis=0)


def forces(space: Space, problem: Problem, stress, like) -> Array:
    """Nodal forces of stresses (q, n, *shape) at the integration points, on admissible fluctuations."""
    dim, shape = like.ndim - 1, stress.shape[2:]
    assert isinstance(space.element, ModalElement)
    stations = space.element.point_stations([gradient_of(s, dim) for s in stress], dim, problem.ratio)
    extended = [(w, space.boundary.extend_flux(q, shape)) for w, q in stations]
    return space.boundary.restrict(space.element.divergence(extended, problem.h, like), problem.imposed)


def residual(space: Space, problem: Problem, x: Unknowns) -> Unknowns:
    """What is out of balance; plain operations, so every derivative exists."""
    load = problem.load
    x = Unknowns(space.boundary.admit(x.u, problem.imposed), jnp.where(load.held, x.down, load.down))
    stress = updated(space, problem, strains(space, problem, x)).stress
    return balance(space, problem, stress, x)


def balance(space: Space, problem: Problem, stress, x: Unknowns) -> Unknowns:
    """The residual of stresses."""
    load = problem.load
    size = math.prod(x.u.shape[1:])
    out = size * (point_mean(stress, x.u.ndim - 1) - load.up)
    return Unknowns(forces(space, problem, stress, x.u), jnp.where(load.held, out, 0))


def tangent_response(space: Space, problem: Problem, strain):
    """Algorithmic tangent of all points, as a response of the extended cell."""
    step = problem.load.step
    points, state, at = problem.points, problem.state, seen(space, strain)
    each = jax.vmap(lambda e, z: points.tangent(e, z, step))(at, state)
    assert isinstance(space.element, ModalElement)
    if space.element.mean_volume:
        stress = jax.vmap(lambda e, z: points.update(e, z, step).stress)(at, state)
        response = MeanVolumeResponse(each, strain, stress)
    else:
        response = space.element.tangents(each, problem.ratio)
    return space.extend(response, strain.shape[2:])


def reference_moduli(space: Space, response, shape, before):
    """Mean isotropic moduli of a tangent: the next step's reference medium, softened where the cell flows."""
    parts = space.boundary.window(response.isotropic_part())
    means = [axis_mean(space.boundary.unscale(part, shape)) for part in parts]
    return tuple(jnp.maximum(new, 1e-3 * was) for new, was in zip(means, before, strict=True))


class Linearized:
    """A tangent operator on (u, E), and its preconditioner from a homogeneous reference medium.

    Args:
        space: element and boundary condition.
        response: algorithmic tangent of the extended cell, or None for the preconditioner alone.
        h: voxel edges.
        held: components of E that are unknown; None where the whole mean strain is prescribed.
        reference: moduli of the reference medium.
        nodes: shape of the extended cell.
        imposed: on the means of fluctuations.
    """

    def __init__(self, space: Space, response, h, held, reference, nodes, imposed: Held | None):
        self.element, self.boundary, self.h, self.held = space.element, space.boundary, h, held
        self.size, self.dim, self.reference = math.prod(nodes), len(nodes), reference
        if response is not None:
            self.prepared = self.element.prepare(response, self.dim)
        self.imposed = imposed
        if imposed is None:
            self.green = green_operator(self.element, nodes, h, reference)
        else:
            self.green = separable_inverse(self.element, self.boundary, nodes, h, reference, imposed)

    def force(self, u, macro):
        """Nodal forces of the tangent stress of macro + B u."""
        return self.boundary.restrict(self.element.fast_force(self.prepared, u, self.h, macro), self.imposed)

    def __call__(self, x: Unknowns) -> Unknowns:
        """Tangent times a change of the unknowns."""
        if self.held is None:
            return Unknowns(self.force(x.u, None), jnp.zeros_like(x.down))
        physics = physics_of(x.down.shape[0], self.dim)
        macro = macro_gradient(physics, jnp.where(self.held, x.down, 0))
        mean = message_up(physics, mean_flux(self.element, self.prepared, x.u, self.h, macro))
        return Unknowns(self.force(x.u, macro), jnp.where(self.held, self.size * mean, 0))

    def precondition(self, r: Unknowns) -> Unknowns:
        """The reference medium's answer to a residual."""
        if self.held is None:
            return Unknowns(self.green(r.u), jnp.zeros_like(r.down))
        down = compliance(r.down, self.reference, self.dim) / self.size
        return Unknowns(self.green(r.u), jnp.where(self.held, down, 0))


def compliance(up, reference, dim):
    """C0^-1 : stress of the isotropic reference medium, components first."""
    if len(reference) == 1:
        return up / reference[0]
    lam, mu = reference
    normal, twice = list(range(dim)), 2 * mu
    if physics_of(up.shape[0], dim) == "finite_strain":
        # Moduli (lambda + mu) I x I + mu 1 make the same forces of a fluctuation, and resist rotation as well.
        normal, lam, twice = [k * dim + k for k in normal], lam + mu, mu
    mean = sum(up[k] for k in normal) / dim
    spherical = jnp.stack([mean if k in normal else jnp.zeros_like(mean) for k in range(up.shape[0])])
    return (up - spherical) / twice + spherical / (dim * lam + twice)


def stress_size(stress, reference, dim) -> Array:
    """sqrt(<sigma : C0^-1 : sigma>), the norm that residuals are compared with."""
    energy = jax.vmap(lambda s: jnp.sum(s * compliance(s, reference, dim), axis=0))(stress)
    return jnp.sqrt(jnp.maximum(point_mean(energy, dim), 0))


def reference_energy(strain, reference, dim) -> Array:
    """de : C0 : de of every point, C0 the isotropic reference medium; strains (q, m, *shape)."""
    if len(reference) == 1:
        return reference[0] * jnp.sum(strain**2, axis=1)
    lam, mu = reference
    normal, twice = list(range(dim)), 2 * mu
    if physics_of(strain.shape[1], dim) == "finite_strain":
        normal, lam, twice = [k * dim + k for k in normal], lam + mu, mu
    return twice * jnp.sum(strain**2, axis=1) + lam * sum(strain[:, k] for k in normal) ** 2


def out_of_balance(r: Unknowns, z: Unknowns) -> Array:
    """sqrt(r . G r / N): the compatible part of the stress that is out of balance, in the norm of `stress_size`."""
    size = math.prod(r.u.shape[1:])
    return jnp.sqrt(jnp.maximum(dot(r.u, z.u) + dot(r.down, z.down), 0) / size)


def stopped(tree):
    """A tree without derivatives."""
    return jax.tree.map(lambda x: lax.stop_gradient(x) if jnp.issubdtype(jnp.result_type(x), jnp.inexact) else x, tree)
