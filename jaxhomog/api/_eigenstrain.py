"""What a user gives as an eigenstrain, and what it does to a cell under load."""

from __future__ import annotations

import warnings
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Float

from ..fields import Grid, Space
from ..materials import AbstractLaw
from ..messages import AnisotropicElasticResponse, IsotropicElasticResponse, symmetric_matrix, upper_triangle
from ..results import InputError
from ..rve import Settings, eigen_fluctuation, eigen_state, extended_eigenstrain
from ..tensors import from_mandel, to_mandel
from ._checks import check_problem, law_dtype
from ._core import Solved
from ._homogenize import Fields


def voxel_eigenstrain(grid: Grid, law: AbstractLaw, eigenstrain: Any) -> Float[Array, "*shape n"]:
    """The stress-free strain of every voxel, Mandel, from what a user may give for it.

    One number per voxel is a strain alike in all three directions. In plane strain the third one is held, and what acts
    in the plane is e (1, 1, 0) + C^-1 c e, with C the in-plane stiffness and c . eps = sigma_33: (1 + nu) e of an
    isotropic voxel, as `ThermoElastic` answers.

    Raises:
        InputError: no elastic law, another shape, a number that is not finite, one number per voxel where a law does
            not tell its stress across the plane.
    """
    if isinstance(law, AbstractLaw) and law.physics != "elasticity":
        raise InputError("an eigenstrain belongs to elasticity: the law conducts")
    check_problem(grid, law)
    dim, n = grid.dim, 6 if grid.dim == 3 else 3
    strain = jnp.asarray(eigenstrain)
    alike = strain.shape == grid.shape
    if not alike and strain.shape != (*grid.shape, n):
        raise InputError(
            f"eigenstrain has shape {strain.shape}: give {grid.shape} (alike in all three directions) or"
            f" {(*grid.shape, n)} (Mandel components)"
        )
    if not isinstance(strain, Tracer) and not np.isfinite(np.asarray(strain)).all():
        raise InputError("eigenstrain has an entry that is not finite: give numbers, 0 where there is no eigenstrain")
    if not alike:
        return strain
    flat = strain[..., None] * jnp.asarray([1.0] * dim + [0.0] * (n - dim), strain.dtype)
    if dim == 3:
        return flat
    warnings.warn(
        f"an eigenstrain of one number per voxel is that of a solid free in three directions (a data sheet's), held"
        f" across the plane: give {(*grid.shape, 3)} for a strain in the plane alone",
        stacklevel=3,
    )
    share = _held_share(grid, law)
    return flat + strain[..., None] * share.astype(jnp.result_type(strain, share))


def _held_share(grid: Grid, law: AbstractLaw) -> Float[Array, "*shape 3"]:
    """C^-1 c: the in-plane strain that a unit stress-free strain across the held plane is as good as."""
    dtype = law_dtype(law)
    across = law.across(grid.shape, dtype)
    if across is None:
        raise InputError(
            "one number per voxel expands alike in all three directions, and the law does not tell its stress across"
            f" the plane: give the 6 x 6 stiffness, or the in-plane eigenstrain {(*grid.shape, 3)}"
        )
    response = law.response(grid.shape, dtype)
    if isinstance(response, IsotropicElasticResponse):
        stiff = 2 * (response.lam + response.mu)
        share = jnp.where(stiff > 0, across[0] / jnp.where(stiff > 0, stiff, 1), 0)
        return jnp.stack([share, share, jnp.zeros_like(share)], axis=-1)
    assert isinstance(response, AnisotropicElasticResponse)
    c = symmetric_matrix(list(response.c), upper_triangle(3))
    size = jnp.trace(c, axis1=-2, axis2=-1)
    # What carries nothing in some direction, a void in all of them, takes no share of it.
    floor = jnp.where(size > 0, 16 * jnp.finfo(dtype).eps * size, 1)
    c = c + floor[..., None, None] * jnp.eye(3, dtype=dtype)
    return jnp.linalg.solve(c, jnp.moveaxis(across, 0, -1)[..., None])[..., 0]


def stress_across(grid: Grid, law: AbstractLaw, strain: Any) -> np.ndarray | None:
    """Stress sigma_33 of a linear law in plane strain, from the voxel means of its in-plane strain.

    Args:
        grid: of two directions.
        law: linear.
        strain: (*shape, 3), Mandel components 11 22 12.

    Returns:
        (*shape), or None where the law does not tell.
    """
    across = law.across(grid.shape, law_dtype(law))
    return None if across is None else np.sum(np.moveaxis(np.asarray(across), 0, -1) * np.asarray(strain), axis=-1)


class Locked:
    """What an eigenstrain does to the cell whose mean strain is held at zero, and on top of other loads."""

    def __init__(self, space: Space, settings: Settings, solved: Solved, eigenstrain):
        self.space, self.solved = space, solved
        self.shape = eigenstrain.shape[:-1]
        self.eigenstrain = eigenstrain
        self.e = extended_eigenstrain(from_mandel(eigenstrain), solved.fluctuation.shape[2:])
        self.u, self.found = eigen_fluctuation(space, settings, solved.extended, solved.spacing, self.e)
        zero = jnp.zeros(eigenstrain.shape[-1], eigenstrain.dtype)
        self.mean_up = _mean(self.state(jnp.zeros_like(self.u), zero)[0].up)

    def state(self, u, down, floor: Array | float = 0.0):
        """Fields of this eigenstrain and a load of fluctuation u, and the energy lost between the scales.

        `floor` as for `hill_mandel_floor`, of the load alone.
        """
        solved, boundary = self.solved, self.space.boundary
        u = u + self.u
        macro = from_mandel(down)
        strain, stress, power = eigen_state(self.space, solved.extended, solved.spacing, u, macro, self.e)
        strain, stress = boundary.window((strain, boundary.unscale(stress, self.shape)))
        strain, stress = (
            to_mandel(jnp.moveaxis(0.5 * (x + jnp.swapaxes(x, 0, 1)), (0, 1), (-2, -1))) for x in (strain, stress)
        )
        stored = power + _mean(stress) @ down - jnp.sum(_mean(stress * self.eigenstrain))
        own = jnp.maximum(stored, 0) + floor
        lost = jnp.where(own > 0, jnp.abs(power) / jnp.where(own > 0, own, 1), 0)
        return Fields(strain, stress, jnp.moveaxis(u, 0, -1)), lost


def _mean(field):
    """Mean over the cell of a field whose last axis is that of the components; axis by axis, for float32."""
    for _ in range(field.ndim - 1):
        field = jnp.mean(field, axis=0)
    return field
