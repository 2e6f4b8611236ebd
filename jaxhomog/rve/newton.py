"""One step of a nonlinear RVE: Newton's method with inexact linear solves and a line search."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array

from ..fields import Space
from ..materials import Update
from ..results import MAX_ITERATIONS, STAGNATION, SUCCESS
from ..solvers import truncated_bicgstab, truncated_cg
from .cell import (
    Linearized,
    Problem,
    Unknowns,
    balance,
    out_of_balance,
    reference_moduli,
    stopped,
    strains,
    stress_size,
    tangent_response,
    updated,
)

_SHORTEST = 2.0**-7
# First relative accuracy of a linear solve, and the largest one later (Eisenstat and Walker 1996, SISC 17:16, eq. 2.6).
_FIRST, _LOOSEST = 0.02, 0.1


class NewtonSettings(NamedTuple):
    """Static settings of a path.

    Args:
        tolerance: largest stress out of balance relative to the largest stress met so far (see `stress_size`).
        max_newton: passes of Newton's method per step, line searches included.
        max_iterations: conjugate gradient iterations per linear solve.
        mixed: whether any stress may be prescribed (False saves the mean stress of every iteration).
    """

    tolerance: float
    max_newton: int
    max_iterations: int
    mixed: bool = True


class StepInfo(NamedTuple):
    """How a step went.

    Args:
        code: result code.
        newton: passes of Newton's method.
        iterations: conjugate gradient iterations.
        residual: stress out of balance, relative (see `NewtonSettings`).
        size: the stress that it is relative to.
        moduli: mean isotropic moduli of the last tangent.
    """

    code: Array
    newton: Array
    iterations: Array
    residual: Array
    size: Array
    moduli: tuple[Array, ...]


class _Search(NamedTuple):
    x: Unknowns  # accepted
    direction: Unknowns
    length: Array
    moduli: tuple  # of the tangent at x
    eta: Array  # of x
    size: Array
    newton: Array
    iterations: Array
    done: Array
    code: Array


def solve_step(
    space: Space, settings: NewtonSettings, problem: Problem, guess: Unknowns, reference, size, active
) -> tuple[Unknowns, StepInfo]:
    """Equilibrium at the end of a step, from a guess. Carries no derivative.

    Args:
        space: element and boundary condition.
        settings: static.
        problem: law, state at the start of the step, load at its end.
        guess: of the unknowns; prescribed strains are put in here.
        reference: moduli of the reference medium.
        size: largest stress so far (see `stress_size`), 0 at first.
        active: False returns the guess at once.

    Returns:
        `Unknowns` and `StepInfo`. On failure the unknowns are the best ones met.
    """
    problem, guess, reference = stopped((problem, guess, reference))
    load, dtype = problem.load, guess.u.dtype
    nodes, dim = guess.u.shape[1:], guess.u.ndim - 1
    guess = Unknowns(guess.u, jnp.where(load.held, guess.down, load.down))
    blank = jax.tree.map(jnp.zeros_like, guess)
    count = jnp.asarray(0, jnp.int32)
    held = load.held if settings.mixed else None
    eps = float(jnp.finfo(dtype).eps)

    def advance(s: _Search) -> _Search:
        x = jax.tree.map(lambda a, d: a + s.length * d, s.x, s.direction)
        strain = strains(space, problem, x)
        up: Update = updated(space, problem, strain)
        local = jnp.max(up.code)
        tangent = tangent_response(space, problem, strain)
        operator = Linearized(space, tangent, problem.h, held, reference, nodes, problem.imposed)
        r = balance(space, problem, up.stress, x)
        z = operator.precondition(r)
        eta = out_of_balance(r, z)
        largest = jnp.maximum(s.size, stress_size(up.stress, reference, dim))
        usable = jnp.isfinite(eta) & jnp.isfinite(largest) & (local == SUCCESS)
        first = s.newton == 0
        better = usable & (first | (eta <= (1 - 1e-3 * s.length) * s.eta))
        limit = settings.tolerance * largest
        converged = better & (eta <= limit)
        # Where rounding is all that is left no step is better than another.
        shortest = s.length <= _SHORTEST
        rounding = usable & shortest & (eta <= 64 * eps * largest)
        newton = s.newton + 1
        capped = newton >= settings.max_newton
        failed = ~converged & (capped | (~better & (shortest | first)))
        done = converged | failed | rounding
        code = jnp.where(capped, MAX_ITERATIONS, STAGNATION)
        code = jnp.where(local != SUCCESS, local, code)
        code = jnp.where(converged | rounding, SUCCESS, code).astype(jnp.int32)

        ratio = jnp.where(s.eta > 0, eta / jnp.where(s.eta > 0, s.eta, 1), 1)
        forcing = jnp.where(first, _FIRST, jnp.clip(0.9 * ratio**2, 0, _LOOSEST))
        # No tighter than the step needs: half of its tolerance.
        forcing = jnp.maximum(forcing, jnp.minimum(0.5 * limit / jnp.where(eta > 0, eta, 1), _LOOSEST))
        found = (truncated_cg if problem.points.symmetric else truncated_bicgstab)(
            operator,
            operator.precondition,
            jax.tree.map(lambda v: -v, r),
            forcing,
            settings.max_iterations,
            better & ~done,
        )
        pick = lambda new, old: jax.tree.map(lambda a, b: jnp.where(better, a, b), new, old)  # noqa: E731
        return _Search(
            x=pick(x, s.x),
            direction=pick(found.x, s.direction),
            length=jnp.where(better, 1, 0.5 * s.length).astype(dtype),
            moduli=pick(reference_moduli(space, tangent, strain.shape[2:], reference), s.moduli),
            eta=jnp.where(better, eta, s.eta),
            size=jnp.where(better, largest, s.size),
            newton=newton,
            iterations=s.iterations + found.iterations,
            done=done,
            code=jnp.where(done, code, s.code),
        )

    start_values = (guess, blank, jnp.ones((), dtype), reference, jnp.asarray(jnp.inf, dtype), size)
    start = _Search(*start_values, count, count, ~active, count)
    end = lax.while_loop(lambda s: ~s.done, advance, start)
    relative = jnp.where(end.size > 0, end.eta / jnp.where(end.size > 0, end.size, 1), 0)
    return end.x, StepInfo(end.code, end.newton, end.iterations, jnp.where(active, relative, 0), end.size, end.moduli)
