"""The compiled part of the verbs: from a law on a grid to fluctuations, effective tensor, evidence and codes."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array

from ..fields import Grid, Space
from ..materials import AbstractLaw
from ..messages import AbstractResponse
from ..results import INVALID_MATERIAL, SINGULAR, SUCCESS, InputError, worst_of
from ..rve import Evidence, Settings, effective_tensor, equilibrium, supports
from ..solvers import guarded, replaced
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
    if not space.boundary.periodic:
        code = worst_of(code, jnp.where(space.boundary.loose(response, grid.shape), SINGULAR, SUCCESS))
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
    return solved._replace(fluctuation=u)


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
    doubt = jax.lax.stop_gradient(error + n * jnp.finfo(effective.dtype).eps * scale)
    stiff = ~jnp.all(inverse_spd(jnp.where(block, effective - doubt * eye, eye)) == 0)
    return inverse_spd(jnp.where(block & stiff, effective, eye)), stiff
