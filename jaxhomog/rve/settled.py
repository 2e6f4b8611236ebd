"""The implicit derivative of a nonlinear step, and the consistent tangent that the RVE passes up."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
from jax import lax

from ..fields import Space, mean_fluxes
from ..messages import physics_of
from ..results import MAX_ITERATIONS, SUCCESS, under_jax_defaults
from ..solvers import truncated_bicgstab, truncated_cg
from .cell import Linearized, Problem, Unknowns, residual, stopped, strains, tangent_response
from .down import load_cases
from .model import Settings
from .newton import NewtonSettings
from .solve import effective_tensor
from .up import message_up


@partial(jax.custom_jvp, nondiff_argnums=(0, 1))
def settled(space: Space, settings: NewtonSettings, problem: Problem, reference, x: Unknowns) -> Unknowns:
    """`x`, the unknowns that `solve_step` found, as a function of the problem: the implicit derivative is attached.

    K dx = -(dr at fixed x), with K the consistent tangent on (u, E).
    """
    del space, settings, problem, reference
    return x


@settled.defjvp
@under_jax_defaults
def _settled_jvp(space, settings, primals, tangents):
    problem, reference, x = primals
    x = settled(space, settings, problem, reference, x)
    _, load = jax.jvp(lambda p: residual(space, p, x), (problem,), (tangents[0],))
    change = solve_linearized(space, settings, problem, reference, x, jax.tree.map(lambda v: -v, load))
    # Prescribed components follow their prescription.
    moved = jnp.where(problem.load.held, change.down, tangents[0].load.down)
    if not space.boundary.paired(x.u.shape[1:]):
        return x, Unknowns(change.u, moved)
    # What is admissible moves with the ratio of the lengths.
    admitted = lambda p: space.boundary.admit(x.u, p.imposed)  # noqa: E731
    _, shift = jax.jvp(admitted, (problem,), (tangents[0],))
    return x, Unknowns(change.u + shift, moved)


def solve_linearized(space: Space, settings: NewtonSettings, problem: Problem, reference, x: Unknowns, b: Unknowns):
    """K dx = b with the tangent K at x, linear in b and differentiable in everything.

    A prescribed strain that moves acts through b already: K here has the prescribed components out.
    """
    held = problem.load.held
    fixed, at, moduli = stopped((problem, x, reference))
    tolerance = max(0.1 * settings.tolerance, 64 * float(jnp.finfo(x.u.dtype).eps))

    def operator(v: Unknowns) -> Unknowns:
        v = Unknowns(v.u, jnp.where(held, v.down, 0))
        still = problem._replace(load=problem.load._replace(down=lax.stop_gradient(problem.load.down)))
        return jax.jvp(lambda y: residual(space, still, y), (x,), (v,))[1]

    def solver(transposed):
        def solve(_, rhs):
            response = tangent_response(space, fixed, strains(space, fixed, at))
            if transposed:
                response = response.transpose()
            nodes = at.u.shape[1:]
            linear = Linearized(
                space, response, fixed.h, held if settings.mixed else None, moduli, nodes, fixed.imposed
            )
            # A cotangent of u is any field: what does not act on admissible fluctuations is taken out.
            rhs = Unknowns(space.boundary.restrict(rhs.u, fixed.imposed), jnp.where(held, rhs.down, 0))
            found = _krylov(fixed.points)(linear, linear.precondition, rhs, tolerance, settings.max_iterations)
            # A failed adjoint is NaN, never a plausible number.
            fine = found.curved & (found.reached <= 10 * tolerance)
            return jax.tree.map(lambda v: jnp.where(fine, v, jnp.nan), found.x)

        return solve

    return lax.custom_linear_solve(operator, b, solver(False), solver(True), symmetric=fixed.points.symmetric)


def _krylov(points):
    return truncated_cg if points.symmetric else truncated_bicgstab


def macro_tangent(space: Space, settings: NewtonSettings, problem: Problem, reference, x: Unknowns):
    """d <sigma> / d E at fixed state before the step, Mandel (n, n), and its result code.

    C_ij = <(E_i + B u_i) : C : (E_j + B u_j)> with u_j the linearized answer to the unit strain E_j: one linear solve
    per component, an error of second order in the fields. Where C has no symmetry the columns are mean stresses.

    Source:
        Miehe, Schroeder, Schotte (1999), CMAME 171, 387-418, section 3.
    """
    dim = x.u.ndim - 1
    physics = physics_of(x.down.shape[0], dim)
    response = tangent_response(space, problem, strains(space, problem, x))
    macros = load_cases(physics, dim, x.u.dtype)
    floor = 1e-6 if x.u.dtype == jnp.float32 else 1e-14
    if problem.points.symmetric:
        # The error of a linear solve enters squared.
        linear = Settings(max(settings.tolerance, floor), None, None, settings.max_iterations)
        tensor, _, evidence = effective_tensor(space, physics, linear, response, problem.h, macros)
        return tensor, jnp.max(evidence.code)
    nodes = x.u.shape[1:]
    tolerance = max(0.1 * settings.tolerance, floor)
    fixed, edges = stopped((response, problem.h))

    def force(v, macro):
        v = space.boundary.admit(v, problem.imposed)
        return space.boundary.restrict(space.element.force(response, v, problem.h, macro), problem.imposed)

    def solver(moduli):
        def solve(_, rhs):
            operator = Linearized(space, moduli, edges, None, stopped(reference), nodes, stopped(problem.imposed))
            load = Unknowns(rhs, jnp.zeros_like(x.down))
            found = truncated_bicgstab(operator, operator.precondition, load, tolerance, settings.max_iterations)
            return jnp.where(found.reached <= 10 * tolerance, found.x.u, jnp.nan)

        return solve

    def fluctuation(macro):
        load = -force(jnp.zeros_like(x.u), macro)
        solve, adjoint = solver(fixed), solver(fixed.transpose())
        return lax.custom_linear_solve(lambda v: force(v, None), load, solve, adjoint)

    u = lax.map(fluctuation, macros)
    columns = message_up(physics, mean_fluxes(space.element, response, u, problem.h, macros))
    failed = ~jnp.all(jnp.isfinite(columns))
    return columns.T, jnp.where(failed, MAX_ITERATIONS, SUCCESS).astype(jnp.int32)
