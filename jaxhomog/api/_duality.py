"""`duality`: the discretization error of two-dimensional conduction, from the image's own dual."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Float

from ..fields import Grid
from ..materials import AbstractLaw, LinearConduction, dual_conductivity
from ..messages import mandel_pairs, symmetric_matrix
from ..results import InputError, Result, Solution, throw_if_failed, under_jax_defaults, worst_of
from ._checks import check_problem, law_dtype
from ._homogenize import homogenize


class Duality(eqx.Module):
    """The value of `duality`: lower <= K <= upper for the voxel medium, in the sense of quadratic forms.

    Args:
        effective: half of the sum of the two.
        upper: K_h, of the element `q1`.
        lower: R K*_h^-1 R^T, from the dual medium by the same element.
        error: half of the largest eigenvalue of upper - lower, over the largest of `effective`: the most that
            `effective` is wrong by in any direction, but for what the solvers left.
        residual: |K_h R K*_h R^T - I|, Frobenius norm; 0 for the exact tensors.
        solver_error: the bound of what the solvers left in `effective`, over its largest eigenvalue.
    """

    effective: Float[Array, "2 2"]
    upper: Float[Array, "2 2"]
    lower: Float[Array, "2 2"]
    error: Float[Array, ""]
    residual: Float[Array, ""]
    solver_error: Float[Array, ""]


@under_jax_defaults
def duality(
    grid: Grid, law: AbstractLaw, tolerance: float | None = None, throw: bool = True, *, max_iterations: int = 2000
) -> Solution:
    """Effective conductivity in two dimensions between its own dual bounds: an error estimate that costs one solve.

        K* = R k^-1 R^T  in every voxel   =>   K*_eff = R K_eff^-1 R^T,    R the quarter turn
        R K*_h^-1 R^T  <=  K  <=  K_h

    The theorem holds for every periodic image and any number of phases; `q1` overestimates both tensors, which turns
    it into bounds. Isotropic phases: K* has the conductivities 1/k. The half gap is the discretization error of the
    voxel medium; the pixels' own error, against the medium that was imaged, is not in it (`grid_convergence`).

    Args:
        grid: two directions.
        law: of conduction, positive everywhere.
        tolerance: of both solves, see `homogenize`.
        throw: as for `homogenize`.
        max_iterations: as for `homogenize`.

    Returns:
        `Solution` with value `Duality`; stats iterations (the more of both).

    Raises:
        InputError: another physics, three directions, a voxel that does not conduct: its dual would conduct without
            resistance (`homogenize(..., bounds=True)` has bounds there).
        SolverError: a solve did not converge (throw=True, eager calls).

    Source:
        Keller (1964), J. Math. Phys. 5, 548-549; Mendelson (1975), J. Appl. Phys. 46, 917-918; Dykhne (1971), Sov.
        Phys. JETP 32, 63-65. For two phases see `materials.interchanged`.
    """
    check_problem(grid, law)
    if law.physics != "conduction" or grid.dim != 2:
        raise InputError(
            f"duality: {law.physics} in {grid.dim} directions: it is for conduction in 2; elsewhere"
            " homogenize(..., bounds=True) encloses the tensor"
        )
    # Both as conductors of tensors: one program serves them.
    plain, turned = conductor(law, grid.shape, False), conductor(law, grid.shape, True)
    if not isinstance(turned.conductivity, Tracer) and not np.isfinite(turned.conductivity).all():
        raise InputError(
            "duality: a voxel does not conduct, and its dual would conduct without resistance: give it a conductivity"
            " above zero, or use homogenize(..., bounds=True)"
        )
    solve: dict[str, Any] = {"tolerance": tolerance, "max_iterations": max_iterations, "throw": False}
    ours, its = (homogenize(grid, x, element="q1", **solve) for x in (plain, turned))
    value = _compared(ours.value.effective, its.value.effective, algebraic_error(ours), algebraic_error(its))
    code = worst_of(ours.result.code, its.result.code)
    stats = {"iterations": jnp.maximum(ours.stats["iterations"], its.stats["iterations"])}
    solution = Solution(value, None, Result(code), stats)
    return throw_if_failed(solution, "duality") if throw else solution


@jax.jit
def _compared(upper, dual, error, dual_error) -> Duality:
    lower = dual_conductivity(dual)
    middle = 0.5 * (upper + lower)
    size = jnp.linalg.eigvalsh(middle)[-1]
    # d(K^-1) = K^-1 dK K^-1
    left = 0.5 * (error + jnp.sum(lower * (dual_error * lower))) / size
    gap = 0.5 * jnp.linalg.eigvalsh(upper - lower)[-1] / size
    # K_h R K*_h R^T = K_h lower^-1
    off = upper @ jnp.linalg.inv(lower) - jnp.eye(2, dtype=upper.dtype)
    return Duality(middle, upper, lower, gap, jnp.sqrt(jnp.sum(off**2)), left)


def algebraic_error(s: Solution) -> Array:
    """Bound of what the solver left in the tensor of `homogenize`, in the unit of the tensor."""
    scale = jnp.sqrt(jnp.sum(s.value.bounds.voigt**2))
    return jax.lax.stop_gradient(s.stats["error_bound"] * scale)


@eqx.filter_jit
def conductor(law: AbstractLaw, shape: tuple[int, ...], dual: bool) -> LinearConduction:
    """A conductor of two dimensions as tensors K, or that of its stream function, R K^-1 R^T."""
    k: Any = law.response(shape, law_dtype(law))
    k = k.k[..., None, None] * jnp.eye(2, dtype=k.k.dtype) if k.k.ndim == 2 else symmetric_matrix(k.k, mandel_pairs(2))
    return LinearConduction.tensor(dual_conductivity(k) if dual else k)
