"""Conjugate gradients with a computed bound of the energy-norm error, and an honest exit.

For K x = b, preconditioner G and the exact solution x*, the squared error ||x* - x_k||_K^2 is what the effective tensor
suffers. With rho_k = r_k . G r_k it obeys, in exact arithmetic,

    ||x* - x_k||_K^2 <= rho_k phi_k / mu,      1 / phi_(k+1) = 1 + beta_(k+1) / phi_k,   phi_0 = 1,

for every lower bound mu of the eigenvalues of G K (Meurant & Tichy 2019, Numer. Algorithms 82:937, eq. 4.5). mu is a
guaranteed bound where one is handed in (isotropic voxels without voids). Otherwise it is 1/100 of an estimate of the
smallest Ritz value, grown with the iteration by incremental norm estimation of the inverse Cholesky factor of the
Lanczos matrix (ibid., section 5): an eigenvalue that the iteration has not met yet can escape it.

On exit the true residual is formed; where rounding has parted it from the recursion, the iteration restarts from it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array

from ..results import MAX_ITERATIONS, SINGULAR, STAGNATION, SUCCESS

# A Ritz value lies above the eigenvalue that it approximates, far above while the iteration has not met that one.
_RITZ_SAFETY = 0.01
_MAX_CHECKS = 8
# The recursion aims a little below the limit, so that the true residual, formed on exit, still meets it.
_SHARE = 0.9


class StopRule(NamedTuple):
    """When to stop; every entry that is given must hold.

    Args:
        energy: largest squared energy-norm error (absolute; a scalar or None).
        relative_energy: largest energy-norm error relative to the solution's own energy norm (scalar or None).
        residual: largest ||r||_2 relative to ||b||_2 (scalar or None).
    """

    energy: Array | float | None = None
    relative_energy: Array | float | None = None
    residual: Array | float | None = None


class CGResult(NamedTuple):
    """What conjugate gradients found.

    Args:
        x: solution.
        force: K x - b at `x`, from the definition.
        iterations: steps taken.
        residual: ||force||_2 / ||b||_2, 0 when b is rounding.
        error_bound: bound of the squared energy-norm error.
        code: SUCCESS, MAX_ITERATIONS, STAGNATION (rounding) or SINGULAR (a direction of no stiffness is loaded).
    """

    x: Array
    force: Array
    iterations: Array
    residual: Array
    error_bound: Array
    code: Array


def dot(a, b):
    """Inner product, summed axis by axis (float32 sums stay accurate)."""
    product = a * b
    for _ in range(product.ndim):
        product = jnp.sum(product, axis=-1)
    return product


class _Ritz(NamedTuple):
    """Inverse of the bidiagonal Lanczos factor R, seen through one left vector y."""

    inverse: Array  # ||y R^-1||^2, an estimate of 1 / smallest Ritz value
    product: Array  # y . (last column of R^-1)
    last: Array  # last step length, 0 before the first


class _State(NamedTuple):
    x: Array
    r: Array
    p: Array
    rho: Array
    beta: Array
    phi: Array
    ritz: _Ritz
    energy: Array  # ||x_k||_K^2, summed from the steps
    norm: Array  # ||r||_2, kept up to date only where it is needed
    norm_b: Array
    bound: Array
    iterations: Array
    checks: Array  # how often the residual was formed from its definition
    rho_check: Array  # rho at the last of these
    check: Array  # whether the next pass forms it
    done: Array
    code: Array


def _grow_ritz(ritz: _Ritz, alpha, beta) -> _Ritz:
    """Append a row and a column to R: diagonal 1/sqrt(alpha), above it sqrt(beta / last alpha)."""
    first = ritz.last == 0
    root = jnp.sqrt(alpha)
    tau = -root * jnp.sqrt(beta / jnp.where(first, 1, ritz.last)) * ritz.product
    # Largest eigenvalue of [[a, o], [o, d]]: the best combination of the old vector and the new entry.
    a, d, o = ritz.inverse + tau**2, alpha, tau * root
    top = 0.5 * (a + d) + jnp.sqrt((0.5 * (a - d)) ** 2 + o**2)
    # Both rows of (M - top I) give the eigenvector; the longer one is free of cancellation.
    use_first = (top - d) >= (top - a)
    s, c = jnp.where(use_first, top - d, o), jnp.where(use_first, o, top - a)
    length = jnp.sqrt(s**2 + c**2)
    s, c = s / jnp.where(length > 0, length, 1), c / jnp.where(length > 0, length, 1)
    return _Ritz(jnp.where(first, alpha, top), jnp.where(first, root, s * tau + c * root), alpha)


def conjugate_gradients(
    affine: Callable[[Array, Array], Array],
    precondition: Callable[[Array], Array],
    like: Array,
    rule: StopRule,
    *,
    floor: Array | float = 0.0,
    noise: Array | float = 0.0,
    max_iterations: int = 2000,
) -> CGResult:
    """Solve K x = b for symmetric positive semi-definite K and b in its range, from x = 0.

    Steps and checks of the true residual are passes of one loop, so that the operator is compiled once.

    Args:
        affine: (v, on) -> K v - on * b, for on = 0 or 1.
        precondition: r -> G r, symmetric positive semi-definite, with the kernel of K in its kernel.
        like: an array of x's shape and dtype.
        rule: when to stop.
        floor: guaranteed lower bound of the non-zero eigenvalues of G K, 0 when unknown.
        noise: ||b||_2 below which b is rounding (a homogeneous cell): x = 0 is then the answer.
        max_iterations: cap over all restarts.

    Returns:
        `CGResult`. Nothing is differentiated: callers wrap this in an implicit rule.
    """
    dtype = like.dtype
    tiny = jnp.finfo(dtype).tiny
    floor = jnp.asarray(floor, dtype)
    zero, one = jnp.zeros((), dtype), jnp.ones((), dtype)

    def satisfied(bound, energy, norm, norm_b, share):
        ok = jnp.asarray(True)
        if rule.energy is not None:
            ok &= bound <= share * rule.energy
        if rule.relative_energy is not None:
            ok &= bound <= share * rule.relative_energy**2 * energy
        if rule.residual is not None:
            ok &= norm <= share * rule.residual * norm_b
        return ok

    def advance(s: _State) -> _State:
        check = s.check
        q = affine(jnp.where(check, s.x, s.p), check.astype(dtype))
        pq = dot(s.p, q)
        broken = ~check & (~(pq > tiny) | ~jnp.isfinite(s.rho))
        alpha = jnp.where(check | broken, 0, s.rho / jnp.where(pq > tiny, pq, 1))
        x = s.x + alpha * s.p
        # A check replaces the recursion's residual by -force(x).
        r = jnp.where(check, 0, s.r) - jnp.where(check, 1, alpha) * q
        z = precondition(r)
        rho = jnp.maximum(dot(r, z), 0)
        beta = jnp.where(check | broken, 0, rho / jnp.where(s.rho > 0, s.rho, 1))
        p = z + beta * s.p

        ritz = _grow_ritz(s.ritz, jnp.where(alpha > 0, alpha, 1), s.beta)
        ritz = jax.tree.map(lambda new, old: jnp.where(check | broken, old, new), ritz, s.ritz)
        phi = s.phi / (s.phi + beta)
        # A guarantee of the size of rounding is none.
        guaranteed = floor > 8 * float(jnp.finfo(dtype).eps)
        stepped = rho * phi / jnp.where(guaranteed, floor, _RITZ_SAFETY / ritz.inverse)
        checked = jnp.where(s.rho > 0, s.bound * (rho / jnp.where(s.rho > 0, s.rho, 1)), s.bound)
        bound = jnp.where(check, checked, stepped)
        iterations = s.iterations + jnp.where(check | broken, 0, 1)
        energy = s.energy + alpha * s.rho
        first = s.checks == 0
        need_norm = check if rule.residual is None else jnp.asarray(True)
        norm = jax.lax.cond(need_norm, lambda v: jnp.sqrt(dot(v, v)), lambda v: zero, r)
        norm_b = jnp.where(first, norm, s.norm_b)

        # After a step: go on, or check. After a check: done, or restart from the true residual.
        close = satisfied(bound, energy, norm, norm_b, _SHARE) | (iterations >= max_iterations) | broken
        good = satisfied(bound, energy, norm, norm_b, 1.0) & ~first
        trivial = first & (norm <= noise)
        capped = iterations >= max_iterations
        # A direction without stiffness that carries load stops the recursion far from equilibrium.
        lost = ~jnp.isfinite(rho) | (~first & (iterations == 0))
        stuck = ~first & ((rho > 0.25 * s.rho_check) | (s.checks >= _MAX_CHECKS))
        done = check & (trivial | good | capped | lost | stuck)
        code = jnp.where(capped, MAX_ITERATIONS, jnp.where(lost, SINGULAR, STAGNATION))
        code = jnp.where(good | trivial, SUCCESS, code).astype(jnp.int32)
        return _State(
            x=x,
            r=r,
            p=p,
            rho=rho,
            beta=beta,
            phi=jnp.where(check, 1, phi),
            ritz=jax.tree.map(lambda a, b: jnp.where(check & ~done, a, b), _Ritz(one, one, zero), ritz),
            energy=energy,
            norm=norm,
            norm_b=norm_b,
            bound=jnp.where(trivial, 0, bound),
            iterations=iterations,
            checks=s.checks + check,
            rho_check=jnp.where(check, rho, s.rho_check),
            check=~check & close,
            done=done,
            code=jnp.where(check, code, s.code),
        )

    count = jnp.asarray(0, jnp.int32)
    blank = jnp.zeros_like(like)
    start = _State(
        x=blank,
        r=blank,
        p=blank,
        rho=zero,
        beta=zero,
        phi=one,
        ritz=_Ritz(one, one, zero),
        energy=zero,
        norm=zero,
        norm_b=zero,
        bound=jnp.asarray(jnp.inf, dtype),
        iterations=count,
        checks=count,
        rho_check=jnp.asarray(jnp.inf, dtype),
        check=jnp.asarray(True),
        done=jnp.asarray(False),
        code=count,
    )
    end = jax.lax.while_loop(lambda s: ~s.done, advance, start)
    residual = jnp.where(end.iterations > 0, end.norm / jnp.where(end.norm_b > 0, end.norm_b, 1), 0)
    return CGResult(end.x, -end.r, end.iterations, residual, end.bound, end.code)
