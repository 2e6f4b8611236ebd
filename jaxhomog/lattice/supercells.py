"""Beyond the Cauchy-Born rule: cells of several primitive ones, whose atoms need not follow the deformation.

A supercell is a crystal with more atoms: its inner shifts are the deviation from the affine state. Past the critical
stretch of a chain of nearest neighbours the cell of two atoms leaves the affine state continuously, with a long and a
short bond, and gains energy (period doubling). Longer cells gain more: the longest prefer one broken bond, and do so
long before the critical stretch. The stretch where the energies of both states are equal, the Maxwell stretch, falls
with the length of the cell (the cost of a crack is shared among all its bonds) and tends to 1.
"""

from __future__ import annotations

from fractions import Fraction
from math import prod

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.core import Tracer
from jaxtyping import Array, Float, Int

from ..results import LOCAL_SOLVE, NO_EQUILIBRIUM, SUCCESS, InputError, Result, Solution, real_array, throw_if_failed
from ..solvers import guarded
from .bonds import Bonds
from .crystals import Crystal, dual, need_crystal
from .down import as_path
from .eigen import lowest_vector
from .model import Lattice, Pairs, need_deformation
from .phonons import need_pairs, need_waves, relaxed_matrices, tables
from .solve import energy_of_shifts, minimum, polished, relax

_BISECTIONS = 40


def need_repeats(repeats, dim: int) -> tuple[int, ...]:
    """A tuple of whole numbers, one per axis; one number is a chain's."""
    given = tuple(np.atleast_1d(repeats)) if isinstance(repeats, tuple | list | np.ndarray) else (repeats,)
    if len(given) != dim or not all(
        isinstance(n, int | np.integer) and not isinstance(n, bool) and n >= 1 for n in given
    ):
        raise InputError(f"repeats is {repeats!r}: give {dim} whole numbers >= 1, cells along each lattice vector")
    return tuple(int(n) for n in given)


def supercell(lattice: Lattice, repeats) -> Lattice:
    """The same crystal with a cell of `repeats` primitive cells along its lattice vectors.

    Args:
        lattice: crystal and pairs.
        repeats: (static) whole numbers, one per lattice vector; one number for a chain.

    Returns:
        The lattice, atoms cell by cell; its energy per volume is that of the primitive one.

    Raises:
        InputError: no table of pairs, repeats that do not fit.
    """
    need_pairs(lattice, "supercell")
    repeats = need_repeats(repeats, lattice.dim)
    c, m = lattice.crystal, lattice.crystal.atoms
    cells = np.stack(np.meshgrid(*(np.arange(n) for n in repeats), indexing="ij"), -1).reshape(-1, lattice.dim)
    size = jnp.asarray(repeats, jnp.int32)
    dtype = c.vectors.dtype
    positions = (jnp.asarray(cells, dtype)[:, None] + c.positions[None]) / jnp.asarray(repeats, dtype)
    vectors = c.vectors * jnp.asarray(repeats, dtype)[:, None]
    crystal = Crystal(vectors, positions.reshape(-1, lattice.dim), jnp.tile(c.masses, len(cells)))
    parts = []
    order = jnp.asarray([prod(repeats[k + 1 :]) for k in range(lattice.dim)], jnp.int32)
    for part in tables(lattice):
        b = part.bonds
        target = jnp.asarray(cells, jnp.int32)[:, None] + b.shift[None]  # (cells, b, d)
        shift = jnp.floor_divide(target, size)
        home = jnp.sum((target - shift * size) * order, axis=-1)
        first = m * jnp.arange(len(cells), dtype=jnp.int32)[:, None] + b.first[None]
        second = m * home + b.second[None]
        bonds = Bonds(first.ravel(), second.ravel(), shift.reshape(-1, lattice.dim))
        parts.append(Pairs(part.potential, bonds))
    return Lattice(crystal, tuple(parts))


def commensurate(crystal: Crystal, q: Float[Array, " d"], largest: int = 12) -> tuple[int, ...]:
    """Repeats of the smallest supercell whose period fits a wave vector (host-side).

    Args:
        crystal: the undeformed crystal.
        q: wave vector (1/length); zero fits every cell.
        largest: most repeats along an axis.

    Raises:
        InputError: no crystal, no such cell (a wave that is incommensurate has none), or a traced wave vector.
    """
    need_crystal(crystal, "commensurate")
    if isinstance(largest, bool) or not isinstance(largest, int | np.integer) or largest < 1:
        raise InputError(f"largest is {largest!r}: give a whole number >= 1")
    if isinstance(q, Tracer) or isinstance(crystal.vectors, Tracer):
        raise InputError("the cell of a traced wave vector is unknown: ask outside jit, vmap and grad")
    wave = np.asarray(real_array(q, "q"), float)
    if wave.shape != (crystal.dim,) or not np.isfinite(wave).all():
        raise InputError(f"q is {wave}: give {crystal.dim} finite numbers")
    fractions = np.asarray(crystal.vectors, float) @ wave / (2 * np.pi)
    near = [Fraction(float(x)).limit_denominator(largest) for x in fractions]
    if any(abs(float(f) - x) > 1e-6 for f, x in zip(near, fractions, strict=True)):
        raise InputError(f"no cell of up to {largest} repeats fits q = {wave}: raise largest, or take a wave of a grid")
    return tuple(f.denominator for f in near)


def wave_start(
    lattice: Lattice, repeats, F: Float[Array, "d d"], q: Float[Array, " d"], amplitude: float = 0.05
) -> Float[Array, "n d"]:
    """Shifts of a supercell along the softest mode of a commensurate wave vector, to start a relaxation from.

    Args:
        lattice: the primitive crystal and pairs.
        repeats: of the supercell; q must fit it.
        F: deformation gradient.
        q: wave vector.
        amplitude: largest displacement, in parts of the spacing (volume of the primitive cell to the power 1/d).

    Returns:
        (n, d) shifts of all atoms of the supercell but the first, in the undeformed crystal (length).

    Raises:
        InputError: no table of pairs, arguments that do not fit, a concrete q whose wave does not fit the supercell.
    """
    need_pairs(lattice, "wave_start")
    repeats, F, q = need_repeats(repeats, lattice.dim), need_deformation(F, lattice), need_waves(lattice, q)
    if q.ndim != 1:
        raise InputError(f"q has shape {q.shape}: give one wave vector ({lattice.dim},)")
    if not isinstance(amplitude, Tracer) and not np.isfinite(real_array(amplitude, "amplitude")).all():
        raise InputError(f"amplitude is {amplitude!r}: give a finite number")
    if not isinstance(q, Tracer) and not isinstance(lattice.crystal.vectors, Tracer):
        periods = np.asarray(lattice.crystal.vectors) @ np.asarray(q) / (2 * np.pi) * np.asarray(repeats)
        if not np.all(np.abs(periods - np.rint(periods)) < 1e-4):
            raise InputError(
                f"the wave has {periods.tolist()} periods in the supercell {repeats}: take commensurate(crystal, q)"
            )
    m, d = lattice.crystal.atoms, lattice.dim
    mode = lowest_vector(relaxed_matrices(lattice, F, q[None])[0])
    mode = mode / jnp.sqrt(jnp.tile(jnp.repeat(lattice.crystal.masses, d), mode.shape[0] // (m * d)))
    parts = mode.reshape(-1, m, d)
    cells = np.stack(np.meshgrid(*(np.arange(n) for n in repeats), indexing="ij"), -1).reshape(-1, d)
    phase = jnp.sum(jnp.asarray(cells, q.dtype) * jnp.matmul(lattice.crystal.vectors, q), axis=-1)[:, None, None]
    u = jnp.cos(phase) * parts[0] - (jnp.sin(phase) * parts[1] if m > 1 else 0)
    u = u * (amplitude * lattice.crystal.volume ** (1 / d) / jnp.max(jnp.abs(u)))
    shifts = _pulled_back(u.reshape(-1, d), F)
    return tiled(lattice, repeats, relax(lattice, F).shifts) + (shifts - shifts[0])[1:]


def opening_start(lattice: Lattice, repeats, F: Float[Array, "d d"], axis: int = 0) -> Float[Array, "n d"]:
    """Shifts that undo the stretch along one lattice vector in all cells and open one gap: a crack, to start from.

    Args:
        lattice: the primitive crystal and pairs.
        repeats: of the supercell.
        F: deformation gradient.
        axis: lattice vector along which the cell breaks.

    Returns:
        (n, d) shifts of all atoms of the supercell but the first, in the undeformed crystal (length).

    Raises:
        InputError: no table of pairs, arguments that do not fit, an axis with one cell (nothing can open).
    """
    need_pairs(lattice, "opening_start")
    repeats, F = need_repeats(repeats, lattice.dim), need_deformation(F, lattice)
    if isinstance(axis, bool) or axis not in range(lattice.dim) or repeats[axis] < 2:
        raise InputError(f"axis is {axis!r} and repeats {repeats}: give an axis with at least two cells")
    return _opened(lattice, repeats, F, relax(lattice, F).shifts, axis)


def _opened(lattice, repeats, F, shifts, axis):
    big = supercell(lattice, repeats)
    # Whole planes of cells move together: the first atom of each decides.
    along = jnp.repeat(big.crystal.positions[:: lattice.crystal.atoms, axis], lattice.crystal.atoms)
    back = along[:, None] * big.crystal.vectors[axis]
    moved = _pulled_back(back, F) - back
    return tiled(lattice, repeats, shifts) + moved[1:]


def _pulled_back(rows, F):
    """F^-1 times every row."""
    return jnp.matmul(rows, dual(F)[0], precision=lax.Precision.HIGHEST)


def tiled(lattice: Lattice, repeats: tuple[int, ...], shifts: Float[Array, "n d"]) -> Float[Array, "k d"]:
    """Inner shifts of the primitive cell, in every cell of a supercell."""
    every = jnp.concatenate([jnp.zeros((1, lattice.dim), shifts.dtype), shifts])
    return jnp.tile(every, (prod(repeats), 1))[1:]


class Branch(eqx.Module):
    """States of a supercell.

    Args:
        energy: per volume of the undeformed crystal.
        affine: energy of the Cauchy-Born state at the same deformation.
        shifts: (..., n, d) of all atoms of the supercell but the first.
        code: SUCCESS or LOCAL_SOLVE.
    """

    energy: Float[Array, "*t"]
    affine: Float[Array, "*t"]
    shifts: Float[Array, "*t n d"]
    code: Int[Array, "*t"]

    @property
    def gain(self):
        """Energy below the affine state."""
        return self.affine - self.energy


def relax_supercell(
    lattice: Lattice, repeats, F: Float[Array, "d d"], starts: Float[Array, "s n d"] | None = None
) -> Branch:
    """The lowest state of a supercell that is reached from a number of starts, beside the affine state.

    Args:
        lattice: the primitive crystal and pairs.
        repeats: primitive cells along each lattice vector (static).
        F: deformation gradient.
        starts: (s, n, d) shifts; None opens a crack across each lattice vector that is repeated.

    Returns:
        `Branch`; differentiable with respect to F and the lattice (of the state that is the lowest).

    Raises:
        InputError: no table of pairs, repeats or starts that do not fit.

    Caveats:
        Local minima: a state that no start leads to is not seen. Where all starts fall back, the gain is rounding.
    """
    need_pairs(lattice, "relax_supercell")
    repeats, F = need_repeats(repeats, lattice.dim), need_deformation(F, lattice)
    n = prod(repeats) * lattice.crystal.atoms - 1
    if n == 0:
        raise InputError("the supercell has one atom, which has nowhere to go: give more repeats")
    if starts is not None:
        starts = real_array(starts, "starts")
        if starts.ndim != 3 or starts.shape[1:] != (n, lattice.dim) or not starts.shape[0]:
            raise InputError(f"starts have shape {starts.shape}: give (starts, {n}, {lattice.dim}), at least one")
    return _relaxed_supercell(lattice, repeats, F, starts)


@eqx.filter_jit
def _relaxed_supercell(lattice, repeats, F, starts, first=False):
    """The lowest state that is reached; or that of the first start that reaches one."""
    primitive = relax(lattice, F)
    big = supercell(lattice, repeats)
    if starts is None:
        axes = [k for k, n in enumerate(repeats) if n > 1] or [0]
        starts = jnp.stack([_opened(lattice, repeats, F, primitive.shifts, k) for k in axes])
    length = lattice.crystal.volume ** (1 / lattice.dim)
    one = lambda start: minimum(energy_of_shifts, (big, F), start.ravel(), length)  # noqa: E731
    x, ok = jax.vmap(one)(starts)
    energies = jax.vmap(lambda y: big.density(F, y.reshape(big.inner)))(x)
    best = jnp.argmax(ok) if first else jnp.argmin(jnp.where(ok, lax.stop_gradient(energies), jnp.inf))
    good = ok[best]
    shifts = guarded(good, x[best].reshape(big.inner))
    code = jnp.maximum(primitive.code, jnp.where(good, SUCCESS, LOCAL_SOLVE)).astype(jnp.int32)
    return Branch(guarded(good, energies[best]), primitive.energy, shifts, code)


def follow_branch(
    lattice: Lattice, repeats, stretches: Float[Array, " t"], start: Float[Array, "n d"], path=None
) -> Branch:
    """A branch of states of a supercell along a path, each relaxed from the one before, or, where that is a saddle
    (a bifurcation was passed), from `start`.

    Args:
        lattice: the primitive crystal and pairs.
        repeats: primitive cells along each lattice vector (static).
        stretches: (t,) values of the path's parameter, in the order in which they are visited.
        start: (n, d) shifts off the affine state (`wave_start`, `opening_start`).
        path: t -> F; None is `UniaxialStretch()`.

    Returns:
        `Branch` with a leading axis of stretches.

    Raises:
        InputError: no table of pairs, shapes that do not fit.
    """
    need_pairs(lattice, "follow_branch")
    repeats = need_repeats(repeats, lattice.dim)
    n = prod(repeats) * lattice.crystal.atoms - 1
    start = real_array(start, "start")
    if n == 0:
        raise InputError("the supercell has one atom, which has nowhere to go: give more repeats")
    if start.shape != (n, lattice.dim):
        raise InputError(f"start has shape {start.shape}: give ({n}, {lattice.dim})")
    start = start.astype(jnp.result_type(start.dtype, lattice.crystal.vectors.dtype))
    stretches = real_array(stretches, "stretches").astype(start.dtype)
    if stretches.ndim != 1:
        raise InputError(f"stretches have shape {stretches.shape}: give (t,)")
    return _followed(lattice, repeats, stretches, start, as_path(path))


@eqx.filter_jit
def _followed(lattice, repeats, stretches, start, path):
    def step(shifts, t):
        state = _relaxed_supercell(lattice, repeats, path(t, lattice.dim), jnp.stack([shifts, start]), True)
        return jnp.where(state.code == SUCCESS, state.shifts, shifts), state

    return lax.scan(step, start, stretches)[1]


def maxwell_stretch(
    lattice: Lattice, repeats, between: tuple[float, float], path=None, *, axis: int = 0, throw: bool = True
) -> Solution:
    """The stretch beyond which a supercell with one crack has less energy than the affine state: from there on the
    Cauchy-Born state is only metastable.

    Args:
        lattice: the primitive crystal and pairs.
        repeats: primitive cells along each lattice vector (static); the more, the lower the stretch (it tends to 1).
        between: two stretches; at the first the affine state has the lower energy, at the second the broken one.
        path: t -> F; None is `UniaxialStretch()`.
        axis: lattice vector along which the cell breaks.
        throw: whether a failure raises in an eager call.

    Returns:
        `Solution`: the stretch, differentiable with respect to every number of the lattice.

    Raises:
        InputError: no table of pairs, arguments that do not fit.
        SolverError: the energies do not cross between the two stretches.

    Fails with:
        no_equilibrium, where the affine state is not the lower one at the first stretch, or still is at the second.
    """
    need_pairs(lattice, "maxwell_stretch")
    repeats = need_repeats(repeats, lattice.dim)
    if isinstance(axis, bool) or axis not in range(lattice.dim) or repeats[axis] < 2:
        raise InputError(f"axis is {axis!r} and repeats {repeats}: give an axis with at least two cells")
    ends = real_array(between, "between").astype(lattice.crystal.vectors.dtype)
    if ends.shape != (2,):
        raise InputError(f"between has shape {ends.shape}: give two stretches")
    value, ok = _maxwell(lattice, repeats, ends, as_path(path), axis)
    code = jnp.where(ok, SUCCESS, NO_EQUILIBRIUM).astype(jnp.int32)
    solution = Solution(value, None, Result(code), {})
    verb = "maxwell_stretch: the energies do not cross between the two stretches"
    return throw_if_failed(solution, verb) if throw else solution


@eqx.filter_jit
def _maxwell(lattice, repeats, ends, path, axis):
    fixed = lax.stop_gradient(lattice)
    length = lattice.crystal.volume ** (1 / lattice.dim)
    eps = float(jnp.finfo(ends.dtype).eps)

    def broken(t):
        """The state that opens at a stretch, and whether it is the lower one (falling back counts as no)."""
        F = path(t, lattice.dim)
        affine, big = relax(fixed, F), supercell(fixed, repeats)
        start = _opened(fixed, repeats, F, affine.shifts, axis)
        x, ok = minimum(energy_of_shifts, (big, F), start.ravel(), length)
        gain = affine.energy - big.density(F, x.reshape(big.inner))
        return x, ok & (gain > 64 * eps * jnp.abs(affine.energy))

    def halve(_, carry):
        low, high, x = carry
        middle = 0.5 * (low + high)
        y, below = broken(middle)
        return jnp.where(below, low, middle), jnp.where(below, middle, high), jnp.where(below, y, x)

    _, at_low = broken(ends[0])
    x, at_high = broken(ends[1])
    _, t, x = lax.fori_loop(0, _BISECTIONS, halve, lax.stop_gradient((ends[0], ends[1], x)))

    def gap(t):
        F = path(t, lattice.dim)
        big = supercell(lattice, repeats)
        y = polished(energy_of_shifts, (big, F), x)
        return big.density(F, y.reshape(big.inner)) - relax(lattice, F).energy

    # Bisection locates the crossing; a Newton step written in the lattice carries the derivative.
    t = lax.stop_gradient(t)
    value, slope = jax.jvp(gap, (t,), (jnp.ones_like(t),))
    return guarded(at_high & ~at_low, t - value / lax.stop_gradient(slope)), at_high & ~at_low
