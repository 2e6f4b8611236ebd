"""`homogenize`: the effective tensor of a cell, with its evidence."""

from __future__ import annotations

import dataclasses
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..fields import Grid, Space
from ..materials import AbstractLaw, Bounds, response_bounds
from ..messages import mandel_pairs
from ..results import OVERFLOW, SUCCESS, Result, Solution, throw_if_failed, under_jax_defaults
from ..rve import Settings, hill_mandel_floor, hill_mandel_residual, load_cases, lower_conductivity, lower_stiffness
from ..tensors import to_mandel
from ._checks import check_problem, check_two_sided, law_dtype, solver_settings, space_named
from ._compile import compiled
from ._core import Solved, finite, mask, solve_cell, unless, with_derivative
from ._doubt import element_doubt, warn_of_doubt


class Fields(eqx.Module):
    """Fields of one load case (or of all, along a leading axis), axis order (load, *space, component).

    Args:
        down: voxel means of the strain (Mandel), or of the temperature gradient.
        up: voxel means of the stress (Mandel), or of the flux q = -K grad T.
        fluctuation: displacement or temperature at the nodes, less that of the macroscopic gradient; an axis that is
            not periodic has one node more than voxels.
        mirrors: axes in which the cell is mirrored (boundary "pmubc"): these are the fields of one image, and their
            means those of the cell in the components of the load's parity alone.
    """

    down: Float[Array, "..."]
    up: Float[Array, "..."]
    fluctuation: Float[Array, "..."]
    mirrors: tuple[int, ...] = eqx.field(static=True, default=())


class Homogenized(eqx.Module):
    """The value of `homogenize`.

    Args:
        effective: effective stiffness (Mandel) or conductivity.
        bounds: Voigt, Reuss and Hashin-Shtrikman bounds, labelled with what they assume; `lower` and `upper` of the
            voxel medium where they were asked for.
        hill_mandel_residual: energy lost between the scales, the largest |<s_i:e_j> - <s_i>:<e_j>| / sqrt(w_i w_j) of
            two load cases, w_i = <s_i:e_i> + 4 sqrt(tolerance) (C_Voigt : E_i : E_i), <s_i> the computed mean.
        fields: `Fields` of every unit load case, or None.
    """

    effective: Float[Array, "n n"]
    bounds: Bounds
    hill_mandel_residual: Float[Array, ""]
    fields: Fields | None


def voxel_fields(space: Space, physics: str, solved: Solved, macros) -> Fields:
    """Voxel means of gradient and flux of every load case, components last."""
    u, h, element = solved.fluctuation, solved.spacing, space.element
    shape = jax.tree.leaves(solved.response)[0].shape[-h.shape[0] :]

    def one(args):
        v, macro = args
        stations = element.mean_only(v, h, macro)
        down = element.voxel_field(stations, v)
        up = element.voxel_field(element.flux(solved.extended, stations), v)
        return space.boundary.window((down, space.boundary.unscale(up, shape)))

    down, up = jax.lax.map(one, (u, macros))
    last = lambda x: jnp.moveaxis(x, (1, 2), (-2, -1))  # noqa: E731
    if physics == "elasticity":
        symmetric = lambda x: to_mandel(0.5 * (last(x) + jnp.swapaxes(last(x), -1, -2)))  # noqa: E731
        down, up = symmetric(down), symmetric(up)
    else:
        down, up = last(down)[..., 0, :], -last(up)[..., 0, :]
    return Fields(down, up, jnp.moveaxis(u, 1, -1), space.boundary.mirrors)


def solver_stats(evidence, scale, floor) -> dict[str, Any]:
    """What a reader wants to know of the solve; no derivatives."""
    return {
        "iterations": jnp.max(evidence.iterations),
        "iterations_per_load": evidence.iterations,
        "residual": jnp.max(evidence.residual),
        "residual_per_load": evidence.residual,
        # Bound of ||C_h - C||_F / ||C_Voigt||_F: the error matrix is positive semi-definite.
        "error_bound": jnp.sum(evidence.error) / jnp.where(scale > 0, scale, 1),
        "power_floor": floor,
    }


@compiled("space", "settings", "fields", "two_sided")
def _homogenize(grid: Grid, law: AbstractLaw, space: Space, settings: Settings, fields: bool, two_sided: bool):
    dtype = law_dtype(law)
    macros = load_cases(law.physics, grid.dim, dtype)
    solved = solve_cell(grid, law, space, settings, macros, dtype)
    basis = jnp.eye(macros.shape[0], dtype=dtype)
    bounds = response_bounds(solved.response, grid.dim)
    scale = jnp.sqrt(jnp.sum(bounds.voigt**2))
    if two_sided:
        lower_bound = lower_stiffness if law.physics == "elasticity" else lower_conductivity
        lower = lower_bound(settings, solved.response, solved.spacing, macros)
        bounds = dataclasses.replace(bounds, lower=lower, upper=solved.effective)
    floor = hill_mandel_floor(bounds.voigt, basis, settings.tolerance)
    residual = hill_mandel_residual(solved.evidence.mean_up, basis, solved.evidence.energies, floor)
    value = Homogenized(
        effective=solved.effective,
        bounds=bounds,
        hill_mandel_residual=residual,
        fields=voxel_fields(space, law.physics, with_derivative(space, settings, solved, macros), macros)
        if fields
        else None,
    )
    stats = solver_stats(solved.evidence, scale, floor) | element_doubt(space, solved.response)
    code = unless(finite((value.effective, value.hill_mandel_residual, value.fields)), OVERFLOW, solved.code)
    return mask(code == SUCCESS, value), code, jax.lax.stop_gradient(stats)


@under_jax_defaults
def homogenize(
    grid: Grid,
    law: AbstractLaw,
    boundary: str | tuple[str, ...] = "periodic",
    element: str = "q1",
    tolerance: float | None = None,
    throw: bool = True,
    fields: bool = False,
    bounds: bool = False,
    *,
    field_tolerance: float | None = None,
    residual_tolerance: float | None = None,
    max_iterations: int = 2000,
    devices: int = 1,
) -> Solution:
    """Effective stiffness or conductivity of a periodic cell.

        C_eff : E = <sigma>,   sigma = C(x) : (E + sym grad u),   div sigma = 0,   u periodic

    and alike for K_eff. The tensor is the energy form C_ij = <sigma_i : eps_j>, whose error is quadratic in the
    solver's.

    Args:
        grid: shape and lengths of the cell.
        law: `LinearElastic`, `LinearConduction`, `PhaseMixture` or `CompositeVoxels`, parameters per phase or per
            voxel.
        boundary: "periodic"; "affine" (u = 0 on the faces); "uniform_traction" (uniform traction or normal flux, with
            the mean strain or gradient prescribed); "uniform_mixed" (elasticity: linear normal displacement and uniform
            tangential traction, Hazanov & Huet 1994); "pmubc" (the image mirrored along the axis, periodic; for a
            window of bone or soil: Pahr & Zysset 2008); or one of these names per axis, for the two faces normal to it
            (elements q1, q1r). A void that a free face cuts bears no traction: the multiplier is then zero.
        element: "q1" (default: conforming, an upper bound of the voxel medium, converges with voids), "q1r" (one
            point per voxel, no locking at rough interfaces, hourglass modes with voids and soft fillers), "q1e"
            (assumed strains: Poisson's ratios up to 1/2, thin struts; no bound), "q1bar" (mean dilatation), "fourier",
            or "fv" (conduction). A warning names "q1" above a Poisson's ratio of 0.45 and "q1r" beside phases 50 times
            softer.
        tolerance: bound of the relative error ||C_h - C||_F / ||C_Voigt||_F that the solver leaves in the tensor;
            default 1e-6 (float32: 1e-5). Fields, stresses and sensitivities are then accurate to about its square
            root only.
        throw: raise `SolverError` after an eager call that failed. Under a trace the code is returned instead and the
            failed lane's value is NaN.
        fields: also return the fields of every unit load case.
        bounds: guaranteed two-sided bounds of the voxel medium, `value.bounds.lower <= C <= value.bounds.upper` in the
            sense of quadratic forms (periodic, element "q1"): C is exact for the image, without discretization error.
            Upper: the energy of the computed displacement or potential. Lower: the complementary energy of a
            divergence-free stress (Prager & Synge 1947; Hu, Man & Zhang 2014, J. Sci. Comput. 58:367) or flux (Raviart
            & Thomas 1977; Vondrejc, Zeman & Marek 2015, CMAME 297:258). Both hold at any tolerance, up to rounding.
            Elasticity with voids (a voxel without stiffness): the lower bound is 0, true and of no use.
        field_tolerance: bound of every field's relative energy-norm error; tightens the solve for fields and
            sensitivities.
        residual_tolerance: the classical rule max ||r||_2 / ||r at u = 0||_2; given alone it replaces `tolerance`.
        max_iterations: cap of iterations per load case.
        devices: spread the load cases over that many of `jax.devices()`. XLA keeps one core of a CPU busy with most of
            this work: `jax.config.update("jax_num_cpu_devices", 2)`, before JAX starts, makes two devices of two cores.

    Returns:
        `Solution`: value `Homogenized`; stats iterations, iterations_per_load, residual, residual_per_load,
        error_bound, power_floor (of every load, the second term of w_i). In Mandel notation, order
        11 22 33 23 13 12 (2-D: 11 22 12).

    Raises:
        InputError: a bad argument or an inadmissible concrete material value, in one line.
        SolverError: not converged (throw=True, eager calls).

    Derivatives of `effective` with respect to every parameter of the law and to the lengths are right in reverse and
    forward mode and to second order; the first costs no further solve. Fields are differentiated implicitly. `stats`
    carry no derivative.
    """
    check_problem(grid, law)
    space = space_named(element, boundary, law.physics, grid.dim)
    if bounds:
        check_two_sided(space)
    dtype = law_dtype(law)
    settings = solver_settings(dtype, tolerance, field_tolerance, residual_tolerance, max_iterations, devices)
    value, code, stats = _homogenize(grid, law, space, settings, bool(fields), bool(bounds))
    warn_of_doubt(stats)
    solution = Solution(value, None, Result(code), stats)
    return throw_if_failed(solution, "homogenize") if throw else solution


def message_names(physics: str, dim: int) -> list[str]:
    """Names of the components of a message: 11 22 33 23 13 12, or 1 2 3."""
    if physics == "conduction":
        return [str(k + 1) for k in range(dim)]
    return [f"{a + 1}{b + 1}" for a, b in mandel_pairs(dim)]
