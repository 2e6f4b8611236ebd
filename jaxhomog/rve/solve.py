"""Equilibrium of the linear RVE for a set of load cases, with its implicit derivative."""

from __future__ import annotations

import math
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.custom_derivatives import SymbolicZero
from jaxtyping import Array, Float

from ..fields import Space, green_operator, mean_flux, pair_energies, separable_inverse
from ..fields._element import axis_mean
from ..results import SUCCESS, under_jax_defaults
from ..solvers import StopRule, conjugate_gradients, dot
from .model import Settings, reference_medium, scaled
from .up import message_up


class Evidence(NamedTuple):
    """What a solve proves about itself; no entry carries a derivative.

    Args:
        energies: <flux_i . gradient_j> (n, n).
        mean_up: mean flux of each load case as a message (n, m).
        iterations: of each load case.
        residual: ||r||_2 relative to the load's, from the definition, of each load case.
        error: bound of the squared energy-norm error of each load case (per volume).
        code: result code of each load case.
    """

    energies: Float[Array, "n n"]
    mean_up: Float[Array, "n m"]
    iterations: Array
    residual: Array
    error: Array
    code: Array


def solve_loads(space: Space, physics: str, settings: Settings, response, h, macros):
    """Fluctuations u_i of all load cases, and the evidence. Carries no derivative.

    Args:
        space: element and boundary condition; the moduli are those of its extended cell.
        physics: "elasticity" or "conduction".
        settings: stopping rules; with `settings.devices` > 1 the load cases are spread over devices.
        response: per-voxel moduli.
        h: voxel edges.
        macros: macroscopic gradients (n, c, d).

    Returns:
        u (n, c, *shape) with zero mean, `Evidence`.
    """
    response, h, macros = lax.stop_gradient((response, h, macros))
    # Scaled variables: moduli and spacings of order one. u then comes in units of the mean spacing.
    moduli, unit = scaled(response, axis_mean)
    edge = jnp.mean(h)
    solve = _solve_here if settings.devices == 1 else _solve_spread
    u, powers, (mean, iterations, residual, error, code) = solve(space, settings, moduli, h / edge, macros)
    if space.boundary.mirrors:
        powers = jnp.where(space.boundary.alike(macros), powers, 0)
        mean = jax.vmap(space.boundary.mirrored_mean)(mean, macros)
    up = message_up(physics, mean)
    return u * edge, Evidence(powers * unit, up * unit, iterations, residual, error * unit, code)


def _solve_here(space: Space, settings: Settings, moduli, spacing, macros):
    """Load cases one after the other: u, powers (n, n), and per load mean flux, iterations, residual, error, code."""
    n, shape = macros.shape[0], _shape(moduli, spacing)
    solver = _LoadSolver(space, settings, moduli, spacing, n)

    def one(carry, xs):
        fluctuations, powers = carry
        i, macro = xs
        u, force, out = solver(macro)
        fluctuations = lax.dynamic_update_index_in_dim(fluctuations, u, i, 0)
        row = solver.powers(out[0], force, macros, fluctuations)  # later loads are still zero
        here, known = jnp.arange(n) == i, jnp.arange(n) <= i
        powers = jnp.where(known[:, None] & here, row[:, None], powers)
        powers = jnp.where(here[:, None] & known, row, powers)
        return (fluctuations, powers), out

    start = (jnp.zeros((n, macros.shape[1], *shape), macros.dtype), jnp.zeros((n, n), macros.dtype))
    (u, powers), out = lax.scan(one, start, (jnp.arange(n), macros))
    return u, powers, out


def _solve_spread(space: Space, settings: Settings, moduli, spacing, macros):
    """The same, every device solving its share of the load cases; no communication before all are solved."""
    n, devices = macros.shape[0], settings.devices
    mesh = jax.sharding.Mesh(np.asarray(jax.devices()[:devices]), ("loads",))
    # A load of zero ends at once: it fills up the last share.
    filled = jnp.concatenate([macros, jnp.zeros((-n % devices, *macros.shape[1:]), macros.dtype)])

    def share(moduli, spacing, all_macros, mine):
        solver = _LoadSolver(space, settings, moduli, spacing, n)
        u, out = lax.map(lambda macro: solver(macro)[::2], mine)
        everyone = lax.all_gather(u, "loads", tiled=True)

        def row(args):
            v, macro, mean = args
            return solver.powers(mean, solver.operators_of(macro).force(v, macro), all_macros, everyone)

        return u, lax.map(row, (u, mine, out[0])), out

    spec = jax.sharding.PartitionSpec
    spread = jax.shard_map(
        share,
        mesh=mesh,
        in_specs=(spec(), spec(), spec(), spec("loads")),
        out_specs=spec("loads"),
        check_vma=False,
    )
    u, powers, out = spread(moduli, spacing, filled, filled)
    return u[:n], powers[:n, :n], jax.tree.map(lambda x: x[:n], out)


class _LoadSolver:
    """Solves one load case of a scaled problem at a time."""

    def __init__(self, space: Space, settings: Settings, moduli, spacing, n):
        self.element, self.settings, self.moduli, self.spacing, self.n = space.element, settings, moduli, spacing, n
        self.shape = _shape(moduli, spacing)
        self.size = int(np.prod(self.shape))
        self.voigt = jnp.sqrt(jnp.sum(moduli.mean() ** 2))
        self.operators = None if space.boundary.mirrors else _Operators(space, moduli, spacing, self.shape)
        self.space = space

    def operators_of(self, macro) -> _Operators:
        """Operator and preconditioner of a load; where the window is mirrored its parity says what the faces do."""
        if self.operators is not None:
            return self.operators
        return _Operators(self.space, self.moduli, self.spacing, self.shape, macro)

    def __call__(self, macro):
        """u, force(u), and (mean flux, iterations, residual, error, code)."""
        settings, operators, dtype = self.settings, self.operators_of(macro), macro.dtype
        uniform = _voigt_energy(self.moduli, macro)
        limits = []
        if settings.tolerance is not None:
            # The error matrix of the tensor is positive semi-definite: its norm is at most its trace, shared evenly.
            wanted = settings.tolerance
            if settings.void_tolerance is not None:
                stiffness = self.space.boundary.window(self.moduli.isotropic_part()[-1])
                tight = min(settings.void_tolerance, settings.tolerance)
                wanted = jnp.where(jnp.any(stiffness <= 0), tight, wanted).astype(dtype)
            limits.append(wanted * self.voigt / self.n)
        if settings.field_tolerance is not None:
            limits.append(settings.field_tolerance**2 * uniform)
        energy = None if not limits else jnp.min(jnp.stack(limits)) * self.size
        found = conjugate_gradients(
            lambda v, on: operators.force(v, on * macro),
            operators.green,
            jnp.zeros((macro.shape[0], *self.shape), dtype),
            StopRule(energy=energy, residual=settings.residual_tolerance),
            floor=operators.reference.floor,
            # A numpy scalar would lift a float32 solve's comparison to float64.
            noise=16 * float(jnp.finfo(dtype).eps) * math.sqrt(self.size) * jnp.sqrt(jnp.abs(uniform) * self.voigt),
            max_iterations=settings.max_iterations,
        )
        # A lane that broke down keeps a finite field: its code speaks, and 0 * inf must not poison masked gradients.
        sound = jnp.isfinite(dot(found.x, found.x)) & jnp.isfinite(dot(found.force, found.force))
        u, force = jnp.where(sound, found.x, 0), jnp.where(sound, found.force, 0)
        mean = mean_flux(self.element, operators.prepared, u, self.spacing, macro)
        return u, force, (mean, found.iterations, found.residual, found.error_bound / self.size, found.code)

    def powers(self, mean, force, macros, fluctuations):
        """<flux . gradient_j> = <flux> . macro_j + u_j . force / N for one load's flux and all j, by adjointness."""
        work = lax.map(lambda v: dot(v, force), fluctuations) / self.size
        return jnp.sum(mean * macros, axis=(-1, -2)) + work


def _shape(moduli, spacing) -> tuple[int, ...]:
    return jax.tree.leaves(moduli)[0].shape[-spacing.shape[0] :]


@partial(jax.custom_jvp, nondiff_argnums=(0, 1))
def equilibrium(space: Space, settings: Settings, response, h, macros, u):
    """`u`, the solution of `solve_loads`, as a function of the problem: the implicit derivative is attached.

    K du = -(dK u + df)
    """
    del space, settings, response, h, macros
    return u


@equilibrium.defjvp
@under_jax_defaults
def _equilibrium_jvp(space, settings, primals, tangents):
    response, h, macros, _ = primals
    u = equilibrium(space, settings, *primals)
    boundary = space.boundary
    moves = boundary.paired(u.shape[2:])

    def forces(response, h, macros):
        def one(x):
            v, macro = x
            held = boundary.held(response, h, macro)
            # What is admissible moves with the ratio of the lengths where a sum of means is imposed.
            v = boundary.admit(v, held) if moves else v
            return boundary.restrict(space.element.force(response, v, h, macro), held), v if moves else None

        return lax.map(one, (u, macros))

    _, (load, shift) = jax.jvp(forces, (response, h, macros), tangents[:3])
    change = lax.map(lambda x: solve_linear(space, settings, response, h, -x[0], x[1]), (load, macros))
    return u, change + shift if moves else change


@partial(jax.custom_jvp, nondiff_argnums=(0, 1, 2))
def effective_tensor(space: Space, physics: str, settings: Settings, response, h, macros):
    """C_ij = <flux_i . gradient_j> at equilibrium, with the fluctuations and the evidence (without derivatives).

    At equilibrium the powers are stationary in u, so their derivative is that with respect to moduli and spacings at
    fixed u (the self-adjoint rule): no further solve. The rule is written with `equilibrium`, so that its own
    derivative feels the change of u: second derivatives are right too.
    """
    u, evidence = solve_loads(space, physics, settings, response, h, macros)
    return 0.5 * (evidence.energies + evidence.energies.T), u, evidence


@under_jax_defaults
def _effective_jvp(space, physics, settings, primals, tangents):
    response, h, macros = primals
    value, u0, evidence = effective_tensor(space, physics, settings, *primals)
    u = equilibrium(space, settings, response, h, macros, u0)
    # Only what moves is differentiated: a zero tangent would cost as much as any other.
    moving = [i for i, t in enumerate(tangents) if not all(isinstance(x, SymbolicZero) for x in jax.tree.leaves(t))]

    def powers(*moved):
        r, spacing, m = (moved[moving.index(i)] if i in moving else x for i, x in enumerate(primals))
        v = u
        if 1 in moving and space.boundary.paired(u.shape[2:]):
            # What is admissible moves with the ratio of the lengths.
            v = lax.map(lambda x: space.boundary.admit(x[0], space.boundary.held(r, spacing, x[1])), (u, m))
        pairs = pair_energies(space.element, r, v, spacing, m)
        return jnp.where(space.boundary.alike(macros), pairs, 0) if space.boundary.mirrors else pairs

    directions = [jax.tree.map(_instantiated, tangents[i], primals[i]) for i in moving]
    slope = jax.jvp(powers, [primals[i] for i in moving], directions)[1] if moving else jnp.zeros_like(value)
    still = jax.tree.map(_no_tangent, (u0, evidence))
    return (value, u0, evidence), (0.5 * (slope + slope.T), *still)


effective_tensor.defjvp(_effective_jvp, symbolic_zeros=True)


def _instantiated(tangent, primal):
    return jnp.zeros_like(primal) if isinstance(tangent, SymbolicZero) else tangent


def solve_linear(space: Space, settings: Settings, response, h, b, macro=None):
    """K x = b for any b in the range, linear in b and differentiable in everything (implicit rule).

    Where the window is mirrored, `macro` is a load of the parity of b (None: even).
    """
    held = space.boundary.held(response, h, macro)

    def operator(x):
        return space.boundary.restrict(space.element.force(response, space.boundary.admit(x, held), h), held)

    tolerance = settings.residual_tolerance
    if settings.tolerance is not None:
        tolerance = 0.1 * math.sqrt(settings.tolerance)
    if settings.field_tolerance is not None:
        tolerance = min(tolerance or 1.0, settings.field_tolerance)
    fixed, edges = lax.stop_gradient((response, h))

    def solve(_, rhs):
        moduli, unit = scaled(fixed, axis_mean)
        edge = jnp.mean(edges)
        operators = _Operators(space, moduli, edges / edge, rhs.shape[1:], lax.stop_gradient(macro))
        # K = K' unit / edge^2 with the scaled operator K'; the load is scaled to norm one.
        size = jnp.sqrt(dot(rhs, rhs))
        size = jnp.where(size > 0, size, 1)
        found = conjugate_gradients(
            lambda v, on: operators.force(v) - on * (rhs / size),
            operators.green,
            rhs,
            StopRule(relative_energy=tolerance),
            floor=operators.reference.floor,
            max_iterations=settings.max_iterations,
        )
        # A failed adjoint is NaN, never a plausible number.
        return jnp.where(found.code == SUCCESS, found.x * (size * edge**2 / unit), jnp.nan)

    return lax.custom_linear_solve(operator, b, solve, solve, symmetric=True)


class _Operators:
    """Operator and preconditioner of one scaled problem."""

    def __init__(self, space: Space, moduli, spacing, shape, macro=None):
        self.element, self.boundary, self.spacing = space.element, space.boundary, spacing
        self.held = space.boundary.held(moduli, spacing, macro)
        self.prepared = self.element.prepare(moduli, len(shape))
        self.reference = reference_medium(self.boundary.window(moduli), axis_mean)
        if self.held is None:
            self.green = green_operator(self.element, shape, spacing, self.reference.moduli)
            return
        moduli = self.reference.moduli
        self.green = separable_inverse(self.element, self.boundary, shape, spacing, moduli, self.held)
        if len(self.reference.moduli) > 1:
            # The preconditioner is not the inverse of the reference medium: its bound is none of the product's.
            self.reference = self.reference._replace(floor=jnp.zeros_like(self.reference.floor))

    def force(self, u, macro=None):
        return self.boundary.restrict(self.element.fast_force(self.prepared, u, self.spacing, macro), self.held)


def _voigt_energy(moduli, macro):
    """macro . <C> . macro, the energy of the uniform gradient."""
    g = {(c, k): macro[c, k] for c in range(macro.shape[0]) for k in range(macro.shape[1])}
    q = jax.tree.map(lambda x: _space_mean(x, macro.shape[1]), moduli).flux(g)
    return sum(q[key] * g[key] for key in g)


def _space_mean(x, dim):
    for _ in range(dim):
        x = jnp.mean(x, axis=-1)
    return x


def _no_tangent(x):
    if jnp.issubdtype(x.dtype, jnp.floating):
        return jnp.zeros_like(x)
    return np.zeros(x.shape, jax.dtypes.float0)
