"""Stiffness of single waves along a path: where it vanishes, and the wave where it vanishes first.

Three kinds of wave k at a stretch t, each with a number that is positive while the crystal resists it:

    LONG        a direction n:    smallest eigenvalue of the acoustic tensor n . A . n
    SUBLATTICE  q = 0:            smallest omega^2 of the sublattices against each other (several atoms in the cell)
    WAVE        a wave vector q:  smallest omega^2

A wave softens first at the minimum over k of t(k), which is a minimum over k of the number itself at that t: at fixed t
it is sought by Newton's method, then t by the root, in turn. There dt/dk = 0: the derivative of t with respect to
anything else is the partial one (envelope theorem), and that of k follows from the gradient that stays zero.
"""

from __future__ import annotations

from functools import partial
from typing import Final

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from ..solvers import guarded, scalar_root
from ..tensors import inverse_spd
from .down import reciprocal
from .eigen import lowest, lowest_vector
from .model import Lattice
from .phonons import assembled, bond_stiffness, phase_products
from .solve import admissible, descended, equilibrium_shifts, expansion

LONG: Final = 0
SUBLATTICE: Final = 1
WAVE: Final = 2

_HIGHEST = lax.Precision.HIGHEST
_ROUNDS = 12
# A wave longer than this phase (radian) from cell to cell is not told from q -> 0.
_LONGEST = 1e-2
# The search starts a little off the given wave: a wave on a plane of symmetry may be a saddle.
_ASIDE = (6e-4, -7e-4, 4e-4)


def content(kind: int, lattice: Lattice, path, t: Float[Array, ""]) -> Array:
    """What the lattice is at t, for all waves of a kind: stiffness of its bonds, or dP/dF; NaN where det F <= 0."""
    F = path(t, lattice.dim)
    if kind == LONG:
        slope = jax.grad(lattice.density)
        tangent = jax.jacfwd(lambda f: slope(f, equilibrium_shifts(lattice, f)))(F)
        return guarded(admissible(F), tangent)
    return guarded(admissible(F), bond_stiffness(lattice, F, equilibrium_shifts(lattice, F)))


def _matrix(kind: int, lattice: Lattice, inside, k):
    """The symmetric matrix whose smallest eigenvalue is asked for."""
    if kind == LONG:
        a = jnp.einsum("J,iJkL,L->ik", k, inside, k, precision=_HIGHEST)
        return 0.5 * (a + a.T)
    if kind == WAVE:
        return assembled(lattice, phase_products(lattice, k[None]), inside)[0]
    n = lattice.crystal.atoms * lattice.dim
    a = assembled(lattice, phase_products(lattice, jnp.zeros((1, lattice.dim), k.dtype)), inside)[0][:n, :n]
    # Translations of the whole crystal cost nothing: they are lifted out of the way.
    root = jnp.sqrt(lattice.crystal.masses / jnp.sum(lattice.crystal.masses))
    rigid = (root[:, None, None] * jnp.eye(lattice.dim, dtype=k.dtype)).reshape(n, lattice.dim)
    top = lax.stop_gradient(jnp.sum(jnp.abs(jnp.diagonal(a))))
    return a + top * jnp.matmul(rigid, rigid.T, precision=_HIGHEST)


def _low(kind: int, exact: bool, lattice: Lattice, inside, k):
    """The smallest eigenvalue; `exact`: with its second and third derivatives."""
    matrix = _matrix(kind, lattice, inside, k)
    if exact:
        return lowest(matrix, paired=kind == WAVE and lattice.crystal.atoms > 1)
    v = lowest_vector(matrix)
    return jnp.dot(v, jnp.matmul(matrix, v, precision=_HIGHEST), precision=_HIGHEST)


def _from(kind: int, x, args):
    """The numbers at the stretches start + x, each of its own wave."""
    lattice, path, k, start = args
    one = lambda x, k, start: _low(kind, False, lattice, content(kind, lattice, path, start + x), k)  # noqa: E731
    return jax.vmap(one)(x, k, start)


# Functions of the module: `scalar_root` tells its programs apart by them.
_FROM: Final = {kind: partial(_from, kind) for kind in (LONG, SUBLATTICE, WAVE)}


def first_roots(kind: int, lattice: Lattice, path, stretches: Float[Array, " t"], k: Float[Array, "q d"]):
    """Where each wave's number first falls through zero (infinite: nowhere), whether all start above, and the last.

    Returns:
        (q,) stretches, (), and (q,) numbers at the last stretch.
    """
    if k.shape[0] == 0:
        return jnp.zeros(0, stretches.dtype), jnp.ones((), bool), jnp.zeros(0, stretches.dtype)

    def all_waves(t):
        inside = content(kind, lattice, path, t)
        return jax.vmap(lambda one: _low(kind, False, lattice, inside, one))(k)

    grid = lax.stop_gradient(lax.map(all_waves, stretches))
    below = grid <= 0
    first = jnp.argmax(below, axis=0)
    before = jnp.maximum(first - 1, 0)
    # What is not a number before it says nothing about the crossing.
    found = jnp.any(below, axis=0) & (grid[0] > 0) & (jnp.take_along_axis(grid, before[None], 0)[0] > 0)
    low = stretches[before]
    upper = jnp.where(found, stretches[first] - low, 0)
    root = low + scalar_root(_FROM[kind], (lattice, path, k, low), upper)
    return jnp.where(found, root, jnp.inf), jnp.all(grid[0] > 0), grid[-1]


def weight(kind: int, lattice: Lattice, k: Float[Array, " d"]) -> Array:
    """|k|^2, of wave vectors by their phases from cell to cell: zero at every vector of the reciprocal lattice."""
    if kind == LONG:
        return jnp.sum(k**2)
    return jnp.sum(4 * jnp.sin(0.5 * jnp.matmul(lattice.crystal.vectors, k, precision=_HIGHEST)) ** 2)


def _goal(kind: int, k, args):
    """The number of a wave against the stiffness that q -> 0 costs; of directions, those of unit length."""
    lattice, inside = args
    value = _low(kind, True, lattice, inside, k) / weight(kind, lattice, k)
    if kind == LONG:
        value = value + lax.stop_gradient(jnp.max(jnp.abs(inside))) * (jnp.sum(k**2) - 1) ** 2
    return value


def refined(kind: int, lattice: Lattice, path, stretches, k: Float[Array, " d"], t: Float[Array, ""]):
    """The wave near k that softens first, its stretch, and whether it is stiff at the start.

    In turn the wave that is softest at t, then Newton's step in t at that wave: Newton's method for min over k = 0.
    Without derivative. k and t come back where nothing better than t is found (t infinite: k does not soften).
    """
    lattice, path, stretches, given, t = lax.stop_gradient((lattice, path, stretches, k, t))
    length = 1.0 if kind == LONG else lattice.crystal.volume ** (-1 / lattice.dim)
    aside = jnp.asarray(_ASIDE[: lattice.dim], k.dtype)
    eps = float(jnp.finfo(k.dtype).eps)
    of = jax.vmap(lambda t: jax.jvp(partial(content, kind, lattice, path), (t,), (jnp.ones_like(t),)))

    def turn(carry):
        k, t, *_, count = carry
        inside, change = of(jnp.stack([t, stretches[0]]))
        k, _ = descended(partial(_goal, kind), (lattice, inside[0]), k, length)
        number = lambda inside, change: jax.jvp(lambda x: _low(kind, False, lattice, x, k), (inside,), (change,))  # noqa: E731
        value, slope = jax.vmap(number)(inside, change)
        move = jnp.where(slope[0] < 0, -value[0] / jnp.where(slope[0] < 0, slope[0], -1), jnp.nan)
        return k, t + move, jnp.abs(move) <= eps**0.6 * jnp.abs(t), value[1] > 0, count + 1

    start = given + jnp.sqrt(jnp.sum(given**2)) * aside
    false = jnp.zeros((), bool)
    first = (start, jnp.minimum(t, stretches[-1]), false, false, 0)
    more = lambda carry: ~carry[2] & jnp.isfinite(carry[1]) & (carry[4] < _ROUNDS)  # noqa: E731
    found, root, settled, above, _ = lax.while_loop(more, turn, first)
    good = jnp.all(jnp.isfinite(found)) & (weight(kind, lattice, found) >= _LONGEST**2)
    better = good & settled & (root < t) & (root > stretches[0]) & (root <= stretches[-1])
    found = _folded(kind, lattice, found)
    found = jnp.where(jnp.sum(found * given) < 0, -found, found)  # k and -k are one wave
    return jnp.where(better, found, given), jnp.where(better, root, t), above | ~good


def _folded(kind: int, lattice: Lattice, k):
    """A direction of unit length; a wave vector less the nearest vector of the reciprocal lattice."""
    if kind == LONG:
        return k / jnp.sqrt(jnp.sum(k**2))
    fractions = jnp.matmul(lattice.crystal.vectors, k, precision=_HIGHEST) / (2 * jnp.pi)
    return k - jnp.matmul(jnp.round(fractions), reciprocal(lattice.crystal), precision=_HIGHEST)


def followed(kind: int, lattice: Lattice, path, k, t, moves: Array | None):
    """A stretch t and its wave k again, with derivatives up to the second.

    Args:
        kind: of the wave.
        lattice: carries the derivative.
        path: t -> F.
        k: (d,) the wave; where it `moves` it stays a minimum, elsewhere it is what was given.
        t: its stretch, without derivative.
        moves: whether k follows the lattice; None: it does not.
    """
    fixed = lax.stop_gradient(t)
    inside, change = jax.jvp(partial(content, kind, lattice, path), (fixed,), (jnp.ones_like(fixed),))
    value, slope = jax.jvp(lambda x: _low(kind, True, lattice, x, k), (inside,), (change,))
    slope = lax.stop_gradient(jnp.where(slope != 0, slope, 1))
    t = fixed - value / slope
    if moves is not None:
        # t differs from `fixed` in its derivative alone, of which k needs the first.
        args = (lattice, inside + lax.stop_gradient(change) * (t - fixed))
        at = lax.stop_gradient(k)
        _, gradient, curvature = expansion(partial(_goal, kind), at, args)
        back = inverse_spd(lax.stop_gradient(curvature))
        k = jnp.where(moves, at - jnp.matmul(back, gradient, precision=_HIGHEST), k)
    return k, t - _low(kind, True, lattice, content(kind, lattice, path, t), k) / slope


def parted(kind: int, lattice: Lattice, k: Float[Array, "q d"], at) -> Array:
    """Which waves differ from one of them (k and -k are one wave, and wave vectors a reciprocal vector apart)."""
    near = float(jnp.finfo(k.dtype).eps) ** 0.4
    if kind != LONG:
        k = jnp.matmul(k, lattice.crystal.vectors.T, precision=_HIGHEST) / (2 * jnp.pi)
    far = [k - sign * k[at] for sign in (1, -1)]
    if kind != LONG:
        far = [x - jnp.round(x) for x in far]
    one, other = (jnp.max(jnp.abs(x), axis=-1) for x in far)
    return jnp.minimum(one, other) > near
