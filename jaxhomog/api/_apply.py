"""`apply`: one macroscopic load on a cell, with its fields."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..fields import Grid, Space, mean_fluxes
from ..materials import AbstractLaw, response_bounds
from ..results import SINGULAR, SUCCESS, InputError, Result, Solution, throw_if_failed, worst_of
from ..rve import Settings, hill_mandel_residual, load_cases, macro_gradient, message_up
from ..tensors import inverse_spd
from ._checks import check_problem, law_dtype, solver_settings, space_named
from ._compile import compiled
from ._core import mask, solve_cell, with_derivative
from ._homogenize import Fields, solver_stats, voxel_fields


class Applied(eqx.Module):
    """The value of `apply`.

    Args:
        down: macroscopic strain (Mandel) or gradient.
        up: macroscopic stress (Mandel) or flux q = -K grad T.
        power: <sigma : eps>, or <-q . grad T>, per volume.
        hill_mandel_residual: as for `homogenize`, over the load cases solved.
        fields: `Fields` of this load.
    """

    down: Float[Array, " n"]
    up: Float[Array, " n"]
    power: Float[Array, ""]
    hill_mandel_residual: Float[Array, ""]
    fields: Fields


@compiled("space", "settings", "controlled")
def _apply(grid: Grid, law: AbstractLaw, down, up, space: Space, settings: Settings, controlled: tuple[bool, ...]):
    dtype = law_dtype(law)
    n = len(controlled)
    physics = law.physics
    sign = 1 if physics == "elasticity" else -1
    if not any(controlled):
        macros = macro_gradient(physics, down)[None]
        solved = solve_cell(grid, law, space, settings, macros, dtype)
        solved = with_derivative(space, settings, solved, macros)
        fields = jax.tree.map(lambda x: x[0], voxel_fields(space, physics, solved, macros))
        mean_up = _mean_up(space, physics, solved, macros)[0]
        basis, code, power = down[None], solved.code, solved.effective[0, 0]
    else:
        # Linear: all unit loads, the mixed system of their effective tensor, superposition.
        macros = load_cases(physics, grid.dim, dtype)
        solved = solve_cell(grid, law, space, settings, macros, dtype)
        solved = with_derivative(space, settings, solved, macros)
        c, held = solved.effective, np.asarray(controlled)
        inner = jnp.where(held[:, None] & held[None, :], c, jnp.eye(n, dtype=dtype))
        compliance = inverse_spd(inner)
        free = jnp.where(held, 0, down)
        down = free + jnp.where(held, compliance @ jnp.where(held, sign * up - c @ free, 0), 0)
        code = worst_of(solved.code, jnp.where(jnp.all(compliance == 0), SINGULAR, SUCCESS))
        unit = voxel_fields(space, physics, solved, macros)
        fields = jax.tree.map(lambda x: jnp.tensordot(down, x, 1), unit)
        # From the effective tensor: the prescribed components come back exactly.
        mean_up = c @ down
        basis, power = jnp.eye(n, dtype=dtype), down @ c @ down
    residual = hill_mandel_residual(solved.evidence.mean_up, basis, solved.evidence.energies)
    value = Applied(down, sign * mean_up, power, residual, fields)
    scale = jnp.sqrt(jnp.sum(response_bounds(solved.response, grid.dim).voigt ** 2))
    return mask(code == SUCCESS, value), code, jax.lax.stop_gradient(solver_stats(solved.evidence, scale))


def _mean_up(space, physics, solved, macros):
    """Mean flux of every load case from its field, with the field's derivative."""
    return message_up(physics, mean_fluxes(space.element, solved.extended, solved.fluctuation, solved.spacing, macros))


def apply(
    grid: Grid,
    law: AbstractLaw,
    strain: Any = None,
    stress: Any = None,
    stress_controlled: Any = None,
    boundary: str | tuple[str, ...] = "periodic",
    element: str = "q1",
    tolerance: float | None = None,
    throw: bool = True,
    *,
    gradient: Any = None,
    flux: Any = None,
    flux_controlled: Any = None,
    field_tolerance: float | None = None,
    residual_tolerance: float | None = None,
    max_iterations: int = 2000,
) -> Solution:
    """Response of a cell to one macroscopic load, with the fields behind it.

    Every component is either strain- or stress-controlled (conduction: gradient or flux).

    Args:
        grid: shape and lengths of the cell.
        law: as for `homogenize`.
        strain: macroscopic strain, Mandel (n,); entries of stress-controlled components are ignored.
        stress: macroscopic stress, Mandel (n,); entries of strain-controlled components are ignored.
        stress_controlled: booleans (n,); default: everything if only `stress` is given, else nothing.
        boundary: as for `homogenize`.
        element: as for `homogenize`.
        tolerance: as for `homogenize`; fields are accurate to about its square root.
        throw: as for `homogenize`.
        gradient: macroscopic temperature gradient (d,), for conduction.
        flux: macroscopic flux q = -K grad T (d,), for conduction.
        flux_controlled: booleans (d,).
        field_tolerance: bound of the relative energy-norm error of the fields.
        residual_tolerance: as for `homogenize`.
        max_iterations: cap of iterations per load case.

    Returns:
        `Solution` with value `Applied`.

    Raises:
        InputError: a bad argument, in one line.
        SolverError: not converged, or a stress on a cell without stiffness against it (throw=True, eager calls).
    """
    check_problem(grid, law)
    names = ("strain", "stress", "stress_controlled")
    given = (strain, stress, stress_controlled)
    if law.physics == "conduction":
        if any(x is not None for x in given):
            raise InputError("strain and stress belong to elasticity: give gradient=, flux=, flux_controlled=")
        names, given = ("gradient", "flux", "flux_controlled"), (gradient, flux, flux_controlled)
    elif any(x is not None for x in (gradient, flux, flux_controlled)):
        raise InputError("gradient and flux belong to conduction: give strain=, stress=, stress_controlled=")
    n = grid.dim if law.physics == "conduction" else (6 if grid.dim == 3 else 3)
    dtype = law_dtype(law)
    down, up, controlled = _loads(names, given, n, dtype)
    settings = solver_settings(dtype, tolerance, field_tolerance, residual_tolerance, max_iterations)
    value, code, stats = _apply(
        grid, law, down, up, space_named(element, boundary, law.physics, grid.dim), settings, controlled
    )
    solution = Solution(value, None, Result(code), stats)
    return throw_if_failed(solution, "apply") if throw else solution


def _loads(names, given, n, dtype):
    """The load as (down, up, controlled)."""
    down, up, controlled = given
    if down is None and up is None:
        raise InputError(f"no load: give {names[0]}= or {names[1]}=")
    if controlled is None:
        controlled = [down is None] * n
    controlled = tuple(bool(x) for x in np.broadcast_to(np.asarray(controlled), (n,)))
    if any(controlled) and up is None:
        raise InputError(f"{names[2]} marks components but {names[1]} is missing: give {names[1]}=")
    if not all(controlled) and down is None:
        raise InputError(f"{names[2]} leaves components to {names[0]}, which is missing: give {names[0]}=")
    out = []
    for name, value in zip(names[:2], (down, up), strict=True):
        value = jnp.zeros(n, dtype) if value is None else jnp.asarray(value, dtype)
        if value.shape != (n,):
            raise InputError(f"{name} has shape {value.shape}: give {n} components")
        out.append(value)
    return (*out, controlled)
