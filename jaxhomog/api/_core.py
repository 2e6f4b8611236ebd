"""The compiled part of the verbs: from a law on a grid to fluctuations, effective tensor, evidence and codes."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array

from ..fields import Grid, Space
from ..materials import AbstractLaw
from ..messages import AbstractResponse
from ..results import INVALID_MATERIAL, OVERFLOW, SINGULAR, SUCCESS, InputError, worst_of
from ..rve import Evidence, Settings, effective_tensor, equilibrium, in_range, supports
from ..solvers import guarded, null_projector, replaced
from ..tensors import inverse_spd


class Solved(NamedTuple):
    """Everything that the verbs assemble their answers from."""

    response: AbstractResponse  # of the window
    extended: AbstractResponse  # of the extended cell (see `Boundary`), which the fluctuations belong to
    spacing: Array
    fluctuation: Array
    effective: Array
    evidence: Evidence
    code: Array


def sound_response(law: AbstractLaw, grid: Grid, dtype, space: Space):
    """Per-voxel moduli (harmless ones where they are invalid), spacings and the code so far."""
    response = law.response(grid.shape, dtype)
    if not supports(space.element, response):
        raise InputError(f"element={space.name!r} carries scalar conductivities only: use 'q1' for tensors")
    h = grid.spacing(dtype)
    sound = response.valid() & jnp.all(jnp.isfinite(h) & (h > 0))
    code = worst_of(jnp.where(sound, SUCCESS, INVALID_MATERIAL), law.code())
    code = worst_of(code, jnp.where(space.boundary.unbound(response, grid.shape), SINGULAR, SUCCESS))
    code = unless(in_range(response, dtype) & in_range(h, dtype), OVERFLOW, code)
    fine = code == SUCCESS
    response = jax.tree.map(lambda x, safe: replaced(fine, x, safe), response, response.unit())
    return response, replaced(fine, h, jnp.ones_like(h)), code


def solve_cell(grid: Grid, law: AbstractLaw, space: Space, settings: Settings, macros, dtype) -> Solved:
    """Solve the load cases and pass the energy form of their mutual powers up; nothing is masked yet."""
    response, h, code = sound_response(law, grid, dtype, space)
    extended = space.extend(response, grid.shape)
    effective, u, evidence = effective_tensor(space, law.physics, settings, extended, h, macros)
    code = worst_of(code, jnp.max(evidence.code))
    return Solved(response, extended, h, u, effective, evidence, code)


def with_derivative(space: Space, settings: Settings, solved: Solved, macros) -> Solved:
    """The same with fluctuations that carry their implicit derivative (for fields)."""
    u = equilibrium(space, settings, solved.extended, solved.spacing, macros, solved.fluctuation)
    if space.boundary.periodic:
        return solved._replace(fluctuation=u)
    # Voids move so that the mean gradient is what it is said to be.
    held = lambda macro: space.boundary.held(solved.extended, solved.spacing, macro)  # noqa: E731
    u = jax.lax.map(lambda x: space.boundary.fill(x[0], held(x[1])), (u, macros))
    return solved._replace(fluctuation=u)


def unless(holds, failure: int, code):
    """The code of a failure that nothing worse has happened before."""
    return jnp.where((code == SUCCESS) & ~holds, failure, code).astype(jnp.int32)


def finite(tree):
    """Whether every number of a value is one: success is never said of an overflow."""
    floats = [x for x in jax.tree.leaves(jax.lax.stop_gradient(tree)) if jnp.issubdtype(x.dtype, jnp.floating)]
    return jnp.all(jnp.stack([jnp.all(jnp.isfinite(x)) for x in floats]))


def mask(ok, tree):
    """NaN in a failed lane's floats, with the (co)tangent rule of `guarded`."""
    return jax.tree.map(lambda x: guarded(ok, x) if jnp.issubdtype(x.dtype, jnp.floating) else x, tree)


def sure_inverse(effective, held, error, scale):
    """Inverse of the held block of an effective tensor, if the block is stiff beyond all doubt.

    The computed tensor exceeds the exact one by a positive semi-definite matrix of at most the trace `error`: only
    what stays positive definite without it is a stiffness, the rest may be zero.

    Args:
        effective: (n, n), computed.
        held: (n,) of bool, the components of the block.
        error: bound of the trace of the tensor's error.
        scale: norm of the Voigt average, which rounding is relative to.

    Returns:
        (n, n), the block's inverse and the identity for the other components, and whether the block is stiff (the
        identity throughout where it is not).
    """
    n = effective.shape[-1]
    eye, block = jnp.eye(n, dtype=effective.dtype), held[:, None] & held[None, :]
    doubt = _doubt(effective, error, scale)
    stiff = ~jnp.all(inverse_spd(jnp.where(block, effective - doubt * eye, eye)) == 0)
    return inverse_spd(jnp.where(block & stiff, effective, eye)), stiff


class Carried(NamedTuple):
    """What a cell makes of a load on its held components.

    Args:
        strain: (n,), the strains (gradients) of the held components, zero for the others. In directions that carry
            nothing, where any strain would do, it is zero.
        missing: (n,), the part of the load that the cell cannot carry.
        sure: whether the strain is the answer: the block is stiff, or beyond doubt empty of stiffness in directions
            that the load has no part along.
    """

    strain: Array
    missing: Array
    sure: Array


def carried(effective, held, load, error, scale, least, noise) -> Carried:
    """The strain under a load on the held components, also where the block is singular.

    Args:
        effective: (n, n), computed.
        held: (n,) of bool.
        load: (n,), stress (flux) that the held components have to take up.
        error: bound of the trace of the tensor's error.
        scale: norm of the Voigt average.
        least: smallest stiffness of any voxel that has one. A direction below the error bound counts as empty only if
            the bound is well below that: else it may be soft.
        noise: what the load may be off by, beyond the tensor's error.
    """
    compliance, stiff = sure_inverse(effective, held, error, scale)
    n = effective.shape[-1]
    eye, block = jnp.eye(n, dtype=effective.dtype), held[:, None] & held[None, :]
    load = jnp.where(held, load, 0)
    doubt = _doubt(effective, error, scale)
    size = jax.lax.stop_gradient(jnp.where(scale > 0, scale, 1))
    full = jnp.where(block, effective, size * eye)
    rounding = 128 * n * jnp.finfo(effective.dtype).eps * size
    empty = null_projector(full, jnp.maximum(2 * doubt, rounding))
    # Of the other directions the inverse, of the empty ones zero.
    rest = eye - empty
    inverse = inverse_spd(_times(rest, _times(full, rest)) + size * empty) - empty / size
    strain = jnp.where(stiff, compliance @ load, inverse @ load)
    missing = jax.lax.stop_gradient(empty @ load)
    reach = 10 * doubt * jnp.sqrt(jnp.sum(strain**2)) + noise
    told = (doubt <= 0.01 * least) & ~jnp.all(inverse == 0)
    sure = stiff | (told & (jnp.sqrt(jnp.sum(missing**2)) <= reach))
    return Carried(jnp.where(held & sure, strain, 0), jnp.where(told & ~stiff, missing, 0), sure)


def _doubt(effective, error, scale):
    """What a stiffness must exceed."""
    return jax.lax.stop_gradient(error + effective.shape[-1] * jnp.finfo(effective.dtype).eps * scale)


def _times(a, b):
    return jnp.matmul(a, b, precision=jax.lax.Precision.HIGHEST)
