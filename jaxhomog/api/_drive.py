"""`drive`: a cell with memory along a load path."""

from __future__ import annotations

import warnings

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Float

from ..fields import Grid, ModalElement, Space
from ..materials import AbstractMaterial, PhaseMixture, depends_on_temperature
from ..results import (
    INVALID_LOAD,
    INVALID_MATERIAL,
    OVERFLOW,
    SUCCESS,
    InputError,
    Result,
    Solution,
    throw_if_failed,
    under_jax_defaults,
    worst_of,
)
from ..rve import NewtonSettings, PathOptions, PathRows, Restart, in_range, march, resumed, segment_length, virgin
from ..solvers import guarded, replaced
from ..tensors import from_voigt, to_voigt
from ._checks import check_grid, check_superposed, law_dtype, space_named
from ._compile import compiled
from ._core import unless
from ._doubt import element_doubt, warn_of_doubt
from ._load_path import LoadPath

# Stress out of balance: what single precision reaches, and what the default asks for.
_REACHABLE = {"float64": 1e-12, "float32": 8e-6}
_DEFAULT = {"float64": 1e-6, "float32": 1e-5}
# Every attempt has a place in the program's results, whether it is needed or not.
_MOST_CUTS = 100_000


class DrivenFields(eqx.Module):
    """Voxel means of the rows asked for, engineering Voigt.

    Args:
        strain: (rows, *shape, n).
        stress: (rows, *shape, n).
        state: internal variables by name, (rows, *shape) or (rows, *shape, k): `plastic_strain`,
            `equivalent_plastic_strain`, `back_stress`, `damage`, `viscous_strain_1`, ... of the Maxwell branches,
            `slip_resistance`, `accumulated_slip`, `internal` of a `StandardMaterial`, `inverse_plastic_metric` (C_p^-1,
            11 22 33 23 13 12). In plane strain the component 33 of a plastic strain is minus the sum of 11 and 22. NaN
            in phases whose law has no such variable.
    """

    strain: Float[Array, "..."]
    stress: Float[Array, "..."]
    state: dict[str, Float[Array, "..."]]


class Driven(eqx.Module):
    """The value of `drive`: one row per step, engineering Voigt; NaN from the row on that failed.

    At finite strain the components are those of F and of the first Piola-Kirchhoff stress, row by row, per volume of
    the undeformed cell.

    Args:
        strain: (T, n) mean strain (finite strain: F; conduction: gradient).
        stress: (T, n) mean stress (finite strain: P; conduction: flux q).
        dissipative_stress: (T, n) the part of it that is no derivative of the free energy at fixed internal variables:
            2 eta D of a dashpot beside a spring, all of a flux q = -k grad T. Zero where the law has no such part, and
            in plasticity and damage, whose internal variables dissipate. The rest, stress - dissipative_stress, is
            reversible.
        tangent: (T, n, n) consistent tangent d stress / d strain of the step at fixed state before it, or None.
        energy: (T,) mean free energy per volume at the end of every step.
        dissipation: (T,) mean dissipation per volume of every step, physical: A . d alpha, never negative.
        algorithmic_dissipation: (T,) sum of stress : d strain - d energy, with the stress at the end of the step: what
            the scheme takes out of the balance, larger than the physical one by a term of first order in the step.
            Without meaning in conduction, where flux times gradient is a power.
        lowest_dissipation: (T,) smallest dissipation of any point.
        hill_mandel_residual: (T,) in rate form, |<s : de> - <s> : <de>| relative to |<s : de>| + 1000 tolerance S |de|,
            S the largest stress so far and |de| the root mean square, both in the norm of a reference medium.
        fields: `DrivenFields` or None.
        time: (T,) at the end of every step, counted from the virgin material; unit steps where the path has no time.
        element: name of the element.
        physics: "elasticity", "finite_strain" or "conduction".
    """

    strain: Float[Array, "t n"]
    stress: Float[Array, "t n"]
    dissipative_stress: Float[Array, "t n"]
    tangent: Float[Array, "t n n"] | None
    energy: Float[Array, " t"]
    dissipation: Float[Array, " t"]
    algorithmic_dissipation: Float[Array, " t"]
    lowest_dissipation: Float[Array, " t"]
    hill_mandel_residual: Float[Array, " t"]
    fields: DrivenFields | None
    time: Float[Array, " t"]
    element: str = eqx.field(static=True)
    physics: str = eqx.field(static=True)


@compiled("space", "options")
def _drive(grid, law, path, restart, space: Space, options: PathOptions):
    dtype, dim = law_dtype(law), grid.dim
    small, solid = law.physics == "elasticity", law.physics != "conduction"
    points = law.points(grid.shape, dtype)
    h = grid.spacing(dtype)
    elastic = points.elastic(grid.shape, dtype)
    sound = elastic.valid() & jnp.all(jnp.isfinite(h) & (h > 0))
    # A comparison with NaN is false: a law would take a NaN yield stress for one that is never met.
    for x in jax.tree.leaves(points):
        if jnp.issubdtype(x.dtype, jnp.floating):
            sound &= ~jnp.any(jnp.isnan(x))
    code = worst_of(jnp.where(sound, SUCCESS, INVALID_MATERIAL), law.code())
    code = unless(in_range(elastic, dtype) & in_range(h, dtype), OVERFLOW, code)
    fine = code == SUCCESS
    harmless = lambda x: replaced(fine, x, jnp.ones_like(x)) if jnp.issubdtype(x.dtype, jnp.floating) else x  # noqa: E731
    points, h = jax.tree.map(harmless, (points, h))
    cast = lambda x: x.astype(dtype)  # noqa: E731
    strain, stress = cast(path.strain), cast(path.stress)
    if small:
        strain, stress = from_voigt(strain, "strain"), from_voigt(stress, "stress")
    cell = (grid.shape, space.boundary.nodes(grid.shape), dtype, dim if solid else 1, strain.shape[1])
    restart = virgin(space, points, *cell) if restart is None else resumed(space, points, *cell, restart)
    time, dt, rises = _clock(path, restart.time)
    temperature = None if path.temperature is None else cast(path.temperature)
    for x in (strain, stress, temperature):
        rises &= True if x is None else jnp.all(jnp.isfinite(x))
    code = worst_of(code, jnp.where(rises, SUCCESS, INVALID_LOAD))
    rows = PathRows(strain, stress if solid else -stress, path.stress_controlled, cast(dt), temperature, time)
    loads = _load_codes(elastic, rows, options.newton.tolerance, dtype)
    out, end, kept = march(space, options, points, h, rows, restart)
    code = worst_of(code, out.code, loads)
    before = jnp.concatenate([restart.energy[None], out.energy[:-1]])
    sign = 1 if solid else -1
    up, drag, down = sign * out.up, sign * out.drag, out.down
    tangent = sign * out.tangent if options.tangent else None
    if small:
        up, drag, down = to_voigt(up, "stress"), to_voigt(drag, "stress"), to_voigt(down, "strain")
        tangent = None if tangent is None else to_voigt(tangent, "stiffness")
    fields = None
    if kept is not None:
        last = lambda x: jnp.moveaxis(x, 1, -1) if x.ndim > 1 + dim else x  # noqa: E731
        at, of, inside = jax.tree.map(last, kept)
        fields = DrivenFields(at, sign * of, inside)
        if small:
            fields = DrivenFields(to_voigt(at, "strain"), to_voigt(of, "stress"), inside)
    ok = code == SUCCESS
    kept_ok = ok[jnp.asarray(options.rows, int)]
    by_row = lambda x: jax.vmap(lambda o, v: guarded(o, v))(ok, x)  # noqa: E731
    value = Driven(
        strain=by_row(down),
        stress=by_row(up),
        dissipative_stress=by_row(drag),
        tangent=None if tangent is None else jax.vmap(guarded)(ok & (out.tangent_code == SUCCESS), tangent),
        energy=by_row(out.energy),
        dissipation=by_row(out.dissipation),
        algorithmic_dissipation=by_row(out.end_work - (out.energy - before)),
        lowest_dissipation=by_row(out.lowest),
        hill_mandel_residual=jax.lax.stop_gradient(by_row(out.hill)),
        fields=None if fields is None else jax.tree.map(lambda x: jax.vmap(guarded)(kept_ok, x), fields),
        time=time,
        element=space.name,
        physics=law.physics,
    )
    stats = {
        "newton": out.newton,
        "iterations": out.iterations,
        "cuts": out.cuts,
        "residual": out.residual,
        "rows": jnp.sum(ok),
    }
    code = worst_of(jnp.max(code), jnp.max(out.tangent_code))
    stats |= element_doubt(space, elastic)
    return value, end, code, jax.lax.stop_gradient(stats)


def _clock(path: LoadPath, start):
    """Times and time increments of the rows of a path that begins at a time, and whether they rise."""
    number = path.strain.shape[0]
    if path.time is None:
        return start + jnp.arange(1, number + 1, dtype=start.dtype), jnp.ones(number, start.dtype), jnp.asarray(True)
    time = path.time.astype(start.dtype)
    dt = jnp.diff(time, prepend=start[None])
    return time, dt, jnp.all(dt > 0)


def _load_codes(elastic, rows: PathRows, tolerance: float, dtype):
    """Codes (T,) of loads whose powers, or what the tolerance leaves of them, are no numbers of the dtype.

    From the first row on that is too large; all rows where the largest load is too small.
    """
    leaves = jax.tree.leaves(jax.lax.stop_gradient(elastic))
    root = jnp.sqrt(jnp.max(jnp.stack([jnp.max(jnp.abs(x)) for x in leaves])))
    root = jnp.where(jnp.isfinite(root) & (root > 0), root, 1)
    loads = (jnp.where(rows.held, 0, rows.down) * root, jnp.where(rows.held, rows.up, 0) / root)
    large = jax.vmap(lambda x: ~in_range(jax.tree.map(lambda y: jnp.maximum(jnp.abs(y), 1), x), dtype))(loads)
    beyond = jnp.cumsum(large) > 0
    kept = jax.tree.map(lambda x: jnp.where(beyond[:, None], 0, x), loads)
    fits = in_range(kept, dtype) & in_range(jax.tree.map(lambda x: x * tolerance, kept), dtype)
    return jnp.where(beyond | ~fits, OVERFLOW, SUCCESS)


@under_jax_defaults
def drive(
    grid: Grid,
    law: AbstractMaterial,
    path: LoadPath,
    boundary: str | tuple[str, ...] = "periodic",
    element: str | None = None,
    tolerance: float | None = None,
    throw: bool = True,
    *,
    state: Restart | None = None,
    tangent: bool = True,
    fields: tuple[int, ...] = (),
    segment: int | None = None,
    compact: bool = False,
    max_cuts: int = 8,
    max_newton: int = 30,
    max_iterations: int = 2000,
) -> Solution:
    """Response of a cell with memory along a load path, in one program.

    At the end of every step <sigma : B v> = 0 for all admissible fluctuations v, with sigma from the law's update of
    the strain E + B u; Newton's method with inexact conjugate gradients, a line search, and steps cut where no
    equilibrium is found. Every value carries its derivative through the whole history (implicit, step by step), in
    forward and in reverse mode; second derivatives in forward over forward mode only (JAX 0.10 loses the rules of a
    scan's body where reverse mode is differentiated again).

    Args:
        grid: shape and lengths of the cell.
        law: any law: linear, `J2Plasticity`, or a `PhaseMixture` of both kinds.
        path: `LoadPath`; its rows are the steps.
        boundary: as for `homogenize`, but for "pmubc", which superposes loads.
        element: "q1e" (assumed strains: no locking, no hourglass modes, thin struts bend), "q1bar" (mean dilatation),
            "q1r" (one point: by far the fastest, but voids and soft fillers leave its hourglass modes free) or "q1".
            Default: "q1e" for laws that flow at constant volume. Finite strain: "q1bar", there the mean volume ratio
            (F-bar). Other laws: "q1".
        tolerance: largest stress out of balance, root mean square relative to the largest stress so far, both in the
            norm of a reference medium. Default 1e-6 (float64) or 1e-5 (float32).
        throw: raise where the path does not reach its end (eager calls only).
        state: restart state of an earlier call, `solution.state`: the path goes on from there, bit for bit. It keeps
            its time and its temperature: times of the path are absolute, those of the uncut path; without times, unit
            steps go on; without temperatures, its own stays.
        tangent: whether the consistent tangent of every step is computed (one linear solve per component and step).
        fields: rows whose fields are kept: strain, stress and internal variables, see `DrivenFields`.
        segment: steps between the states that reverse mode keeps (default: the root of their number): fewer and longer
            segments take less memory; the displacements of every step are kept in any case.
        compact: whether they are kept in 32 bits, 1e-9 of the largest: a third less memory for the gradient of a long
            path in double precision, and an equilibrium as fine as that. For tolerances of 1e-7 and more.
        max_cuts: how many more attempts than rows the path may take.
        max_newton: passes of Newton's method per attempt.
        max_iterations: cap of conjugate gradient iterations per linear solve.

    Returns:
        `Solution` with value `Driven`, and the restart state. On failure the rows before it hold, and the state is
        the last equilibrium that was found, which may lie within a row that was cut.

    Raises:
        InputError: a bad argument, in one line.
        SolverError: a step without equilibrium (throw=True, eager calls); its `solution` holds the rows before.

    Source:
        Simo & Hughes (1998), Computational Inelasticity; Eisenstat & Walker (1996), SIAM J. Sci. Comput. 17, 16-32,
        eq. (2.6); Hughes (1980), Int. J. Numer. Meth. Eng. 15, 1413-1418.
    """
    check_grid(grid)
    if not isinstance(law, AbstractMaterial):
        raise InputError(f"law is a {type(law).__name__}: give J2Plasticity, LinearElastic, a PhaseMixture or alike")
    law.check()
    if not isinstance(path, LoadPath):
        raise InputError(f"path is a {type(path).__name__}: give LoadPath(strain=..., ...)")
    n = {"elasticity": 6 if grid.dim == 3 else 3, "conduction": grid.dim, "finite_strain": grid.dim**2}[law.physics]
    number, given = path.strain.shape[-2:]
    if given != n:
        remedy = ""
        if law.physics == "finite_strain":
            remedy = ": give LoadPath.finite(F, ...)"
        elif given in (4, 9):
            remedy = ": F and P need laws of finite strain (SaintVenantKirchhoff, NeoHookean, FiniteJ2Plasticity)"
        raise InputError(f"the path has {given} components: a {grid.dim}-D cell of {law.physics} takes {n}{remedy}")
    if law.rate_dependent and path.time is None:
        raise InputError("the law depends on time: give LoadPath(..., time=) at the end of every step")
    if element is None:
        element = "q1bar" if law.physics == "finite_strain" else "q1e" if law.isochoric else "q1"
    elif element == "q1" and law.isochoric:
        warnings.warn("element='q1' locks in flow at constant volume: leave it out for 'q1e'", stacklevel=2)
    space = space_named(element, boundary, law.physics, grid.dim, law.isochoric)
    if not isinstance(space.element, ModalElement):
        raise InputError(f"element={element!r} is for linear laws: use 'q1e', 'q1bar', 'q1' or 'q1r'")
    check_superposed(space, "drive")
    cuts = _whole(max_cuts, "max_cuts", 0, _MOST_CUTS)
    newton = _newton(law, path, tolerance, max_newton, max_iterations)
    if compact and newton.tolerance < 1e-7:
        raise InputError(f"compact=True keeps less than tolerance={tolerance} asks for: leave it out, or ask for 1e-7")
    _goes_on(path, state)
    _warms(grid, law, path)
    options = PathOptions(
        newton=newton,
        cuts=cuts,
        segment=segment_length(number + cuts, None if segment is None else _whole(segment, "segment", 1)),
        tangent=bool(tangent),
        rows=_rows(fields, number),
        compact=bool(compact),
    )
    value, end, code, stats = _drive(grid, law, path, state, space, options)
    warn_of_doubt(stats)
    solution = Solution(value, end, Result(code), stats)
    return throw_if_failed(solution, "drive") if throw else solution


def _goes_on(path: LoadPath, state: Restart | None) -> None:
    """Refuse times that do not go on from that of the state."""
    if state is None:
        return
    if not isinstance(state, Restart):
        raise InputError(f"state is a {type(state).__name__}: give solution.state of an earlier drive")
    if path.time is None or isinstance(path.time, Tracer) or isinstance(state.time, Tracer):
        return
    first, before = np.asarray(path.time)[..., 0], np.asarray(state.time)
    if not np.all(first > before):
        raise InputError(
            f"time {np.min(first):g} of row 0 is not above the time {np.max(before):g} of state=: give absolute times,"
            " which go on from there"
        )


def _warms(grid: Grid, law: AbstractMaterial, path: LoadPath) -> None:
    """Refuse a temperature that no law of the cell would hear of."""
    if path.temperature is not None and not depends_on_temperature(law, grid.shape, law_dtype(law)):
        raise InputError(
            f"temperature= is given, and nothing in this cell depends on it ({', '.join(_kinds(law))}): leave it out,"
            " or give ThermoElastic, or a law whose update reads step.temperature"
        )


def _kinds(law) -> list[str]:
    """Names of a law, or of those in a mixture."""
    parts = law.laws if isinstance(law, PhaseMixture) else ()
    return sorted({name for part in parts for name in _kinds(part)}) if parts else [type(law).__name__]


def _newton(law, path, tolerance, max_newton, max_iterations) -> NewtonSettings:
    name = str(law_dtype(law))
    if tolerance is None:
        tolerance = _DEFAULT[name]
    if not 0 < float(tolerance) < 1:
        raise InputError(f"tolerance={tolerance}: give a relative tolerance between 0 and 1")
    if float(tolerance) < _REACHABLE[name]:
        remedy = "ask for more, or use float64 (jax_enable_x64)" if name == "float32" else "ask for more"
        raise InputError(f"tolerance={tolerance} is out of reach in {name} (at least {_REACHABLE[name]:g}): {remedy}")
    mask = path.stress_controlled
    # A path that prescribes strain alone needs no mean stress in its linear solves.
    mixed = isinstance(mask, Tracer) or bool(np.asarray(mask).any())
    counts = (_whole(max_newton, "max_newton", 1), _whole(max_iterations, "max_iterations", 1))
    return NewtonSettings(float(tolerance), *counts, mixed)


def _whole(value, name, least, most=2**31 - 1) -> int:
    if not (isinstance(value, int | float | np.integer) and least <= value <= most and int(value) == value):
        raise InputError(f"{name}={value}: give a whole number, {least} to {most}")
    return int(value)


def _rows(fields, number) -> tuple[int, ...]:
    rows = tuple(int(row) + (number if int(row) < 0 else 0) for row in fields)
    for row in rows:
        if not 0 <= row < number:
            raise InputError(f"fields={tuple(fields)}: the path has rows 0 to {number - 1}")
    return rows
