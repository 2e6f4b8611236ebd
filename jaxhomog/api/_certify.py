"""`certify`: was power passed faithfully between the scales, and is a law fit to pass it?"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Real

from ..fields import Grid
from ..materials import AbstractMaterial
from ..results import SUCCESS, InputError, Result, Solution, under_jax_defaults
from ..rve import hill_mandel_scale, relative
from ..tensors import safe_norm
from ..validity import EnergyReport, hill_mandel, hill_mandel_rates, reason_code
from ._apply import Applied
from ._certify_law import certify_law
from ._certify_path import certify_path
from ._drive import Driven
from ._homogenize import Homogenized

Field = Real[ArrayLike, "..."] | None


@under_jax_defaults
def certify(
    solution: Solution | AbstractMaterial | None = None,
    grid: Grid | None = None,
    *,
    stress: Field = None,
    strain: Field = None,
    flux: Field = None,
    gradient: Field = None,
    mean_up: Field = None,
    mean_down: Field = None,
    weights: Field = None,
    scheme: str | None = None,
    history: bool = False,
    tolerance: float = 1e-2,
    steps: int = 32,
    duration: float = 1.0,
) -> Solution:
    """Audit of the energy that passes between the scales: of a solution, of a law, or of fields of any code.

        <s_i : e_j> = <s_i> : <e_j>  for all pairs of load cases,   div s = 0,   e = <e> + sym grad w,   <e> = E

    **A solution** of `homogenize` or `apply` brings its own evidence: the Hill-Mandel residual over the load cases that
    were solved, from powers inside the voxels, and the residual of equilibrium of its element. The voxel means of its
    fields are *not* put into Hill-Mandel, because those of `q1` cannot satisfy it: strains that vary within a voxel
    carry power, which the means leave out. The strains are gradients by construction. With `fields=True` the means of
    the fields are compared with the tensor as well. A single load (`apply`) has the pair i = i alone, which agrees
    after every step of the solver: equilibrium decides there.

    **A load path**, a solution of `drive`, is judged row by row: no point with negative dissipation, Hill-Mandel in
    rate form, a tangent that stays strongly elliptic (`validity.ellipticity`). A path that failed is judged on the
    rows that it reached, and its verdict is False.

        d >= 0,    <s : de> = <s> : <de>,    min over n of lambda_min(n . C . n) > 0

    **A law** is driven around closed loops of strain at one point, see `validity.judge_material`: dissipation, balance
    of work, energy and dissipation, work of cycles that dissipate nothing, the tangent and its symmetry; at finite
    strain objectivity, by a history that is turned on its way. Of a law whose parameters are fields all different
    points are judged, of more than 64 the extremes of every field and 64 others; of a mixture every law at the voxels
    of its phase.

    **Fields** are audited as they are, see `validity.hill_mandel`. With `scheme` and `grid`, so are the voxel fields of
    a solution: sensible for the elements "fourier" and "q1r" under their own name.

    Args:
        solution: of `homogenize`, `apply` or `drive`; or a law.
        grid: the periodic box of voxel fields; without it only powers and means of fields are audited, and noise
            that does little work goes unseen. With a law of single numbers its number of directions counts (default:
            three); a law with fields needs the grid that they belong to.
        stress: (n_loads, *space, m) in Mandel components; on a grid one load may come as (*space, m).
        strain: likewise. With a law: one number, the size of the largest loop (default 0.01, of F - 1 at finite strain
            0.1); give the strains that it is meant for, past its yield stress or threshold.
        flux: likewise with m = d, for conduction.
        gradient: likewise. With a law of conduction: one number (default 1).
        mean_up: prescribed mean stresses or fluxes (n_loads, m), NaN where free.
        mean_down: prescribed mean strains or gradients, likewise.
        weights: volumes of integration points, instead of `grid`.
        scheme: derivative for voxel fields, "fourier" (the default for fields) or "q1r".
        history: the first axis is time: the rate form <s : de> = <s> : <de> over all pairs of steps.
        tolerance: of every relative number, averages relative to the field's root mean square. A tensor converged to
            1e-6 has fields right to about 1e-3.
        steps: of a lap around the loop of a law, at least 4; twice as many are taken as well.
        duration: of such a lap, unit of time.

    Returns:
        `Solution` with value `EnergyReport`: verdict, residual, pair, equilibrium, compatibility, averages, code, and
        `reason` in words; of a path a `PathReport`, of a law a `MaterialReport`, of a `PhaseMixture` a `MixtureReport`
        (a report for each of its `phases`, the reason names those to blame), with verdict, code and reason too. A bad
        verdict is an answer, not a failure: nothing is raised. NaN is "not checked". All of it goes through jit and
        vmap, but for laws with fields, whose values choose the points.

    Raises:
        InputError: not exactly one of a solution, a law and a pair of fields, or shapes that do not fit; a law with
            inadmissible parameters, by its own check.

    Source:
        Hill (1963), J. Mech. Phys. Solids 11, 357-372; Mandel (1972); Nemat-Nasser & Hori (1999), section 2.4; Rice
        (1976), Proc. 14th IUTAM, 207-220; Coleman & Gurtin (1967), J. Chem. Phys. 47, 597-613.
    """
    if isinstance(solution, AbstractMaterial):
        if any(x is not None for x in (stress, flux, mean_up, mean_down, weights, scheme)) or history:
            raise InputError("of a law certify takes grid, strain (or gradient), steps, duration and tolerance alone")
        return certify_law(solution, grid, strain, gradient, steps, duration, tolerance)
    given = [x for x in (stress, strain, flux, gradient) if x is not None]
    if solution is not None:
        if given or weights is not None or mean_up is not None or mean_down is not None or history:
            raise InputError("a solution brings its own fields: give certify a solution (and grid, scheme) or fields")
        return _own(solution, grid, scheme, tolerance)
    up, down = (stress, strain) if flux is None and gradient is None else (flux, gradient)
    if len(given) != 2 or up is None or down is None:
        raise InputError("give certify a solution, or stress= and strain=, or flux= and gradient=")
    up, down = jnp.asarray(up), jnp.asarray(down)
    if grid is not None and up.ndim == grid.dim + 1:
        up, down = up[None], down[None]
        mean_up, mean_down = (None if x is None else jnp.asarray(x).reshape(1, -1) for x in (mean_up, mean_down))
    settings: dict[str, Any] = {"weights": weights, "scheme": scheme or "fourier", "tolerance": tolerance}
    if history:
        if mean_up is not None or mean_down is not None:
            raise InputError("history=True compares increments: prescribed means are for load cases")
        return _answer(hill_mandel_rates(up, down, grid, **settings))
    return _answer(hill_mandel(up, down, grid, mean_stress=mean_up, mean_strain=mean_down, **settings))


def _answer(report: EnergyReport, result: Result | None = None) -> Solution:
    code = jnp.full(report.residual.shape, SUCCESS, jnp.int32)
    return Solution(report, None, result or Result(code), {})


def _own(solution: Solution, grid: Grid | None, scheme: str | None, tolerance: float) -> Solution:
    value = solution.value
    if isinstance(value, Driven):
        if scheme is not None:
            raise InputError("scheme= audits voxel fields of homogenize or apply: leave it out for a path")
        return certify_path(solution, tolerance)
    if not isinstance(value, Homogenized | Applied):
        raise InputError(
            f"certify: a solution with a {type(value).__name__}: give one of homogenize or apply, or drive"
        )
    if scheme is not None:
        if value.fields is not None and value.fields.mirrors:
            raise InputError(
                "fields under boundary='pmubc' are those of one mirror image of the cell: leave out scheme="
            )
        if grid is None or value.fields is None:
            raise InputError("scheme= audits voxel fields: give grid=, and a solution with fields (fields=True)")
        up, down, mean_up, mean_down = _messages(value)
        floor = solution.stats["power_floor"]
        report = hill_mandel(
            up, down, grid, scheme=scheme, mean_stress=mean_up, mean_strain=mean_down, tolerance=tolerance, floor=floor
        )
        return _answer(report, solution.result)
    return _answer(_evidence(value, solution.stats, tolerance), solution.result)


@jax.jit
def _evidence(value: Homogenized | Applied, stats, tolerance) -> EnergyReport:
    """The report of what a solution says about itself, lane by lane."""
    residual, equilibrium = value.hill_mandel_residual, stats["residual"]
    # The fields of one mirror image do not average to the messages of the mirrored cell: not checked.
    whole = value.fields is not None and not value.fields.mirrors
    averages = _means_apart(value, stats["power_floor"]) if whole else jnp.full_like(residual, jnp.nan)
    code = reason_code(
        equilibrium=equilibrium > tolerance,
        averages=averages > tolerance,
        energy=residual > tolerance,
        # A failed solve leaves NaN.
        not_finite=~(jnp.isfinite(residual) & jnp.isfinite(equilibrium)),
    )
    pair = jnp.full((*residual.shape, 2), -1)
    compatible = jnp.zeros_like(residual)
    return EnergyReport(code == 0, residual, pair, equilibrium, compatible, averages, code, None)


def _messages(value: Homogenized | Applied):
    """Fields (lanes..., load, *space, m) and the messages (lanes..., load, m) that they should average to."""
    fields, lanes = value.fields, value.hill_mandel_residual.ndim
    assert fields is not None
    if isinstance(value, Applied):
        expand = lambda x: jnp.expand_dims(x, lanes)  # noqa: E731
        return expand(fields.up), expand(fields.down), expand(value.up), expand(value.down)
    # The flux q = -K grad T has one nodal unknown, the temperature.
    sign = -1 if fields.fluctuation.shape[-1] == 1 else 1
    up = sign * jnp.swapaxes(value.effective, -1, -2)
    return fields.up, fields.down, up, jnp.broadcast_to(jnp.eye(up.shape[-1], dtype=up.dtype), up.shape)


def _means_apart(value: Homogenized | Applied, floor):
    """Largest relative distance of the fields' means from the messages, lane by lane.

    Relative to the field's size, and as power of the distance under every load, by the scale of Hill-Mandel. A load
    whose stress is solver's noise is measured by the floor: C_Voigt-like stress |E| times the noise's share.
    """
    up, down, mean_up, mean_down = _messages(value)
    lanes = value.hill_mandel_residual.ndim
    size_down = safe_norm(mean_down)
    least = jnp.where(size_down > 0, floor / jnp.where(size_down > 0, size_down, 1), 0)
    gaps = []
    for field, mean, noise in ((up, mean_up, least), (down, mean_down, 0.0)):
        points = field.reshape(*field.shape[: lanes + 1], -1, field.shape[-1])
        size = safe_norm(safe_norm(points)) * points.shape[-2] ** -0.5 + noise
        apart = jnp.mean(points, axis=-2) - mean
        gaps.append(jnp.max(relative(safe_norm(apart), size), axis=-1))
        if field is up:
            own = jnp.abs(jnp.sum(mean_up * mean_down, axis=-1))
            scale = jnp.vectorize(hill_mandel_scale, signature="(n),(n)->(n,n)")(own, floor)
            work = jnp.abs(apart @ jnp.swapaxes(mean_down, -1, -2))
            gaps.append(jnp.max(relative(work, scale), axis=(-1, -2)))
    return jnp.max(jnp.stack(gaps), axis=0)
