"""Equilibrium of the lattice: inner shifts at a given deformation, the crystal at rest, and their derivatives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Int

from ..results import LOCAL_SOLVE, SUCCESS, InputError, Result, Solution, real_array, throw_if_failed
from ..solvers import guarded
from ..tensors import inverse_spd
from .crystals import dual
from .model import Lattice, need_deformation, need_lattice

_CAP: Final = 200
_HIGHEST = lax.Precision.HIGHEST


def minimum(function: Callable, args: Any, start: Float[Array, " n"], length) -> tuple[Float[Array, " n"], Array]:
    """A local minimum x of function(x, args), and whether it was reached.

    Newton's step with a shifted Hessian, H + mu h 1 (h the largest diagonal entry): mu grows until the matrix is
    positive definite and the function does not rise, and falls after a step that was taken. Two more Newton steps
    are then written in `args`, from an x without derivative: the derivatives of x up to the third are right in
    forward and reverse mode.

    Args:
        function: (x, args) -> scalar.
        args: pytree; what the minimum is differentiated with respect to.
        start: where the search begins, without derivative.
        length: of x; a step below eps^0.6 times it ends the search.

    Returns:
        x, and True where the Hessian at x is positive definite and the last step was small: a saddle is no minimum.

    Source:
        Nocedal & Wright (2006), Numerical Optimization, section 3.4 (added multiple of the identity).
    """
    x, settled = descended(function, args, start, length)
    x = polished(function, args, x)
    return x, settled & jnp.all(jnp.isfinite(x))


def descended(function: Callable, args: Any, start: Float[Array, " n"], length) -> tuple[Float[Array, " n"], Array]:
    """`minimum` without derivative: the last point of the descent, and whether it settled where the Hessian is
    positive definite. Where it did not, the point is still no higher than the start."""
    fixed = lax.stop_gradient(args)
    start = lax.stop_gradient(start)
    eps = float(jnp.finfo(start.dtype).eps)
    length = lax.stop_gradient(jnp.asarray(length, start.dtype))
    eye = jnp.eye(start.shape[0], dtype=start.dtype)

    def step(carry):
        x, shift, _, count = carry
        energy, gradient, hessian = expansion(function, x, fixed)
        top = jnp.max(jnp.abs(jnp.diagonal(hessian)))
        inverse = inverse_spd(hessian + shift * jnp.where(top > 0, top, 1) * eye)
        definite = jnp.all(jnp.diagonal(inverse) > 0)
        move = -_times(inverse, gradient)
        trial = function(x + move, fixed)
        # Rounding of the energy may hide the descent of a last small step.
        good = definite & (trial <= energy + 16 * eps * (jnp.abs(energy) + jnp.abs(trial)))
        settled = definite & (shift < 1e-6) & (jnp.max(jnp.abs(move)) <= eps**0.6 * length)
        lower = jnp.where(shift > 1e-4, 0.1 * shift, 0)
        shift = jnp.where(good, lower, jnp.maximum(8 * shift, 1e-4))
        return jnp.where(good, x + move, x), shift, settled, count + 1

    first = (start, jnp.zeros((), start.dtype), jnp.zeros((), bool), 0)
    x, _, settled, _ = lax.while_loop(lambda c: ~c[2] & (c[3] < _CAP), step, first)
    return x, settled


def polished(function: Callable, args: Any, x: Float[Array, " n"]) -> Float[Array, " n"]:
    """Two Newton steps from a minimum x, taken without derivative, that carry the derivative with respect to args."""
    x = lax.stop_gradient(x)
    for _ in range(2):
        _, gradient, hessian = expansion(function, x, args)
        x = x - _times(inverse_spd(hessian), gradient)
    return x


def expansion(function, x, args):
    """Value, gradient and Hessian from one pass of forward over reverse mode (compiled once)."""
    slope = jax.value_and_grad(lambda y: function(y, args))
    column = jax.vmap(lambda v: jax.jvp(slope, (x,), (v,)), out_axes=(None, 0))
    (value, gradient), (_, hessian) = column(jnp.eye(x.shape[0], dtype=x.dtype))
    return value, gradient, hessian


def _times(matrix, vector):
    return jnp.matmul(matrix, vector, precision=_HIGHEST)


class Relaxed(eqx.Module):
    """Inner equilibrium at a deformation.

    Args:
        shifts: (m - 1, d) of all atoms but the first, in the undeformed crystal (length).
        energy: per volume of the undeformed crystal.
        code: SUCCESS, or LOCAL_SOLVE where no minimum was found (the start is a saddle, or an atom escaped).
    """

    shifts: Float[Array, "n d"]
    energy: Float[Array, ""]
    code: Int[Array, ""]


def relax(lattice: Lattice, F: Float[Array, "d d"], start: Float[Array, "n d"] | None = None) -> Relaxed:
    """Inner shifts s that minimize the energy at a deformation, from the affine places or from `start`.

        s(F) = argmin W(F, s),    ds = -W_ss^-1 W_sF dF

    Args:
        lattice: crystal and potentials.
        F: deformation gradient.
        start: shifts where the search begins; it chooses the minimum where there are several.

    Returns:
        `Relaxed`, NaN where it failed or det F > 0 does not hold; differentiable with respect to F and every number of
        the lattice.

    Raises:
        InputError: no lattice, an F or a start of another shape.

    Caveats:
        A local minimum: with one atom in the cell there is nothing to relax, with several the answer depends on
        `start` beyond a bifurcation. From a saddle (a symmetric start beyond a bifurcation) it fails.
    """
    need_lattice(lattice, "relax")
    F = need_deformation(F, lattice)
    if start is not None:
        start = real_array(start, "start")
        if start.shape != lattice.inner:
            raise InputError(f"start has shape {start.shape}: give {lattice.inner}, all atoms but the first")
    found = inner_equilibrium(lattice, F, start)
    ok = (found.code == SUCCESS) & admissible(F) & jnp.isfinite(found.energy)
    code = jnp.where(ok, SUCCESS, LOCAL_SOLVE).astype(jnp.int32)
    return Relaxed(guarded(ok, found.shifts), guarded(ok, found.energy), code)


def admissible(F: Float[Array, "d d"]) -> Array:
    """det F > 0: not turned inside out, not flat."""
    return dual(F)[1] > 0


def inner_equilibrium(lattice: Lattice, F: Float[Array, "d d"], start: Float[Array, "n d"] | None = None) -> Relaxed:
    """`relax` of any F, also one that is turned inside out."""
    dtype = jnp.result_type(F, lattice.crystal.vectors)
    shape = lattice.inner
    shifts = jnp.zeros(shape, dtype) if start is None else start.astype(dtype)
    if shape[0] == 0:
        return Relaxed(shifts, lattice.density(F, shifts), jnp.asarray(SUCCESS, jnp.int32))
    length = lattice.crystal.volume ** (1 / lattice.dim)
    x, ok = minimum(energy_of_shifts, (lattice, F), shifts.ravel(), length)
    shifts = guarded(ok, x.reshape(shape))
    code = jnp.where(ok, SUCCESS, LOCAL_SOLVE).astype(jnp.int32)
    return Relaxed(shifts, lattice.density(F, shifts), code)


def equilibrium_shifts(lattice: Lattice, F: Float[Array, "d d"]) -> Float[Array, "n d"]:
    """Inner shifts in equilibrium, stable or, where the affine places lead to no minimum, not.

    On a symmetric branch the shifts stay where symmetry holds them although an optical mode at q = 0 has gone soft;
    Newton's step with the inverse on all modes that are not soft goes there. NaN where it does not.
    """
    dtype = jnp.result_type(F, lattice.crystal.vectors)
    start = jnp.zeros(lattice.inner, dtype)
    if lattice.inner[0] == 0:
        return start
    length = lattice.crystal.volume ** (1 / lattice.dim)
    args = (lattice, F)
    x, settled = descended(energy_of_shifts, args, start.ravel(), length)

    def inverse(hessian):
        values, vectors = jnp.linalg.eigh(hessian)
        size = jnp.max(jnp.abs(values))
        firm = jnp.abs(values) > float(jnp.finfo(dtype).eps) ** 0.5 * size
        return _times(vectors * jnp.where(firm, 1 / jnp.where(firm, values, 1), 0), vectors.T)

    def step(_, x):
        _, gradient, hessian = expansion(energy_of_shifts, x, lax.stop_gradient(args))
        return x - _times(inverse(hessian), gradient)

    x = lax.stop_gradient(lax.fori_loop(0, 6, step, jnp.where(settled, x, start.ravel())))
    _, gradient, hessian = expansion(energy_of_shifts, x, lax.stop_gradient(args))
    size = jnp.max(jnp.abs(hessian)) * lax.stop_gradient(length)
    ok = jnp.max(jnp.abs(gradient)) <= float(jnp.finfo(dtype).eps) ** 0.6 * size
    back = inverse(hessian)
    for _ in range(2):
        x = x - _times(back, jax.grad(energy_of_shifts)(x, args))
    return guarded(ok, x.reshape(lattice.inner))


def energy_of_shifts(x, args):
    """Energy of the cell as a function of flat shifts and (lattice, F)."""
    lattice, F = args
    return lattice.cell_energy(F, x.reshape(lattice.inner))


class Ground(eqx.Module):
    """The crystal at rest.

    Args:
        lattice: with the vectors and positions of the minimum.
        stretch: (d, d) from the crystal that was given to this one.
        energy: per atom (minus the cohesive energy).
    """

    lattice: Lattice
    stretch: Float[Array, "d d"]
    energy: Float[Array, ""]


def ground_state(lattice: Lattice, free: Literal["volume", "cell"] = "volume", throw: bool = True) -> Solution:
    """Lattice constant, cohesive energy and inner positions by minimizing the energy (0 K, at rest).

    Args:
        lattice: crystal and potentials; the crystal is the start.
        free: "volume", all lattice vectors are scaled by one number; or "cell", by any symmetric stretch.
        throw: whether a failure raises in an eager call.

    Returns:
        `Solution` whose value is `Ground`, differentiable with respect to every number of the potentials.

    Raises:
        InputError: no lattice, another `free`, inadmissible parameters.
        SolverError: no minimum near the start.

    Fails with:
        local_solve, where no minimum was found, or the crystal is a saddle of the energy.
    """
    need_lattice(lattice, "ground_state")
    if free not in ("volume", "cell"):
        raise InputError(f"free is {free!r}: give 'volume' or 'cell'")
    value, ok = _ground(lattice, free)
    code = jnp.where(ok, SUCCESS, LOCAL_SOLVE).astype(jnp.int32)
    solution = Solution(value, None, Result(code), {})
    return throw_if_failed(solution, "ground_state") if throw else solution


@eqx.filter_jit
def _ground(lattice: Lattice, free: str) -> tuple[Ground, Array]:
    """The crystal at rest, and whether it was found."""
    d, inner = lattice.dim, lattice.inner
    number = 1 if free == "volume" else d * (d + 1) // 2
    length = lax.stop_gradient(lattice.crystal.volume ** (1 / d))
    start = jnp.zeros(number + inner[0] * d, lattice.crystal.vectors.dtype)

    def energy(y, lattice):
        return lattice.cell_energy(_stretch(y[:number], d), length * y[number:].reshape(inner))

    y, ok = minimum(energy, lattice, start, 1.0)
    ok = ok & admissible(_stretch(y[:number], d))
    y = guarded(ok, y)
    F, shifts = _stretch(y[:number], d), length * y[number:].reshape(inner)
    crystal = lattice.crystal
    # Shifted places as fractions of the undeformed vectors.
    places = lattice.places(shifts)
    fractions = _times(places, dual(crystal.vectors)[0].T) if inner[0] else crystal.positions
    crystal = eqx.tree_at(lambda c: c.positions, crystal.deformed(F), fractions)
    energy_per_atom = lattice.cell_energy(F, shifts) / crystal.atoms
    return Ground(eqx.tree_at(lambda x: x.crystal, lattice, crystal), F, energy_per_atom), ok


def _stretch(e, d):
    """1 + e, from one number or the upper triangle."""
    eye = jnp.eye(d, dtype=e.dtype)
    if e.shape[0] == 1:
        return (1 + e[0]) * eye
    rows, columns = jnp.triu_indices(d)
    upper = jnp.zeros((d, d), e.dtype).at[rows, columns].set(e)
    return eye + 0.5 * (upper + upper.T)
