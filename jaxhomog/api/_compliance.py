"""`effective_compliance`: the inverse of what a cell is stiff in beyond all doubt."""

from __future__ import annotations

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..fields import Grid
from ..materials import AbstractLaw
from ..results import SINGULAR, SUCCESS, Result, Solution, throw_if_failed, under_jax_defaults, worst_of
from ._core import mask, sure_inverse
from ._homogenize import homogenize


class Compliance(eqx.Module):
    """The value of `effective_compliance`.

    Args:
        compliance: S_eff = C_eff^-1, strain over stress, Mandel; conduction: the effective resistivity, d x d.
        effective: C_eff or K_eff.
    """

    compliance: Float[Array, "n n"]
    effective: Float[Array, "n n"]


@under_jax_defaults
def effective_compliance(grid: Grid, law: AbstractLaw, throw: bool = True, **options) -> Solution:
    """Effective compliance (conduction: resistivity) of a cell.

        <eps> = S_eff : Sigma,   S_eff = C_eff^-1

    Under every boundary condition this is the mean strain under a mean stress, the stress prescribed or not: the load
    cases of the stiffness span those of the compliance. A cell that cannot be told from one without stiffness in some
    direction, within the error bound of the solve, has none: result `singular`.

    Args:
        grid: shape and lengths of the cell.
        law: as for `homogenize`.
        throw: as for `homogenize`.
        options: further arguments of `homogenize`. The relative error of S_eff is that of C_eff times the ratio of its
            largest to its smallest eigenvalue.

    Returns:
        `Solution` with value `Compliance`; stats as for `homogenize`.

    Raises:
        InputError: a bad argument of `homogenize`.
        SolverError: not converged, or singular (throw=True, eager calls).
    """
    s = homogenize(grid, law, throw=False, **options)
    n, scale = s.value.effective.shape[-1], jnp.sqrt(jnp.sum(s.value.bounds.voigt**2))
    compliance, stiff = sure_inverse(s.value.effective, np.ones(n, bool), s.stats["error_bound"] * scale, scale)
    code = worst_of(s.result.code, jnp.where(stiff, SUCCESS, SINGULAR))
    value = mask(code == SUCCESS, Compliance(compliance, s.value.effective))
    solution = Solution(value, None, Result(code), s.stats)
    return throw_if_failed(solution, "effective_compliance") if throw else solution
