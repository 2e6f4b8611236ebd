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
from ..results import SINGULAR, STAGNATION, SUCCESS, Result, Solution, throw_if_failed, worst_of
from ..rve import Settings, hill_mandel_residual, load_cases, macro_gradient, message_up
from ._checks import check_problem, law_dtype, solver_settings, space_named
from ._compile import compiled
from ._controls import KEYWORDS, prescribed
from ._core import mask, solve_cell, sure_inverse, with_derivative
from ._doubt import element_doubt, warn_of_doubt
from ._eigenstrain import Locked, voxel_eigenstrain
from ._homogenize import Fields, message_names, solver_stats, voxel_fields


class Applied(eqx.Module):
    """The value of `apply`.

    Args:
        down: macroscopic strain (Mandel) or gradient.
        up: macroscopic stress (Mandel) or flux q = -K grad T.
        power: <sigma : eps>, or <-q . grad T>, per volume.
        hill_mandel_residual: as for `homogenize`, over the load cases solved; with an eigenstrain also that of this
            load, |<sigma : eps> - <sigma> : <eps>| relative to <sigma : (eps - e)>, twice the stored energy.
        fields: `Fields` of this load.
    """

    down: Float[Array, " n"]
    up: Float[Array, " n"]
    power: Float[Array, ""]
    hill_mandel_residual: Float[Array, ""]
    fields: Fields


@compiled("space", "settings", "controlled")
def _apply(grid, law, down, up, eigenstrain, space: Space, settings: Settings, controlled: tuple[bool, ...]):
    dtype = law_dtype(law)
    n = len(controlled)
    physics = law.physics
    sign = 1 if physics == "elasticity" else -1
    # Linear: a load with controlled messages superposes all unit loads, by the mixed system of their effective tensor.
    macros = load_cases(physics, grid.dim, dtype) if any(controlled) else macro_gradient(physics, down)[None]
    solved = solve_cell(grid, law, space, settings, macros, dtype)
    solved = with_derivative(space, settings, solved, macros)
    scale = jnp.sqrt(jnp.sum(response_bounds(solved.response, grid.dim).voigt ** 2))
    code = solved.code
    locked = None if eigenstrain is None else Locked(space, settings, solved, eigenstrain.astype(dtype))
    alone = 0 if locked is None else locked.mean_up
    if not any(controlled):
        mean_up = _mean_up(space, physics, solved, macros)[0]
        basis, power, shares = down[None], solved.effective[0, 0], jnp.ones(1, dtype)
    else:
        c, held = solved.effective, np.asarray(controlled)
        compliance, stiff = sure_inverse(c, held, jnp.sum(solved.evidence.error), scale)
        free = jnp.where(held, 0, down)
        down = free + jnp.where(held, compliance @ jnp.where(held, sign * up - c @ free - alone, 0), 0)
        code = worst_of(code, jnp.where(stiff, SUCCESS, SINGULAR))
        # From the effective tensor: the prescribed components come back exactly.
        mean_up = c @ down
        basis, power, shares = jnp.eye(n, dtype=dtype), down @ c @ down, down
    residual = hill_mandel_residual(solved.evidence.mean_up, basis, solved.evidence.energies)
    if locked is None:
        fields = jax.tree.map(lambda x: jnp.tensordot(shares, x, 1), voxel_fields(space, physics, solved, macros))
    else:
        mean_up = mean_up + locked.mean_up
        power = mean_up @ down
        fields, lost = locked.state(jnp.tensordot(shares, solved.fluctuation, 1), down)
        residual = jnp.maximum(residual, lost)
        code = worst_of(code, jnp.where(locked.found, SUCCESS, STAGNATION))
    value = Applied(down, sign * mean_up, power, residual, fields)
    stats = solver_stats(solved.evidence, scale) | element_doubt(space, solved.response)
    return mask(code == SUCCESS, value), code, jax.lax.stop_gradient(stats)


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
    eigenstrain: Any = None,
    gradient: Any = None,
    flux: Any = None,
    flux_controlled: Any = None,
    field_tolerance: float | None = None,
    residual_tolerance: float | None = None,
    max_iterations: int = 2000,
) -> Solution:
    """Response of a cell to one macroscopic load, with the fields behind it.

    Every component is either strain- or stress-controlled (conduction: gradient or flux). Under every boundary
    condition these are components of the means over the cell, so that any of them can be controlled.

    Args:
        grid: shape and lengths of the cell.
        law: as for `homogenize`.
        strain: macroscopic strain, Mandel (n,); entries of stress-controlled components are ignored.
        stress: macroscopic stress, Mandel (n,); entries of strain-controlled components are ignored.
        stress_controlled: booleans (n,); default: everything if only `stress` is given, nothing if only `strain` is.
            Required with both.
        boundary: as for `homogenize`.
        element: as for `homogenize`.
        tolerance: as for `homogenize`; fields are accurate to about its square root.
        throw: as for `homogenize`.
        eigenstrain: stress-free strain of every voxel (thermal expansion times temperature, swelling), as for
            `effective_expansion`: sigma = C : (eps - e). `strain` is then the total strain; with `stress=` zero the
            cell expands freely.
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
        SolverError: not converged, or a stress on a cell whose stiffness against it is zero within the error bound of
            the tensor (throw=True, eager calls).
    """
    check_problem(grid, law)
    given = {
        "strain": strain,
        "stress": stress,
        "stress_controlled": stress_controlled,
        "gradient": gradient,
        "flux": flux,
        "flux_controlled": flux_controlled,
    }
    if eigenstrain is not None:
        eigenstrain = voxel_eigenstrain(grid, law, eigenstrain)
    dtype = law_dtype(law)
    components = message_names(law.physics, grid.dim)
    down, up, controlled = prescribed(law.physics, given, components, dtype)
    settings = solver_settings(dtype, tolerance, field_tolerance, residual_tolerance, max_iterations)
    value, code, stats = _apply(
        grid, law, down, up, eigenstrain, space_named(element, boundary, law.physics, grid.dim), settings, controlled
    )
    warn_of_doubt(stats)
    solution = Solution(value, None, Result(code), stats)
    if not throw:
        return solution
    held = ", ".join(name for name, yes in zip(components, controlled, strict=True) if yes)
    verb = f"apply with {KEYWORDS[law.physics][1]} on {held}" if held else "apply"
    return throw_if_failed(solution, verb)
