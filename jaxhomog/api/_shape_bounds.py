"""`shape_bounds`: a true shape enclosed by two voxel images."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Float

from ..fields import Grid
from ..materials import AbstractLaw, PhaseMixture
from ..microstructure import enclosing_voxels
from ..results import InputError, Result, Solution, throw_if_failed, under_jax_defaults, worst_of
from ._homogenize import homogenize


class ShapeBounds(eqx.Module):
    """The value of `shape_bounds`: lower <= C <= upper in the sense of quadratic forms.

    Args:
        lower: guaranteed lower bound of the effective tensor of the true shape, Mandel.
        upper: guaranteed upper bound, Mandel.
        cut: share of the volume that lies in cut voxels.
    """

    lower: Float[Array, "n n"]
    upper: Float[Array, "n n"]
    cut: Float[Array, ""]


@under_jax_defaults
def shape_bounds(
    grid: Grid, shape: Any, inside: AbstractLaw, outside: AbstractLaw, throw: bool = True, **options
) -> Solution:
    """Guaranteed bounds of the effective tensor of a true shape, its discretization error included.

        C_lower(cut voxels soft) <= C(shape) <= C_upper(cut voxels stiff)

    since the effective tensor grows with the tensor at every point. Every cut voxel is the stiffer phase in the one
    image and the softer in the other; of the first the energy of `q1` is taken, of the second the proven lower bound
    (`homogenize(..., bounds=True)`). The gap closes as O(h), with the volume of the cut voxels.

    Args:
        grid: shape and lengths of the cell.
        shape: one of `shapes`, or the fraction of every voxel that lies inside: (*grid.shape), cut where 0 < f < 1.
        inside: law of the phase inside, the same everywhere.
        outside: law of the phase outside; one of the two must be at least as stiff as the other in every direction.
        throw: as for `homogenize`.
        options: further arguments of `homogenize`, but for `bounds`, `boundary`, `element` and `fields`.

    Returns:
        `Solution` with value `ShapeBounds`; stats of the two solves, `lower` and `upper`. The derivatives are those
        at fixed images: zero with respect to the shape.

    Raises:
        InputError: phases of which neither is the stiffer, or arguments that do not fit.
        SolverError: not converged (throw=True, eager calls).

    Source:
        Hill (1963), J. Mech. Phys. Solids 11, 357-372: monotonicity from the minimum principles.
    """
    for name in ("bounds", "boundary", "element", "fields"):
        if name in options:
            raise InputError(f"shape_bounds(..., {name}=...): it is fixed here; call homogenize for other choices")
    inner, outer = _images(grid, shape)
    stiff_inside = _stiffer(grid, inside, outside)
    wide, narrow = outer.astype(jnp.int32), inner.astype(jnp.int32)
    phases = {1: inside, 0: outside}
    above = homogenize(grid, PhaseMixture(wide if stiff_inside else narrow, phases), throw=False, **options)
    below = homogenize(
        grid, PhaseMixture(narrow if stiff_inside else wide, phases), throw=False, bounds=True, **options
    )
    value = ShapeBounds(below.value.bounds.lower, above.value.effective, jnp.mean(outer ^ inner))
    code = worst_of(above.result.code, below.result.code)
    solution = Solution(value, None, Result(code), {"lower": below.stats, "upper": above.stats})
    return throw_if_failed(solution, "shape_bounds") if throw else solution


def _images(grid: Grid, shape: Any):
    if not hasattr(shape, "level"):
        fraction = jnp.asarray(shape)
        if fraction.shape != grid.shape:
            raise InputError(f"shape is an array of shape {fraction.shape}: give a fraction per voxel of {grid.shape}")
        if not isinstance(fraction, Tracer) and not bool(jnp.all((fraction >= 0) & (fraction <= 1))):
            raise InputError("shape: the fractions must lie in [0, 1]")
        return fraction >= 1, fraction > 0
    return enclosing_voxels(grid, shape)


def _stiffer(grid: Grid, inside: AbstractLaw, outside: AbstractLaw) -> bool:
    """Whether the phase inside is the stiffer one."""
    tensors, dtype = [], jnp.result_type(float)
    for name, law in (("inside", inside), ("outside", outside)):
        if not isinstance(law, AbstractLaw):
            raise InputError(f"{name} is a {type(law).__name__}: give LinearElastic or LinearConduction")
        if any(isinstance(x, Tracer) for x in jax.tree.leaves(law)):
            raise InputError("shape_bounds compares the two phases: call it with concrete laws, outside of jit")
        law.check()
        try:
            tensors.append(np.asarray(law.response((1,) * grid.dim, dtype).mean(), float))
        except InputError:
            raise InputError(f"{name} varies from voxel to voxel: give one tensor per phase") from None
    if inside.physics != outside.physics:
        raise InputError(f"inside is a law of {inside.physics} and outside of {outside.physics}: give one physics")
    if tensors[0].shape != tensors[1].shape:
        raise InputError("inside and outside have other dimensions: give laws of the grid's")
    excess = np.linalg.eigvalsh(tensors[0] - tensors[1])
    slack = 64 * jnp.finfo(dtype).eps * max(np.abs(t).max() for t in tensors)
    if excess.min() >= -slack:
        return True
    if excess.max() <= slack:
        return False
    raise InputError(
        "neither phase is the stiffer in every direction, so that no image bounds the shape: give ordered phases"
    )
