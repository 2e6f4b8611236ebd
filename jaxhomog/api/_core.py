"""The compiled part of the verbs: from a law on a grid to fluctuations, effective tensor, evidence and codes."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array

from ..fields import Grid
from ..materials import AbstractLaw
from ..messages import AbstractResponse
from ..results import INVALID_MATERIAL, SUCCESS, InputError, worst_of
from ..rve import Evidence, Settings, effective_tensor, equilibrium, supports
from ..solvers import guarded, replaced


class Solved(NamedTuple):
    """Everything that the verbs assemble their answers from."""

    response: AbstractResponse
    spacing: Array
    fluctuation: Array
    effective: Array
    evidence: Evidence
    code: Array


def sound_response(law: AbstractLaw, grid: Grid, dtype, element):
    """Per-voxel moduli (harmless ones where they are invalid), spacings and the code so far."""
    response = law.response(grid.shape, dtype)
    if not supports(element, response):
        raise InputError(f"element={element.name!r} carries scalar conductivities only: use 'q1' for tensors")
    h = grid.spacing(dtype)
    sound = response.valid() & jnp.all(jnp.isfinite(h) & (h > 0))
    code = worst_of(jnp.where(sound, SUCCESS, INVALID_MATERIAL), law.code())
    fine = code == SUCCESS
    response = jax.tree.map(lambda x, safe: replaced(fine, x, safe), response, response.unit())
    return response, replaced(fine, h, jnp.ones_like(h)), code


def solve_cell(grid: Grid, law: AbstractLaw, element, settings: Settings, macros, dtype) -> Solved:
    """Solve the load cases and pass the energy form of their mutual powers up; nothing is masked yet."""
    response, h, code = sound_response(law, grid, dtype, element)
    effective, u, evidence = effective_tensor(element, law.physics, settings, response, h, macros)
    code = worst_of(code, jnp.max(evidence.code))
    return Solved(response, h, u, effective, evidence, code)


def with_derivative(element, settings: Settings, solved: Solved, macros) -> Solved:
    """The same with fluctuations that carry their implicit derivative (for fields)."""
    u = equilibrium(element, settings, solved.response, solved.spacing, macros, solved.fluctuation)
    return solved._replace(fluctuation=u)


def mask(ok, tree):
    """NaN in a failed lane's floats, with the (co)tangent rule of `guarded`."""
    return jax.tree.map(lambda x: guarded(ok, x) if jnp.issubdtype(x.dtype, jnp.floating) else x, tree)
