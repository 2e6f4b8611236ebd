"""`effective_expansion`: what an eigenstrain in every voxel makes of the cell."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..fields import Grid
from ..materials import AbstractLaw
from ..messages import mandel_pairs
from ..results import SINGULAR, SUCCESS, Result, Solution, throw_if_failed, under_jax_defaults, worst_of
from ._core import mask, sure_inverse
from ._eigenstrain import voxel_eigenstrain
from ._homogenize import homogenize


class Expansion(eqx.Module):
    """The value of `effective_expansion`.

    Args:
        expansion: strain of the cell under zero mean stress, Mandel; in 2-D that of plane strain, whose third direction
            is held.
        stress: mean stress of the cell whose mean strain is held at zero, Mandel: -C_eff : expansion.
        effective: effective stiffness, Mandel.
    """

    expansion: Float[Array, " n"]
    stress: Float[Array, " n"]
    effective: Float[Array, "n n"]


@under_jax_defaults
def effective_expansion(grid: Grid, law: AbstractLaw, eigenstrain: Any, throw: bool = True, **options) -> Solution:
    """Effective eigenstrain (thermal expansion, swelling) of an elastic cell with an eigenstrain in every voxel.

        C_eff : e_eff = <B^T : e(x)>,   B(x) E = stress in x under the mean strain E

    The stress fields of the unit strains weigh the eigenstrain (Levin 1967, Mekh. Tverd. Tela 2:88; Rosen and Hashin
    1970, Int. J. Eng. Sci. 8:157, eq. 12): no further solve, and the answer is exact for the discrete cell under every
    boundary condition that fulfils Hill-Mandel.

    Args:
        grid: shape and lengths of the cell.
        law: elastic law.
        eigenstrain: stress-free strain of every voxel, Mandel (*shape, n), or (*shape,) where it is alike in all three
            directions, as a coefficient of thermal expansion from a data sheet is. Any unit of strain; per kelvin for
            thermal expansion. In two dimensions (plane strain) the third direction is held, so that (*shape,) answers
            alpha (1 + nu) of a homogeneous isotropic cell, as `drive` with `ThermoElastic` does; (*shape, 3) is a
            strain in the plane alone.
        throw: as for `homogenize`.
        options: further arguments of `homogenize`. Stress fields are as accurate as `field_tolerance` says.

    Returns:
        `Solution` with value `Expansion`; stats as for `homogenize`.

    Raises:
        InputError: not elastic, or an eigenstrain of another shape.
        SolverError: not converged, or a cell without stiffness in some direction (throw=True, eager calls).
    """
    n = 6 if grid.dim == 3 else 3
    strain = voxel_eigenstrain(grid, law, eigenstrain)
    s = homogenize(grid, law, throw=False, fields=True, **options)
    # The mean of B^T e needs voxel means of the stress only, because e is constant in a voxel.
    weighted = jnp.sum(s.value.fields.up * strain.astype(s.value.effective.dtype), axis=-1)
    stress = -jnp.mean(weighted.reshape(n, -1), axis=-1)
    # Mirror images expand alike: odd loads do no work on them.
    mirrors = s.value.fields.mirrors
    even = [all((i == m) == (k == m) for m in mirrors) for i, k in mandel_pairs(grid.dim)]
    stress = jnp.where(jnp.asarray(even), stress, 0)
    scale = jnp.sqrt(jnp.sum(s.value.bounds.voigt**2))
    compliance, stiff = sure_inverse(s.value.effective, np.ones(n, bool), s.stats["error_bound"] * scale, scale)
    code = worst_of(s.result.code, jnp.where(stiff, SUCCESS, SINGULAR))
    value = mask(code == SUCCESS, Expansion(-compliance @ stress, stress, s.value.effective))
    solution = Solution(value, None, Result(code), s.stats)
    return throw_if_failed(solution, "effective_expansion") if throw else solution
