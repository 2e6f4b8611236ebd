"""A small system of equations at one point: damped Newton, with the implicit derivative. Made for `vmap`."""

from __future__ import annotations

from functools import partial
from typing import Any, Protocol

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from ..results import under_jax_defaults

_HIGHEST = lax.Precision.HIGHEST
_HALVINGS = 20


class LocalProblem(Protocol):
    """Equations of one point. It holds no arrays: what carries a derivative is in `args`."""

    max_iterations: int

    def start(self, args: Any) -> Float[Array, " m"]:
        """Where the iteration begins."""
        ...

    def residual(self, x: Float[Array, " m"], args: Any) -> Float[Array, " m"]:
        """What is zero at the root."""
        ...

    def objective(self, x: Float[Array, " m"], args: Any) -> Float[Array, ""] | None:
        """What the root minimizes, if its gradient is the residual."""
        ...

    def weights(self, x: Float[Array, " m"], args: Any, jacobian: Float[Array, "m m"]) -> Float[Array, " m"]:
        """w_i >= 0, so that w_i dx_i^2 is an energy of a change of x; `jacobian` is that of the residual."""
        ...

    def scale(self, args: Any) -> Float[Array, ""]:
        """An energy of the problem beside which small changes do not count."""
        ...


@partial(jax.custom_jvp, nondiff_argnums=(0,))
def local_root(problem: LocalProblem, args: Any) -> tuple[Float[Array, " m"], Float[Array, ""]]:
    """The root x of residual(x, args) = 0.

    Newton's step, halved until the objective falls (Armijo), or, without an objective, until the next Newton step
    would be shorter. The iteration ends after the first step that is small in energy,
    sum w dx^2 <= eps^1.2 (sum w x^2 + scale).

    Args:
        problem: the equations.
        args: pytree of float arrays; it carries the derivative dx = -(dr/dx)^-1 dr/dargs dargs, of every order.

    Returns:
        x, and 1 where the iteration converged, else 0 (a float: it passes through derivatives).

    Source:
        Nocedal & Wright (2006), Numerical Optimization, section 3.1 (Armijo's rule); Deuflhard (2004), Newton Methods
        for Nonlinear Problems, section 3.3 (natural monotonicity).
    """
    args = lax.stop_gradient(args)
    x = problem.start(args)
    eps = jnp.finfo(x.dtype).eps
    rounding, small = 8 * float(eps), float(eps) ** 1.2
    scale = problem.scale(args)

    def step(carry):
        x, _, _, count = carry
        r = problem.residual(x, args)
        jacobian = jax.jacfwd(problem.residual)(x, args)
        inverse = small_inverse(jacobian)
        dx = -_times(inverse, r)
        w = problem.weights(x, args, jacobian)
        value = problem.objective(x, args)
        if value is not None:
            # Where the objective is not convex Newton's step may climb: then along the scaled gradient.
            diagonal = jnp.abs(jnp.diagonal(jacobian))
            dx = jnp.where(jnp.sum(r * dx) > 0, -r / jnp.where(diagonal > 0, diagonal, 1), dx)
        size = jnp.sum(w * dx**2)
        settled = size <= small * (jnp.sum(w * x**2) + scale)

        def better(t):
            new = x + t * dx
            if value is None:
                following = jnp.sum(w * _times(inverse, problem.residual(new, args)) ** 2)
                return following <= (1 - 0.25 * t) ** 2 * size
            trial = problem.objective(new, args)
            assert trial is not None
            return trial <= value + 1e-4 * t * jnp.sum(r * dx) + rounding * (jnp.abs(value) + jnp.abs(trial))

        def again(c):
            t, good, k = c
            t = jnp.where(good, t, 0.5 * t)
            return t, better(t), k + 1

        first = jnp.ones((), x.dtype)
        accepted = settled | ~jnp.isfinite(size) | better(first)
        t = lax.while_loop(lambda c: ~c[1] & (c[2] < _HALVINGS), again, (first, accepted, 0))[0]
        return x + t * dx, settled, settled | ~jnp.isfinite(size), count + 1

    no = jnp.zeros((), bool)
    cap = problem.max_iterations
    x, settled, _, _ = lax.while_loop(lambda c: ~c[2] & (c[3] < cap), step, (x, no, no, 0))
    return x, settled.astype(x.dtype)


@local_root.defjvp
@under_jax_defaults
def _local_root_jvp(problem, primals, tangents):
    (args,) = primals
    x, ok = local_root(problem, args)
    # One more step, written as a function of args: where JAX has forgotten the rule of x (forward over reverse mode
    # through a scan, jax 0.10.2), second derivatives are right all the same.
    x = x - _times(small_inverse(jax.jacfwd(problem.residual)(x, args)), problem.residual(x, args))
    _, change = jax.jvp(lambda a: problem.residual(x, a), (args,), tangents)
    dx = -_times(small_inverse(jax.jacfwd(problem.residual)(x, args)), change)
    return (x, ok), (dx, jnp.zeros_like(ok))


def _times(matrix, vector):
    return jnp.sum(matrix * vector[None, :], axis=1)


@jax.custom_jvp
def small_inverse(matrix: Float[Array, "m m"]) -> Float[Array, "m m"]:
    """Inverse of a small matrix, element-wise operations only (no linear algebra library); not finite if singular.

    Gauss-Jordan elimination with row pivoting after scaling every row by its largest entry.

    Source:
        Golub & Van Loan (2013), Matrix Computations, section 3.4.
    """
    m = matrix.shape[0]
    index = jnp.arange(m)
    largest = jnp.max(jnp.abs(matrix), axis=1)
    row = 1 / jnp.where(largest > 0, largest, 1)
    both = jnp.concatenate([matrix * row[:, None], jnp.diag(row)], axis=1)

    def sweep(k, a):
        column = jnp.abs(lax.dynamic_index_in_dim(a, k, 1, keepdims=False))
        best = index == jnp.argmax(jnp.where(index >= k, column, -1))
        pivot_row = jnp.sum(jnp.where(best[:, None], a, 0), axis=0)
        a = jnp.where(best[:, None], lax.dynamic_index_in_dim(a, k, 0), a)
        pivot_row = pivot_row / lax.dynamic_index_in_dim(pivot_row, k, keepdims=False)
        column = lax.dynamic_index_in_dim(a, k, 1)
        return jnp.where((index == k)[:, None], pivot_row, a - column * pivot_row)

    return lax.fori_loop(0, m, sweep, both)[:, m:]


@small_inverse.defjvp
@under_jax_defaults
def _small_inverse_jvp(primals, tangents):
    inverse = small_inverse(primals[0])
    change = jnp.matmul(jnp.matmul(inverse, tangents[0], precision=_HIGHEST), inverse, precision=_HIGHEST)
    return inverse, -change
