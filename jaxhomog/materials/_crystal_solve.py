"""The equations of one backward Euler step of a crystal at every point: damped Newton, with the implicit derivative.

Unknown are the deviatoric stress s in the crystal's deviatoric basis (5) and the growth z of the resistance of every
glide plane's systems (one number a plane, as coplanar systems harden alike). With tau = P s and g = g_0 + z,

    s / c + sum_a dgamma_a P_a - e = 0,    dgamma = rate dt |tau / g|^n sign tau,
    z - sum_b q_ab h(g_b) |dgamma_b| = 0.

Without the second line the first is the gradient of a convex function of s, and with it nearly so. z is eliminated in
closed form: its block is a diagonal and a product of two vectors.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from ..messages import total
from ..results import under_jax_defaults
from ._slip_systems import SlipHardening, SlipSystems, below_one

MAX_ITERATIONS = 120
_CHUNK = 1024  # points solved together: their matrices stay in the cache, and easy chunks do not wait for hard ones


class Local(NamedTuple):
    """What the equations of a point depend on; fields without a first axis broadcast against the points.

    Args:
        e: deviatoric strain less the plastic strain before the step, (5, *pts).
        strength: resistances before the step, (systems, *pts).
        stiffness: c (5, *pts).
        exponent: n.
        amount: reference rate times time increment.
        hardening: or None.
        latent: q of systems that are not coplanar.
    """

    e: Float[Array, "5 *pts"]
    strength: Float[Array, "s *pts"]
    stiffness: Float[Array, "5 *#pts"]
    exponent: Array
    amount: Array
    hardening: SlipHardening | None
    latent: Array


def _dot(table: np.ndarray, x):
    """Constant matrix times the leading axis."""
    return jnp.tensordot(jnp.asarray(table, x.dtype), x, 1, precision=lax.Precision.HIGHEST)


def kinetics(systems: SlipSystems, x, local: Local):
    """tau, g, dgamma and d dgamma / d tau of every system."""
    tau = _dot(systems.schmid, x[:5])
    g = local.strength
    if local.hardening is not None:
        g = g + _dot(systems.coplanar, x[5:])
    ratio = tau / g
    power = local.amount * below_one(ratio, local.exponent - 1)
    return tau, g, power * ratio, local.exponent * power / g


def residual(systems: SlipSystems, x, local: Local):
    """Left-hand sides of the equations, (5 + planes, *pts), in units of strain and of stress."""
    return _residual(systems, x, local, kinetics(systems, x, local))


def _residual(systems, x, local, state):
    _, g, slip, _ = state
    flow = x[:5] / local.stiffness - local.e + _dot(systems.schmid.T, slip)
    if local.hardening is None:
        return flow
    own = _dot(systems.coplanar.T, local.hardening.rate(g)[0] * jnp.abs(slip))
    return jnp.concatenate([flow, x[5:] - _mixed(own, local.latent)])


def _mixed(own, latent):
    """sum_b q_ab k_b by planes, of the sums k of every plane."""
    return latent * jnp.sum(own, axis=0) + (1 - latent) * own


class Coupling(NamedTuple):
    """Blocks of the Jacobian that hardening adds, w and beta (systems, *pts), a and d (planes, *pts).

    The flow by z is -sum_a P_a w_a, by planes; z's equation by s is -q_mn (sum_b beta_b P_b) of the planes n, and by z
    diag(d) - latent 1 a^T.
    """

    w: Array
    beta: Array
    a: Array
    d: Array
    latent: Array


class Linearized(NamedTuple):
    """Jacobian with z eliminated: `inverse` is d s / d e of the step."""

    inverse: Float[Array, "5 5 *pts"]
    coupling: Coupling | None


def linearized(systems: SlipSystems, x, local: Local) -> Linearized:
    """The Jacobian of `residual` by x, ready to solve with."""
    return _linearized(systems, x, local, kinetics(systems, x, local))


def _linearized(systems, x, local, state):
    _, g, slip, stiff = state
    p, e = systems.schmid, systems.coplanar
    square = np.reshape(p[:, :, None] * p[:, None, :], (-1, 25)).T
    unit = jnp.eye(5, dtype=x.dtype).reshape(5, 5, *(1,) * (x.ndim - 1))
    matrix = _dot(square, stiff).reshape(5, 5, *x.shape[1:]) + unit / local.stiffness
    if local.hardening is None:
        return Linearized(inverse(matrix), None)
    h, slope = local.hardening.rate(g)
    w, beta = local.exponent * slip / g, h * jnp.sign(slip) * stiff
    a = _dot(e.T, (slope - h * local.exponent / g) * jnp.abs(slip))
    latent = local.latent
    d = 1 - (1 - latent) * a
    # latent > 1 lets d pass through zero in steps of some per cent; only its neighbourhood is inaccurate.
    d = jnp.where(jnp.abs(d) < 1e-6, jnp.asarray(1e-6, d.dtype), d)
    # Sherman & Morrison's formula leaves u v^T and pairs of systems in one plane in the block of the stress.
    along, share = a / d, w * _dot(e, 1 / d)
    every, back = jnp.sum(along, axis=0), _dot(p.T, beta)
    weighted = latent * every * back + (1 - latent) * _dot(p.T, beta * _dot(e, along))
    v = latent * (back + weighted / (1 - latent * every))
    first, second = np.nonzero(e @ e.T)
    pairs = np.reshape(p[first][:, :, None] * p[second][:, None, :], (-1, 25)).T
    own = _dot(pairs, share[first] * beta[second]).reshape(matrix.shape)
    matrix = matrix - _dot(p.T, share)[:, None] * v[None] - (1 - latent) * own
    return Linearized(inverse(matrix), Coupling(w, beta, a, d, latent))


def solve(systems: SlipSystems, jacobian: Linearized, r):
    """J^-1 r."""
    if jacobian.coupling is None:
        return jnp.sum(jacobian.inverse * r[None], axis=1)
    w, beta, a, d, latent = jacobian.coupling
    p, e = systems.schmid, systems.coplanar

    def planes(y):
        y = y / d
        return y + latent * jnp.sum(a * y, axis=0) / (1 - latent * jnp.sum(a / d, axis=0)) / d

    t = planes(r[5:])
    ds = jnp.sum(jacobian.inverse * (r[:5] + _dot(p.T, w * _dot(e, t)))[None], axis=1)
    return jnp.concatenate([ds, t + planes(_mixed(_dot(e.T, beta * _dot(p, ds)), latent))])


@jax.custom_jvp
def inverse(matrix: Float[Array, "n n *pts"]) -> Float[Array, "n n *pts"]:
    """Inverses of small matrices near symmetric positive definite ones: Gauss-Jordan sweeps without pivoting.

    One short loop of element-wise operations; the derivative is -A^-1 dA A^-1.
    """
    n = matrix.shape[0]
    index = jnp.arange(n).reshape(n, *(1,) * (matrix.ndim - 2))
    diagonal = jnp.stack([matrix[i, i] for i in range(n)])
    scale = lax.rsqrt(jnp.maximum(jnp.abs(diagonal), jnp.finfo(matrix.dtype).tiny))

    def sweep(k, a):
        here = index == k
        row = lax.dynamic_index_in_dim(a, k, 0, keepdims=False)
        column = lax.dynamic_index_in_dim(a, k, 1, keepdims=False)
        r = 1 / lax.dynamic_index_in_dim(row, k, 0, keepdims=False)
        row, column = jnp.where(here, 1, row) * r, jnp.where(here, -1, column)
        return jnp.where(here[:, None] | here[None], 0, a) - column[:, None] * row[None]

    return lax.fori_loop(0, n, sweep, matrix * scale[:, None] * scale[None]) * scale[:, None] * scale[None]


@inverse.defjvp
@under_jax_defaults
def _inverse_jvp(primals, tangents):
    out = inverse(primals[0])
    return out, -_product(_product(out, tangents[0]), out)


def _product(a, b):
    return total([a[:, k, None] * b[None, k] for k in range(a.shape[1])])


def _start(systems, local):
    """The elastic trial stress scaled by the t in (0, 1] that is best along it: 1 - t = A t^n."""
    trial = local.stiffness * local.e
    tau = jnp.abs(_dot(systems.schmid, trial))
    ratio = tau / local.strength
    work = jnp.sum(trial * local.e, axis=0)
    top = jnp.max(ratio, axis=0)
    some = (top > 0) & (work > 0)
    top, work = jnp.where(some, top, 1), jnp.where(some, work, 1)
    power = jnp.sum(tau * below_one(ratio / top, local.exponent), axis=0)
    a = jnp.log(jnp.where(some, local.amount * power / work, 1)) + local.exponent * jnp.log(top)
    t = jnp.exp(-jnp.logaddexp(a, 0.0) / local.exponent)
    tiny = jnp.finfo(t.dtype).eps
    for _ in range(3):
        t = jnp.clip(t, tiny, 1 - tiny)
        f = local.exponent * jnp.log(t) + a - jnp.log1p(-t)
        t = t - f / (local.exponent / t + 1 / (1 - t))
    t = jnp.clip(t, tiny, 1)
    planes = 0 if local.hardening is None else systems.coplanar.shape[1]
    return jnp.concatenate([jnp.where(some, t, 1) * trial, jnp.zeros((planes, *t.shape), t.dtype)])


def _newton(systems: SlipSystems, local: Local) -> Array:
    """x of points in one axis; zeros where no solution was found (their residual tells)."""
    x = _start(systems, local)
    eps = float(jnp.finfo(x.dtype).eps)
    pts = x.shape[1:]

    def step(carry):
        x, d, size, merit, active, count = carry
        y = x + size * d
        state = kinetics(systems, y, local)
        r = _residual(systems, y, local, state)
        new = jnp.sum((local.stiffness * r[:5]) ** 2, axis=0) + jnp.sum(r[5:] ** 2, axis=0)
        # The first evaluation is taken as it is; a later one only if it is better (NaN is not).
        good = active & ((new < merit) | (count == 0))
        move = -solve(systems, _linearized(systems, y, local, state), r)
        last = good & _small(move, y, state[1], eps**0.6)
        x = jnp.where(good, jnp.where(last, y + move, y), x)
        d = jnp.where(good, move, d)
        size = jnp.where(good, 1, 0.4 * size).astype(x.dtype)
        merit = jnp.where(good, new, merit)
        alive = jnp.isfinite(merit) & jnp.all(jnp.isfinite(d), axis=0) & (size > 1e-8)
        return x, d, size, merit, active & ~last & alive, count + 1

    ones = jnp.ones(pts, x.dtype)
    carry = (x, jnp.zeros_like(x), ones, ones, jnp.ones(pts, bool), 0)
    carry = lax.while_loop(lambda c: jnp.any(c[4]) & (c[5] < MAX_ITERATIONS), step, carry)
    return jnp.where(jnp.all(jnp.isfinite(carry[0]), axis=0), carry[0], 0)


def _small(move, x, g, tolerance):
    """Whether a Newton step is so short that the next one would only move rounding (convergence is quadratic)."""
    stress = jnp.sum(move[:5] ** 2, axis=0) <= tolerance**2 * jnp.sum(x[:5] ** 2, axis=0)
    if move.shape[0] == 5:
        return stress
    return stress & (jnp.max(jnp.abs(move[5:]), axis=0) <= tolerance * jnp.min(g, axis=0))


@partial(jax.custom_jvp, nondiff_argnums=(0,))
def crystal_step(systems: SlipSystems, local: Local) -> Float[Array, "m *pts"]:
    """Stress and growth of resistance (5 + planes, *pts) at the end of a step; zeros where Newton's method failed.

    Args:
        systems: slip systems.
        local: what the equations depend on; it carries the derivative dx = -J^-1 (dR/dlocal dlocal).
    """
    local = lax.stop_gradient(local)
    pts = local.e.shape[1:]
    count = int(np.prod(pts))
    flat = lambda a, lead: jnp.broadcast_to(a, (*lead, *pts)).reshape(*lead, count)  # noqa: E731
    rows = (flat(local.e, (5,)), flat(local.strength, (len(systems),)), flat(local.stiffness, (5,)))
    scalars, structure = jax.tree.flatten(local[3:])
    fields = [jnp.size(a) > 1 for a in scalars]
    moving = (*rows, *(flat(a, ()) for a, field in zip(scalars, fields, strict=True) if field))

    def chunk(moving):
        rest = iter(moving[3:])
        own = [next(rest) if field else jnp.reshape(a, ()) for a, field in zip(scalars, fields, strict=True)]
        return _newton(systems, Local(*moving[:3], *jax.tree.unflatten(structure, own)))

    if count <= _CHUNK:
        return chunk(moving).reshape(-1, *pts)
    chunks = -(-count // _CHUNK)
    extra = chunks * _CHUNK - count

    def cut(a):
        a = jnp.pad(a, [(0, 0)] * (a.ndim - 1) + [(0, extra)], mode="edge")
        return jnp.moveaxis(a.reshape(*a.shape[:-1], chunks, _CHUNK), -2, 0)

    x = jnp.moveaxis(lax.map(chunk, jax.tree.map(cut, moving)), 0, 1)
    return x.reshape(x.shape[0], -1)[:, :count].reshape(-1, *pts)


@crystal_step.defjvp
@under_jax_defaults
def _crystal_step_jvp(systems, primals, tangents):
    (local,) = primals
    x = crystal_step(systems, local)
    _, change = jax.jvp(lambda q: residual(systems, x, q), (local,), tangents)
    return x, -solve(systems, linearized(systems, x, local), change)
