"""`apply`: one macroscopic load on a cell, with its fields."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Float

from ..fields import Grid, Space, mean_fluxes
from ..materials import AbstractLaw, response_bounds
from ..results import (
    OVERFLOW,
    SINGULAR,
    STAGNATION,
    SUCCESS,
    Result,
    Solution,
    SolverError,
    throw_if_failed,
    under_jax_defaults,
    worst_of,
)
from ..rve import Settings, hill_mandel_floor, hill_mandel_residual, load_cases, macro_gradient, message_up
from ._checks import check_problem, check_superposed, law_dtype, solver_settings, space_named
from ._compile import compiled
from ._controls import KEYWORDS, prescribed
from ._core import carried, finite, mask, solve_cell, unless, with_derivative
from ._doubt import element_doubt, warn_of_doubt
from ._eigenstrain import Locked, voxel_eigenstrain
from ._homogenize import Fields, message_names, solver_stats, voxel_fields

# With voids and a controlled stress: small beside any stiffness that the cell may have.
_VOIDS = {"float64": 1e-12, "float32": 1e-6}


class Applied(eqx.Module):
    """The value of `apply`.

    Args:
        down: macroscopic strain (Mandel) or gradient.
        up: macroscopic stress (Mandel) or flux q = -K grad T.
        power: <sigma : eps>, or <-q . grad T>, per volume.
        hill_mandel_residual: as for `homogenize`, over the load cases solved; with an eigenstrain also that of this
            load, |<sigma : eps> - <sigma> : <eps>| relative to <sigma : (eps - e)>, twice the stored
            energy, and the floor.
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
    superposed = any(controlled) or bool(space.boundary.mirrors)
    # A load alone is solved as one of order one (a power of two keeps its digits): its square may leave the dtype.
    size = _binary_size(down)
    macros = load_cases(physics, grid.dim, dtype) if superposed else macro_gradient(physics, down / size)[None]
    solved = solve_cell(grid, law, space, settings, macros, dtype)
    solved = with_derivative(space, settings, solved, macros)
    voigt = response_bounds(solved.response, grid.dim).voigt
    scale = jnp.sqrt(jnp.sum(voigt**2))
    code = solved.code
    locked = None if eigenstrain is None else Locked(space, settings, solved, eigenstrain.astype(dtype))
    alone = 0 if locked is None else locked.mean_up
    missing = jnp.zeros(n, dtype)
    if not superposed:
        mean_up = _mean_up(space, physics, solved, macros)[0] * size
        basis, power, shares = down[None] / size, solved.effective[0, 0] * size * size, size[None]
    else:
        c, held = solved.effective, np.asarray(controlled)
        free = jnp.where(held, 0, down)
        wanted = sign * up - c @ free - alone
        # The mean stress of an eigenstrain is as accurate as its field.
        noise = 0 if locked is None else 10 * (settings.tolerance or 1e-6) * jnp.sqrt(jnp.sum(alone**2))
        noise += 10 * jax.lax.stop_gradient(jnp.sum(solved.evidence.error)) * jnp.sqrt(jnp.sum(free**2))
        noise += n * jnp.finfo(dtype).eps * (scale * jnp.sqrt(jnp.sum(free**2)) + jnp.sqrt(jnp.sum(up**2)))
        found = carried(
            c, held, wanted, jnp.sum(solved.evidence.error), scale, _least(solved.response, grid.dim), noise
        )
        down, missing = free + found.strain, sign * found.missing
        code = worst_of(code, jnp.where(found.sure, SUCCESS, SINGULAR))
        # From the effective tensor: the prescribed components come back exactly.
        mean_up = c @ down
        basis, power, shares = jnp.eye(n, dtype=dtype), down @ c @ down, down
    floors = hill_mandel_floor(voigt, basis, settings.tolerance)
    residual = hill_mandel_residual(solved.evidence.mean_up, basis, solved.evidence.energies, floors)
    floor = hill_mandel_floor(voigt, down[None], settings.tolerance)
    if locked is None:
        fields = jax.tree.map(lambda x: jnp.tensordot(shares, x, 1), voxel_fields(space, physics, solved, macros))
    else:
        mean_up = mean_up + locked.mean_up
        power = mean_up @ down
        fields, lost = locked.state(jnp.tensordot(shares, solved.fluctuation, 1), down, floor[0])
        residual = jnp.maximum(residual, lost)
        code = worst_of(code, jnp.where(locked.found, SUCCESS, STAGNATION))
    value = Applied(down, sign * mean_up, power, residual, fields)
    code = unless(finite(value), OVERFLOW, code)
    stats = solver_stats(solved.evidence, scale, floor) | {"missing": missing}
    stats |= element_doubt(space, solved.response)
    return mask(code == SUCCESS, value), code, jax.lax.stop_gradient(stats)


def _least(response, dim):
    """Smallest stiffness of a voxel that has one, as a norm comparable to that of the Voigt average."""
    part = jax.lax.stop_gradient(response.isotropic_part()[-1])
    return jnp.min(jnp.where(part > 0, part, jnp.inf))


def _binary_size(down):
    """The power of two next to a load's largest entry; no derivative."""
    largest = jax.lax.stop_gradient(jnp.max(jnp.abs(down)))
    usable = jnp.isfinite(largest) & (largest > 0)
    return jnp.where(usable, jnp.ldexp(jnp.ones_like(largest), jnp.frexp(jnp.where(usable, largest, 1))[1] - 1), 1)


def _mean_up(space, physics, solved, macros):
    """Mean flux of every load case from its field, with the field's derivative."""
    return message_up(physics, mean_fluxes(space.element, solved.extended, solved.fluctuation, solved.spacing, macros))


@under_jax_defaults
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

    A cell with voids may carry nothing in some direction. A stress that has no part there is fine: the strain in that
    direction, which could be anything, is zero in the answer. A stress that has one is refused, and named.

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
        SolverError: not converged, or a stress that the cell cannot carry (`stats["missing"]`), or may not be able to
            carry within the error bound of the tensor (throw=True, eager calls).
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
    if any(controlled):
        settings = settings._replace(void_tolerance=_VOIDS[str(dtype)])
    space = space_named(element, boundary, law.physics, grid.dim)
    if eigenstrain is not None:
        check_superposed(space, "an eigenstrain")
    value, code, stats = _apply(grid, law, down, up, eigenstrain, space, settings, controlled)
    warn_of_doubt(stats)
    solution = Solution(value, None, Result(code), stats)
    if not throw:
        return solution
    held = ", ".join(name for name, yes in zip(components, controlled, strict=True) if yes)
    name = KEYWORDS[law.physics][1]
    verb = f"apply with {name} on {held}" if held else "apply"
    refused = _in_vain(solution, name, components)
    if refused:
        raise SolverError(f"{verb}: singular: {refused}", solution)
    return throw_if_failed(solution, verb)


def _in_vain(solution: Solution, name: str, components: list[str]) -> str:
    """What a cell cannot carry, in words; empty where that is not known."""
    code, missing = solution.result.code, solution.stats["missing"]
    if any(isinstance(x, Tracer) for x in jax.tree.leaves(solution)) or int(np.max(np.asarray(code))) != SINGULAR:
        return ""
    size = np.abs(np.asarray(missing))
    if not size.max() > 0:
        return ""
    at = ", ".join(c for c, x in zip(components, size, strict=True) if x > 0.1 * size.max())
    return f"the cell carries no {name} along {at}: prescribe strain (gradient) there, or the {name} that it can carry"
