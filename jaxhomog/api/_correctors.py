"""`correctors`: what a periodic cell adds to a macroscopic field."""

from __future__ import annotations

import jax.numpy as jnp

from ..fields import Grid
from ..materials import AbstractLaw
from ..results import (
    MAX_ITERATIONS,
    SUCCESS,
    InputError,
    Result,
    Solution,
    throw_if_failed,
    under_jax_defaults,
    worst_of,
)
from ..rve import Correctors, Settings, second_correctors
from ._checks import check_problem, law_dtype, solver_settings, space_named
from ._compile import compiled
from ._core import mask, sound_response
from ._homogenize import homogenize

# Correctors are fields: this is what their energy-norm errors are held to by default.
_FIELD = {"float64": 1e-6, "float32": 1e-5}


@compiled("settings")
def _second(grid: Grid, law: AbstractLaw, first, settings: Settings):
    response, h, _ = sound_response(law, grid, first.dtype, space_named("q1", "periodic", law.physics, grid.dim))
    return second_correctors(response, h, first, settings)


@under_jax_defaults
def correctors(
    grid: Grid,
    law: AbstractLaw,
    order: int = 1,
    throw: bool = True,
    *,
    field_tolerance: float | None = None,
    max_iterations: int = 2000,
) -> Solution:
    """Correctors of a periodic cell: the fields that a macroscopic gradient, and its gradient, leave in it.

        div a (e_k + grad N_k) = 0,     u_eps(x) = u0(x) + eps N(x/eps) . grad u0(x) + eps^2 M(x/eps) : grad grad u0(x)

    (elasticity alike, per Mandel strain). `rve.corrected` evaluates the sum; it says which norm converges with which
    order, with and without correctors and near boundaries. `rve.line_correctors` is the closed form in one dimension.

    Args:
        grid: shape and lengths of the cell.
        law: linear law.
        order: 1, or 2 (conduction): also M.
        throw: raise `SolverError` after an eager call that failed. Under a trace the code is returned and the value of
            a failed lane is NaN.
        field_tolerance: bound of every corrector's relative energy-norm error; default 1e-6 (float32: 1e-5).
        max_iterations: cap of iterations per corrector.

    Returns:
        `Solution` with value `Correctors`; stats as for `homogenize`, of the first correctors. Differentiable.

    Raises:
        InputError: a bad argument, or order 2 of elasticity.
        SolverError: not converged (throw=True, eager calls).

    Source:
        Bensoussan, Lions & Papanicolaou (1978), Asymptotic Analysis for Periodic Structures, chapter 1.
    """
    if isinstance(order, bool) or not isinstance(order, int) or order not in (1, 2):
        raise InputError(f"order={order!r}: give 1 or 2")
    check_problem(grid, law)
    if order == 2 and law.physics != "conduction":
        raise InputError("order=2 is for conduction: elasticity has first correctors only")
    dtype = law_dtype(law)
    field = _FIELD[str(dtype)] if field_tolerance is None else field_tolerance
    options = {"field_tolerance": field, "max_iterations": max_iterations}
    s = homogenize(grid, law, throw=False, fields=True, **options)
    first = jnp.moveaxis(s.value.fields.fluctuation, -1, 1)
    second, code = None, s.result.code
    if order == 2:
        second = _second(grid, law, first, solver_settings(dtype, None, field, None, max_iterations))
        # A failed solve is NaN and has no code of its own; that of the first correctors comes before it.
        code = worst_of(code, jnp.where(jnp.all(jnp.isfinite(second)), SUCCESS, MAX_ITERATIONS))
    value = Correctors(first, second, s.value.effective, jnp.asarray(grid.lengths, dtype), law.physics)
    solution = Solution(mask(code == SUCCESS, value), None, Result(code), s.stats)
    return throw_if_failed(solution, "correctors") if throw else solution
